"""What is drawn of a run's learning: of classes training loss and accuracies over each other, else a panel a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from danlu.core.records import Run
from danlu.report import curves, words
from danlu.report.charts import Chart, epochs_axis, finish, logarithmic, numbers_axis
from danlu.report.curves import Curves
from danlu.report.figures import Mark

Arrays = Mapping[str, np.ndarray]
SUMMED = "Training loss and accuracy are summed up while an epoch is learnt from, other accuracies are taken after it."


@dataclass(frozen=True)
class Drawn:
    """A chart of curves, its title, and what its colours mean."""

    chart: Chart
    title: str
    key: tuple[Mark, ...] = ()


def training_curves(run: Run, arrays: Arrays) -> list[Drawn]:
    """Return charts of the learning curves that were kept.

    Arguments:
        run: the records of the model.
        arrays: loss_EM, accuracy_EM, judged_epochs_J, judged_JM and test_JM, as far as there are any.
    """
    loss, right = _loss(arrays), _right(arrays)
    judged = [curve for curve in (_judged(run, arrays), _tested(run, arrays)) if curve is not None]
    if loss is None or right is None:
        return [drawn for curve in ([loss] if loss else []) + judged if (drawn := _alone(curve)) is not None]
    # Errors and accuracies have no axis in common.
    same = run.judged_by == "accuracy"
    whole = _together(loss, [right, *(judged if same else [])])
    rest = [] if same else [_alone(curve) for curve in judged]
    return [drawn for drawn in (whole, *rest) if drawn is not None]


def _alone(curve: Curves) -> Drawn | None:
    chart = curves.curve_chart(curve)
    if chart is None:
        return None
    several = len(set(chart.data["lines"]["m"])) > 1
    marks = (
        Mark("median, lowest to highest", curve.colour, series="middle"),
        Mark("each network", "grey", series="each"),
    )
    return Drawn(chart, curve.title, marks if several else ())


def _loss(arrays: Arrays) -> Curves | None:
    values = arrays.get("loss_EM")
    if values is None or not np.size(values):
        return None
    return Curves("chart-loss", "Training loss", np.arange(1, len(values) + 1), np.asarray(values), "second")


def _right(arrays: Arrays) -> Curves | None:
    values = arrays.get("accuracy_EM")
    if values is None or not np.size(values) or not np.isfinite(values).any():
        return None
    return Curves("chart-right", "training accuracy", np.arange(1, len(values) + 1), np.asarray(values), "second")


def _judged(run: Run, arrays: Arrays) -> Curves | None:
    values, epochs = arrays.get("judged_JM"), arrays.get("judged_epochs_J")
    if values is None or epochs is None or not np.size(values):
        return None
    best = [m.best_epoch if m.ended == "stopped early" else None for m in run.members]
    level = run.baselines.get("linear", {}).get(run.judged_by)
    title = f"{words.metric_name(run.judged_by)} on judged {words.thing(run)}s"
    return Curves("chart-judged", title, np.asarray(epochs), np.asarray(values), "first", best, level)


def _tested(run: Run, arrays: Arrays) -> Curves | None:
    values, epochs = arrays.get("test_JM"), arrays.get("judged_epochs_J")
    if values is None or epochs is None or not np.size(values) or not np.isfinite(values).any():
        return None
    where = "test table" if run.table.image is None else "test images"
    title = f"{words.metric_name(run.judged_by)} on the {where}"
    return Curves("chart-test", title, np.asarray(epochs), np.asarray(values), "third")


# Loss and accuracies in one chart


def _together(loss: Curves, shares: Sequence[Curves]) -> Drawn | None:
    """Draw training loss by the right axis and accuracies by the left one, over the same epochs."""
    known = [curve for curve in shares if np.isfinite(curve.values_TM).any()]
    long = bool(loss.epochs_T[-1] > curves.LOG_EPOCHS)
    fallen = curves.points_of(loss, long=long)
    if fallen is None or not known:
        return None
    risen = [found for curve in known if (found := curves.points_of(curve, long=long)) is not None]
    data: dict[str, dict[str, Any]] = {
        "lines": _joined([each.lines for each in risen], known),
        "middle": _joined([each.middle for each in risen], known),
        "loss": fallen.lines,
        "fallen": fallen.middle,
        "best": _joined([each.best for each in risen], known),
    }
    level = next((curve.level for curve in known if curve.level is not None), None)
    values = [value for value in data["lines"]["y"] if value is not None]
    if level is not None and min(values) <= level <= max(values):
        data["level"] = {"y": [level]}
    spec = _spec(data, log=logarithmic(loss.values_TM), long=long)
    data["loss"] = data["loss"] | {"series": "loss"}
    data["fallen"] = data["fallen"] | {"series": "loss"}
    named = [(curve.title, each) for curve, each in zip(known, risen, strict=True)]
    said = [f"{name[:1].lower() + name[1:]} from {_ends(each)}" for name, each in named]
    amount = words.count(fallen.members, "network")
    label = f"{amount} over {words.count(int(loss.epochs_T[-1]), 'epoch')}, medians: "
    label += "; ".join([f"training loss from {_ends(fallen, share=False)}", *said]) + "."
    title = "Training loss and accuracy" if len(known) == 1 else "Training loss, and accuracies"
    chart = Chart("chart-learning", spec, data, label, f"{fallen.caption(data)} {SUMMED}", ("title",))
    marks = [Mark(curve.title[:1].lower() + curve.title[1:], curve.colour, series=curve.colour) for curve in known]
    return Drawn(chart, title, (*marks, Mark("training loss (right axis)", "second", "dashed", "loss")))


def _ends(points: curves.Points, *, share: bool = True) -> str:
    """Say where a median begins and ends."""
    known = [value for value in points.middle["y"] if value is not None]
    return " to ".join(words.percent(value, -3) if share else words.number(value) for value in (known[0], known[-1]))


def _joined(parts: Sequence[dict[str, list[Any]]], of: Sequence[Curves]) -> dict[str, list[Any]]:
    """Put the points of several curves one behind the other, each with its curve's name and colour."""
    whole: dict[str, list[Any]] = {name: [value for part in parts for value in part[name]] for name in parts[0]}
    amounts = [len(part["x"]) for part in parts]
    for name in ("title", "colour"):
        whole["series" if name == "colour" else name] = [
            getattr(curve, name) for curve, amount in zip(of, amounts, strict=True) for _ in range(amount)
        ]
    return whole


