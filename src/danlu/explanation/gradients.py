"""Are a module's gradients right? Autograd's against central differences, in float64, on a copy of the module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from danlu.core import devices
from danlu.core.errors import DataError, PlanError
from danlu.explanation.gradients_inputs import GIVE, as_inputs, guess_inputs
from danlu.explanation.gradients_locate import locate
from danlu.explanation.gradients_loss import make_measure
from danlu.explanation.gradients_module import Measure, ModulePoint, copy_in, default_type, seeded
from danlu.explanation.gradients_parameters import check_parameters, some, unused
from danlu.explanation.gradients_records import Fault, GradientCheck, ParameterCheck, Verdict, worst_of
from danlu.explanation.gradients_watch import Watch, differing
from danlu.networks.custom import said

TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-2}
"""Largest relative error that is right, where none was asked for. A mistake of 1 in 1000 shows in float64 alone."""
MOST = 100


@dataclass
class Trial:
    """A module that runs: at a point, in a type, with what its first passes showed."""

    point: ModulePoint
    watch: Watch
    dtype: torch.dtype
    of: str
    inputs: str
    faults: list[Fault] = field(default_factory=list)
    gradients: dict[str, Tensor | None] | None = None
    """None where there is no backward pass, or none that could be compared."""


def check_module(
    module: nn.Module,
    x: Any = None,
    y: Any = None,
    loss: str | Callable[..., Tensor] | None = None,
    *,
    tolerance: float | None = None,
    most: int = MOST,
    seed: int = 0,
) -> GradientCheck:
    """Check the gradients of a module by all its parameters and inputs; the module itself is left as it is.

    Arguments are those of `danlu.check_gradients`.

    Raises:
        PlanError: the module cannot be run, or the arguments do not fit it.
        DataError: a value is not finite: the place where it first appears is said.
    """
    check_settings(module, tolerance, most)
    with devices.arithmetic(1):  # Passes are small, and are run thousands of times.
        return _checked(module, _tried(module, x, y, loss, seed), tolerance, most, seed)


def _checked(module: nn.Module, trial: Trial, tolerance: float | None, most: int, seed: int) -> GradientCheck:
    """Compare the gradients of a module that runs."""
    with default_type(trial.dtype):
        allowed = tolerance or TOLERANCES[torch.float32 if _is_coarse(trial) else trial.dtype]
        if trial.gradients is None:
            return _result(module, trial, [], allowed, most, seed)
        checks = check_parameters(
            trial.point,
            trial.gradients,
            inputs=trial.point.inputs.__contains__,
            most=most,
            tolerance=allowed,
            seed=seed,
        )
        trial.faults += unused(checks, trial.gradients)
        trial.faults += _frozen(trial.point.module)
        if any(check.verdict == "wrong" for check in checks):
            trial.faults += locate(trial.point, trial.watch, allowed)
    return _result(module, trial, checks, allowed, most, seed)


def check_settings(module: Any, tolerance: float | None, most: int) -> None:
    """Refuse settings out of range.

    Raises:
        PlanError: one is.
    """
    if isinstance(module, nn.Module) and next(module.parameters(), next(module.buffers(), None)) is not None:
        device = next(module.parameters(), next(module.buffers(), None))
        assert device is not None
        if device.device.type == "meta":
            raise PlanError("a module must have numbers", 'its parameters are on the device "meta"')
    if tolerance is not None and not 0 < tolerance < 1:
        raise PlanError("`tolerance` must be between 0 and 1", f"got {tolerance:g}", "Use tolerance=1e-6.")
    if most < 1:
        raise PlanError("`most` must be at least 1", f"got {most}", f"Use most={MOST}.")


def _tried(module: nn.Module, x: Any, y: Any, loss: Any, seed: int) -> Trial:
    """Run the module in float64, or where it cannot be run so, in float32.

    Raises:
        PlanError: it cannot be run in either.
    """
    try:
        with default_type(torch.float64):
            return _try(module, x, y, loss, seed, torch.float64)
    except PlanError as wide:
        try:
            with default_type(torch.float32):
                trial = _try(module, x, y, loss, seed, torch.float32)
        except PlanError:
            raise wide from None
        text = f"it cannot be run in float64, so float32 it is, and only large mistakes show: {wide.fact}"
        trial.faults.insert(0, Fault(kind="precision", where=type(module).__name__, text=text))
        return trial


def _try(module: nn.Module, x: Any, y: Any, loss: Any, seed: int, dtype: torch.dtype) -> Trial:
    """Make a point of the module, and look at a few passes of it."""
    whole = copy_in(module, dtype)
    device = next((p.device for p in whole.parameters()), torch.device("cpu"))
    if x is None:

        def run(values: Tensor) -> Any:
            with seeded(seed), torch.no_grad():
                return copy_in(whole, dtype)(values.clone())

        guessed, words = guess_inputs(whole, dtype, device, seed, run)
        args: tuple[Tensor, ...] = (guessed,)
    else:
        args = as_inputs(x, dtype, device)
        words = "x " + " and ".join(str(list(arg.shape)) for arg in args)
    result = _first_result(whole, args, seed)
    measure, of = make_measure(result, y, loss, seed)
    point = _point(whole, args, measure, dtype, seed)
    if not point.leaves:
        raise PlanError("a module must have parameters or inputs of floats", "it has neither")
    trial = Trial(point, Watch(whole, dtype), dtype, of, words)
    _watched_pass(trial)
    if trial.gradients is not None:
        if point.settle():
            text = "its forward pass writes to its own parameters; they are put back after each pass"
            trial.faults.append(Fault(kind="writes-parameters", where=type(module).__name__, text=text))
        _check_repeatable(trial)
    return trial


def _point(whole: nn.Module, args: tuple[Tensor, ...], measure: Measure, dtype: torch.dtype, seed: int) -> ModulePoint:
    several = len(args) > 1
    return ModulePoint(
        whole,
        args,
        {},
        measure,
        input_names=lambda i: f"x{i + 1}" if several else "x",
        epsilon=torch.finfo(dtype).eps,
        seed=seed,
    )


def _first_result(whole: nn.Module, args: tuple[Tensor, ...], seed: int) -> Any:
    """Return what the module returns, or say where in it an error was raised.

    Raises:
        PlanError: it cannot be run on these inputs.
    """
    point = _point(whole, args, lambda _: torch.zeros(1), torch.float64, seed) if not _lazy(whole) else None
    watch = Watch(whole, torch.float64, operations=False)
    try:
        with watch, torch.no_grad():
            if point is not None:
                return point.run()[0]
            with seeded(seed):
                return whole(*args)
    except Exception as error:
        call = watch.stack[-1] if watch.stack else None
        where = call.place if call else type(whole).__name__
        given = " and ".join(str(list(t.shape)) for t in call.inputs) if call else ""
        weights = "".join(f", its {n} is {list(p.shape)}" for n, p in _own_parameters(whole, call)[:2])
        fact = f"{where} was given {given or 'no tensor'}{weights}, and raised {said(error).rstrip('.')}"
        raise PlanError(f"{type(whole).__name__} must run on its inputs", fact, GIVE) from None


def _own_parameters(whole: nn.Module, call: Any) -> list[tuple[str, Tensor]]:
    part = whole.get_submodule(call.name) if call else whole
    return list(part.named_parameters(recurse=False))


def _lazy(module: nn.Module) -> bool:
    return any(isinstance(p, nn.UninitializedParameter) for p in module.parameters())


def _watched_pass(trial: Trial) -> None:
    """Run forward and backward once, and note what is at fault in them.

    Raises:
        DataError: a value on the way forward is not finite.
    """
    point, watch = trial.point, trial.watch
    name = type(point.module).__name__
    for each, leaf in point.leaves.items():
        if not bool(leaf.isfinite().all()):
            index = (~leaf.isfinite()).nonzero()[0].tolist()
            raise DataError("gradients need finite numbers", f"{name} has {leaf[tuple(index)].item()} in {each}{index}")
    before = {each: leaf.clone() for each, leaf in point.leaves.items()}
    with watch:
        result, inputs = point.run(graph=True)
    terms = point.measure(result).detach()
    if not bool(terms.isfinite().all()):
        place = watch.not_a_number if bool(terms.isnan().any()) else watch.infinite
        what = "NaN" if bool(terms.isnan().any()) else "infinity"
        where = f"the first {what} comes from {place or watch.infinite or trial.of}"
        raise DataError(f"{name} must give finite values", where, "Look at that place, and at what it is given.")
    if watch.coarse is not None and trial.dtype == torch.float64:
        text = "values pass through fewer bits than float64 there: only large mistakes show"
        trial.faults.append(Fault(kind="precision", where=str(watch.coarse), text=text))
        point.epsilon = torch.finfo(torch.float32).eps
    try:
        found = point.backward(result, inputs)
    except Exception as error:
        trial.faults.append(_broken(watch, error, name))
        return
    finally:
        for each, leaf in point.leaves.items():
            leaf.copy_(before[each])
    trial.gradients = found
    if any(g is not None and not bool(g.isfinite().all()) for g in found.values()):
        lost = watch.first_lost()
        text = "the first gradient that is not finite comes out of its backward pass"
        trial.faults.append(
            Fault(kind="non-finite", where=str(lost.place if lost else name), text=text, severity="error")
        )


def _broken(watch: Watch, error: Exception, name: str) -> Fault:
    """Say what broke the backward pass, and where."""
    text = str(error)
    if "inplace operation" in text or "in-place" in text:
        place = watch.writer(text)
        why = "it writes over a tensor that the backward pass still needs; compute into a new tensor there"
        first = text.partition(". Hint")[0].partition(": ")[2] or text
        return Fault(kind="in-place", where=str(place or name), text=f"{why} ({first})", severity="error")
    function = text.split()[1] if text.startswith("Function ") else ""
    made = watch.maker_of(function.removesuffix("Backward").removesuffix("Backward0")) if function else None
    return Fault(
        kind="backward", where=str(made or name), text=f"its backward pass raised {said(error)}", severity="error"
    )


def _check_repeatable(trial: Trial) -> None:
    """Note random numbers; where a pass cannot be repeated, try evaluation mode, or give up."""
    point, where = trial.point, type(trial.point.module).__name__
    place = _difference(trial, other_seed=0)
    if place is not None and point.module.training:
        point.module.eval()
        if _difference(trial, other_seed=0) is None:
            text = (
                "it gives other results each time, whatever the seed: it was checked in evaluation mode, which does not"
            )
            trial.faults.append(Fault(kind="non-deterministic", where=place, text=text))
            trial.gradients = point.gradients()
            return
        point.module.train()
    if place is not None:
        text = "it gives other results each time, whatever the seed: no difference can be taken"
        trial.faults.append(Fault(kind="non-deterministic", where=place, text=text, severity="error"))
        trial.gradients = None
        return
    place = _difference(trial, other_seed=1)
    if place is not None:
        text = f"it draws random numbers; every pass was given the same ones (seed {point.seed})"
        trial.faults.append(Fault(kind="random", where=place or where, text=text))


def _difference(trial: Trial, other_seed: int) -> str | None:
    """Return where two passes first differ, with seeds that far apart; None where they do not."""
    point = trial.point
    seen = []
    for seed in (point.seed, point.seed + other_seed):
        watch = Watch(point.module, trial.dtype, operations=False)
        with watch:
            result, _ = point.run(graph=point.with_graph, seed=seed)
        seen.append((watch, point.measure(result).detach()))
    (first, one), (second, other) = seen
    if torch.equal(one, other):
        return None
    return str(differing(first, second) or type(point.module).__name__)


def _is_coarse(trial: Trial) -> bool:
    return trial.point.epsilon > torch.finfo(torch.float64).eps


def _frozen(module: nn.Module) -> list[Fault]:
    """Name the parameters that are not trained, and those that are no real floats."""
    frozen = [name for name, p in module.named_parameters() if not p.requires_grad]
    complex_ = [name for name, p in module.named_parameters() if p.requires_grad and not p.is_floating_point()]
    faults = []
    if frozen:
        faults.append(Fault(kind="frozen", where=some(frozen), text="not checked: requires_grad is off"))
    if complex_:
        faults.append(
            Fault(kind="not-checked", where=some(complex_), text="not checked: no real floating-point numbers")
        )
    return faults


def _result(
    module: nn.Module, trial: Trial, checks: list[ParameterCheck], tolerance: float, most: int, seed: int
) -> GradientCheck:
    kinds: dict[str, Verdict] = {"non-deterministic": "unsure"}
    faults = [kinds.get(fault.kind, "wrong") for fault in trial.faults if fault.severity == "error"]
    return GradientCheck(
        name=type(module).__name__,
        verdict=worst_of([*(check.verdict for check in checks), *faults]),
        parameters=tuple(checks),
        faults=tuple(sorted(trial.faults, key=lambda fault: fault.severity != "error")),
        of=trial.of,
        inputs=trial.inputs,
        dtype="float32" if _is_coarse(trial) else "float64",
        tolerance=tolerance,
        most=most,
        seed=seed,
    )
