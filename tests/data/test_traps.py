"""What may make a score look better than it is: found in tables known for it, and in none that is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from danlu.core.plan import make_plan
from danlu.core.records import Finding
from danlu.data import examine, read
from danlu.data.traps import find_traps, hashed


def traps(source: Any, target: str, **settings: Any) -> dict[str, Finding]:
    plan = make_plan(target=target, **settings)
    return {finding.name: finding for finding in find_traps(examine(read(source), plan), plan)}


def numbers(rows: int = 400, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"a": rng.normal(size=rows), "b": rng.normal(size=rows), "c": rng.integers(0, 9, rows).astype(float)}


def test_bike_sharing_adds_up_and_is_in_order_of_time(shared_data: Path) -> None:
    found = traps(shared_data / "tables" / "bike_sharing_hour.csv.gz", "cnt")
    assert found["target-formula"].fault == "`cnt` is `casual` + `registered`."
    assert found["target-formula"].severity == "warning"
    assert "17,379 rows" in found["target-formula"].evidence
    assert "--time dteday" in found["time-order"].cure
    assert (
        traps(shared_data / "tables" / "bike_sharing_hour.csv.gz", "cnt", drop="casual,registered", time="dteday") == {}
    )


def test_kddcup_has_seven_copies_in_ten_rows(shared_data: Path) -> None:
    found = traps(shared_data / "tables" / "kddcup99_10_percent.data.gz", "42")
    # 145,586 distinct rows of 494,021: as the set's literature has it
    assert "348,435 are copies" in found["duplicate-rows"].evidence
    assert found["duplicate-rows"].severity == "warning"


def test_diabetes_patients_come_again(shared_data: Path) -> None:
    path = shared_data / "tables" / "diabetes130_hospital.csv.gz"
    found = traps(path, "readmitted")
    assert list(found) == ["repeated-identifier"]
    assert "71,518 different in 101,766 rows" in found["repeated-identifier"].evidence
    assert "--group patient_nbr" in found["repeated-identifier"].cure
    assert traps(path, "readmitted", group="patient_nbr") == {}


@pytest.mark.parametrize(
    ("name", "target"),
    [("california_housing.csv.gz", "median_house_value"), ("diamonds.csv.gz", "price"), ("adult.data.gz", "15")],
)
def test_sound_tables_have_none(name: str, target: str, shared_data: Path) -> None:
    assert traps(shared_data / "tables" / name, target) == {}


@pytest.mark.parametrize("classes", [False, True])
def test_a_column_that_gives_the_target_away(classes: bool) -> None:
    table = numbers(1000)
    y = table["a"] + table["b"] + np.random.default_rng(1).normal(size=1000)
    target = np.where(y > 0, "up", "down") if classes else y
    table |= {"later": np.where(y > 0, 7, 3) if classes else np.exp(y / 3) * 100, "y": target}
    found = traps(table, "y")
    assert found["target-leak"].fault == "`later` alone predicts `y`."
    assert "--drop 'later'" in found["target-leak"].cure
    assert "target-leak" not in traps(table, "y", drop="later")


def test_good_columns_are_no_leak() -> None:
    """Two columns that both say nearly all are physics; one column alone is all there is."""
    table = numbers(1000)
    y = table["a"] * 3
    table |= {"also": y + np.random.default_rng(1).normal(size=1000) * 0.01, "y": y + 1}
    assert "target-leak" not in traps(table, "y")
    assert traps({"x": table["a"], "y": y}, "y") == {}
    noisy = numbers(1000) | {"y": y + np.random.default_rng(2).normal(size=1000)}
    assert traps(noisy, "y") == {}


@pytest.mark.parametrize(
    ("sign", "made"),
    [("+", lambda a, b: a + b), ("-", lambda a, b: a - b), ("×", lambda a, b: a * b), ("/", lambda a, b: a / b)],
)
def test_arithmetic_of_two_columns(sign: str, made: Any) -> None:
    table = numbers()
    found = traps(table | {"y": made(table["a"], table["b"])}, "y")
    assert found["target-formula"].fault == f"`y` is `a` {sign} `b`."


def test_a_sum_of_four_columns_and_one_row_that_spoils_it() -> None:
    table = numbers() | {f"d{i}": values for i, values in enumerate(numbers(seed=3).values())}
    y = table["a"] + table["b"] + table["d0"] + table["d1"]
    assert traps(table | {"y": y}, "y")["target-formula"].fault == "`y` is `a` + `b` + `d0` + `d1`."
    y[399] += 0.001
    assert "target-formula" not in traps(table | {"y": y}, "y")


def test_copies_are_counted_and_coarse_tables_are_left_alone() -> None:
    table = {
        name: np.concatenate([values, values[:100]])
        for name, values in (numbers() | {"y": np.arange(400) * 1.7}).items()
    }
    found = traps(table, "y")["duplicate-rows"]
    assert "200 of 500 rows (40%)" in found.evidence
    # of 200 rows with one twin each, 4 in 5 have it among the rows that the folds of five learn from
    assert "about 32% of judged rows" in found.evidence
    rng = np.random.default_rng(0)
    coarse = {"sex": rng.integers(0, 2, 500), "class": rng.integers(1, 4, 500), "y": rng.integers(0, 2, 500)}
    assert traps(coarse, "y") == {}


def test_equal_rows_have_equal_hashes_and_others_have_not() -> None:
    rng = np.random.default_rng(0)
    table = {"a": [0.0, -0.0, np.nan, np.nan, 1.0], "b": ["x", "x", None, None, "x"], "y": [1.0, 1.0, 2.0, 2.0, 1.0]}
    codes = hashed(examine(read(table), make_plan(target="y")))
    assert codes[0] == codes[1]
    assert codes[2] == codes[3]
    assert len(np.unique(codes)) == 3
    many = {"a": rng.integers(0, 1000, 200_000), "b": rng.integers(0, 1000, 200_000), "y": rng.normal(size=200_000)}
    assert len(np.unique(hashed(examine(read(many), make_plan(target="y"))))) == 200_000


def test_identifiers_by_name_and_by_how_often_they_come_again() -> None:
    rng = np.random.default_rng(0)
    table = numbers() | {"y": rng.normal(size=400)}
    assert (
        "--group 'customer no'"
        in traps(table | {"customer no": rng.integers(1, 200, 400)}, "y")["repeated-identifier"].cure
    )
    assert "repeated-identifier" not in traps(table | {"type_id": rng.integers(1, 4, 400)}, "y")
    assert "repeated-identifier" not in traps(table | {"amount": rng.integers(1, 200, 400)}, "y")


def test_time_by_kind_and_by_order() -> None:
    rng = np.random.default_rng(0)
    table = numbers() | {"y": rng.normal(size=400)}
    days = np.datetime64("2020-01-01") + np.arange(400)
    assert traps(table | {"sold": days}, "y")["time-order"].fault == "The rows are in the order of `sold`."
    assert traps(table | {"sold": rng.permutation(days)}, "y")["time-order"].fault == "`sold` gives each row a time."
    assert "--time year" in traps(table | {"year": np.repeat([1999, 2001, 2002, 2003], 100)}, "y")["time-order"].cure
    assert "time-order" not in traps(table | {"year": rng.integers(1990, 2020, 400)}, "y")
    assert "time-order" not in traps(table | {"sold": days}, "y", time="sold")