def _spec(data: Mapping[str, Mapping[str, list[Any]]], *, log: bool, long: bool) -> dict[str, Any]:
    """Return the specification: accuracies with the axis on the left, the loss dashed, with its own on the right."""
    import altair as alt  # noqa: PLC0415  only a page needs it

    second = "var(--second)"
    scale = alt.Scale(type="log", nice=False) if long else alt.Scale(nice=False, zero=False)  # log has no zero to drop
    epochs = [*data["loss"]["x"], *data["lines"]["x"]]
    x = alt.X("x:Q", title="epoch", scale=scale, axis=epochs_axis(min(epochs), max(epochs)))
    lost = data["loss"]["y"]
    side = numbers_axis(min(lost), max(lost), log=log, orient="right", grid=False, titleColor=second)
    y_loss = alt.Y("y:Q", title="training loss", axis=side, scale=_loss_scale(alt, log=log))
    share, ends = alt.Axis(format="%", tickCount=5), alt.Scale(zero=False, nice=True)
    y = alt.Y("y:Q", title="accuracy", axis=share, scale=ends)
    names = ["second", "first", "third"]
    colours = alt.Scale(domain=names, range=[f"var(--{name})" for name in names])
    colour = alt.Color("series:N", legend=None, scale=colours)
    shown = [alt.Tooltip("x:Q", title="epoch", format=",d"), alt.Tooltip("title:N", title="curve")]
    spread = [("y", "median"), ("low", "lowest"), ("high", "highest")]
    of_share = [alt.Tooltip(f"{field}:Q", title=name, format=".1%") for field, name in spread]
    of_loss = [alt.Tooltip(f"{field}:Q", title=name, format=",.4~r") for field, name in spread]
    networks = alt.Tooltip("n:Q", title="networks", format=",d")
    lines, middle, loss, fallen = (alt.Chart(alt.NamedData(name=n)) for n in ("lines", "middle", "loss", "fallen"))
    faint = 0.0 if len(set(data["lines"]["m"])) == 1 else 0.25
    few = len(data["fallen"]["x"]) <= 12
    dots = {"size": 40} if few else False
    accuracies = [
        lines.mark_line(opacity=faint, strokeWidth=1).encode(x=x, y=y, detail=["m:N", "title:N"], color=colour),
        middle.mark_area(opacity=0.12 if faint else 0.0).encode(
            x=x, y=alt.Y("low:Q", title="accuracy", axis=share, scale=ends), y2="high:Q", detail="title:N", color=colour
        ),
        middle.mark_line(strokeWidth=2.25, point=dots).encode(x=x, y=y, detail="title:N", color=colour),
        middle.mark_point(opacity=0, size=90, filled=True).encode(x=x, y=y, tooltip=[*shown, *of_share, networks]),
    ]
    if data["best"]["x"]:
        told = [alt.Tooltip("m:Q", title="network"), alt.Tooltip("x:Q", title="best epoch", format=",d")]
        ring = alt.Chart(alt.NamedData(name="best")).mark_point(size=38, strokeWidth=1.4, filled=False, opacity=0.9)
        accuracies.append(ring.encode(x=x, y=y, color=colour, tooltip=told))
    if "level" in data:
        level = alt.Chart(alt.NamedData(name="level"))
        accuracies.insert(0, level.mark_rule(color="var(--grey)", strokeDash=[4, 3]).encode(y=y))
    dashed: dict[str, Any] = {"color": second, "strokeDash": [5, 4]}
    told = [shown[0], *of_loss, networks]
    losses = [
        loss.mark_line(opacity=faint, strokeWidth=1, **dashed).encode(x=x, y=y_loss, detail="m:N"),
        fallen.mark_line(strokeWidth=2, **dashed).encode(x=x, y=y_loss),
        fallen.mark_point(opacity=0, size=90, filled=True).encode(x=x, y=y_loss, tooltip=told),
    ]
    spec = finish([alt.layer(*accuracies), alt.layer(*losses)], 300)
    return spec | {"resolve": {"scale": {"y": "independent"}}}


def _loss_scale(alt: Any, *, log: bool) -> Any:
    return alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False, nice=True)
