"""The rows of the measurement: the permutation of the protocol, leaks left out, standard splits as they are given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import table_sets
from table_sets import MORE, TABLES, UCI, Data, Table


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Data:
    """Return a folder with one table of 23 rows, three of them without a target, called `tiny`."""
    (tmp_path / "tables").mkdir()
    y = [None if i % 10 == 0 else i for i in range(23)]
    pd.DataFrame({"a ": range(23), "leak": range(23), "y": y}).to_csv(tmp_path / "tables/tiny.csv", index=False)
    monkeypatch.setitem(table_sets.TABLES, "tiny", Table("tiny.csv", "y", "regression", ("leak",)))
    return Data([tmp_path / "absent", tmp_path])


def test_a_fifth_is_tested_by_the_permutation_of_the_split(data: Data) -> None:
    parts = data.split("tables", "tiny", 2)
    order = np.random.default_rng(2).permutation(20)
    known = [i for i in range(23) if i % 10]
    assert list(parts.test["a"]) == [known[i] for i in sorted(order[:4])]
    assert list(parts.train["a"]) == [known[i] for i in sorted(order[4:])]
    assert list(parts.train.columns) == ["a", "y"]


def test_small_tables_have_three_splits_more(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    assert data.splits("tables", "tiny", None) == range(4)
    assert data.splits("tables", "tiny", 2) == range(2)
    monkeypatch.setattr(table_sets, "SMALL", 20)
    assert data.splits("tables", "tiny", None) == range(1)


def test_large_tables_are_drawn_from_and_rare_classes_left_out(
    data: Data, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(table_sets.TABLES, "tiny", replace(TABLES["tiny"], most=10))
    assert data.rows("tiny") == 10
    drawn = sorted(np.random.default_rng(0).permutation(20)[:10])
    assert list(data.frame("tiny")["a"]) == [[i for i in range(23) if i % 10][i] for i in drawn]
    pd.DataFrame({"x": range(10), "y": list("aaaaaabbbc")}).to_csv(tmp_path / "tables/classes.csv", index=False)
    monkeypatch.setitem(table_sets.TABLES, "classes", Table("classes.csv", "y", "classification", least=3))
    assert list(data.frame("classes")["y"]) == list("aaaaaabbb")


def test_standard_splits_are_read_as_they_are_given(tmp_path: Path) -> None:
    folder = tmp_path / "uci-regression" / UCI["yacht"]
    folder.mkdir(parents=True)
    np.savetxt(folder / "data.txt", [[1, 10, 0.1], [2, 20, 0.2], [3, 30, 0.3]])
    files = {
        "index_features": "0\n2",
        "index_target": "1",
        "n_splits": "2",
        "index_train_1": "2\n0",
        "index_test_1": "1",
    }
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text + "\n")
    data = Data([tmp_path])
    parts = data.split("uci", "yacht", 1)
    assert parts.train.to_dict("list") == {"x1": [3.0, 1.0], "x2": [0.3, 0.1], "y": [30.0, 10.0]}
    assert parts.test.to_dict("list") == {"x1": [2.0], "x2": [0.2], "y": [20.0]}
    assert data.splits("uci", "yacht", None) == range(2)
    assert not data.has("uci", "boston")


def test_all_tables_can_be_read(shared_data: Path) -> None:
    data = Data([shared_data])
    rows = {"ames": 2930, "telco": 7043, "titanic": 891, "wine_white": 4898}
    assert {name: data.rows(name) for name in rows} == rows
    for name in ("telco", "titanic_fare", "wine_score", "ames_zone"):
        parts, table = data.split("tables", name, 3), (TABLES | MORE)[name]
        assert parts.target in parts.train
        assert not set(table.drop) & set(parts.train)
        assert len(parts.test) == data.rows(name) // 5
