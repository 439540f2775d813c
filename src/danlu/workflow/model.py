"""A trained model: what it predicts, how good it is, and how it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from danlu.artifact import Loaded, Predictions, Predictor, save
from danlu.artifact import load as read_artifact
from danlu.core.errors import PlanError
from danlu.core.records import Note, Run, Score
from danlu.data import RawTable, ReadOptions, read
from danlu.data.images import ImageOptions, ImageSet, conform_images, to_be_judged
from danlu.data.words import counted
from danlu.networks.custom import Custom, find
from danlu.workflow.given import Start

_SEEN = "these are the rows learnt from: the networks have seen them, and the score is too good"


class Model:
    """Networks that predict together, with their preparation, scores and history.

    `danlu.fit` and `danlu.load` return one.

    Attributes:
        run: all that is known of the fit, as a record.
        arrays: curves, and predictions on judged rows, by name.
    """

    def __init__(
        self,
        run: Run,
        tensors: Mapping[str, torch.Tensor],
        arrays: Mapping[str, np.ndarray],
        custom: Custom | None = None,
        ended: Start | None = None,
    ) -> None:
        self.run, self.ended = run, ended
        self.tensors = dict(tensors)
        self.arrays = arrays
        self.custom = custom
        self._loaded = Loaded(run, self.tensors, arrays)
        # Without its class a model can still be shown, and its page be drawn.
        ready = run.network.module is None or custom is not None
        self._made = Predictor(self._loaded, custom=custom) if ready else None

    @property
    def _predictor(self) -> Predictor:
        """What predicts.

        Raises:
            PlanError: the networks are of a class of the user's own, which was not given.
        """
        return self._made or Predictor(self._loaded)

    def predictions(self, data: Any, options: ReadOptions | None = None, *, sure: bool = False) -> Predictions:
        """Predict each row of a table, in its order, with warnings about what does not fit.

        Arguments:
            data: a path or table, as in `danlu.fit`; the target may be missing.
            options: how a file is read; by default as the table learnt from.
            sure: with what `interval` and `quantiles` of the answer need.

        Raises:
            DataError: the table cannot be read.
            SchemaError: columns are missing, or of another type.
            PlanError: `sure` is asked of classes, or of a model without judged rows.
        """
        return self._predictor.predict(self.read(data, options), sure=sure)

    def predict(self, data: Any, *, proba: bool = False) -> np.ndarray:
        """Predict each row of a table, in its order.

        Arguments:
            data: a path or table, as in `danlu.fit`; the target may be missing.
            proba: probabilities of the classes instead of the likeliest one.

        Returns:
            numbers `[N]` (`[N, C]` for several targets), class names `[N]`, or probabilities `[N, C]`.
        """
        said = self.predictions(data)
        if said.target.task == "classification":
            return said.values if proba else np.asarray(said.labels())
        return said.values[:, 0] if said.values.shape[1] == 1 else said.values

    def predict_interval(self, data: Any, level: float = 0.9) -> np.ndarray:
        """Predict the ends of an interval for each row, that holds the share `level` of truths.

        They come from errors on rows that the networks had not learnt from, scaled by how large an error is to be
        expected at each row; as many truths are expected below as above.

        Arguments:
            data: a path or table, as in `danlu.fit`; the target may be missing.
            level: between 0 and 1.

        Returns:
            low and high: `[N, 2]`, for several targets `[N, C, 2]`.

        Raises:
            PlanError: the target has classes, no row was judged, or too few for this level.
        """
        ends_NC2 = np.stack(self.predictions(data, sure=True).interval(level), axis=2)
        return ends_NC2[:, 0] if ends_NC2.shape[1] == 1 else ends_NC2

    def predict_quantiles(self, data: Any, shares: Sequence[float] = (0.1, 0.5, 0.9)) -> np.ndarray:
        """Predict the values below which these shares of truths are expected, for each row.

        They are of the same distribution as intervals; the one of 0.5 is a median, and not the prediction itself.

        Arguments:
            data: a path or table, as in `danlu.fit`; the target may be missing.
            shares: each between 0 and 1.

        Returns:
            `[N, Q]`, for several targets `[N, C, Q]`.

        Raises:
            PlanError: the target has classes, no row was judged, or a share is not between 0 and 1.
        """
        values_NCQ = self.predictions(data, sure=True).quantiles(shares)
        return values_NCQ[:, 0] if values_NCQ.shape[1] == 1 else values_NCQ

    def score(self, data: Any, options: ReadOptions | None = None) -> dict[str, Score]:
        """Score the model on a table with known targets; rows without a target are left out.

        The main metric comes first. The rows should be ones that the model never saw.
        """
        return self.judge(data, options)[0]

    def judge(self, data: Any, options: ReadOptions | None = None) -> tuple[dict[str, Score], tuple[Note, ...]]:
        """Score the model as `score` does, and say what was unusual about the table."""
        raw = self.read(data, options, labelled=True)
        scores, warnings = self._predictor.score(raw)
        if self._learnt_from(raw):
            warnings = (*warnings, Note(topic="rows", text=_SEEN))
        return scores, warnings

    def compared(
        self, data: Any, options: ReadOptions | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[Note, ...]]:
        """Return rows, truth `[N, C]` and predictions `[N, C]` of a table with known targets, and what was unusual."""
        raw = self.read(data, options, labelled=True)
        conformed = self._predictor.truth(raw)
        assert conformed.target is not None
        values, warnings = self._predictor.predict(raw).values[conformed.kept], conformed.warnings
        if self._learnt_from(raw):
            warnings = (*warnings, Note(topic="rows", text=_SEEN))
        return np.asarray(conformed.kept), conformed.target.values, values, warnings

    def _learnt_from(self, raw: RawTable | ImageSet) -> bool:
        """Return whether the targets of a table are those of the one learnt from, row by row."""
        target, rows = self._predictor.truth(raw).target, self.arrays.get("rows_N")
        if target is None or rows is None or not len(rows) or len(target.values) != self.run.rows.used:
            return False
        return bool(np.array_equal(target.values[rows].ravel(), np.asarray(self.arrays["truth_NC"]).ravel()))

    def read(self, data: Any, options: ReadOptions | None = None, *, labelled: bool = False) -> RawTable | ImageSet:
        """Read a table, or images, the way those learnt from were read; of images that bring a test part, that part.

        Arguments:
            data: a path or table, or what holds images.
            options: how a file of a table is read.
            labelled: whether images in a table must all have labels.
        """
        if isinstance(data, RawTable | ImageSet):
            return data
        plan, image = self.run.plan, self.run.table.image
        if image is not None:
            ways = ImageOptions(images=plan.images, labelled=labelled)
            return to_be_judged(conform_images(data, image, target=plan.target or None, options=ways))
        return read(data, options or ReadOptions.from_plan(self.run.plan, inherited=True))

    def report(self, path: str | Path | None = None, *, force: bool = True) -> Path:
        """Write the page that shows why the model is as good as it is, and return its path.

        Arguments:
            path: of the page; by default the model's name with .html, in the current folder.
            force: whether an existing file is overwritten.
        """
        from danlu.report import write_page  # noqa: PLC0415  draws charts: 0.3 s that only a page pays

        return write_page(self.run, self.arrays, Path(path or f"{self.run.name}.html"), force=force)

    def history(self) -> dict[str, list[Any]]:
        """Return all curves as one tidy table, a row a point: `pandas.DataFrame(model.history())`.

        Columns: member, fold, repeat, epoch, metric, part (train, judged, watched or test), value.
        """
        from danlu.workflow.history import history  # noqa: PLC0415  only who asks needs it

        return history(self.run, self.arrays)

    def importance(self) -> dict[str, list[Any]]:
        """Return what each column is worth, the most important first: `pandas.DataFrame(model.importance())`.

        `importance` is by how much `metric` gets worse when the cells of the column are exchanged between rows that the
        networks had not learnt from (out of fold, or the test table), `low` and `high` its 95% interval over rows.

        Raises:
            PlanError: it was not taken: no row was judged, training was cut off, or these are images.
        """
        found = self.run.explained.importance
        if found is None:
            fact = "these are images" if self.run.table.image is not None else "this model was fitted without"
            raise PlanError(
                "importance of columns needs judged rows, and a fit that explains itself",
                fact,
                "Fit a table with folds=5, or `test`, and explain=True.",
            )
        return {
            "column": [each.column for each in found.columns],
            "importance": [each.value for each in found.columns],
            "low": [each.low for each in found.columns],
            "high": [each.high for each in found.columns],
            "metric": [found.metric] * len(found.columns),
        }

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the model to a folder that holds data only, whole or not at all, and return its path.

        Raises:
            OutputError: the folder exists and `force` is off, or it cannot be written.
        """
        save(Path(path), self.run, self.tensors, dict(self.arrays), force=force)
        return Path(path)

    def to_torch(self) -> torch.nn.Module:
        """Return the networks as one plain `torch.nn.Module` in evaluation mode.

        It takes the matrices that `encode` gives: numbers `[N, F]` and codes `[N, Q]`.
        """
        return self._predictor.to_torch()

    def encode(self, data: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a table as the matrices that `to_torch()` takes: numbers `[N, F]` and codes `[N, Q]`."""
        encoded, _ = self._predictor.encode(self.read(data))
        return torch.from_numpy(encoded.x), torch.from_numpy(encoded.codes)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what was learnt; what predicts is made anew from it. Danlu itself never loads a pickle."""
        arrays = {name: np.asarray(array) for name, array in self.arrays.items()}
        return Model, (self.run, self.tensors, arrays, self.custom, self.ended)

    def __repr__(self) -> str:
        run, target = self.run, self.run.table.target
        count = len(run.shipped) or run.refitted
        widths = "-".join(map(str, (*run.network.hidden, run.network.outputs)))
        kind = f"{widths}, {run.network.activation}" if run.network.module is None else run.network.module.name
        if run.network.conv is not None:
            kind = "-".join(map(str, run.network.conv.channels)) + f" channels, {kind}"
        scores, image = run.scores or run.test, run.table.image
        seen = counted(len(run.table.columns), "column") if image is None else f"images {image.width} x {image.height}"
        lines = [
            f"Danlu model {run.name!r}: {target.task} of {', '.join(target.names)}, {seen}",
            f"  {counted(count, 'network')} ({kind}), {run.rows.used:,} rows, {run.folds}",
        ]
        if run.main_metric in scores:
            lines.append("  " + _score_line(run.main_metric, scores[run.main_metric]))
        return "\n".join(lines)


def _score_line(name: str, score: Score) -> str:
    """Return "rmse 45,123 (44,000 to 46,000), out-of-fold"."""
    value = "undefined" if score.value is None else f"{score.value:,.5g}"
    between = "" if score.low is None or score.high is None else f" ({score.low:,.5g} to {score.high:,.5g})"
    return f"{name} {value}{between}, {score.kind}, {counted(score.rows, 'row')}"


def load(path: str | Path, *, net: Any = None) -> Model:
    """Load a model from its folder; its files are checked against their hashes first.

    Arguments:
        path: of the folder.
        net: the class of your own that the model was trained with, or "FILE.py:CLASS"; without it such a model can be
            shown, but not predict.

    Raises:
        ArtifactError: the folder is missing, is no model, is damaged, or is of another version.
        PlanError: `net` is another class than the one that was trained.
    """
    loaded = read_artifact(Path(path))
    custom = None if net is None else find(net)
    return Model(loaded.run, loaded.tensors, loaded.arrays, custom)
