"""Planted faults are found through the front doors, and healthy tables are left in peace."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import danlu
from danlu.cli import main
from danlu.core.records import Finding
from danlu.data import read
from support.tables import flowers, write_csv

FITTED = {"overfitting", "underfitting", "symmetric-weights", "activation-after-last-layer", "non-finite-loss"}


def noisy(rows: int = 200, seed: int = 0) -> dict[str, Any]:
    """Return ten columns of which two count, and as much noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 10))
    return {**{f"x{i}": x[:, i] for i in range(10)}, "y": x[:, 0] + 0.5 * x[:, 1] + rng.normal(size=rows)}


def curved(rows: int = 600, seed: int = 0) -> dict[str, Any]:
    """Return a target that bends in both of two columns: no line learns it."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, (rows, 2))
    return {"a": x[:, 0], "b": x[:, 1], "y": np.sin(2 * x[:, 0]) + x[:, 1] ** 2 / 3 + 0.1 * rng.normal(size=rows)}


def ring(rows: int = 600) -> dict[str, Any]:
    x = np.random.default_rng(0).normal(size=(rows, 2))
    return {"a": x[:, 0], "b": x[:, 1], "y": np.where((x**2).sum(1) > 1.2, "out", "in")}


def straight(rows: int = 400) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 3))
    return {**{f"x{i}": x[:, i] for i in range(3)}, "y": x @ [1.0, 2.0, 3.0] + rng.normal(size=rows)}


def found(table: Any, target: str = "y", **settings: Any) -> dict[str, Finding]:
    return {finding.name: finding for finding in danlu.fit(table, target, **settings).run.findings}


def test_a_large_network_on_few_noisy_rows_overfits_and_the_cures_cure() -> None:
    """The noise is 1, which no honest network beats: 256-256 ends at 1.4, after 1.1 in its best epochs."""
    run = danlu.fit(noisy(), "y", hidden=(256, 256)).run
    said, worse = {finding.name: finding for finding in run.findings}, run.scores["rmse"].value
    assert "overfitting" in said
    assert not set(said) & (FITTED - {"overfitting"})
    assert "--early-stopping" in said["overfitting"].cure
    assert "linear: 1.0" in said["overfitting"].evidence
    stopped = danlu.fit(noisy(), "y", hidden=(256, 256), early_stopping=True).run
    assert stopped.scores["rmse"].value < 0.85 * worse
    assert "overfitting" not in {finding.name for finding in stopped.findings}


def test_labels_are_overfitted_too() -> None:
    table = noisy()
    table["y"] = np.where(table["y"] > 0, "yes", "no")
    said = found(table, hidden=(256, 256), epochs=150)
    assert "accuracy 1 on rows learnt from" in said["overfitting"].evidence


@pytest.mark.parametrize(
    ("table", "settings", "cure"),
    [
        (curved, {"net": "linear"}, "--hidden 128,128"),
        (curved, {"net": "linear", "lr": 0.01, "epochs": 400}, "--hidden 128,128"),
        (curved, {"hidden": (1,)}, "--hidden 128,128"),
        (curved, {"hidden": (64, 64), "lr": 1e-6}, "--lr 0.001"),
        (curved, {"hidden": (64, 64), "activation": "identity"}, "--activation relu"),
        (ring, {"net": "linear"}, "--hidden 128,128"),
        (ring, {"hidden": (1,)}, "--hidden 128,128"),
    ],
)
def test_networks_too_small_or_hardly_trained_underfit(
    table: Callable[[], Any], settings: dict[str, Any], cure: str
) -> None:
    said = found(table(), **settings)
    assert set(said) & FITTED == {"underfitting"}
    assert cure in said["underfitting"].cure


@pytest.mark.parametrize(
    ("table", "settings"),
    [
        (curved, {}),
        (curved, {"hidden": (128, 128), "lr": 0.01}),
        (ring, {}),
        (straight, {"net": "linear", "lr": 0.03, "epochs": 200}),
        (lambda: flowers(), {"hidden": (16,), "lr": 0.01, "epochs": 60}),
    ],
)
def test_networks_that_learn_what_there_is_are_left_in_peace(
    table: Callable[[], Any], settings: dict[str, Any]
) -> None:
    content = table()
    assert not set(found(content, "y" if "y" in content else "kind", **settings)) & FITTED


def test_units_that_start_equal_are_named() -> None:
    said = found(curved(), hidden=(32, 16), init="constant:0.1", init_bias=0.0, epochs=40)
    evidence = said["symmetric-weights"].evidence
    assert "hidden.0: 32 units, 1 of them different" in evidence
    assert "hidden.1: 16 units, 1 of them different" in evidence
    assert said["symmetric-weights"].members == (0, 1, 2, 3, 4)
    assert "underfitting" not in said, "it follows from this"
    assert "symmetric-weights" not in found(curved(), hidden=(32, 16), init="constant:0.1", epochs=5), "biases differ"


class Ends(nn.Module):
    """784 - 200 - 200 - 10 of SEEDS.md C in small: an activation behind the last layer."""

    last: type[nn.Module] = nn.ReLU

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(inputs, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, outputs), self.last()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class EndsInSigmoid(Ends):
    last = nn.Sigmoid


class EndsInLeaky(Ends):
    last = nn.LeakyReLU


class EndsInNothing(Ends):
    last = nn.Identity


@pytest.mark.parametrize(
    ("make", "target", "settings", "words"),
    [
        (Ends, "kind", {}, "ReLU, which cross-entropy does not want"),
        (EndsInSigmoid, "kind", {}, "sigmoid, which cross-entropy does not want"),
        (EndsInLeaky, "kind", {}, "leaky ReLU, which cross-entropy does not want"),
        (Ends, "length", {}, "ReLU, which mse does not want"),
        (EndsInNothing, "kind", {}, ""),
        (EndsInNothing, "length", {}, ""),
    ],
)
def test_an_activation_behind_the_last_layer_is_named(
    make: type[nn.Module], target: str, settings: dict[str, Any], words: str
) -> None:
    said = found(flowers(), target, net=make, epochs=20, **settings)
    assert ("activation-after-last-layer" in said) == bool(words)
    if words:
        assert words in said["activation-after-last-layer"].fault


def test_targets_within_reach_are_no_fault() -> None:
    table = straight()
    table["y"] = table["y"] - table["y"].min() + 1
    said = found(table, net=Ends, scale_target="none", epochs=5)
    assert "activation-after-last-layer" not in said


def test_terminal_page_and_json_say_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv({name: list(values) for name, values in curved().items()}, tmp_path / "curved.csv")

    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["fit", "curved.csv", "--target", "y", "--net", "linear", "--force", "-q", *words])
        assert not ended.value.code
        return capsys.readouterr().out

    printed = " ".join(run().split())
    assert "warning The networks underfit" in printed
    assert "a few trees predict" in printed
    assert "rows learnt from" in printed.partition("training")[2]
    page = (tmp_path / "curved.html").read_text()
    assert "The networks underfit" in page
    assert "One network alone: RMSE" in page
    answer = json.loads(run("--json", "--no-page"))
    (finding,) = [each for each in answer["findings"] if each["name"] == "underfitting"]
    assert set(finding) == {"name", "fault", "evidence", "cure", "severity", "members"}
    assert answer["train"]["rmse"] == pytest.approx(answer["score"]["rmse"]["value"], rel=0.1)


def test_training_errors_are_those_of_rows_learnt_from() -> None:
    """By hand: each network's rmse on the rows of the other folds, by the exported module."""
    table = straight(150)
    model = danlu.fit(table, "y", hidden=(32,), folds=3, epochs=60)
    run, whole = model.run, model.to_torch()
    x, codes = model.encode(table)
    judged = model.arrays["rows_N"]
    assert sorted(judged) == list(range(150))
    own = []
    with torch.no_grad():
        errors = [whole.members[m](x, codes)[:, 0].double().numpy() - table["y"] for m in range(3)]
    # Each row is judged by the one network that did not learn from it.
    said = np.empty(150)
    said[judged] = model.arrays["predicted_NC"][:, 0]
    for m, error in enumerate(errors):
        learnt = np.abs(error - (said - table["y"])) > 1e-4 * np.abs(table["y"]).max()
        assert 95 <= learnt.sum() <= 100, (m, learnt.sum())
        own.append(np.sqrt(np.mean(error[learnt] ** 2)))
    assert run.checks.train["rmse"] == pytest.approx(np.mean(own), rel=0.02)
    assert run.checks.train_rows == 100


