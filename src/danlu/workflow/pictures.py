"""Kinds of `danlu.plot`: each computes its numbers, or takes a model's, and hands them to be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from danlu.core.errors import DataError, PlanError
from danlu.core.parsing import split_names
from danlu.core.plan import Plan, make_plan
from danlu.report.figures import Figure

if TYPE_CHECKING:
    from danlu.workflow.model import Model


def activations(
    *names: Annotated[str, "Activations; all, and the first perceptron's step, where none is named."],
    low: Annotated[float, "Left end of the axis."] = -8.0,
    high: Annotated[float, "Right end of the axis."] = 8.0,
) -> Figure:
    """Draw each activation with its derivative, and the range of inputs in which it is alive."""
    from danlu.explanation.pictures.activations import ALIVE_SHARE, activation_curves  # noqa: PLC0415  loads torch
    from danlu.report.pictures.activations import activations as drawn  # noqa: PLC0415

    return drawn([vars(curve) for curve in activation_curves(names, low, high)], ALIVE_SHARE)


def losses(
    *names: Annotated[str, "Losses, with their number (huber:0.5, pinball:0.1); all where none is named."],
) -> Figure:
    """Draw what each loss costs, and its gradient, by error or by probability."""
    from danlu.explanation.pictures.losses import loss_at, loss_curves  # noqa: PLC0415  loads torch
    from danlu.report.pictures.losses import losses as drawn  # noqa: PLC0415

    return drawn([vars(curve) for curve in loss_curves(names)], loss_at)


def schedules(
    *names: Annotated[str, "Schedules, with their numbers (step:30:0.1); all, or the plan's, where none is named."],
    plan: Annotated[Any, "Plan file or model whose schedule, rate, epochs and warm-up to draw."] = None,
    lr: Annotated[float | None, "Learning rate (1)."] = None,
    epochs: Annotated[int | None, "Epochs (100)."] = None,
    warmup: Annotated[float | None, "Epochs of linear warm-up (0)."] = None,
    steps: Annotated[int, "Steps an epoch."] = 10,
) -> Figure:
    """Draw each learning-rate schedule over the epochs, as the engine computes it."""
    from danlu.explanation.pictures.schedules import rates  # noqa: PLC0415  loads torch
    from danlu.report.pictures.schedules import schedules as drawn  # noqa: PLC0415

    asked = _plan(plan)
    given = {name: value for name, value in (("lr", lr), ("epochs", epochs), ("warmup", warmup)) if value is not None}
    make_plan(**given)  # refuses what no plan may hold
    filled = asked.model_copy(update=given)
    if steps < 1:
        raise PlanError("`steps` must be at least 1", f"got {steps}", "Use steps=10.")
    found = rates(names, filled, steps)
    return drawn(
        found.schedules,
        found.epoch_S,
        found.rate_SK,
        epochs=filled.epochs or 100,
        steps=steps,
        warmup=filled.warmup or 0.0,
        stuck=found.stuck,
    )


def _plan(plan: Any) -> Plan:
    """Return the plan that was given: itself, a model's, or that of a model's folder."""
    if plan is None:
        return make_plan()
    if isinstance(plan, Plan):
        return plan
    from danlu.workflow.model import Model, load  # noqa: PLC0415  loads torch

    return (plan if isinstance(plan, Model) else load(plan)).run.resolved


def initialisations(
    *inits: Annotated[str, "Ways to draw weights (normal:0.02, xavier, ...); five where none is named."],
    activation: Annotated[str, "Activations, with commas between them."] = "tanh,relu",
    layers: Annotated[int, "Hidden layers."] = 20,
    width: Annotated[int, "Units of each."] = 100,
    seed: Annotated[int, "Decides all random numbers."] = 0,
) -> Figure:
    """Draw activations and gradients through a deep network for each initialisation, and the symmetric start."""
    from danlu.explanation.pictures.initialisations import RATE, depths, starts  # noqa: PLC0415  loads torch
    from danlu.report.pictures.initialisations import initialisations as drawn  # noqa: PLC0415

    found = depths(inits, split_names(activation), layers=layers, width=width, seed=seed)
    trained = starts(seed=seed)
    return drawn([vars(depth) for depth in found], [vars(start) for start in trained], width=width, rate=RATE)


def softmax(
    *logits: Annotated[float, "The logits; 0.2317 0.3873 0.8968 where none are given."],
) -> Figure:
    """Draw the softmax of logits, and its Jacobian with numbers."""
    from danlu.explanation.pictures.softmax import LOGITS, softmax_parts  # noqa: PLC0415  loads torch
    from danlu.report.pictures.softmax import softmax as drawn  # noqa: PLC0415

    values = tuple(_number(logit) for logit in logits) or LOGITS
    return drawn(values, *softmax_parts(values))


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        raise PlanError("logits must be numbers", f"got {text!r}", "Give some: 0.2 0.4 0.9.") from None


def curves(model: Annotated[Any, "Folder of a model (NAME.danlu)."]) -> Figure:
    """Draw the learning curves of a saved model, after each epoch: every network, their median, the best weights.

    Of classes training loss, training accuracy and the accuracy on judged and on watched test rows in one plot.
    """
    from danlu.report.outcomes import history as drawn  # noqa: PLC0415

    loaded = _model(model)
    figure = drawn(loaded.run, loaded.arrays)
    if figure is None:
        raise DataError("a picture of curves needs some", "none were kept with this model", "Fit again.")
    return figure


def predictions(
    model: Annotated[Any, "Folder of a model (NAME.danlu)."],
    data: Annotated[Any, "Table with a known target; the model's own judged rows where none is given."] = None,
    *,
    net: Annotated[Any, "The class of your own that the model was trained with: FILE.py:CLASS."] = None,
) -> Figure:
    """Draw predicted against true values; for classes the confusion matrix and how honest probabilities are."""
    from danlu.report.outcomes import predictions as drawn  # noqa: PLC0415

    loaded = _model(model, net)
    arrays, where = _compared(loaded, data)
    figure = drawn(loaded.run, arrays, where=where)
    if figure is None:
        raise DataError("predictions need rows with a target", "this model kept none", "Give some as well.")
    return figure


def confusion(
    model: Annotated[Any, "Folder of a model (NAME.danlu) that predicts classes."],
    data: Annotated[
        Any, "Table or images with known classes; the model's own judged rows where none are given."
    ] = None,
    *,
    net: Annotated[Any, "The class of your own that the model was trained with: FILE.py:CLASS."] = None,
) -> Figure:
    """Draw the confusion matrix: how many rows of each true class were predicted as which."""
    from danlu.report.outcomes import confusion as drawn  # noqa: PLC0415

    loaded = _model(model, net)
    target = loaded.run.table.target
    if target.task != "classification":
        fact = f"{', '.join(target.names)} has numbers"
        raise PlanError("a confusion matrix needs classes", fact, "Use `danlu plot predictions`.")
    arrays, where = _compared(loaded, data)
    figure = drawn(loaded.run, arrays, where=where)
    if figure is None:
        raise DataError("a confusion matrix needs rows with a target", "this model kept none", "Give some as well.")
    return figure


def _compared(model: Model, data: Any) -> tuple[Mapping[str, Any], str]:
    """Return truth and predictions of a table, or those kept with the model, and in words which rows these are."""
    from danlu.report.guesses import unseen  # noqa: PLC0415

    if data is None:
        arrays, which = unseen(model.arrays)
        never = f"Rows that the networks which predict them never saw ({model.run.folds})."
        return arrays, "Rows of the test part." if which == "test" else never
    rows, truth, predicted, notes = model.compared(data)
    said = [note.text for note in notes if note.topic == "rows"]
    where = f"Beware: {said[0]}." if said else f"{len(rows):,} rows with known target."
    return {"rows_N": rows, "truth_NC": truth, "predicted_NC": predicted}, where


def _model(model: Any, net: Any = None) -> Model:
    from danlu.workflow.model import Model, load  # noqa: PLC0415  loads torch

    return model if isinstance(model, Model) else load(model, net=net)
