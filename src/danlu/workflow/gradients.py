"""Gradients of anything with gradients: a module, a class in a file, or the members of a saved model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from danlu.core.errors import PlanError
from danlu.core.nets import IN_PYTHON
from danlu.core.plan import Plan, make_plan
from danlu.data import ReadOptions
from danlu.explanation.gradients import MOST, TOLERANCES, check_module, check_settings
from danlu.explanation.gradients_engine import EnginePoint, check_point, random_inputs
from danlu.explanation.gradients_inputs import ROWS
from danlu.explanation.gradients_records import GradientCheck
from danlu.features import layout
from danlu.networks import Network, Preparation, Prepared
from danlu.networks.build import describe
from danlu.networks.custom import Custom, drawn_from, find
from danlu.population.losses import make_loss
from danlu.search import Facts, recipe
from danlu.workflow.material import gather
from danlu.workflow.model import Model, load

MOST_ROWS = 32
"""Of a table at most so many rows, drawn, are what gradients are checked at."""
CONV_ROWS, CONV_MOST = 2, 3
"""The same of convolutions, and how many entries of a parameter are moved one by one: a pass takes 1,000 times as long
as that of a table's network, and the residual network has 34 parameters. So it is a minute, and not an hour."""
_READING = tuple(field.name for field in fields(ReadOptions) if field.name != "inherited")
OUTPUTS = 3
"""What a class that must be told its outputs is called with, where nothing else tells."""


def check_gradients(  # noqa: PLR0913  what is checked, at what, and how: nothing to leave out
    module: Any,
    x: Any = None,
    y: Any = None,
    loss: str | Callable[..., Tensor] | None = None,
    *,
    input_shape: tuple[int, ...] | None = None,
    outputs: int | None = None,
    member: int = 0,
    net: Any = None,
    tolerance: float | None = None,
    most: int | None = None,
    seed: int = 0,
    **settings: Any,
) -> GradientCheck:
    """Compare analytic gradients with central finite differences, parameter by parameter, in float64.

    What is given stays as it is: a copy is checked, in its mode (training or evaluation), with the same random
    numbers in every pass; running moments are put back before each.

    Arguments:
        module: a `torch.nn.Module`; a class or function that makes one, or "FILE.py:CLASS"; or a Danlu model or its
            folder, whose own backward pass is then checked, in training mode (batch norm over the rows, dropout by
            its hash).
        x: inputs of a module: a tensor, an array, a list, or a tuple of these for several inputs; by default random
            ones of a shape that its layers tell. For a model, or with `target`, a table as in `danlu.fit`: 32 of its
            rows, drawn with the seed, are what the gradients are taken at.
        y: targets of a module: floats like its outputs, or whole numbers, the classes of rows.
        loss: by name (mse, l1, huber:1, cross-entropy, binary-cross-entropy, kl, poisson, pinball:0.9), or a function
            of outputs and y; by default mse or cross-entropy where there are targets, else a random projection of the
            outputs. A model has its own.
        input_shape: of random inputs, with the rows: (4, 8).
        outputs: that a class is called with; by default as many as y or the target needs, else 3.
        member: which network of a model, from 0.
        net: the class of your own that a model was trained with.
        tolerance: largest relative error that is right; by default 1e-6, and 1e-2 where a module computes in float32.
        most: entries of a parameter that are moved one by one: all of them, or a sample; by default 100, of a model
            with convolutions 3. Of a larger one all are moved at once as well, along a random direction.
        seed: of whatever is drawn.
        settings: where x is a table: fields of `danlu.Plan` that say how it is read; where the module is a class,
            also `target`, the column to predict, and how its columns are taken (`kinds`, `drop`, `scale`, ...).

    Raises:
        PlanError: the module cannot be run, or the arguments do not fit it.
        DataError: a value is not finite (its place is said), or the table cannot be read.

    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return 2 * x
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         return grad  # the factor is missing
    >>> class Layer(nn.Module):
    ...     def forward(self, x):
    ...         return Double.apply(x)
    >>> check = check_gradients(nn.Sequential(nn.Linear(3, 2), Layer(), nn.Linear(2, 1)))
    >>> check.verdict, check.faults[0].where
    ('wrong', '1 (Layer)')
    """
    check_settings(module, tolerance, MOST if most is None else most)
    if isinstance(module, str | Path) and not _is_class(str(module)):
        module = load(module, net=net)
    if isinstance(module, Model):
        own = {name: value for name, value in settings.items() if name not in _READING}
        _refuse("a model has its own", y=y, loss=loss, input_shape=input_shape, outputs=outputs, **own)
        raw = None if x is None else module.read(x, _options(module.run.plan, settings))
        return _check_model(module, raw, member, tolerance or TOLERANCES[torch.float64], most, seed)
    most = MOST if most is None else most
    _refuse("it is for the networks of a model", net=net, member=member or None)
    if isinstance(module, nn.Module):
        _refuse("a module was made already: give its class, or x and y as arrays", outputs=outputs, **settings)
    if input_shape is not None:
        x = _random(input_shape, x, seed)
    said: dict[str, str] = {}
    if not isinstance(module, nn.Module):
        custom = _found(module)
        said["name"] = custom.name
        if (isinstance(x, str | Path) or settings) and not settings.get("target"):
            raise PlanError("a table needs a target column", "got none", "Use --target COLUMN.")
        if settings:
            _refuse("the target tells", outputs=outputs)
            module, x, y, loss, said["inputs"] = _on_table(custom, x, loss, settings, seed)
        else:
            module = _made(custom, x, y, outputs, seed)
    check = check_module(module, x, y, loss, tolerance=tolerance, most=most, seed=seed)
    if input_shape is not None:
        said["inputs"] = f"random x {list(input_shape)}, seed {seed}"
    return check.model_copy(update=said)


