"""From a table to predictions, by the networks of a saved model and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from danlu.artifact.store import Loaded
from danlu.core.errors import ArtifactError, DataError, PlanError, SchemaError
from danlu.core.records import Note, Score, TargetSchema
from danlu.data import Conformed, RawTable, conform
from danlu.data.images import ImageSet, conform_labelled
from danlu.features import Encoded, encode
from danlu.judging import Reading, score
from danlu.judging.calibration import calibrate
from danlu.judging.conformal import Errors, repeats_of, saved_by_many, scale_columns
from danlu.judging.scores import decided
from danlu.judging.sureness import LEVEL, judged_by, sureness
from danlu.networks import Preparation, predict, to_torch
from danlu.networks.build import both_classes, make_network
from danlu.networks.custom import Custom
from danlu.networks.preparation import encoded_width

if TYPE_CHECKING:
    from torch import nn

AT_ONCE = 1 << 24
"""Outputs (members x rows x outputs) held at once: 128 MB of float64."""
PREFIX = "preparation."
ERRORS = "errors."
"""Begins the names of the tensors that say what errors are to be expected."""


@dataclass(frozen=True)
class Predictions:
    """Predictions of rows, in their order.

    values: [N, C] float64, numbers in the user's units or the probabilities of the classes; always finite.
    warnings: what was unusual about the table.
    decision: weights of the classes, [C]: the class predicted is the greatest of weight times probability; None for
        the likeliest.
    errors, scale_NC: what errors are to be expected, and their size at each row, where that was asked for.
    """

    values: np.ndarray
    target: TargetSchema
    warnings: tuple[Note, ...] = ()
    decision: np.ndarray | None = None
    errors: Errors | None = None
    scale_NC: np.ndarray | None = None

    def labels(self) -> np.ndarray:
        """Return the name of the class predicted of each row: the likeliest, or that of the model's threshold.

        Raises:
            PlanError: the target has no classes.
        """
        self._need_classes("`labels`")
        guess_N = decided(self.values, self.decision)
        return np.array(self.target.classes, dtype=object)[self.values.argmax(axis=1) if guess_N is None else guess_N]

    def columns(self, *, proba: bool = False) -> dict[str, np.ndarray]:
        """Return the columns to write: `prediction` (`prediction_TARGET` of several), and `p_CLASS` with `proba`.

        Raises:
            PlanError: `proba` is asked of a regression.
        """
        if self.target.task == "classification":
            columns = {"prediction": self.labels()}
        elif len(self.target.names) == 1:
            columns = {"prediction": self.values[:, 0]}
        else:
            columns = {f"prediction_{name}": self.values[:, c] for c, name in enumerate(self.target.names)}
        if proba:
            self._need_classes("`proba`")
            columns |= {f"p_{name}": self.values[:, c] for c, name in enumerate(self.target.classes)}
        return columns

    def interval(self, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of intervals that hold so large a share of truths, low and high `[N, C]`.

        Raises:
            PlanError: the level is not between 0 and 1, or too near 1 for the rows that were judged.
        """
        assert self.errors is not None
        assert self.scale_NC is not None, "ask `predict` for `sure`"
        return self.errors.interval(self.values, self.scale_NC, level)

    def quantiles(self, shares: Sequence[float]) -> np.ndarray:
        """Return the values below which these shares of truths are expected, `[N, C, Q]`.

        Raises:
            PlanError: a share is not between 0 and 1.
        """
        assert self.errors is not None
        assert self.scale_NC is not None, "ask `predict` for `sure`"
        return self.errors.quantiles(self.values, self.scale_NC, tuple(shares))

    def sure_columns(self, level: float | None, shares: Sequence[float] = ()) -> dict[str, np.ndarray]:
        """Return the columns to write of an interval, `low` and `high`, and of quantiles, `q0.1`; none unless asked.

        Of several targets each has its own: `low_TARGET`, `q0.1_TARGET`.
        """
        named: dict[str, np.ndarray] = {}
        if level is not None:
            named["low"], named["high"] = self.interval(level)
        if shares:
            every = np.moveaxis(self.quantiles(shares), 2, 0)
            named |= {f"q{share:.6g}": each for share, each in zip(shares, every, strict=True)}
        if len(self.target.names) == 1:
            return {name: value_NC[:, 0] for name, value_NC in named.items()}
        return {f"{n}_{t}": each[:, c] for c, t in enumerate(self.target.names) for n, each in named.items()}

    def _need_classes(self, asked: str) -> None:
        if self.target.task != "classification":
            names = ", ".join(self.target.names)
            raise PlanError(f"{asked} needs a target of classes", f"{names} is a number", "Leave it out.")


