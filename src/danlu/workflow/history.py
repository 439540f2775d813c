"""The curves of a run as one tidy table, for plots of one's own, and as event files that TensorBoard reads."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from danlu.core.errors import OutputError, PlanError
from danlu.core.records import Run

Arrays = Mapping[str, np.ndarray]


def history(run: Run, arrays: Arrays) -> dict[str, list[Any]]:
    """Return every point of every curve, a row each: columns `member`, `fold`, `repeat`, `epoch`, `metric`, `part` and
    `value`.

    Members, folds and repeats count from 0 as in the run's record, epochs from 1. `part` says of which rows: train,
    judged, watched (by early stopping) or test. The learning rate has the mean over members, and no member.
    """
    columns: dict[str, list[Any]] = {
        name: [] for name in ("member", "fold", "repeat", "epoch", "metric", "part", "value")
    }
    for metric, part, epochs, values_TM in _curves(run, arrays):
        time, member = np.nonzero(np.isfinite(values_TM))
        columns["epoch"] += epochs[time].tolist()
        columns["value"] += values_TM[time, member].tolist()
        columns["metric"] += [metric] * len(time)
        columns["part"] += [part] * len(time)
        alone = metric == "lr"
        own = [None if alone else run.members[m] for m in member.tolist()]
        columns["member"] += [None if each is None else each.index for each in own]
        columns["fold"] += [None if each is None else each.fold for each in own]
        columns["repeat"] += [None if each is None else each.repeat for each in own]
    return columns


def _curves(run: Run, arrays: Arrays) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Yield metric, part, epochs `[T]` and values `[T, M]` of each curve that was kept."""
    loss, judged = run.resolved.loss or "loss", run.judged_by
    named = {
        "loss_EM": (loss, "train"),
        "accuracy_EM": ("accuracy", "train"),
        "judged_JM": (judged, "judged"),
        "watched_JM": (run.watched_by or loss, "watched"),
        "test_JM": (judged, "test"),
        "lr_E": ("lr", "train"),
    }
    for name, (metric, part) in named.items():
        values = arrays.get(name)
        if values is None or not np.isfinite(values).any():
            continue
        epochs = arrays["judged_epochs_J"] if name.endswith("_JM") else np.arange(1, len(values) + 1)
        yield metric, part, np.asarray(epochs), np.asarray(values, np.float64).reshape(len(values), -1)


def write_history(run: Run, arrays: Arrays, path: Path, *, force: bool = False) -> int:
    """Write the history as .parquet or .csv, and return its number of rows.

    Raises:
        OutputError: the file exists (without `force`), or cannot be written.
    """
    from danlu.data import write  # noqa: PLC0415  loads pyarrow

    columns = history(run, arrays)
    write(path, columns, force=force)
    return len(columns["value"])


def check_tensorboard() -> None:
    """Check that TensorBoard is there.

    Raises:
        PlanError: it is not.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise PlanError(
            "event files need TensorBoard", "it cannot be found", "Install it with: pip install 'danlu[tensorboard]'"
        )


def write_tensorboard(run: Run, arrays: Arrays, folder: Path, *, force: bool = False) -> list[Path]:
    """Write event files for TensorBoard: a run for each network, and one for the median of all.

    Tags are `METRIC/PART`, as in `history`; a step is an epoch.

    Arguments:
        run: the records.
        arrays: the curves kept beside them.
        folder: where to; the event files of this model go into a folder of its name.
        force: whether those that are there are replaced.

    Returns:
        The folders written.

    Raises:
        PlanError: TensorBoard is not installed.
        OutputError: there are event files of this name, or they cannot be written.
    """
    check_tensorboard()
    place = folder / (Path(run.name).name or "model")
    try:
        _make_room(place, force=force)
        return _write_events(run, arrays, place)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        fact = f"{place} could not be: {why}"
        raise OutputError("event files must be written", fact, "Name another folder.") from None


def _make_room(place: Path, *, force: bool) -> None:
    """Remove the event files that an earlier call wrote; nothing else."""
    old = sorted(place.glob("*/events.out.tfevents.*"))
    if old and not force:
        raise OutputError(
            f"{place} must hold no event files", "it does", "Use --force to replace them, or name another folder."
        )
    for file in old:
        file.unlink()


def _write_events(run: Run, arrays: Arrays, place: Path) -> list[Path]:
    from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  needs the extra

    when = datetime.fromisoformat(run.created).timestamp()
    curves = list(_curves(run, arrays))
    width = len(str(max(len(run.members) - 1, 0)))
    folders = [place / f"network-{m.index:0{width}}-fold-{m.fold}" for m in run.members]
    for member, own in enumerate(folders):
        with SummaryWriter(str(own)) as writer:
            for metric, part, epochs, values_TM in curves:
                if metric != "lr":
                    _add(writer, f"{metric}/{part}", epochs, values_TM[:, member], when)
    with SummaryWriter(str(place / "median")) as writer:
        for metric, part, epochs, values_TM in curves:
            there = np.isfinite(values_TM).any(axis=1)
            tag = "lr" if metric == "lr" else f"{metric}/{part}"
            _add(writer, tag, epochs[there], np.nanmedian(values_TM[there], axis=1), when)
    return [*folders, place / "median"]


def _add(writer: Any, tag: str, epochs: np.ndarray, values: np.ndarray, when: float) -> None:
    for epoch, value in zip(epochs.tolist(), values.tolist(), strict=True):
        if np.isfinite(value):
            writer.add_scalar(tag, value, epoch, walltime=when)
