"""The tables that Danlu and its peers are measured on, and how their rows are divided: the same rows for everyone.

Each table has a target, and the columns left out as leaks or identifiers. Split 0 (the seed of the permutation) is the
one of the published figures; small tables, whose scores depend on the luck of a split, have splits 1, 2 and 3 as well.
`MORE` are other tables and other targets of the same tables, to judge a default by without touching the measured ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

Task = Literal["regression", "classification"]

SMALL = 10_000
"""Tables of fewer rows have three splits more."""
ADULT = [
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race",
    "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
]  # fmt: skip
_ADULT_TEXT = {"names": ADULT, "skipinitialspace": True, "na_values": "?"}
_BEIJING = "derived/beijing_air_quality.parquet"
_HOSPITAL = {"na_values": "?", "low_memory": False}
_HOSPITAL_IDS = ("encounter_id", "patient_nbr")


@dataclass(frozen=True)
class Table:
    """One table of the measurement.

    Arguments:
        file: its name in the folder `tables` of the data.
        target: the column to predict.
        task: regression or classification.
        drop: columns left out for everyone: leaks and identifiers.
        read: options of pandas' reader.
        most: rows drawn from a larger table, by seed 0, before it is divided; None: all.
        least: rows that a class must have to stay; rarer ones are left out.
    """

    file: str
    target: str
    task: Task
    drop: tuple[str, ...] = ()
    read: Mapping[str, Any] = field(default_factory=dict)
    most: int | None = None
    least: int = 0


TABLES = {
    "california": Table("california_housing.csv.gz", "median_house_value", "regression"),
    "ames": Table("ames_housing.csv.gz", "SalePrice", "regression", ("Order", "PID")),
    "diamonds": Table("diamonds.csv.gz", "price", "regression"),
    "bike": Table("bike_sharing_hour.csv.gz", "cnt", "regression", ("casual", "registered", "instant")),
    "adult": Table("adult.data.gz", "income", "classification", read=_ADULT_TEXT),
    "bank_additional": Table(
        "bank_marketing_additional_full.csv.gz", "y", "classification", ("duration",), {"sep": ";"}
    ),
    "telco": Table("telco_churn.csv.gz", "Churn", "classification", ("customerID",)),
    "titanic": Table("titanic.csv.gz", "Survived", "classification", ("PassengerId",)),
    "wine_white": Table("wine_quality_white.csv.gz", "quality", "classification", read={"sep": ";"}),
}
"""The tables of the bars."""

MORE = {
    "bank_full": Table("bank_marketing_full.csv.gz", "y", "classification", ("duration",), {"sep": ";"}),
    "diabetes130": Table(
        "diabetes130_hospital.csv.gz", "readmitted", "classification", _HOSPITAL_IDS, _HOSPITAL
    ),
    # The times of departure and arrival give the delay away, and so does the time in the air.
    "flights": Table(
        "nyc_flights_100k.parquet", "arr_delay", "regression",
        ("dep_time", "dep_delay", "arr_time", "air_time", "year", "minute", "hour"),
    ),
    # PM10 holds PM2.5; the date is in four other columns, and the number of the row says nothing.
    "beijing": Table(_BEIJING, "PM2.5", "regression", ("No", "datetime", "PM10"), most=50_000),
    "kddcup": Table(
        "kddcup99_10_percent.data.gz", "c42", "classification",
        read={"names": [f"c{i}" for i in range(1, 43)]}, most=50_000, least=20,
    ),
    "wine_score": Table("wine_quality_white.csv.gz", "quality", "regression", read={"sep": ";"}),
    "diamonds_cut": Table("diamonds.csv.gz", "cut", "classification"),
    "california_ocean": Table("california_housing.csv.gz", "ocean_proximity", "classification"),
    "ames_zone": Table("ames_housing.csv.gz", "Neighborhood", "classification", ("Order", "PID"), least=20),
    "titanic_fare": Table("titanic.csv.gz", "Fare", "regression", ("PassengerId", "Ticket", "Cabin", "Name")),
    "adult_hours": Table("adult.data.gz", "hours-per-week", "regression", read=_ADULT_TEXT),
    "bank_duration": Table("bank_marketing_full.csv.gz", "duration", "regression", ("y",), {"sep": ";"}),
    "diabetes_stay": Table(
        "diabetes130_hospital.csv.gz", "time_in_hospital", "regression", _HOSPITAL_IDS, _HOSPITAL
    ),
    "beijing_ozone": Table(_BEIJING, "O3", "regression", ("No", "datetime"), most=50_000),
}  # fmt: skip
"""Other tables, and other targets of the same ones: for `--more`."""

UCI = {
    "boston": "bostonHousing",
    "concrete": "concrete",
    "energy": "energy",
    "kin8nm": "kin8nm",
    "naval": "naval-propulsion-plant",
    "power": "power-plant",
    "protein": "protein-tertiary-structure",
    "wine_red": "wine-quality-red",
    "yacht": "yacht",
}
"""The regression sets with standard splits (Hernandez-Lobato and Adams, 2015), and the names of their folders."""


@dataclass(frozen=True)
class Parts:
    """The rows to learn from and to be judged on."""

    train: pd.DataFrame
    test: pd.DataFrame
    target: str
    task: Task


class Data:
    """The folders that hold the data: each with `tables` and `uci-regression` in it, or their files themselves."""

    def __init__(self, folders: list[Path]) -> None:
        self.folders = folders
        self._kept: dict[str, pd.DataFrame] = {}

    def find(self, kind: str, name: str) -> Path | None:
        """Return the first place of a file or folder; None where there is none."""
        places = (folder / inner / name for folder in self.folders for inner in (kind, "."))
        return next((place for place in places if place.exists()), None)

    def has(self, mode: str, name: str) -> bool:
        """Return whether a table, or a set of UCI, is there."""
        return self.place(mode, name) is not None

    def place(self, mode: str, name: str) -> Path | None:
        """Return where a table, or the folder of a set of UCI, lies."""
        return self.find("uci-regression", UCI[name]) if mode == "uci" else self.find("tables", table(name).file)

    def rows(self, name: str) -> int:
        """Return the rows of a table that has a known target."""
        return len(self.frame(name))

    def frame(self, name: str) -> pd.DataFrame:
        """Return a table without the columns that are left out, and the rows that have a target."""
        chosen, path = table(name), self.place("tables", name)
        assert path is not None
        if name not in self._kept:
            self._kept.clear()  # one table at a time: all of them together are gigabytes
            self._kept[name] = _read(chosen, path)
        return self._kept[name]

    def split(self, mode: str, name: str, number: int) -> Parts:
        """Return a split of a table, or of a set of UCI."""
        if mode == "uci":
            folder = self.place("uci", name)
            assert folder is not None
            return _uci_split(folder, number)
        chosen, frame = table(name), self.frame(name)
        order, count = np.random.default_rng(number).permutation(len(frame)), len(frame) // 5
        train, test = (frame.iloc[np.sort(rows)].reset_index(drop=True) for rows in (order[count:], order[:count]))
        return Parts(train, test, chosen.target, chosen.task)

    def splits(self, mode: str, name: str, asked: int | None) -> range:
        """Return the numbers of the splits: as many as are asked for, else those of the protocol."""
        if mode == "uci":
            folder = self.place("uci", name)
            assert folder is not None
            there = int(float((folder / "n_splits.txt").read_text()))
            return range(min(there, asked or there))
        return range(asked or (4 if self.rows(name) < SMALL else 1))


def table(name: str) -> Table:
    """Return a table by its name."""
    return (TABLES | MORE)[name]


def _read(chosen: Table, path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, **chosen.read)
    frame.columns = [name.strip() for name in frame.columns]
    frame = frame.drop(columns=list(chosen.drop), errors="ignore")
    frame = frame[frame[chosen.target].notna()].reset_index(drop=True)
    if chosen.most is not None and len(frame) > chosen.most:
        rows = np.random.default_rng(0).permutation(len(frame))[: chosen.most]
        frame = frame.iloc[np.sort(rows)].reset_index(drop=True)
    if chosen.least:
        counts = frame[chosen.target].map(frame[chosen.target].value_counts())
        frame = frame[counts >= chosen.least].reset_index(drop=True)
    return frame


def _uci_split(folder: Path, number: int) -> Parts:
    """Return one standard split: inputs x1, x2, ... and the target y."""

    def numbers(name: str) -> np.ndarray:
        return np.loadtxt(folder / name, ndmin=1).astype(int)

    values = np.loadtxt(folder / "data.txt")
    features, target = numbers("index_features.txt"), int(numbers("index_target.txt")[0])
    frame = pd.DataFrame({f"x{i}": values[:, column] for i, column in enumerate(features, 1)})
    frame["y"] = values[:, target]
    train, test = (
        frame.iloc[numbers(f"index_{part}_{number}.txt")].reset_index(drop=True) for part in ("train", "test")
    )
    return Parts(train, test, "y", "regression")
