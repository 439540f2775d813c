"""A trial of a user's module before any training: whether it can be a network at all, and how its members can run."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from danlu.core.errors import PlanError
from danlu.core.records import FeatureLayout
from danlu.networks.custom import Custom, drawn_from, said
from danlu.networks.layer import Step
from danlu.networks.preparation import Prepared, encoded_width
from danlu.networks.surgery import Now, operate

if TYPE_CHECKING:
    from danlu.networks.modules import ModuleLayer, ModuleNetwork

ROWS = 32
SLOW = "There is a performance drop"
"""How torch begins to say that vmap runs an operation for one member after another."""
PADDING = 8
"""Last rows of the trial's batch that have weight 0."""


@dataclass(frozen=True)
class Survey:
    """What one pass of a module showed: its outputs, values a row and rate of each call of dropout, the values a row of
    its widest layer, and the parameters that got no gradient."""

    outputs: int
    drops: tuple[tuple[int, float], ...]
    widest: int
    untouched: tuple[str, ...]


def sample(layout: FeatureLayout, width: int, dtype: torch.dtype) -> Tensor:
    """Return rows to try a module on, `[2 * ROWS, width]`: numbers in [0, 1), and 0 or 1 in the columns behind."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(2 * ROWS, width, generator=generator)
    behind = encoded_width(layout)
    rows[:, behind:] = rows[:, behind:].round()
    return rows.to(dtype)


def survey(
    module: nn.Module, custom: Custom, rows_BF: Tensor, outputs: int, image: tuple[int, int, int] | None = None
) -> Survey:
    """Run a module forward and backward once, and check what it gives; `image`: channels, height, width of a row.

    Raises:
        PlanError: it cannot be run, gives another shape, or does not learn.
    """
    _check_tensors(module, custom)
    now, widths = Now(), [outputs]

    def note(_layer: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim and len(output) == ROWS:
            widths.append(output[0].numel())

    changed = operate(module, now, custom.title).to(rows_BF.dtype)
    hooks = [part.register_forward_hook(note) for part in changed.modules()]
    x_BF = rows_BF[:ROWS]
    given = f"{custom.title} was given inputs [{ROWS}, {x_BF.shape[1]}]"
    try:
        with drawn_from(0):
            result = changed(x_BF)
    except Exception as error:
        shape, fact = ", ".join(map(str, image or ())), f"{given} and raised {said(error)}"
        remedy = f"A row is an image, flat: begin with x = x.view(-1, {shape})." if image else ""
        raise PlanError(f"{custom.name} must take rows of inputs", fact, remedy) from None
    finally:
        for hook in hooks:
            hook.remove()
    wanted = f"return [rows, {outputs}]: {'one column' if outputs == 1 else f'{outputs} columns'} for the target"
    if not isinstance(result, Tensor):
        raise PlanError(f"{custom.name} must {wanted}", f"{given} and returned {type(result).__name__}")
    if result.shape != (ROWS, outputs):
        remedy = "Leave squeeze out." if result.shape == (ROWS,) and outputs == 1 else ""
        raise PlanError(f"{custom.name} must {wanted}", f"{given} and returned {list(result.shape)}", remedy)
    named = {name: value for name, value in changed.named_parameters() if value.requires_grad}
    found = _gradients(result, list(named.values()))
    untouched = tuple(name for name, gradient in zip(named, found, strict=True) if gradient is None)
    if len(untouched) == len(named):
        raise PlanError(
            f"{custom.name} must learn from its outputs' gradient",
            "none of its parameters gets one",
            "Leave detach out.",
        )
    drops = tuple((values // ROWS, rate) for values, rate in now.calls)
    return Survey(outputs, drops, max(widths), untouched)


def _gradients(result: Tensor, parameters: Sequence[Tensor]) -> Sequence[Tensor | None]:
    if not result.requires_grad:
        return [None] * len(parameters)
    return torch.autograd.grad(result.sum(), parameters, allow_unused=True)


def _check_tensors(module: nn.Module, custom: Custom) -> None:
    """Refuse parameters that are not there yet, or no floating-point numbers."""
    for name, value in module.named_parameters():
        if isinstance(value, nn.UninitializedParameter):
            raise PlanError(
                f"{custom.name} must have all its parameters when it is made",
                f"{name} waits for the first batch",
                "Use nn.Linear(inputs, ...) in the place of nn.LazyLinear: the number of inputs is passed.",
            )
        if not value.is_floating_point():
            raise PlanError(f"{custom.name} must have parameters of floating-point numbers", f"{name} is {value.dtype}")
    if not any(value.requires_grad for value in module.parameters()):
        raise PlanError(f"{custom.name} must have parameters to train", "it has none", "Name another class.")


@dataclass(frozen=True)
class Passes:
    """What a training pass of two members gave."""

    outputs: Tensor
    gradient: Tensor
    state: Tensor

    def like(self, other: Passes, tolerance: float) -> bool:
        """Return whether two passes gave the same, but for rounding."""
        pairs = ((self.outputs, other.outputs), (self.gradient, other.gradient), (self.state, other.state))
        return all(torch.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True) for a, b in pairs)


class Trial:
    """Two members of a network, and the passes that are compared."""

    def __init__(self, network: ModuleNetwork, layer: ModuleLayer, dtype: torch.dtype) -> None:
        self.network, self.layer, self.dtype = network, layer, dtype
        self.weights_MP, self.state_MS = network.initial([1, 2], dtype)
        self.rows_BF = sample(network.spec.layout, network.input_width, dtype)
        self.tolerance = 1e-9 if dtype == torch.float64 else 1e-3
        share_MB1 = torch.ones(2, ROWS, 1, dtype=dtype) / (ROWS - PADDING)
        share_MB1[:, -PADDING:] = 0
        rows_M11 = torch.full((2, 1, 1), float(ROWS - PADDING), dtype=dtype)
        seeds_M2 = torch.tensor([[1, 2], [3, 4]], dtype=torch.int32)
        dropped_M, kept_M11 = torch.full((2,), 128, dtype=torch.uint8), torch.full((2, 1, 1), 2.0, dtype=dtype)
        self.step = Step(True, share_MB1, rows_M11, seeds_M2, dropped_M, kept_M11)

    def train(self, rows_BF: Tensor, *, mapped: bool, seed: int = 0) -> Passes:
        """Take one training pass of both members on the same rows."""
        self.layer.mapped = mapped
        state_MS = self.state_MS.clone()
        run = self.network.bind(self.weights_MP, state_MS, gradient=True)
        with drawn_from(seed):
            outputs = run.forward(self._prepared(rows_BF), self.step).clone()
            gradient = run.backward(torch.ones_like(outputs) / ROWS)
        return Passes(outputs[:, :-PADDING], gradient, state_MS)

    def predict(self, rows_BF: Tensor, *, mapped: bool, seed: int = 0) -> Tensor:
        """Return both members' outputs in evaluation mode."""
        self.layer.mapped = mapped
        with drawn_from(seed):
            return self.network(self.weights_MP, self.state_MS, self._prepared(rows_BF)).clone()

    def _prepared(self, rows_BF: Tensor) -> Prepared:
        embedded = len(self.network.tables)
        slots = torch.zeros(2, len(rows_BF), embedded, dtype=torch.int64)
        width = self.network.inputs.prepared
        return Prepared(rows_BF[:, :width].expand(2, -1, -1).contiguous(), slots)

    def same(self, first: Tensor, second: Tensor) -> bool:
        """Return whether two outputs are the same, but for rounding."""
        return torch.allclose(first, second, rtol=self.tolerance, atol=self.tolerance, equal_nan=True)


