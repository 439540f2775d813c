"""The numbers of the five systems (docs/learn) that no other test holds, through the front doors.

docs/learn/README.md says where the others are.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
import torch
from torch import nn

import danlu
from danlu import facts
from danlu.cli import main


def answer(*words: str) -> Any:
    """Return what `danlu WORDS --json` prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()), pytest.raises(SystemExit) as left:
        main([*words, "--json"])
    assert not left.value.code
    return json.loads(said.getvalue())


# A


def test_dropout_acts_only_while_training_and_decay_keeps_weights_small() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    table = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": x[:, 0] - x[:, 1]}
    settings = {"hidden": "32", "epochs": 30, "holdout": 0, "seed": 3}
    model = danlu.fit(table, "y", dropout=0.5, **settings)
    np.testing.assert_array_equal(model.predict(table), model.predict(table))
    assert not model.to_torch().training
    decayed = danlu.fit(table, "y", weight_decay=0.5, optimizer="sgd", lr=0.1, **settings)
    plain = danlu.fit(table, "y", optimizer="sgd", lr=0.1, **settings)
    norms = [sum(p.square().sum().item() for p in m.to_torch().parameters()) for m in (decayed, plain)]
    assert norms[0] < 0.5 * norms[1]


@pytest.mark.slow
def test_fashion_mnist_has_235_training_and_40_test_batches(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both networks of the lesson on all 60,000 rows; a tutorial's ten epochs end at 83 to 87% of the test images."""
    monkeypatch.setenv("DANLU_DATA", str(shared_data))
    monkeypatch.chdir(tmp_path)
    shared = ["--activation", "relu", "--init", "normal:0.01", "--optimizer", "sgd", "--lr", "0.1", "--epochs", "10"]
    shared += ["--batch-size", "256", "--holdout", "0", "--watch-test", "--no-page"]
    for hidden, bias, parameters in (("256", "0", 203_530), ("128", "default", 101_770)):
        said = answer("fit", "fashion-mnist", "--hidden", hidden, "--init-bias", bias, "-o", f"{hidden}.danlu", *shared)
        model = danlu.load(f"{hidden}.danlu")
        rows = model.run.members[0].train_rows
        assert (rows, -(-rows // 256), -(-model.run.rows.test // 256)) == (60_000, 235, 40)
        assert (said["parameters"], len(said["classes"])) == (parameters, 10)
        loss, hits = model.arrays["loss_EM"][:, 0], model.arrays["test_JM"][:, 0]
        right = model.arrays["accuracy_EM"][:, 0]
        assert (len(loss), len(right), len(hits)) == (10, 10, 10)
        assert (np.diff(right) > 0).all()
        assert 0.85 < right[-1] < 0.88
        assert (np.diff(loss) < 0).all()
        assert 0.35 < loss[-1] < 0.42
        assert 0.82 < hits[-1] == said["test"]["accuracy"] < 0.88
        assert len(model.arrays["shown_truth_GC"]) == len(model.arrays["shown_predicted_GC"]) == 64


# B


def test_the_forward_pass_by_hand() -> None:
    layers = {layer["name"]: layer for layer in answer("trace", "three-sigmoids")["layers"]}
    np.testing.assert_allclose(layers["layer1"]["outputs"], [[1.0, 1.3, 0.8]], rtol=1e-15)
    hidden = np.array(layers["layer1.sigmoid"]["outputs"][0])
    np.testing.assert_array_equal(hidden.round(2), [0.73, 0.79, 0.69])
    output = layers["layer2"]["outputs"][0][0]
    assert (round(output, 3), round(output**2, 2)) == (1.233, 1.52)
    assert round(float(hidden.round(2) @ [0.3, 0.5, 0.9]), 3) == 1.235


@pytest.mark.parametrize("weight", [f"layer1[{i},{j}]" for i in range(3) for j in range(2)])
def test_the_chain_rule_for_every_first_weight(weight: str) -> None:
    chain = answer("trace", "three-sigmoids", "--weight", weight)["chain"]
    factors = [factor["value"] for factor in chain["factors"]]
    assert len(factors) == 4
    assert np.prod(factors) == pytest.approx(chain["autograd"], rel=1e-14)
    assert chain["product"] == pytest.approx(chain["autograd"], rel=1e-14)
    assert chain["product"] == pytest.approx(chain["difference"], rel=1e-8)


@pytest.mark.parametrize("batch_size", [32, 64, 256, 1024])
def test_any_batch_size_takes_the_mean_over_its_rows(batch_size: int) -> None:
    """One step on a batch that holds all rows moves as PyTorch's does; a smaller one takes more of them."""
    x = np.random.default_rng(0).normal(size=(batch_size, 2)).astype(np.float32)
    y = x[:, 0] - 2 * x[:, 1]
    settings = {"net": "linear", "init": "constant:0", "init_bias": 0, "optimizer": "sgd", "lr": 0.1, "epochs": 1}
    settings |= {"batch_size": batch_size, "holdout": 0, "scale": "none", "scale_target": "none"}
    model = danlu.fit({"a": x[:, 0], "b": x[:, 1], "y": y}, "y", **settings)
    plain = nn.Linear(2, 1)
    nn.init.zeros_(plain.weight)
    nn.init.zeros_(plain.bias)
    loss = nn.functional.mse_loss(plain(torch.from_numpy(x))[:, 0], torch.from_numpy(y))
    loss.backward()
    assert model.arrays["loss_EM"][0, 0] == pytest.approx(loss.item(), rel=1e-5)
    expected = x @ (-0.1 * plain.weight.grad.numpy()[0]) - 0.1 * plain.bias.grad.numpy()
    np.testing.assert_allclose(model.predict({"a": x[:, 0], "b": x[:, 1]}), expected, rtol=1e-4, atol=1e-5)


# C


def test_himmelblau_in_float64() -> None:
    words = "minimize himmelblau --start 0,0 --optimizer adam --lr 0.001 --steps 8000 --every 2000"
    path = {row["step"]: row["f"] for row in answer(*words.split())["path"]}
    assert (path[0], f"{path[2000]:.4f}") == (170, "13.7308")
    assert 3.5e-27 < path[8000] < 4.5e-27


def test_backward_and_grad_and_the_perceptron_of_the_lesson_agree() -> None:
    w = torch.tensor([[0.5, -0.25, 0.1]], dtype=torch.float64, requires_grad=True)
    x = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
    loss = 0.5 * (torch.sigmoid(w @ x) - 1).square().sum()
    (returned,) = torch.autograd.grad(loss, w, retain_graph=True)
    loss.backward()
    assert torch.equal(returned, w.grad)
    found = facts.perceptron_gradient(x.numpy(), w.detach().numpy()[0], 1.0)
    np.testing.assert_allclose(found.weight, returned[0].numpy(), rtol=1e-14)


@pytest.mark.slow
def test_mnist_after_each_epoch(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """784 - 200 - 200 - 10; the tutorial's ReLU behind the last layer is named, and costs accuracy."""
    monkeypatch.setenv("DANLU_DATA", str(shared_data))
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "from torch import nn\n\n\ndef net(inputs, outputs):\n"
        "    return nn.Sequential(nn.Linear(inputs, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), "
        "nn.Linear(200, outputs), nn.ReLU())\n"
    )
    shared = ["--optimizer", "sgd", "--lr", "0.1", "--epochs", "3", "--batch-size", "200", "--holdout", "0"]
    shared += ["--watch-test", "--no-page", "--device", "cpu"]
    right = answer("fit", "mnist", "--hidden", "200,200", "--activation", "relu", "-o", "right.danlu", *shared)
    wrong = answer("fit", "mnist", "--net", "net.py:net", "-o", "wrong.danlu", *shared)
    assert right["parameters"] == wrong["parameters"] == 784 * 200 + 200 + 200 * 200 + 200 + 2010
    assert [f["name"] for f in right["findings"] if f["name"] == "activation-after-last-layer"] == []
    assert "activation-after-last-layer" in [f["name"] for f in wrong["findings"]]
    after_each = danlu.load("right.danlu").arrays["test_JM"][:, 0]
    assert len(after_each) == 3
    assert after_each[-1] > 0.92 > danlu.load("wrong.danlu", net="net.py:net").arrays["test_JM"][-1, 0]


# D


def write(folder: Path, rows: list[list[Any]]) -> None:
    """Write the same rows as a spreadsheet and as text."""
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    book.save(folder / "houses.xlsx")
    with (folder / "houses.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def test_a_spreadsheet_and_a_csv_of_houses_are_one_table(tmp_path: Path) -> None:
    """Area, rooms and district give the price; either file gives the same networks, bit for bit."""
    random = np.random.default_rng(0)
    area, rooms = random.uniform(40, 200, 120).round(1), random.integers(1, 7, 120)
    district = random.choice(["north", "south", "old town"], 120)
    price = (2000 * area + 8000 * rooms + 60_000 * (district == "old town")).round(-2)
    rows = [
        ["area", "rooms", "district", "price"],
        *map(list, zip(area.tolist(), rooms.tolist(), district.tolist(), price.tolist(), strict=True)),
    ]
    write(tmp_path, rows)
    settings = {"hidden": "16", "optimizer": "adam", "lr": 0.01, "epochs": 80, "holdout": 0.2}
    sheet, text = (danlu.fit(tmp_path / f"houses.{end}", "price", **settings) for end in ("xlsx", "csv"))
    assert [column.kind for column in sheet.run.table.columns] == ["number", "number", "category"]
    np.testing.assert_array_equal(sheet.arrays["loss_EM"], text.arrays["loss_EM"])
    np.testing.assert_array_equal(sheet.predict(tmp_path / "houses.csv"), text.predict(tmp_path / "houses.xlsx"))
    assert sheet.run.scores["r2"].value > 0.9


def test_three_targets_are_kept_loaded_and_predicted_in_evaluation_mode(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (80, 4))
    table: dict[str, Any] = {f"x{i}": x[:, i] for i in range(4)}
    table |= {"y1": x[:, 0] * x[:, 1], "y2": np.sin(x[:, 2]), "y3": x.sum(1)}
    model = danlu.fit(
        table, ("y1", "y2", "y3"), hidden="30x3", activation="tanh", batch_norm="input,hidden", batch_norm_momentum=0.5,
        init="normal:0.1", init_bias=-0.2, optimizer="sgd", lr=0.000001, epochs=30, batch_size="all", holdout=0,
    )  # fmt: skip
    assert model.arrays["loss_EM"].shape == (30, 1)
    model.save(tmp_path / "m.danlu")
    again = danlu.load(tmp_path / "m.danlu")
    np.testing.assert_array_equal(again.predict(table), model.predict(table))
    one = {name: values[:1] for name, values in table.items()}
    np.testing.assert_allclose(again.predict(one)[0], model.predict(table)[0], rtol=1e-5, atol=1e-6)
    plain = again.to_torch()
    other = again.to_torch()
    for parameter in other.parameters():
        parameter.data.zero_()
    other.load_state_dict(plain.state_dict())
    with torch.no_grad():
        np.testing.assert_allclose(other(*again.encode(table)).numpy(), again.predict(table), rtol=1e-5, atol=1e-6)


# E


def test_images_with_distributions_as_targets_by_kl() -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, 32, 32), dtype=np.uint8)
    share = random.dirichlet(np.ones(2), 40)
    settings = {"net": "cnn", "conv": (2, 3), "padding": 0, "pool": "none", "hidden": (8,), "holdout": 0}
    model = danlu.fit((images, share), loss="kl", optimizer="sgd", lr=0.01, epochs=2, batch_size="all", **settings)
    predicted = model.predict(images)
    np.testing.assert_allclose(predicted.sum(1), 1, rtol=1e-5)
    zero = {"net": "linear", "init": "constant:0", "init_bias": 0, "optimizer": "sgd", "lr": 0.01, "epochs": 1}
    model = danlu.fit((images, share), loss="kl", batch_size="all", holdout=0, **zero)
    expected = facts.kl_divergence(share, np.full_like(share, 0.5)).mean()  # equal logits say a half each
    assert model.arrays["loss_EM"][0, 0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", ["l1", "mse"])
def test_losses_on_images_by_name(loss: str) -> None:
    images = np.zeros((8, 6, 6), np.uint8)
    targets = np.array([[1.0, -3.0]] * 4 + [[2.0, 5.0]] * 4)
    zero = {"net": "linear", "init": "constant:0", "init_bias": 0, "optimizer": "sgd", "lr": 0.01, "epochs": 1}
    model = danlu.fit((images, targets), loss=loss, batch_size="all", holdout=0, scale_target="none", **zero)
    expected = np.abs(targets).mean() if loss == "l1" else np.square(targets).mean()
    assert model.arrays["loss_EM"][0, 0] == pytest.approx(expected, rel=1e-6)
