"""Curves as one table, and as TensorBoard reads them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from danlu.core.errors import OutputError
from danlu.workflow.fit import fit
from danlu.workflow.history import history, write_history, write_tensorboard
from danlu.workflow.model import Model

X = np.random.default_rng(0).normal(size=90)


@pytest.fixture(scope="module")
def model() -> Model:
    """Return a model of three folds and two repeats that watched a part of its rows."""
    table = {"x": X, "y": np.where(X > 0, "up", "down")}
    return fit(table, "y", epochs=4, folds=3, repeats=2, hidden=(8,), early_stopping=True, judge_every=2)


def test_every_point_of_every_curve_is_a_row(model: Model, tmp_path: Path) -> None:
    columns = model.history()
    table = {name: np.array(values, object) for name, values in columns.items()}
    assert list(table) == ["member", "fold", "repeat", "epoch", "metric", "part", "value"]
    kinds = dict.fromkeys(zip(table["metric"], table["part"], strict=True))
    assert list(kinds) == [
        ("cross-entropy", "train"),
        ("accuracy", "train"),
        ("accuracy", "judged"),
        ("cross-entropy", "watched"),
        ("lr", "train"),
    ]
    for metric, part, name in (("cross-entropy", "train", "loss_EM"), ("accuracy", "judged", "judged_JM")):
        of = (table["metric"] == metric) & (table["part"] == part)
        assert table["value"][of].tolist() == model.arrays[name].ravel().tolist()
    judged = (table["part"] == "judged") & (table["member"] == 4)
    assert table["epoch"][judged].tolist() == [2, 4]
    assert set(table["fold"][judged]) == {model.run.members[4].fold}
    assert set(table["repeat"][judged]) == {1}
    assert set(table["member"][table["metric"] == "lr"]) == {None}
    assert write_history(model.run, model.arrays, tmp_path / "h.parquet") == len(table["value"])
    assert pq.read_table(tmp_path / "h.parquet").to_pydict() == columns


def test_a_member_that_ended_has_no_rows_after_its_end(model: Model) -> None:
    arrays = dict(model.arrays)
    loss_EM = arrays["loss_EM"].copy()
    loss_EM[2:, 1] = np.nan
    columns = history(model.run, arrays | {"loss_EM": loss_EM})
    own = [
        epoch
        for epoch, member, metric, part in zip(
            columns["epoch"], columns["member"], columns["metric"], columns["part"], strict=True
        )
        if member == 1 and (metric, part) == ("cross-entropy", "train")
    ]
    assert own == [1, 2]


def test_tensorboard_reads_what_was_written(model: Model, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra `tensorboard`")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TensorBoard's own
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        folders = write_tensorboard(model.run, model.arrays, tmp_path)
        read = {folder.name: EventAccumulator(str(folder)).Reload() for folder in folders}
    assert len(read) == 7
    assert folders[0].parent == tmp_path / "model"
    own = read["network-4-fold-4"]
    assert set(own.Tags()["scalars"]) == {
        "cross-entropy/train", "accuracy/train", "accuracy/judged", "cross-entropy/watched",
    }  # fmt: skip
    points = [(point.step, point.value) for point in own.Scalars("cross-entropy/train")]
    assert [step for step, _ in points] == [1, 2, 3, 4]
    assert [value for _, value in points] == pytest.approx(model.arrays["loss_EM"][:, 4].tolist())
    median = read["median"]
    assert [p.value for p in median.Scalars("accuracy/judged")] == pytest.approx(
        np.median(model.arrays["judged_JM"], axis=1).tolist()
    )
    assert [p.value for p in median.Scalars("lr")] == pytest.approx(model.arrays["lr_E"].tolist())


def test_event_files_are_replaced_only_where_that_is_asked(model: Model, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra `tensorboard`")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_tensorboard(model.run, model.arrays, tmp_path)
        (tmp_path / "model" / "mine.txt").write_text("mine")
        with pytest.raises(OutputError, match="must hold no event files"):
            write_tensorboard(model.run, model.arrays, tmp_path)
        write_tensorboard(model.run, model.arrays, tmp_path, force=True)
    assert len(list(tmp_path.glob("model/*/events.*"))) == 7
    assert (tmp_path / "model" / "mine.txt").read_text() == "mine"