def try_out(network: ModuleNetwork, layer: ModuleLayer, dtype: torch.dtype) -> tuple[str, ...]:
    """Try whether members can run at once, set the layer accordingly, and return what the user should know.

    Raises:
        PlanError: the module starts or predicts otherwise each time, or judges a row by the others of its batch.
    """
    trial, custom = Trial(network, layer, dtype), network.custom
    again_MP, again_MS = network.initial([1, 2], dtype)
    if not (_equal(trial.weights_MP, again_MP) and _equal(trial.state_MS, again_MS)):
        raise PlanError(
            f"{custom.name} must start the same from the same seed",
            "two networks of one seed start otherwise",
            "Draw its first numbers with torch, from its global generator.",
        )
    rows_BF = trial.rows_BF[:ROWS]
    try:
        alone = trial.train(rows_BF, mapped=False)
        layer.random = not alone.like(trial.train(rows_BF, mapped=False, seed=1), trial.tolerance)
        influenced = _influenced(trial, alone)
        _check_prediction(trial, custom)
    except PlanError:
        raise
    except Exception as error:
        raise PlanError(f"{custom.name} must be trainable by autograd", f"it raised {said(error)}") from None
    why = _against_vmap(trial, alone)
    layer.mapped = not why
    words = {
        f"its networks run one after another, which takes longer: {why}": bool(why),
        "vmap has no rule for some of its operations, and runs these for one network after another": layer.slow,
        "it draws random numbers besides nn.Dropout: a network that is trained again among others draws other ones, of "
        "the same distribution": layer.random,
        "in training its rows influence each other besides nn.BatchNorm: copies of rows that fill up a batch count "
        "there": influenced,
        f"{', '.join(layer.survey.untouched[:4])} got no gradient in a trial": bool(layer.survey.untouched),
    }
    return tuple(text for text, true in words.items() if true)


def _equal(first: Tensor, second: Tensor) -> bool:
    return torch.equal(first, second)


def _influenced(trial: Trial, alone: Passes) -> bool:
    """Return whether rows of weight 0 change what the others give."""
    if trial.layer.random:
        return False
    rows_BF = trial.rows_BF[:ROWS].clone()
    rows_BF[-PADDING:] = trial.rows_BF[-PADDING:]
    other = trial.train(rows_BF, mapped=False)
    return not trial.same(alone.outputs, other.outputs)


def _check_prediction(trial: Trial, custom: Custom) -> None:
    """Refuse predictions that are drawn, or that depend on the other rows of a batch."""
    few = trial.predict(trial.rows_BF[:ROWS], mapped=False)
    if not trial.same(few, trial.predict(trial.rows_BF[:ROWS], mapped=False, seed=1)):
        raise PlanError(
            f"{custom.name} must predict the same each time",
            "in evaluation mode two passes over the same rows differ",
            "Draw random numbers only where self.training is true.",
        )
    if not trial.same(few, trial.predict(trial.rows_BF, mapped=False)[:, :ROWS]):
        raise PlanError(
            f"{custom.name} must predict each row by itself",
            "in evaluation mode a row's outputs change with the other rows of its batch",
            "Compute what is common to all rows while self.training is true, and keep it in a buffer.",
        )


def _against_vmap(trial: Trial, alone: Passes) -> str:
    """Return why members cannot run at once; empty where they can."""
    layer, rows_BF = trial.layer, trial.rows_BF[:ROWS]
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            together = trial.train(rows_BF, mapped=True)
            predicted = trial.predict(rows_BF, mapped=True)
    except Exception as error:
        return f"vmap says {said(error).partition('. ')[0]}"
    layer.slow = any(SLOW in str(warning.message) for warning in seen)
    if not layer.random and not alone.like(together, trial.tolerance):
        return "under vmap they give other numbers"
    return "" if trial.same(predicted, trial.predict(rows_BF, mapped=False)) else "under vmap they predict otherwise"
