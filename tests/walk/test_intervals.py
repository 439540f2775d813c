"""Intervals, quantiles and density of whole fits: what is kept, what new rows get, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

import danlu
from danlu.cli import main
from danlu.core.errors import ArtifactError, PlanError

QUICK = {"epochs": 8, "repeats": 1, "folds": 3, "hidden": (16,), "lr": 0.01, "threads": 1}


def fans(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return a table whose noise grows with x from 0.1 to 2.1; `z` is another target, `g` groups of 20 rows."""
    random = np.random.default_rng(seed)
    x = random.uniform(0, 2, rows)
    y = 3 * x + (0.1 + x) * random.normal(size=rows)
    kind = np.array(["a", "b"])[random.integers(0, 2, rows)]
    return {"x": x, "kind": kind, "y": y, "z": 100 - 50 * x + random.normal(size=rows), "g": np.arange(rows) // 20}


@pytest.fixture(scope="module")
def model() -> danlu.Model:
    return danlu.fit(fans(1500), "y", drop="z,g", **(QUICK | {"epochs": 30}))


def test_coverage_of_new_rows_is_the_level_asked_for_and_of_judged_rows_90(model: danlu.Model) -> None:
    new = fans(4000, seed=1)
    for level in (0.8, 0.9, 0.95):
        ends = model.predict_interval(new, level)
        assert ends.shape == (4000, 2)
        inside = ((new["y"] >= ends[:, 0]) & (new["y"] <= ends[:, 1])).mean()
        assert inside == pytest.approx(level, abs=0.03)
    coverage = model.run.scores["coverage"]
    assert coverage.value == pytest.approx(0.9, abs=0.025)
    assert coverage.kind == "out-of-fold"
    assert coverage.rows == 1500


def test_intervals_are_wide_where_the_noise_is_large(model: danlu.Model) -> None:
    ends = model.predict_interval({"x": [0.2, 1.8], "kind": ["a", "b"]})
    narrow, wide = np.diff(ends, axis=1)[:, 0]
    assert wide / narrow == pytest.approx(1.9 / 0.3, rel=0.4)
    assert wide == pytest.approx(2 * 1.645 * 1.9, rel=0.25)


def test_quantiles_are_the_ends_of_intervals_and_rise(model: danlu.Model) -> None:
    new = fans(50, seed=2)
    shares = (0.05, 0.25, 0.5, 0.75, 0.95)
    values = model.predict_quantiles(new, shares)
    assert values.shape == (50, 5)
    assert (np.diff(values, axis=1) > 0).all()
    # The ends of an interval are the errors next to these shares, outwards.
    ends = model.predict_interval(new, 0.9)
    assert values[:, [0, -1]] == pytest.approx(ends, abs=0.1)
    assert (ends[:, 0] <= values[:, 0]).all()
    assert (ends[:, 1] >= values[:, -1]).all()


def test_the_density_beats_one_that_is_as_wide_everywhere(model: danlu.Model) -> None:
    new = fans(4000, seed=3)
    error = new["y"] - model.predict(new)
    alike = 0.5 * np.log(2 * np.pi * np.e * np.mean(error**2))
    best = np.mean(0.5 * np.log(2 * np.pi * np.e) + np.log(0.1 + new["x"]))
    value = model.score(new)["nll"].value
    assert value is not None
    assert best - 0.02 < value < alike - 0.05
    assert model.run.scores["nll"].value == pytest.approx(value, abs=0.15)


def test_a_saved_model_says_the_same_and_any_part_of_a_table_too(model: danlu.Model, tmp_path: Path) -> None:
    model.save(tmp_path / "fans.danlu")
    again = danlu.load(tmp_path / "fans.danlu")
    new = fans(100, seed=4)
    ends = model.predict_interval(new, 0.93)
    assert np.array_equal(again.predict_interval(new, 0.93), ends)
    assert np.array_equal(again.predict_quantiles(new), model.predict_quantiles(new))
    few = {name: cells[:7] for name, cells in new.items()}
    assert again.predict_interval(few, 0.93) == pytest.approx(ends[:7], rel=1e-5)
    assert again.predict(few) == pytest.approx(model.predict(new)[:7], rel=1e-5)


def test_with_a_holdout_it_is_split_conformal_prediction() -> None:
    table = fans(800)
    model = danlu.fit(table, "y", drop="z,g", holdout=0.4, **(QUICK | {"folds": None, "repeats": 2}))
    new = fans(30, seed=5)
    errors, said = model._predictor.errors, model.predictions(new, sure=True)
    assert errors is not None
    assert errors.error_CQ.shape == (1, 320)
    assert said.scale_NC is not None
    # Both networks judged every row: their mean is what ships, and nothing is narrowed.

    encoded, _ = model._predictor.encode(model.read(new))
    columns = np.concatenate([encoded.x, encoded.codes.astype(encoded.x.dtype)], axis=1)
    assert np.array_equal(said.scale_NC, errors.scale(columns, said.values, None))
    # 0.9 of 320 rows: the 16th from below and above.
    low = said.values + said.scale_NC * errors.error_CQ[0, 15]
    high = said.values + said.scale_NC * errors.error_CQ[0, -16]
    assert model.predict_interval(new) == pytest.approx(np.hstack([low, high]))


def test_each_of_several_targets_has_its_own() -> None:
    model = danlu.fit(fans(600), ("y", "z"), drop="g", test=fans(300, seed=1), **QUICK)
    new = fans(40, seed=6)
    assert model.predict_interval(new).shape == (40, 2, 2)
    assert model.predict_quantiles(new, (0.1, 0.9)).shape == (40, 2, 2)
    for scores in (model.run.scores, model.run.test):
        assert set(scores["nll"].per_target or {}) == {"y", "z"}
        assert scores["coverage"].per_target is not None
    columns = model.predictions(new, sure=True).sure_columns(0.9, (0.5,))
    assert list(columns) == ["low_y", "high_y", "q0.5_y", "low_z", "high_z", "q0.5_z"]


@pytest.mark.parametrize("how", ["group", "time", "weight", "refit"])
def test_every_way_to_judge_gives_intervals(how: str) -> None:
    table = fans(400)
    table["w"] = np.ones(400)
    setting = {"group": {"group": "g"}, "time": {"time": "g"}, "weight": {"weight": "w"}, "refit": {"refit": True}}[how]
    drop = [name for name in ("z", "g", "w") if name not in setting.values()]
    model = danlu.fit(table, "y", drop=drop, **QUICK, **setting)
    ends = model.predict_interval(fans(20, seed=7), 0.8)
    assert (ends[:, 0] < ends[:, 1]).all()
    notes = [note.text for note in model.run.inferred if note.topic == "intervals"]
    assert bool(notes) == (how == "time")
    assert all("no promise" in note for note in notes)


def test_counts_have_intervals_that_are_not_negative() -> None:
    random = np.random.default_rng(0)
    x = random.uniform(0, 2, 500)
    table = {"x": x, "n": random.poisson(0.3 + x)}
    model = danlu.fit(table, "n", task="regression", loss="poisson", **QUICK)
    assert (model.predict_interval({"x": [0.0, 0.1, 2.0]}) >= 0).all()


def test_what_has_no_intervals_is_refused_with_what_to_do() -> None:
    table = fans(200)
    unjudged = danlu.fit(table, "y", drop="z,g", holdout=0, epochs=1, hidden=(4,))
    with pytest.raises(PlanError, match=r"no row was kept back .* --holdout 0.2"):
        unjudged.predict_interval(table)
    assert "nll" not in unjudged.score(table)
    classes = danlu.fit(table, "kind", drop="z,g", **(QUICK | {"epochs": 1}))
    with pytest.raises(PlanError, match=r"kind has classes. .*--proba"):
        classes.predict_quantiles(table)
    few = danlu.fit(fans(15), "y", drop="z,g", **(QUICK | {"epochs": 1}))
    with pytest.raises(PlanError, match=r"needs 19 judged rows or more, .* count as 15. Ask for 0.875 or less"):
        few.predict_interval(table)
    assert few.predict_interval(table, 0.8).shape == (200, 2)


def test_a_model_whose_errors_do_not_fit_it_is_refused(model: danlu.Model) -> None:
    broken = model.tensors | {"errors.column_CTD": model.tensors["errors.column_CTD"] + 99}
    with pytest.raises(ArtifactError, match="do not fit"):
        danlu.Model(model.run, broken, model.arrays)
    missing = {name: tensor for name, tensor in model.tensors.items() if name != "errors.rows"}
    with pytest.raises(ArtifactError, match="rows"):
        danlu.Model(model.run, missing, model.arrays)
    old = {name: tensor for name, tensor in model.tensors.items() if not name.startswith("errors.")}
    with pytest.raises(PlanError, match="Fit again"):
        danlu.Model(model.run, old, model.arrays).predict_interval(fans(5))


def test_the_command_writes_the_columns_and_refuses_what_is_no_share(
    model: danlu.Model, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["predict", *words])
        code = ended.value.code
        out, err = capsysbinary.readouterr()
        return int(code or 0), out.decode(), err.decode()

    model.save(tmp_path / "fans.danlu")
    (tmp_path / "new.csv").write_text("x,kind\n0.5,a\n1.5,b\n", encoding="utf-8")
    kept, new = str(tmp_path / "fans.danlu"), str(tmp_path / "new.csv")
    code, out, _ = run(kept, new, "--interval", "0.9", "--quantiles", "0.1,0.5")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert list(rows[0]) == ["prediction", "low", "high", "q0.1", "q0.5"]
    assert float(rows[0]["low"]) < float(rows[0]["q0.1"]) < float(rows[0]["q0.5"]) < float(rows[0]["high"])
    code, out, _ = run(kept, new, "--interval", "0.9", "--json")
    assert json.loads(out)["columns"] == ["prediction", "low", "high"]
    for words in (("--interval", "90"), ("--quantiles", "0.5,x"), ("--quantiles", "1"), ("--quantiles", ",")):
        code, _, err = run(kept, new, *words)
        assert code == 2
        assert "Use --" in err