def _found(module: Any) -> Custom:
    """Return the class that is meant.

    Raises:
        PlanError: there is none.
    """
    if not (callable(module) or isinstance(module, str | Path)):
        raise PlanError("gradients are those of a module, a class, FILE.py:CLASS or a model", f"got {module!r}"[:100])
    try:
        custom = find(str(module) if isinstance(module, Path) else module)
    except PlanError as error:
        raise PlanError(error.rule.removeprefix("`net` "), error.fact, error.remedy) from None
    assert custom is not None
    return custom


def _is_class(text: str) -> bool:
    """Return whether a text names a class in a file, not the folder of a model."""
    place, colon, name = text.rpartition(":")
    if place.endswith(".py") and colon and name:
        return True
    if text.endswith(".py"):
        raise PlanError("a file must be named with a class in it", f"got {text}", f"Use {text}:CLASS.")
    return False


def _refuse(why: str, **given: Any) -> None:
    """Refuse what does not belong to what is checked.

    Raises:
        PlanError: something was given.
    """
    for name, value in given.items():
        if value is not None:
            raise PlanError(f"`{name}` does not belong here", why, "Leave it out.")


def _options(fitted: Plan, settings: dict[str, Any]) -> ReadOptions:
    """Return how to read a table for a model: as the one learnt from, but for what was given now."""
    before = {name: getattr(fitted, name) for name in _READING}
    own = not settings.keys().isdisjoint(("query", "table"))
    if own:  # either replaces the other
        before |= {"query": None, "table": None}
    return ReadOptions.from_plan(make_plan(**(before | settings)), inherited=not own)


def _random(shape: tuple[int, ...], x: Any, seed: int) -> Tensor:
    """Return random inputs of a shape.

    Raises:
        PlanError: there are inputs already, or it is no shape.
    """
    if x is not None:
        raise PlanError("`input_shape` is for random inputs", "got inputs too", "Leave one of them out.")
    if len(shape) < 1 or min(shape) < 1:
        got = ",".join(map(str, shape))
        raise PlanError("`input_shape` must be whole numbers above 0, rows first", f"got {got}", "Use input_shape=4,8.")
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _made(custom: Custom, x: Any, y: Any, outputs: int | None, seed: int) -> nn.Module:
    """Call a class, with the numbers of inputs and outputs where it asks for them."""
    shape = () if x is None or isinstance(x, tuple) else tuple(np.shape(x))
    inputs = math.prod(shape[1:]) if shape else 2 * ROWS
    if y is not None and outputs is None:
        truth = np.asarray(y)
        outputs = int(truth.max()) + 1 if truth.dtype.kind in "iu" else math.prod(truth.shape[1:])
    with drawn_from(seed):
        return custom.build(inputs, outputs or OUTPUTS)


