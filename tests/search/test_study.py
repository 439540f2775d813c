"""The study: what is written is there again, and what is no study is refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from danlu.core.errors import DataError
from danlu.search.study import Known, Study, read_study

ABOUT = {"plan": "{}", "space": "lr  0 to 1"}


def opened(file: Path | None, key: str = "a", data: str = "d", base: str = "b") -> Study:
    return Study.open(file, base, key, data, ABOUT, "rmse", greater=False)


def test_what_was_trained_is_known_to_the_next_process(tmp_path: Path) -> None:
    file = tmp_path / "s.study"
    said = np.array([[1.5], [np.nan]])
    opened(file).add({"lr": 0.1, "hidden": (64, 64)}, 5, Known(2.5, 1.0, said), "spread", 10)
    opened(file).add({"lr": 0.2, "hidden": (64,)}, 1, Known(np.inf, 1.0, None), "model", 10)
    again = opened(file)
    known = again.find({"hidden": (64, 64), "lr": 0.1}, 5)
    assert known is not None
    assert known.error == 2.5
    assert np.array_equal(known.predicted_NC, said, equal_nan=True)
    assert again.find({"hidden": (64, 64), "lr": 0.1}, 1) is None
    broken = again.find({"lr": 0.2, "hidden": (64,)}, 1)
    assert broken is not None
    assert broken.error == np.inf
    assert opened(file, base="other").known == {}
    assert len(opened(file, key="b").known) == 2, "another search that trains alike knows them, too"
    (search, other) = sorted(read_study(file), key=lambda each: -len(each["trainings"]))
    assert [t["setting"]["hidden"] for t in search["trainings"]] == [[64, 64], [64]]
    assert other["trainings"] == []


def test_a_second_search_knows_the_best_of_the_first_on_the_same_data(tmp_path: Path) -> None:
    file = tmp_path / "s.study"
    first = opened(file)
    for lr, error in ((0.1, 3.0), (0.2, 1.0), (0.3, 2.0)):
        first.add({"lr": lr}, 5, Known(error, 1.0, None), "spread", 10)
    first.add({"lr": 0.9}, 1, Known(0.1, 1.0, None), "spread", 10)
    assert opened(file, key="b").earlier(2) == [{"lr": 0.2}, {"lr": 0.3}]
    assert opened(file, key="c", data="other").earlier(2) == [{"lr": 0.2}], "of other data what won there"
    opened(file, key="c", data="other", base="o").add({"lr": 0.7}, 5, Known(9.0, 1.0, None), "spread", 10)
    assert opened(file, key="b").earlier(9) == [{"lr": 0.2}, {"lr": 0.3}, {"lr": 0.1}, {"lr": 0.7}]
    assert first.earlier(9) == [{"lr": 0.7}]


def test_the_end_keeps_predictions_of_whole_trainings_alone(tmp_path: Path) -> None:
    file = tmp_path / "s.study"
    study = opened(file)
    for folds in (1, 5):
        study.add({"lr": 0.1}, folds, Known(1.0, 1.0, np.zeros((3, 1))), "spread", 10)
    study.found("{}")
    again = opened(file)
    assert again.known['{"lr": 0.1}', 1].predicted_NC is None
    assert again.known['{"lr": 0.1}', 5].predicted_NC is not None
    assert read_study(file)[0]["found"] == "{}"


def test_trainings_on_a_part_of_the_rows_are_never_mixed_with_whole_ones(tmp_path: Path) -> None:
    file = tmp_path / "s.study"
    study = opened(file)
    part = study.of_part(0.25, "rows")
    part.add({"lr": 0.1}, 1, Known(0.5, 1.0, np.zeros((2, 1))), "spread", 10)
    part.add({"lr": 0.3}, 1, Known(0.1, 1.0, None), "spread", 10)
    study.add({"lr": 0.1}, 1, Known(2.0, 1.0, None), "spread", 10)
    again = opened(file)
    assert {name: each.error for name, each in again.known.items()} == {('{"lr": 0.1}', 1): 2.0}
    known = again.of_part(0.25, "rows")
    assert {name: each.error for name, each in known.known.items()} == {
        ('{"lr": 0.1}', 1): 0.5,
        ('{"lr": 0.3}', 1): 0.1,
    }
    assert again.of_part(0.25, "other rows").known == {}
    assert again.of_part(0.5, "rows").known == {}
    assert opened(file, key="b").earlier(9) == [{"lr": 0.1}], "the better one of a part of the rows is none"
    shares = [(each["share"], each["error"]) for search in read_study(file) for each in search["trainings"]]
    assert sorted(shares) == [(0.25, 0.1), (0.25, 0.5), (1.0, 2.0)]
    study.found("{}")
    assert opened(file).of_part(0.25, "rows").known['{"lr": 0.1}', 1].predicted_NC is not None


def test_a_study_of_before_there_were_parts_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "s.study"
    opened(file).add({"lr": 0.1}, 5, Known(2.5, 1.0, None), "spread", 10)
    with sqlite3.connect(file) as connection:
        connection.execute("alter table trainings drop column share")
        connection.execute("pragma user_version = 1")
    assert opened(file).known['{"lr": 0.1}', 5].error == 2.5
    opened(file).add({"lr": 0.2}, 5, Known(3.5, 1.0, None), "spread", 10)
    assert [each["share"] for each in read_study(file)[0]["trainings"]] == [1, 1]


@pytest.mark.parametrize("kind", ["text", "another database", "folder", "a later version"])
def test_what_is_no_study_is_refused_and_stays_as_it_is(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "s.study"
    if kind == "text":
        file.write_text("a,b\n1,2\n" * 200)
    elif kind == "folder":
        file.mkdir()
    else:
        with sqlite3.connect(file) as connection:
            connection.execute(
                "create table songs (name text)" if kind != "a later version" else "pragma user_version = 9"
            )
    before = file.read_bytes() if file.is_file() else None
    with pytest.raises(DataError, match="must be a study"):
        opened(file)
    if before is not None:
        assert file.read_bytes() == before


def test_an_absent_study_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_study(tmp_path / "none.study")
    assert not (tmp_path / "none.study").exists()
