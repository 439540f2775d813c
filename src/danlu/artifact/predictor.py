"""From a table to predictions, by the networks of a saved model and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
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
from danlu.judging import score
from danlu.networks import Preparation, predict, to_torch
from danlu.networks.build import both_classes, make_network
from danlu.networks.custom import Custom
from danlu.networks.preparation import encoded_width

if TYPE_CHECKING:
    from torch import nn

AT_ONCE = 1 << 24
"""Outputs (members x rows x outputs) held at once: 128 MB of float64."""
PREFIX = "preparation."


@dataclass(frozen=True)
class Predictions:
    """Predictions of rows, in their order.

    values: [N, C] float64, numbers in the user's units or the probabilities of the classes; always finite.
    warnings: what was unusual about the table.
    """

    values: np.ndarray
    target: TargetSchema
    warnings: tuple[Note, ...] = ()

    def labels(self) -> np.ndarray:
        """Return the name of the likeliest class of each row.

        Raises:
            PlanError: the target has no classes.
        """
        self._need_classes("`labels`")
        return np.array(self.target.classes, dtype=object)[self.values.argmax(axis=1)]

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

    def _check(self) -> None:
        """Refuse tensors that cannot be those of the network: by their shapes, then by predicting one row."""
        members, layout = len(self.weights_MP), self.run.network.layout
        if members == 0 or self.weights_MP.shape != (members, self.network.size):
            raise _unfit(f"weights are {tuple(self.weights_MP.shape)}, {self.network.size} belong to a member")
        if self.state_MS.shape != (members, self.network.state_size) or self.fold_M.shape != (members,):
            raise _unfit(f"moments are {tuple(self.state_MS.shape)} and folds {tuple(self.fold_M.shape)}")
        x_NF = np.zeros((1, encoded_width(layout)), self.run.resolved.dtype)
        try:
            shape = self._mean(x_NF, np.zeros((1, len(layout.codes)), np.int32)).shape
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            raise _unfit(str(error).partition("\n")[0][:100]) from None
        if shape != (1, self.target.outputs):
            raise _unfit(f"the network gives {shape[1]} outputs, the target has {self.target.outputs}")

    @property
    def target(self) -> TargetSchema:
        """The target's schema."""
        return self.run.table.target

    def encode(self, raw: RawTable | ImageSet) -> tuple[Encoded, tuple[Note, ...]]:
        """Return the matrices of all rows in order, and what was unusual about the table or the images.

        Raises:
            SchemaError: it does not fit the model.
        """
        conformed = self._conform(raw, with_target=False)
        return self._encoded(conformed), conformed.warnings

    def predict(self, raw: RawTable | ImageSet) -> Predictions:
        """Predict every row, in order: the mean over members of numbers, or of probabilities.

        Raises:
            SchemaError: the table does not fit the model.
            DataError: a prediction would not be finite.
        """
        encoded, warnings = self.encode(raw)
        return Predictions(self.values(encoded), self.target, warnings)

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
        values = self.values(self._encoded(conformed))
        seed = self.run.resolved.seed
        return score(conformed.target.values, values[None], self.target, kind=kind, seed=seed), conformed.warnings

    def values(self, encoded: Encoded) -> np.ndarray:
        """Return the mean prediction of each encoded row, [N, C] float64.

        Raises:
            DataError: a prediction is not finite.
        """
        rows, width = len(encoded.x), self.target.outputs
        step = max(256, AT_ONCE // (len(self.weights_MP) * width))
        mean_NC = np.empty((rows, width))
        for start in range(0, rows, step):
            part = slice(start, start + step)
            mean_NC[part] = self._mean(encoded.x[part], encoded.codes[part])
        if self.target.task == "classification":
            mean_NC /= mean_NC.sum(axis=1, keepdims=True)  # float32 leaves sums about 1e-7 off
        if not np.isfinite(mean_NC).all():
            row = int(np.flatnonzero(~np.isfinite(mean_NC).all(axis=1))[0]) + 1
            raise DataError(
                "predictions must be finite", f"row {row} gives none", "Look at its cells, or fit with --scale robust."
            )
        return mean_NC

    def to_torch(self) -> nn.Module:
        """Return a plain `torch.nn.Module` in evaluation mode: `forward(x_NF, codes_NQ)` gives [N, C]."""
        return to_torch(self.network, self.preparation, self.weights_MP, self.state_MS, self.fold_M)

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

    def _mean(self, x_NF: np.ndarray, codes_NQ: np.ndarray) -> np.ndarray:
        outputs: torch.Tensor | Sequence[torch.Tensor] = predict(
            self.network, self.preparation, self.weights_MP, self.state_MS, self.fold_M, x_NF, codes_NQ
        )
        assert isinstance(outputs, torch.Tensor)
        mean_NC = outputs.to(torch.float64).mean(dim=0).cpu().numpy()
        return both_classes(mean_NC, self.run.network, self.target)


def _unfit(fact: str) -> ArtifactError:
    return ArtifactError(
        "a model's weights must fit the network it describes", fact, "Restore the model from a copy, or fit again."
    )
