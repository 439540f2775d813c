"""Images on the whole walk: learnt from, judged, saved, and predicted, by the front doors."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import danlu
from danlu.core.errors import DataError, PlanError, SchemaError
from danlu.population import Members
from danlu.population.batches import Deck
from danlu.workflow.model import Model


def shapes(count: int = 120, seed: int = 0, size: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Grey images [N, size, size] of a bar (class 0) or a dot (class 1) on noise."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 60, (count, size, size), dtype=np.uint8)
    labels = np.arange(count) % 2
    for image, label, (y, x) in zip(images, labels, random.integers(2, size - 2, (count, 2)), strict=True):
        if label:
            image[y - 1 : y + 2, x - 1 : x + 2] = 255
        else:
            image[y] = 255
    return images, labels


def folder_of(images: np.ndarray, labels: np.ndarray, place: Path) -> Path:
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        (place / ("dot" if label else "bar")).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / ("dot" if label else "bar") / f"{i:03}.png")
    return place


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    from danlu.cli.app import main

    with pytest.raises(SystemExit) as left:
        main(words)
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def test_arrays_are_learnt_from_and_predicted() -> None:
    model = danlu.fit(shapes(200), hidden=(32,), epochs=30, seed=1)
    assert model.run.folds.startswith("20 images held out of 200")
    assert model.run.scores["accuracy"].value > 0.9
    images, labels = shapes(60, seed=5)
    assert (model.predict(images).astype(int) == labels).mean() > 0.9
    assert model.predict(images, proba=True).shape == (60, 2)
    assert model.score((images, labels))["accuracy"].value > 0.9
    shown = model.arrays["shown_GKHW"]
    assert shown.shape[1:] == (1, 12, 12)
    assert model.arrays["first_UKHW"].shape == (32, 1, 12, 12)
    assert model.arrays["saliency_GHW"].max() == 1


def test_the_plain_module_predicts_the_same() -> None:
    model = danlu.fit(shapes(), net="cnn", conv=(4, 6), hidden=(8,), pool="max", epochs=2, holdout=0)
    images, _ = shapes(40, seed=2)
    x, codes = model.encode(images)
    with torch.no_grad():
        plain = model.to_torch()(x, codes)
    np.testing.assert_allclose(plain.numpy(), model.predict(images, proba=True), rtol=1e-5, atol=1e-6)


def test_a_folder_by_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = folder_of(*shapes(), tmp_path / "shapes")
    model, page = tmp_path / "s.danlu", tmp_path / "s.html"
    code, out, _ = run(capsys, "fit", str(place), "--epochs", "20", "-o", str(model), "--json")
    answer = json.loads(out)
    assert (code, answer["task"], answer["classes"]) == (0, "classification", ["bar", "dot"])
    assert answer["score"]["accuracy"]["value"] > 0.8
    assert page.read_text(encoding="utf-8").count("data:image/png;base64,") > 20
    code, out, _ = run(capsys, "predict", str(model), str(place / "dot"), "--proba")
    rows = list(csv.DictReader(out.splitlines()))
    assert (code, len(rows), list(rows[0])) == (0, 60, ["file", "prediction", "p_bar", "p_dot"])
    assert rows[0]["file"] == "001.png"
    assert sum(row["prediction"] == "dot" for row in rows) > 50
    code, out, _ = run(capsys, "score", str(model), str(place), "--json")
    assert code == 0
    assert json.loads(out)["score"]["accuracy"]["value"] > 0.9
    code, out, _ = run(capsys, "show", str(model))
    assert "12 x 12 pixels, grey" in out


def test_other_sizes_are_brought_to_the_models_by_its_rule(tmp_path: Path) -> None:
    place = folder_of(*shapes(), tmp_path / "shapes")
    model = danlu.fit(str(place), hidden=(16,), epochs=20, resize="8")
    assert model.run.table.image is not None
    assert model.run.table.image.shape == (1, 8, 8)
    model.save(tmp_path / "m.danlu")
    again = danlu.load(tmp_path / "m.danlu")
    np.testing.assert_array_equal(again.predict(str(place), proba=True), model.predict(str(place), proba=True))
    assert (again.predict(str(place / "bar")) == "bar").mean() > 0.8


def test_what_is_refused(tmp_path: Path) -> None:
    images, labels = shapes(40)
    with pytest.raises(DataError, match="must have labels"):
        danlu.fit(images)
    with pytest.raises(PlanError, match="`group` belongs to tables"):
        danlu.fit((images, labels), group="x")
    with pytest.raises(PlanError, match="net cnn learns from images"):
        danlu.fit({"x": list(range(30)), "y": [i * 2.0 for i in range(30)]}, "y", net="cnn")
    with pytest.raises(PlanError, match="unit, standard or none"):
        danlu.fit((images, labels), scale="robust")
    with pytest.raises(PlanError, match="`watch_test` needs a test table"):
        danlu.fit((images, labels), watch_test=True)
    model = danlu.fit((images, labels), hidden=(4,), epochs=1)
    with pytest.raises(SchemaError):
        model.predict(np.zeros((3, 9, 9), np.uint8))
    with pytest.raises(SchemaError, match="learnt from images"):
        model._predictor.predict(
            danlu.fit({"x": [1.0, 2, 3, 4] * 9, "y": [1.0, 3, 2, 4] * 9}, "y", epochs=1).read({"x": [1.0]})
        )


def test_what_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(DataError, match=r"fashion_mnist must be a table or images, .* Did you mean `fashion-mnist`"):
        danlu.fit("fashion_mnist")
    with pytest.raises(PlanError, match="needs a target column"):
        danlu.fit("-")


def test_images_are_compared_with_a_linear_model_of_pixels() -> None:
    images, labels = shapes(150)
    model = danlu.fit((images, labels), hidden=(4,), epochs=1, folds=3)
    assert set(model.run.baselines) == {"majority", "linear"}
    accuracy = model.run.baselines["linear"]["accuracy"]
    assert accuracy is not None
    assert accuracy > 0.8
    numbers = danlu.fit((images, images.mean((1, 2)) * 1.0), test=(images, images.mean((1, 2)) * 1.0), epochs=1)
    rmse = [numbers.run.test_baselines[name]["rmse"] for name in ("mean", "linear")]
    assert rmse[1] < 0.5 * rmse[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"early_stopping": True, "epochs": 8},
        {"folds": 3, "repeats": 2, "refit": True, "epochs": 3},
        {"net": "cnn", "conv": (3,), "folds": 3, "early_stopping": True, "refit": True, "epochs": 3},
    ],
)
@pytest.mark.parametrize("task", ["classes", "numbers", "distributions"])
def test_every_way_of_judging_goes_through_to_predictions_and_page(
    tmp_path: Path, settings: dict[str, object], task: str
) -> None:
    images, labels = shapes(60)
    random = np.random.default_rng(0)
    targets = {
        "classes": labels,
        "numbers": random.normal(size=(60, 2)),
        "distributions": random.dirichlet([1, 1, 1], 60),
    }
    loss = {"loss": "kl"} if task == "distributions" else {}
    hidden = {} if "net" in settings else {"hidden": (4,)}
    model = danlu.fit((images, targets[task]), **hidden, **loss, **settings)
    model.save(tmp_path / "m.danlu")
    again = danlu.load(tmp_path / "m.danlu")
    predicted = again.predict(images)
    assert predicted.shape == {"classes": (60,), "numbers": (60, 2), "distributions": (60, 3)}[task]
    if task == "distributions":
        np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-6)
    assert again.score((images, targets[task]))
    again.report(tmp_path / "m.html")
    assert "<html" in (tmp_path / "m.html").read_text(encoding="utf-8")


def first_weights(model: Model) -> dict[str, torch.Tensor]:
    """The numbers that the single member of a model started from."""
    from danlu.networks.build import make_network

    network, plan = make_network(model.run.network), model.run.resolved
    weights_MP, _ = network.initial(Members.make(plan, 1, (0,)).keys)
    return {name: view[0] for name, view in network.named(weights_MP).items()}


def order_of(rows: int, batch: int, epoch: int) -> list[torch.Tensor]:
    """The rows of each step of an epoch of the only fold."""
    order = Deck([np.arange(rows)], None, batch, like=torch.zeros(1)).deal([0], (0, [0], epoch))
    return [rows_KB[0][weight_KB[0] > 0] for rows_KB, weight_KB in zip(order.rows_SKB, order.weight_SKB, strict=True)]


@pytest.mark.parametrize(("hidden", "init_bias"), [((24,), 0.0), ((16,), "default")])
def test_the_networks_of_seeds_a_learn_as_in_pytorch(hidden: tuple[int, ...], init_bias: object) -> None:
    """Pixels / 255, ReLU, normal weights of 0.01, plain SGD at 0.1: same weights and batches, curves within 0.2 points."""
    x, y = shapes(700, seed=3)
    xt, yt = shapes(500, seed=4)
    settings = {
        "hidden": hidden,
        "activation": "relu",
        "init": "normal:0.01",
        "init_bias": init_bias,
        "optimizer": "sgd",
    }
    settings |= {"lr": 0.1, "epochs": 4, "batch_size": 64, "holdout": 0}
    model = danlu.fit((x, y), test=(xt, yt), watch_test=True, **settings)
    drawn = danlu.plot("curves", model).data["curve"]
    assert {name: drawn.count(name) for name in drawn} == {"loss": 4, "training accuracy": 4, "test accuracy": 4}
    start = first_weights(model)
    plain = nn.Sequential(nn.Linear(144, hidden[0]), nn.ReLU(), nn.Linear(hidden[0], 2))
    for parameter, values in zip(plain.parameters(), start.values(), strict=True):
        parameter.data = values.T.clone() if values.ndim > 1 else values.clone()
    assert start["hidden.0.weight"].std() == pytest.approx(0.01, rel=0.1)
    pixels = torch.from_numpy(x).flatten(1).float() / 255
    test = torch.from_numpy(xt).flatten(1).float() / 255
    truth, optimizer = torch.from_numpy(y).long(), torch.optim.SGD(plain.parameters(), lr=0.1)
    for epoch in range(4):
        losses, right = [], 0
        for rows in order_of(700, 64, epoch):
            logits = plain(pixels[rows])
            loss = nn.functional.cross_entropy(logits, truth[rows])
            right += int((logits.argmax(1) == truth[rows]).sum())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item() * len(rows))
        assert model.arrays["loss_EM"][epoch, 0] == pytest.approx(sum(losses) / 700, rel=1e-4)
        assert abs(model.arrays["accuracy_EM"][epoch, 0] - right / 700) <= 0.002
        hits = (plain(test).argmax(1).numpy() == yt).mean()
        assert abs(model.arrays["test_JM"][epoch, 0] - hits) <= 0.002


def test_one_step_of_seeds_e_is_pytorchs() -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (24, 32, 32), dtype=np.uint8)
    targets = random.normal(size=(24, 2))
    model = danlu.fit(
        (images, targets), net="cnn", conv=(6, 16), kernel=3, padding=0, pool="none", hidden=(512, 64),
        loss="l1", optimizer="sgd", lr=0.01, epochs=1, batch_size="all", holdout=0, scale_target="none",
    )  # fmt: skip
    assert model.run.parameters == 6_456_942
    plain = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12_544, 512), nn.ReLU(),
        nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 2),
    )  # fmt: skip
    for parameter, values in zip(plain.parameters(), first_weights(model).values(), strict=True):
        parameter.data = values.clone()
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.01)
    loss = nn.functional.l1_loss(
        plain(torch.from_numpy(images)[:, None].float() / 255), torch.from_numpy(targets).float()
    )
    loss.backward()
    optimizer.step()
    assert model.arrays["loss_EM"][0, 0] == pytest.approx(loss.item(), rel=1e-5)
    member = model.to_torch().members[0].network
    for ours, theirs in zip(member.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_of_data_with_a_test_part_that_part_is_predicted_and_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (x, y), (xt, yt) = shapes(80), shapes(30, seed=9)
    parts = tmp_path / "parts"
    folder_of(x, y, parts / "train")
    folder_of(xt, yt, parts / "test")
    model = danlu.fit(str(parts), hidden=(16,), epochs=5)
    model.save(tmp_path / "m.danlu")
    code, out, err = run(capsys, "score", str(tmp_path / "m.danlu"), str(parts), "--json")
    answer = json.loads(out)
    assert (code, answer["rows"]) == (0, 30)
    assert answer["score"]["accuracy"]["value"] == model.run.test["accuracy"].value
    assert answer["warnings"] == {"images": "the test part, 30 images; the 80 to learn from are left out"}
    assert "the test part, 30 images; the 80 to learn from are left out" in err
    code, out, _ = run(capsys, "predict", str(tmp_path / "m.danlu"), str(parts))
    assert (code, {row["file"].partition("/")[0] for row in csv.DictReader(out.splitlines())}) == (0, {"test"})
    mapping = {"x_train": x, "y_train": y, "x_test": xt, "y_test": yt}
    np.testing.assert_array_equal(model.predict(mapping, proba=True), model.predict(xt, proba=True))
    assert len(model.encode(mapping)[0]) == 30
    assert len(model.predict(str(parts / "train"))) == 80


def test_only_what_is_unusual_is_a_warning(tmp_path: Path) -> None:
    place = folder_of(*shapes(40), tmp_path / "shapes")
    model = danlu.fit(str(place), hidden=(4,), epochs=1)
    assert "class" in {note.topic for note in model.run.inferred}
    assert model.predictions(str(place)).warnings == ()


def test_images_to_score_without_labels_are_refused_as_such() -> None:
    model = danlu.fit(shapes(40), hidden=(4,), epochs=1)
    with pytest.raises(DataError, match=r"images to score must have labels"):
        model.score(shapes(20)[0])


def test_a_class_of_ones_own_is_told_that_images_come_flat(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\ndef Net(inputs, outputs):\n    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten())\n",
        encoding="utf-8",
    )
    with pytest.raises(PlanError, match=r"begin with x = x\.view\(-1, 1, 12, 12\)"):
        danlu.fit(shapes(40), net=f"{tmp_path / 'net.py'}:Net", epochs=1)


def test_more_convolutions_than_an_image_holds_are_refused_in_plain_words() -> None:
    with pytest.raises(PlanError, match=r"^images must be large enough for the convolutions, 12 x 12 pixels end"):
        danlu.fit(shapes(40), net="cnn", conv=(2, 2, 2, 2, 2), pool="max", epochs=1)


def test_it_is_said_that_convolutional_members_take_turns() -> None:
    settings = {"net": "cnn", "conv": (2,), "hidden": (4,), "epochs": 1}
    said = {note.topic: note.text for note in danlu.fit(shapes(40), repeats=2, **settings).run.inferred}
    assert said["networks"].startswith("one after another")
    assert "networks" not in {note.topic for note in danlu.fit(shapes(40), **settings).run.inferred}


def test_each_class_has_the_f1_of_the_rows_that_its_row_counts() -> None:
    from danlu.report import parts

    images, labels = shapes(90)
    random = np.random.default_rng(1)
    third = np.where(random.random(90) < 0.3, 2, labels)
    model = danlu.fit((images, third), test=(images[:30], (third[:30] + 1) % 3), hidden=(8,), epochs=3, holdout=0.4)
    part = parts.predictions(model.run, model.arrays)
    assert part is not None
    held, tested = model.run.scores["f1"].per_class, model.run.test["f1"].per_class
    cells = re.findall(r"(\d\.\d\d)</td></tr>", str(part.content).partition("Each class")[2])
    assert cells[-3:] == [f"{value:.2f}" for value in held.values()]
    assert held != tested


def test_an_array_of_too_many_axes_is_refused_as_images() -> None:
    with pytest.raises(DataError, match=r"must have the axes .* its shape is \[20, 3, 9, 9, 2\]"):
        danlu.fit((np.zeros((20, 3, 9, 9, 2), np.uint8), np.arange(20) % 2))