HEALTHY = {
    "wine": ("wine_quality_white.csv.gz", "quality", {}),
    "wine, classes": ("wine_quality_white.csv.gz", "quality", {"task": "classification"}),
    "california": ("california_housing.csv.gz", "median_house_value", {}),
    "adult": ("adult.data.gz", "15", {}),
    "diamonds": ("diamonds.csv.gz", "price", {}),
    "ames": ("ames_housing.csv.gz", "SalePrice", {}),
    "telco": ("telco_churn.csv.gz", "Churn", {}),
    "bank": ("bank_marketing_full.csv.gz", "y", {}),
    "bike": ("bike_sharing_hour.csv.gz", "cnt", {"drop": ("casual", "registered")}),
}


@pytest.mark.parametrize(
    ("name", "target", "settings"),
    [
        ("titanic.csv.gz", "Survived", {}),
        ("titanic.csv.gz", "Survived", {"net": "mlp"}),
    ],
)
def test_small_real_tables_are_healthy(shared_data: Path, name: str, target: str, settings: dict[str, Any]) -> None:
    assert not set(found(shared_data / "tables" / name, target, **settings)) & FITTED


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTHY)
def test_real_tables_are_healthy(shared_data: Path, name: str) -> None:
    file, target, settings = HEALTHY[name]
    assert not set(found(shared_data / "tables" / file, target, **settings)) & FITTED


@pytest.mark.slow
def test_a_line_underfits_house_prices(shared_data: Path) -> None:
    assert "underfitting" in found(
        shared_data / "tables" / HEALTHY["california"][0], "median_house_value", net="linear"
    )


def test_the_table_that_ships_is_healthy() -> None:
    """California's house prices, with a network of one's own choice: nothing is said of its fit."""
    assert not set(found(read("danlu:california"), "median_house_value", hidden=(64, 64), epochs=12, folds=2)) & FITTED