class Predictor:
    """The networks of a model, ready to predict.

    Arguments:
        loaded: what `load` gave, or the same made in memory.
        device: where to compute.
        custom: the user's own class, where the networks are of one.

    Raises:
        PlanError: that class is missing or another.
        ArtifactError: tensors are missing or of the wrong size for the network that the run describes.
    """

    def __init__(self, loaded: Loaded, device: torch.device | str = "cpu", custom: Custom | None = None) -> None:
        self.run, self.arrays = loaded.run, loaded.arrays
        spec = loaded.run.network
        tensors = {name: tensor.to(device) for name, tensor in loaded.tensors.items()}
        prepared = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
        try:
            self.network = make_network(spec, custom, loaded.run.resolved.dtype)
            self.weights_MP, self.state_MS, self.fold_M = tensors["weights"], tensors["state"], tensors["fold"]
            self.preparation = Preparation.from_tensors(spec.layout, spec.scale, spec.scale_target, prepared)
        except KeyError as error:
            raise _unfit(f"there is no {error}") from None
        self._check()
        self.errors = self._expected(loaded.tensors)

    def _expected(self, tensors: Mapping[str, torch.Tensor]) -> Errors | None:
        """Return what errors are to be expected of a regression; None of models that do not know."""
        own = {name.removeprefix(ERRORS): each.numpy() for name, each in tensors.items() if name.startswith(ERRORS)}
        layout = self.run.network.layout
        columns = 0 if layout.image is not None else encoded_width(layout) + len(layout.codes)
        try:
            errors = Errors.from_arrays(own, columns) if own else None
        except (KeyError, ValueError) as error:
            raise _unfit(str(error)) from None
        if errors is not None and len(errors.base_C) != self.target.outputs:
            raise _unfit(f"errors are those of {len(errors.base_C)} targets, there are {self.target.outputs}")
        return errors

    def _check(self) -> None:
        """Refuse tensors that cannot be those of the network: by their shapes, then by predicting one row."""
        members, layout = len(self.weights_MP), self.run.network.layout
        if members == 0 or self.weights_MP.shape != (members, self.network.size):
            raise _unfit(f"weights are {tuple(self.weights_MP.shape)}, {self.network.size} belong to a member")
        if self.state_MS.shape != (members, self.network.state_size) or self.fold_M.shape != (members,):
            raise _unfit(f"moments are {tuple(self.state_MS.shape)} and folds {tuple(self.fold_M.shape)}")
        x_NF = np.zeros((1, encoded_width(layout)), self.run.resolved.dtype)
        try:
            shape = self._mean(self._outputs(x_NF, np.zeros((1, len(layout.codes)), np.int32))).shape
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            raise _unfit(str(error).partition("\n")[0][:100]) from None
        if shape != (1, self.target.outputs):
            raise _unfit(f"the network gives {shape[1]} outputs, the target has {self.target.outputs}")

    @property
    def target(self) -> TargetSchema:
        """The target's schema."""
        return self.run.table.target

    @property
    def decision(self) -> np.ndarray | None:
        """Weights of the classes, by which one is predicted."""
        return None if self.run.decision is None else np.array(self.run.decision.weights)

    def encode(self, raw: RawTable | ImageSet) -> tuple[Encoded, tuple[Note, ...]]:
        """Return the matrices of all rows in order, and what was unusual about the table or the images.

        Raises:
            SchemaError: it does not fit the model.
        """
        conformed = self._conform(raw, with_target=False)
        return self._encoded(conformed), conformed.warnings

    def predict(self, raw: RawTable | ImageSet, *, sure: bool = False) -> Predictions:
        """Predict every row, in order: the mean over members of numbers, or of probabilities.

        Arguments:
            raw: the table, or images.
            sure: also the size of the error to be expected of each row, for intervals and quantiles.

        Raises:
            SchemaError: the table does not fit the model.
            DataError: a prediction would not be finite.
            PlanError: `sure` is asked of classes, or of a model without judged rows.
        """
        if sure:
            self._need_errors()
        encoded, warnings = self.encode(raw)
        if not sure:
            return Predictions(self.values(encoded), self.target, warnings, self.decision)
        values, scale_NC = self.values_and_scale(encoded)
        return Predictions(values, self.target, warnings, self.decision, self.errors, scale_NC)

    def _need_errors(self) -> None:
        if self.target.task == "classification":
            names = ", ".join(self.target.names)
            remedy = "Ask for the probability of each class: --proba."
            raise PlanError("intervals and quantiles need a target of numbers", f"{names} has classes", remedy)
        if self.errors is None:
            judged = bool(self.run.scores)
            why = "the model was written before there were any" if judged else "no row was kept back to judge on"
            remedy = "Fit again." if judged else "Fit with folds, or with --holdout 0.2."
            raise PlanError("intervals and quantiles need errors on judged rows", why, remedy)

    def truth(self, raw: RawTable | ImageSet) -> Conformed:
        """Return the rows that have a target, with it: `.target.values`, `.kept` row numbers, `.warnings`.

        Raises:
            SchemaError: the table does not fit the model, or lacks the target.
            DataError: no row has a target.
        """
        conformed = self._conform(raw, with_target=True)
        if conformed.target is None or not len(conformed.kept):
            names = ", ".join(self.target.names)
            raise DataError(
                "a score needs rows with a target", f"no row has {names}", "Give a table with known targets."
            )
        return conformed

    def score(self, raw: RawTable | ImageSet, *, kind: str = "test") -> tuple[dict[str, Score], tuple[Note, ...]]:
        """Score the model on rows it has not seen; rows without a target are left out. All rows count alike.

        Raises:
            SchemaError: the table does not fit the model, or lacks the target.
            DataError: no row has a target.
        """
        conformed = self.truth(raw)
        assert conformed.target is not None
        encoded = self._encoded(conformed)
        values, scale_NC = (self.values(encoded), None) if self.errors is None else self.values_and_scale(encoded)
        reading, seed = Reading(self.run.main_metric, None, self.decision), self.run.resolved.seed
        truth = conformed.target.values
        scores = score(truth, values[None], self.target, kind=kind, seed=seed, reading=reading)
        if self.errors is not None and scale_NC is not None:
            judged = judged_by(self.errors, truth, values, scale_NC)
            scores |= sureness(judged, truth, self.target, kind=kind, seed=seed)
        return scores, conformed.warnings

    def values_and_scale(self, encoded: Encoded) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean prediction of each encoded row, and the size of the error to be expected, `[N, C]` both."""
        assert self.errors is not None
        run = self.run
        repeats = [run.members[index].repeat for index in run.shipped]
        repeat_M = repeats_of(repeats, refitted=bool(run.refitted), in_time=run.resolved.time is not None)
        variance_NC = None if repeat_M is None else np.empty((len(encoded.x), self.target.outputs))
        values = self.values(encoded, None if repeat_M is None or variance_NC is None else (repeat_M, variance_NC))
        columns_NF = scale_columns(encoded.x, encoded.codes, image=run.network.layout.image is not None)
        return values, self.errors.scale(columns_NF, values, variance_NC)

    def values(self, encoded: Encoded, spread: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
        """Return the mean prediction of each encoded row, [N, C] float64.

        Arguments:
            encoded: rows.
            spread: the repeat of each network, `[M]`, and an array `[N, C]` that is filled with what `saved_by_many`
                gives.

        Raises:
            DataError: a prediction is not finite.
        """
        rows, width = len(encoded.x), self.target.outputs
        step = max(256, AT_ONCE // (len(self.weights_MP) * width))
        mean_NC = np.empty((rows, width))
        for start in range(0, rows, step):
            part = slice(start, start + step)
            outputs_MNC = self._outputs(encoded.x[part], encoded.codes[part])
            mean_NC[part] = self._mean(outputs_MNC)
            if spread is not None:
                spread[1][part] = saved_by_many(outputs_MNC.cpu().numpy(), spread[0])
        if self.target.task == "classification":
            mean_NC /= mean_NC.sum(axis=1, keepdims=True)  # float32 leaves sums about 1e-7 off
            calibration = self.run.calibration
            if calibration is not None and (calibration.kept or calibration.shift):
                mean_NC = calibrate(mean_NC, calibration.temperature, calibration.shift)
        if not np.isfinite(mean_NC).all():
            row = int(np.flatnonzero(~np.isfinite(mean_NC).all(axis=1))[0]) + 1
            raise DataError(
                "predictions must be finite", f"row {row} gives none", "Look at its cells, or fit with --scale robust."
            )
        return mean_NC

    def to_torch(self) -> nn.Module:
        """Return a plain `torch.nn.Module` in evaluation mode: `forward(x_NF, codes_NQ)` gives [N, C]."""
        whole = to_torch(self.network, self.preparation, self.weights_MP, self.state_MS, self.fold_M)
        calibration = self.run.calibration
        return whole if calibration is None else whole.calibrated(calibration.temperature, calibration.shift)

    def _conform(self, raw: RawTable | ImageSet, *, with_target: bool) -> Conformed:
        schema = self.run.table
        if isinstance(raw, ImageSet) != (schema.image is not None):
            wanted, got = ("images", "a table") if schema.image is not None else ("a table", "images")
            raise SchemaError(f"the model learnt from {wanted}", f"got {got}", f"Give it {wanted}.")
        if isinstance(raw, ImageSet):
            return conform_labelled(raw, schema, with_target=with_target)
        return conform(raw, schema, with_target=with_target)

    def _encoded(self, conformed: Conformed) -> Encoded:
        return encode(conformed.table, self.run.table, self.run.resolved.dtype)

    def _outputs(self, x_NF: np.ndarray, codes_NQ: np.ndarray) -> torch.Tensor:
        """Return what each network predicts, [M, N, C] float64."""
        outputs: torch.Tensor | Sequence[torch.Tensor] = predict(
            self.network, self.preparation, self.weights_MP, self.state_MS, self.fold_M, x_NF, codes_NQ
        )
        assert isinstance(outputs, torch.Tensor)
        return outputs.to(torch.float64)

    def _mean(self, outputs_MNC: torch.Tensor) -> np.ndarray:
        return both_classes(outputs_MNC.mean(dim=0).cpu().numpy(), self.run.network, self.target)


def _unfit(fact: str) -> ArtifactError:
    return ArtifactError(
        "a model's weights must fit the network it describes", fact, "Restore the model from a copy, or fit again."
    )
