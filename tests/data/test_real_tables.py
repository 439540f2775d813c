"""Every real table beside the checkout, read and examined: kinds, what is left out, and the target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from danlu.core.plan import make_plan
from danlu.data.columns import Examined
from danlu.data.conform import conform
from danlu.data.examine import examine
from danlu.data.folds import divide
from danlu.data.source import read
from danlu.features import encode, layout


def examined(folder: Path, name: str, **settings: Any) -> Examined:
    """Examine a table and check what must hold for all of them."""
    raw = read(folder / "tables" / name)
    plan = make_plan(**settings)
    found = examine(raw, plan)
    again = conform(raw, found.schema, with_target=True)
    for ours, theirs in zip(again.table.columns, found.table.columns, strict=True):
        np.testing.assert_array_equal(ours.values, theirs.values)
    assert again.warnings == ()
    assert again.target is not None
    np.testing.assert_array_equal(again.target.values, found.target.values)
    encoded, columns = encode(found.table, found.schema), layout(found.schema, onehot_most=12)
    assert encoded.x.shape == (found.table.rows, len(columns.numbers))
    assert encoded.codes.shape == (found.table.rows, len(columns.codes))
    assert not np.isinf(encoded.x).any()
    assert len(divide(found, plan).train) == 5
    return found


def kinds(found: Examined) -> dict[str, str]:
    return {column.name: column.kind for column in found.schema.columns}


def left_out(found: Examined) -> dict[str, str]:
    return {out.name: out.reason for out in found.schema.left_out}


def missing(found: Examined) -> dict[str, int]:
    return {column.name: column.missing for column in found.schema.columns if column.missing}


def test_adult(shared_data: Path) -> None:
    found = examined(shared_data, "adult.data.gz", target="c15")
    assert [name for name, kind in kinds(found).items() if kind == "number"] == ["c1", "c3", "c5", "c11", "c12", "c13"]
    assert [name for name, kind in kinds(found).items() if kind != "number"] == [
        *("c2", "c4", "c6", "c7", "c8", "c9", "c10", "c14")
    ]
    assert missing(found) == {"c2": 1836, "c7": 1843, "c14": 583}
    assert found.target.schema.classes == ("<=50K", ">50K")
    assert np.bincount(found.target.values).tolist() == [24720, 7841]


def test_telco(shared_data: Path) -> None:
    found = examined(shared_data, "telco_churn.csv.gz", target="Churn")
    assert kinds(found)["TotalCharges"] == "number"
    assert missing(found) == {"TotalCharges": 11}
    assert left_out(found) == {"customerID": "row identifier: 7,043 different texts in 7,043 rows"}
    assert found.target.schema.classes == ("No", "Yes")
    assert [n for n, k in kinds(found).items() if k == "yes/no"] == [
        *("Partner", "Dependents", "PhoneService", "PaperlessBilling")
    ]


def test_titanic(shared_data: Path) -> None:
    found = examined(shared_data, "titanic.csv.gz", target="Survived")
    assert list(left_out(found)) == ["PassengerId"]
    words = [column.word for column in found.schema.columns if column.source == "Name"]
    assert words[:3] == ["mr", "miss", "mrs"]
    assert "master" in words
    assert missing(found) == {"Age": 177, "Cabin": 687, "Embarked": 2}
    assert found.target.schema.classes == ("0", "1")


def test_kddcup(shared_data: Path) -> None:
    found = examined(shared_data, "kddcup99_10_percent.data.gz", target="c42")
    assert found.rows.used == 494_021
    assert len(found.target.schema.classes) == 23
    assert np.bincount(found.target.values).min() == 2
    assert left_out(found) == {"c20": "constant: every cell is 0", "c21": "constant: every cell is 0"}
    assert [name for name, kind in kinds(found).items() if kind == "category"] == ["c2", "c3", "c4"]


def test_ames(shared_data: Path) -> None:
    found = examined(shared_data, "ames_housing.csv.gz", target="SalePrice")
    assert list(left_out(found)) == ["Order", "PID"]
    assert (kinds(found)["MS SubClass"], kinds(found)["Central Air"]) == ("category", "yes/no")
    assert missing(found)["Lot Frontage"] == 490
    assert kinds(found)["Garage Yr Blt"] == "number"


def test_bike(shared_data: Path) -> None:
    found = examined(shared_data, "bike_sharing_hour.csv.gz", target="cnt", drop="casual,registered", time="dteday")
    assert left_out(found) == {
        "instant": "row identifier: counts the rows by ones",
        "casual": "dropped, as asked",
        "registered": "dropped, as asked",
    }
    date = found.schema.columns[0]
    assert (date.name, date.kind, date.parts) == ("dteday", "date", ("month", "monthday", "weekday"))


def test_nyc_flights(shared_data: Path) -> None:
    found = examined(shared_data, "nyc_flights_100k.parquet", target="arr_delay")
    date = next(column for column in found.schema.columns if column.kind == "date")
    assert (date.name, date.parts) == ("time_hour", ("month", "monthday", "weekday", "hour"))
    assert list(left_out(found)) == ["year"]
    assert found.rows.without_target == found.rows.read - found.rows.used == 2835
    assert [name for name, kind in kinds(found).items() if kind == "category"] == [
        "carrier",
        "tailnum",
        "origin",
        "dest",
    ]


def test_diabetes(shared_data: Path) -> None:
    found = examined(shared_data, "diabetes130_hospital.csv.gz", target="readmitted")
    assert found.target.schema.classes == ("<30", ">30", "NO")
    assert list(left_out(found)) == ["encounter_id", "examide", "citoglipton"]
    assert missing(found)["weight"] == 98_569
    assert kinds(found)["diag_1"] == "category"


def test_beijing(shared_data: Path) -> None:
    found = examined(shared_data, "derived/beijing_air_quality.parquet", target="PM2.5", time="datetime")
    assert kinds(found)["datetime"] == "date"
    assert kinds(found)["station"] == "category"


@pytest.mark.parametrize(
    ("name", "target", "task", "numbers"),
    [
        ("california_housing.csv.gz", "median_house_value", "regression", 8),
        ("diamonds.csv.gz", "price", "regression", 6),
        ("bank_marketing_full.csv.gz", "y", "classification", 7),
        ("bank_marketing_additional_full.csv.gz", "y", "classification", 10),
        ("wine_quality_white.csv.gz", "quality", "regression", 11),
    ],
)
def test_plain_tables(shared_data: Path, name: str, target: str, task: str, numbers: int) -> None:
    found = examined(shared_data, name, target=target)
    assert found.target.schema.task == task
    assert list(kinds(found).values()).count("number") == numbers
    assert found.schema.left_out == ()


def test_wine_as_classes(shared_data: Path) -> None:
    found = examined(shared_data, "wine_quality_white.csv.gz", target="quality", task="classification")
    assert found.target.schema.classes == ("3", "4", "5", "6", "7", "8", "9")
