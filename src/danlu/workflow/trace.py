"""`danlu.trace`: every number of one step of a network, and the chain rule for any of its weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from danlu.core.errors import PlanError
from danlu.explanation.addresses import find_unit
from danlu.explanation.assemble import Update, assemble, chain_record, sgd
from danlu.explanation.chain import open_levels
from danlu.explanation.descent import check_gradient, descend
from danlu.explanation.gradients_inputs import as_inputs, guess_inputs
from danlu.explanation.lesson import Lesson, check_dtype, check_lr, check_steps, is_lesson, lesson_names, read_lesson
from danlu.explanation.trace_records import Chain, Level, TraceRecord
from danlu.explanation.tracing import Pass, run_pass
from danlu.networks.custom import drawn_from, find
from danlu.workflow.model import Model, load
from danlu.workflow.trace_model import make_case, own_update

LR = 0.01


@dataclass(frozen=True, eq=False, repr=False)
class Trace(TraceRecord):
    """Every number of one step, with what it takes to ask for more: other weights, other units, the page."""

    live: Pass = field(kw_only=True)
    step: Update = field(kw_only=True)

    def explain(self, weight: str) -> Chain:
        """Return the chain rule for a weight such as "layer1[0,0]", "layer1.bias[0]" or "hidden.0.weight[3,1]".

        Raises:
            PlanError: there is no such weight.
        """
        return chain_record(self.live, weight, self.step)

    def delta(self, unit: str, row: int = 0) -> tuple[Level, ...]:
        """Return the delta of a unit such as "layer1[0]", opened layer by layer along its strongest path.

        Arguments:
            unit: a layer and a place in its outputs, without the row.
            row: of the rows that were traced, from 0.

        Raises:
            PlanError: there is no such unit.
        """
        value, place = find_unit(self.live, unit, row)
        return tuple(open_levels(self.live, value, place))

    def page(self, path: str | Path, *, force: bool = True) -> Path:
        """Write the trace as one self-contained page with the network drawn, and return its path.

        Raises:
            OutputError: the file exists and `force` is off, or it cannot be written.
        """
        from danlu.report.trace_page import write_trace  # noqa: PLC0415

        return write_trace(self, Path(path), force=force)

    def __repr__(self) -> str:
        steps = "" if self.descent is None else f", {self.descent.steps} steps"
        size = f"{len(self.rows)} rows, {len(self.layers)} layers"
        return f"<Danlu trace of {self.source}: {size}, loss {self.loss:.6g}{steps}>"


def trace(  # noqa: PLR0913  a network, what goes in, and what is asked of it
    network: Any,
    x: Any = None,
    y: Any = None,
    loss: Any = None,
    *,
    lr: float | None = None,
    weight: str | None = None,
    member: int = 0,
    rows: int | slice | Sequence[int] | str | None = None,
    train: bool | None = None,
    steps: int | None = None,
    gradient: str | None = None,
    dtype: str | None = None,
    net: Any = None,
    seed: int = 0,
) -> Trace:
    """Run one step of a network in float64 and keep every number: forward, backward, update.

    Arguments:
        network: a `torch.nn.Module`; a Danlu model or its folder; a lesson: its name, a TOML file, or its text; or
            "FILE.py:CLASS".
        x: inputs `[N, ...]` of a module, or a tuple of them (random ones where there are none); of a model the table,
            or rows of it; nothing for a lesson.
        y: targets: `[N, C]`, or `[N]` classes; of a model taken from its target column.
        loss: by name (mse, l1, cross-entropy, ...), or a function of outputs and targets; by default the model's own,
            else cross-entropy of classes and mse of numbers.
        lr: learning rate of the update, plain SGD; by default 0.01, a lesson's own, or a model's own optimizer.
        weight: a weight whose chain rule is wanted: "layer1[0,0]" (unit, input), "layer1.bias[0]", or its own name.
        member: which network of a model, from 0.
        rows: which rows, from 0: a number, a slice, several, or a text "0:4"; of a table the first four by default.
        train: whether batch norm takes its moments from the rows and dropout drops, as in a training step; by default a
            model predicts, and a module is as it stands.
        steps: of gradient descent, for a lesson or a module.
        gradient: of the descent: "exact", or "forward-difference:0.0001".
        dtype: what a lesson's parameters are kept in, float64 or float32; what is computed from them is float64.
        net: the class of your own that a model was trained with.
        seed: of what is random.

    Raises:
        PlanError: shapes do not fit (the layer is named), or a weight, row or member does not exist.
        DataError: a value is not finite (the first place is named), or something cannot be read.

    >>> found = trace("three-sigmoids", weight="layer1[0,0]")
    >>> [round(factor.value, 6) for factor in found.chain.factors], round(found.chain.product, 6)
    ([2.466424, 0.3, 0.196612, 1.0], 0.145479)
    >>> model = nn.Sequential(nn.Linear(1, 1, bias=False))
    >>> model[0].weight.data.fill_(2.0)
    tensor([[2.]])
    >>> float(trace(model, [[1.0]], [[1.0]], "mse").layer("layer1").parameters[0].gradients[0, 0])
    2.0
    """
    if lr is not None:
        lr = check_lr(lr)
    found = _source(network, net)
    if isinstance(found, Lesson):
        _no(x=x, y=y, rows=rows)
        return _of_lesson(found, loss, lr, weight, steps, gradient, dtype)
    if isinstance(found, Model):
        if steps or gradient or dtype:
            raise PlanError("`steps` are for a lesson or a module", "got a model", "`danlu fit` trains; leave it out.")
        return _of_model(found, (x, y, loss), lr, weight, member, rows, train, seed)
    if dtype is not None and not steps:
        raise PlanError(
            "`dtype` is what parameters of a descent are kept in", "got no steps", "Give steps, or leave it out."
        )
    return _of_module(found, (x, y, loss), lr, weight, rows, train, (steps, gradient, dtype), seed)


def _source(network: Any, net: Any) -> Any:
    """Return what is traced: a lesson, a model, a module, or a class to make one.

    Raises:
        PlanError: it is none of these.
    """
    if isinstance(network, nn.Module | Model | Lesson):
        return network
    if not isinstance(network, str | Path):
        raise PlanError(
            "`network` must be a torch.nn.Module, a Danlu model or a lesson",
            f"got {type(network).__name__}",
            "Give a module, danlu.load(...), or the name of a lesson.",
        )
    text = str(network)
    if is_lesson(text):
        return read_lesson(text)
    if text.rpartition(":")[0].endswith(".py"):
        return find(text)
    if text.endswith(".py"):
        raise PlanError("a file must be named with a class in it", f"got {text}", f"Use {text}:CLASS.")
    if not Path(text).exists():
        names = ", ".join(lesson_names())
        raise PlanError(
            "SOURCE must be a lesson, the folder of a model, or FILE.py:CLASS",
            f"there is no {text}",
            f"Lessons: {names}.",
        )
    return load(text, net=net)


def _no(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise PlanError(
                f"`{name}` does not belong here", "a lesson has its own", "Leave it out, or change the lesson."
            )


def _of_lesson(
    lesson: Lesson,
    loss: Any,
    lr: float | None,
    weight: str | None,
    steps: int | None,
    gradient: str | None,
    dtype: str | None,
) -> Trace:
    dtype = check_dtype(dtype or lesson.dtype)
    lr = lr or lesson.lr
    found = run_pass(
        lesson.module(dtype).eval(), (torch.from_numpy(lesson.inputs),), lesson.target, loss or lesson.loss
    )
    rule = f"SGD: w − {lr:g} × gradient"
    record = assemble(found, lesson.name, about=lesson.about, update=sgd(lr), rule=rule, lr=lr)
    steps = check_steps(lesson.steps if steps is None else steps)
    return _finished(record, found, sgd(lr), weight or lesson.weight, (steps, gradient or lesson.gradient, dtype))


def _of_model(
    model: Model,
    given: tuple[Any, Any, Any],
    lr: float | None,
    weight: str | None,
    member: int,
    rows: Any,
    train: bool | None,
    seed: int,
) -> Trace:
    data, y, loss = given
    if data is None:
        of_table = model.run.table.image is None
        rule = f"a model is traced on {'rows of a table' if of_table else 'images'}"
        raise PlanError(rule, "got none", f"Give {'the table' if of_table else 'some'} as well.")
    case = make_case(model, data, y, loss, member, _row_numbers(rows))
    module = case.module.train(bool(train))
    found = run_pass(
        module, case.inputs, case.target, case.loss, seed=seed, sources=case.sources, titles=case.titles, rows=case.rows
    )
    update, rule, rate = own_update(model)
    if lr is not None:
        update, rule, rate = sgd(lr), f"SGD: w − {lr:g} × gradient", lr
    record = assemble(
        found,
        model.run.name,
        about=case.about,
        update=update,
        rule=rule,
        lr=rate,
        first=case.first,
        labels=case.labels,
        preparation=case.preparation,
    )
    record = replace(record, prediction=case.predict(found.output.tensor))
    return _finished(record, found, update, weight, (0, None, None))


def _of_module(
    network: Any,
    given: tuple[Any, Any, Any],
    lr: float | None,
    weight: str | None,
    rows: Any,
    train: bool | None,
    descent: tuple[int | None, str | None, str | None],
    seed: int,
) -> Trace:
    x, y, loss = given
    name = type(network).__name__
    if not isinstance(network, nn.Module):
        name = network.name
        with drawn_from(seed):
            network = network.build(*_widths(x, y, loss))
    try:
        module = copy.deepcopy(network).to("cpu", torch.float64)
    except Exception as error:
        fact = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise PlanError(f"{name} must be a module that can be copied", fact) from None
    if train is not None:
        module.train(train)
    notes = []
    if x is None:
        inputs, words = guess_inputs(module, torch.float64, torch.device("cpu"), seed, module)
        parts: tuple[Tensor, ...] = (inputs,)
        notes.append(words)
    else:
        parts = _as_rows(as_inputs(x, torch.float64, torch.device("cpu")), module)
    numbers = _row_numbers(rows)
    if numbers is not None:
        parts, y = _picked(parts, y, numbers)
    if y is None and not callable(loss):
        notes.append(f"random targets, seed {seed}")
    found = run_pass(module, parts, y, loss, seed=seed, rows=numbers)
    rate = lr or LR
    record = assemble(found, name, update=sgd(rate), rule=f"SGD: w − {rate:g} × gradient", lr=rate, notes=notes)
    steps, gradient, dtype = descent
    return _finished(record, found, sgd(rate), weight, (check_steps(steps or 0), gradient, dtype))


def _finished(
    record: TraceRecord, found: Pass, update: Update, weight: str | None, descent: tuple[int, str | None, str | None]
) -> Trace:
    """Return the record with the chain and the descent that were asked for."""
    chain = None if weight is None else chain_record(found, weight, update)
    steps, gradient, dtype = descent
    how, kind = check_gradient(gradient or "exact"), check_dtype(dtype or "float64")
    down = descend(found, steps, record.lr, how, kind) if steps else None
    whole = replace(record, chain=chain, descent=down)
    return Trace(**{f.name: getattr(whole, f.name) for f in fields(TraceRecord)}, live=found, step=update)


def _row_numbers(rows: Any) -> Sequence[int] | None:
    """Return the numbers of rows that were asked for: 3, "3", "0:4", slice(0, 4), [0, 5].

    >>> list(_row_numbers("0:4")), _row_numbers("1,5"), _row_numbers(3)
    ([0, 1, 2, 3], [1, 5], [3])
    """
    if rows is None:
        return None
    try:
        if isinstance(rows, str) and ":" in rows:
            first, last = rows.split(":")
            rows = slice(int(first or 0), int(last))
        elif isinstance(rows, str):
            rows = [int(part) for part in rows.split(",")]
        if isinstance(rows, slice):
            found = list(range(rows.start or 0, rows.stop, rows.step or 1))
        else:
            found = [int(rows)] if isinstance(rows, int | np.integer) else [int(row) for row in rows]
    except (TypeError, ValueError):
        raise PlanError("`rows` must be numbers from 0", f"got {rows!r}", "Use 3, 0:4, or 0,5.") from None
    if not found or min(found) < 0:
        raise PlanError("`rows` must be numbers from 0", f"got {rows!r}", "Use 3, 0:4, or 0,5.")
    return found


def _picked(parts: tuple[Tensor, ...], y: Any, rows: Sequence[int]) -> tuple[tuple[Tensor, ...], Any]:
    """Return some rows of the inputs and of the targets."""
    count = len(parts[0])
    wrong = [row for row in rows if row >= count]
    if wrong:
        raise PlanError(f"`rows` must be from 0 to {count - 1}", f"got {wrong[0]}", "Leave it out for all.")
    index = list(rows)
    if y is not None:
        y = y[index] if isinstance(y, Tensor) else np.asarray(y)[index]
    return tuple(part[index] for part in parts), y


def _as_rows(parts: tuple[Tensor, ...], module: nn.Module) -> tuple[Tensor, ...]:
    """Return inputs led by rows, as floats but for an embedding's codes."""
    codes = any(isinstance(part, nn.Embedding | nn.EmbeddingBag) for part in module.modules())
    parts = tuple(part if codes and not part.is_floating_point() else part.double() for part in parts)
    return tuple(part[None] if part.ndim == 1 and part.is_floating_point() else part for part in parts)


def _widths(x: Any, y: Any, loss: Any) -> tuple[int, int]:
    """Return how many inputs and outputs a class is made with, where it asks."""
    shape = np.shape(x[0] if isinstance(x, tuple) else x) if x is not None else (8,)
    inputs = int(shape[-1]) if shape else 1
    if y is None:
        return inputs, 1
    truth = np.asarray(y)
    if loss == "cross-entropy" or (truth.dtype.kind in "iu" and truth.ndim == 1):
        return inputs, int(truth.max()) + 1
    return inputs, truth.shape[-1] if truth.ndim else 1