def _on_table(
    custom: Custom, data: Any, loss: Any, settings: dict[str, Any], seed: int
) -> tuple[nn.Module, Tensor, Tensor, Any, str]:
    """Return a class called as `danlu.fit` would call it, rows prepared as there, targets, the loss, and which rows.

    Raises:
        PlanError: there is no table.
        DataError: it cannot be read or learnt from.
    """
    if data is None:
        raise PlanError("`target` names a column of a table", "got no table", "Give one, or leave it out.")
    named = {} if loss is None or callable(loss) else {"loss": loss}
    plan = make_plan(**{"dtype": "float64", "net": custom.name + IN_PYTHON} | settings | named)
    material = gather(data, plan)
    examined, schema = material.examined, material.examined.schema
    resolved = recipe(plan, Facts(len(examined.kept), schema.target.task, len(schema.target.classes)))
    features = layout(schema, onehot_most=None)
    spec = describe(resolved, features, schema.target, custom)
    y_N = torch.tensor(examined.target.values)
    rows, every = _drawn(len(y_N), seed), [np.arange(len(y_N))]
    numeric = y_N if y_N.is_floating_point() else None
    preparation = Preparation.fit(
        material.encoded.x,
        material.encoded.codes,
        numeric,
        every,
        features,
        spec.scale,
        spec.scale_target,
        torch.float64,
    )
    x_KBD = _prepared(preparation, material.encoded.x, material.encoded.codes, rows).x_KBD
    chosen = loss if callable(loss) else resolved.loss or "mse"
    truth = y_N[rows]
    if numeric is not None and not callable(chosen) and make_loss(chosen).scaled:
        truth = preparation.scaled(truth[None])[0]
    with drawn_from(seed):
        module = custom.build(Network(spec.model_copy(update={"module": None})).input_width, spec.outputs)
    return module, x_KBD[0], truth, chosen, f"{len(rows)} of {len(y_N):,} rows of {material.source}, seed {seed}"


def _check_model(model: Model, raw: Any, member: int, tolerance: float, most: int | None, seed: int) -> GradientCheck:
    """Check the written-out backward pass of one member.

    Raises:
        PlanError: there is no such member.
        DataError: the table cannot be read, or a value is not finite.
    """
    predictor, run = model._predictor, model.run
    count = len(predictor.weights_MP)
    if not 0 <= member < count:
        raise PlanError(f"`member` must be from 0 to {count - 1}", f"got {member}", "Use member=0.")
    network, plan = predictor.network, run.resolved
    preparation = predictor.preparation.pick(predictor.fold_M[member : member + 1].long())
    loss, target = None, None
    is_conv, row = network.spec.conv is not None, "row" if run.table.image is None else "image"
    most_rows, most = (CONV_ROWS if is_conv else MOST_ROWS), most or (CONV_MOST if is_conv else MOST)
    if raw is None:
        prepared = random_inputs(network, most_rows, seed)
        of = f"a random projection of the outputs, seed {seed}"
        inputs = f"{most_rows} random {row}s as preparation gives them, seed {seed}"
    else:
        known = predictor.truth(raw)
        assert known.target is not None
        rows = _drawn(len(known.target.values), seed, most_rows)
        encoded, _ = predictor.encode(raw)
        prepared = _prepared(preparation, encoded.x[known.kept], encoded.codes[known.kept], rows)
        loss = make_loss(plan.loss or "mse")
        y = torch.tensor(known.target.values)[rows][None]
        target = y if not y.is_floating_point() else preparation.scaled(y).double() if loss.scaled else y.double()
        of = f"the loss {plan.loss or 'mse'}, mean over rows"
        smooth = f", with label smoothing {plan.label_smoothing:g}" if plan.label_smoothing else ""
        of += smooth
        inputs = f"{len(rows)} of {len(known.target.values):,} {row}s, seed {seed}"
    point = EnginePoint(
        network,
        predictor.weights_MP[member].cpu(),
        predictor.state_MS[member].cpu(),
        prepared,
        loss=loss,
        target=target,
        smoothing=(plan.label_smoothing or 0.0) if loss is not None and loss.name.endswith("cross-entropy") else 0.0,
        dropout=plan.dropout or 0.0,
        seed=seed,
    )
    name = f"{run.name}, network {member} of {count}"
    return check_point(point, name, of, inputs, tolerance=tolerance, most=most, seed=seed)


def _drawn(rows: int, seed: int, most: int = MOST_ROWS) -> Tensor:
    """Return the numbers of some rows, in order: all, or as many as are enough."""
    if rows <= most:
        return torch.arange(rows)
    return torch.randperm(rows, generator=torch.Generator().manual_seed(seed))[:most].sort().values


def _prepared(preparation: Preparation, x_NF: np.ndarray, codes_NQ: np.ndarray, rows: Tensor) -> Prepared:
    """Return rows as one fold prepares them, in float64."""
    tensors = {name: t.double() if t.is_floating_point() else t for name, t in preparation.tensors().items()}
    exact = Preparation.from_tensors(preparation.layout, preparation.scale, preparation.scale_target, tensors)
    index = rows.numpy()
    return exact.prepare(torch.tensor(x_NF[index])[None], torch.tensor(codes_NQ[index])[None])
