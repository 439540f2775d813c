"""The page's sections, each a heading with its charts and tables, made from a run's records and arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from danlu.core.records import Finding, Run
from danlu.report import charts, guesses, opening, stops, tables, thin, words
from danlu.report.charts import Chart
from danlu.report.effort import effort, rate_chart
from danlu.report.figures import Mark
from danlu.report.learning import training_curves
from danlu.report.markup import Html, facts, join, named, tag
from danlu.report.pictures import learning_curve

Arrays = Mapping[str, np.ndarray]
MOST_TARGETS = 6
MOST_IN_MATRIX = 15
WIDE_MATRIX = 6


@dataclass(frozen=True)
class Part:
    """One section: its anchor, heading and content, and the charts in it."""

    id: str
    title: str
    content: Html
    charts: tuple[Chart, ...] = ()
    short: str = ""
    """What the way to the sections calls it; empty: the title."""

    def html(self) -> Html:
        """Return the section as markup."""
        heading = tag("h2", self.title, id=f"{self.id}-title")
        return tag("section", heading, self.content, id=self.id, aria_labelledby=f"{self.id}-title")


def figure(chart: Chart, title: object = None, extra: object = None) -> Html:
    """Return the place where a chart will be drawn, with its words."""
    return tag(
        "figure",
        tag("h3", title) if title else None,
        extra,
        tag("div", id=chart.id, class_="chart", role="img", aria_label=chart.label),
        tag("figcaption", chart.caption) if chart.caption else None,
    )


def score(run: Run) -> Part:
    """How good, against what, how sure; and a line for each finding that needs attention."""
    head = opening.headline(run)
    drawn: tuple[Chart, ...] = ()
    right: Html | None = None
    if head is not None:
        chart = opening.score_chart(run, head)
        drawn = (replace(chart, caption=opening.score_caption(run, head)),)
        right = figure(drawn[0])
    grave = [finding for finding in run.findings if finding.severity != "note"]
    alert = None
    if grave:
        link = tag("a", "What to do", href="#findings")
        alert = tag(
            "p", tag("strong", grave[0].fault), f" {_others(len(grave) - 1)}", link, class_="alert", role="note"
        )
    hero = tag("div", opening.verdict(run, head), right, class_="hero" if right else None)
    return Part("score", "How good is it?", join(hero, alert, opening.about(run)), drawn, "Score")


def _others(amount: int) -> str:
    return f"And {words.count(amount, 'more finding')}. " if amount > 0 else ""


def training(run: Run, arrays: Arrays) -> Part:
    """Show the learning curves of every network."""
    found = training_curves(run, arrays)
    drawn = [each.chart for each in found]
    panels = [figure(each.chart, each.title, key_of(each.key, each.chart.id)) for each in found]
    if not panels:
        panels.append(tag("p", "No curves were kept.", class_="note"))
    rates = rate_chart(arrays)
    if rates is not None:
        drawn.append(rates)
        panels.append(figure(rates, "Learning rate"))
    stopped = stops.stops_chart(run)
    if stopped is not None:
        drawn.append(stopped)
        panels.append(figure(stopped, "Where each network stopped, and why", key_of(stops.key(run))))
    content = join(
        tag("p", _ending(run), class_="lead"),
        tag("p", f"One network alone: {apart}.") if (apart := words.told_apart(run)) else None,
        tag("div", panels, class_="panels small" if len(panels) == 3 else "panels"),
        _growth(run, drawn),
        effort(run),
        tag("details", tag("summary", "Every network: where it stopped, and why"), tables.networks(run)),
    )
    return Part("training", "How did training go?", content, tuple(drawn), "Training")


def key_of(marks: Sequence[Mark], chart: str = "") -> Html | None:
    """Return what the colours of a chart mean; each mark of a series is a button that shows or hides it."""
    keys = []
    for mark in marks:
        swatch = tag("i", class_=f"swatch {mark.colour} {mark.form}")
        if chart and mark.series:
            said = {"type": "button", "aria_pressed": "true", "data_chart": chart, "data_series": mark.series}
            keys.append(tag("button", swatch, mark.text, title="show or hide", **said))
        else:
            keys.append(tag("span", swatch, mark.text))
    return tag("p", keys, class_="key marks") if keys else None


def _growth(run: Run, drawn: list[Chart]) -> Html | None:
    """Draw the learning curve over training size, where there is one, and add it to what is drawn."""
    curve = run.learning_curve
    if curve is None:
        return None
    drawn.append(learning_curve.growth_chart(curve))
    said = join(tag("p", curve.words, class_="lead"), key_of(learning_curve.key(curve)))
    title = f"{learning_curve.TITLE}: {words.metric_name(curve.metric)}"
    return tag("div", figure(drawn[-1], title, said), class_="panels")


def _ending(run: Run) -> str:
    """Say what was trained and how it ended."""
    net = run.network
    if net.hidden:
        widths = " – ".join(f"{width:,}" for width in net.hidden[:6]) + (" – …" if len(net.hidden) > 6 else "")
        deep = f"{words.count(len(net.hidden), 'hidden layer')} ({widths}, {net.activation})"
    elif net.module is not None:
        deep = net.module.name
    else:
        deep = "no hidden layer"
    if net.conv is not None:
        deep = words.convolutions(net) + (f", then {deep}" if net.hidden else f", {net.activation}")
    ended = Counter(member.ended for member in run.members)
    epochs = sorted({member.epochs for member in run.members}) or [0]
    span = words.count(epochs[-1], "epoch") if len(epochs) == 1 else f"{epochs[0]:,} to {epochs[-1]:,} epochs"
    said = {kind: text for kind, (text, _) in stops.REASONS.items()}
    all_of_them = "all" if len(run.members) > 1 else "it"
    how = ", ".join(f"{amount:,} {said[kind]}" for kind, amount in ended.items())
    how = f"{all_of_them} {said[next(iter(ended))]}" if len(ended) == 1 else how
    size = words.count(run.parameters, "parameter")
    return f"{words.count(len(run.members), 'network')} of {deep}, {size} each, trained for {span}: {how}."


def predictions(run: Run, arrays: Arrays, beside: Sequence[Html] = ()) -> Part | None:
    """Show predicted against true values, or the confusion matrix; of judged rows, or else of test rows.

    Arguments:
        run: the records.
        arrays: truth and predictions.
        beside: further figures that stand among the others.
    """
    arrays, which = guesses.unseen(arrays)
    truth, predicted = arrays.get("truth_NC"), arrays.get("predicted_NC")
    if truth is None or predicted is None or not len(truth):
        return None
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    rows = np.asarray(arrays.get("rows_N", np.arange(len(truth))))
    if run.table.target.task == "regression":
        return _regression(run, _as_columns(truth), _as_columns(predicted), rows, which, beside)
    guess_N = guesses.guessed(run, _as_columns(predicted), arrays)
    return _classification(run, truth.reshape(len(truth), -1)[:, 0], _as_columns(predicted), guess_N, which, beside)


def _as_columns(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float64).reshape(len(values), -1)


def _regression(
    run: Run,
    truth_NC: np.ndarray,
    predicted_NC: np.ndarray,
    rows_N: np.ndarray,
    which: str,
    beside: Sequence[Html],
) -> Part:
    """Draw one scatter plot a target."""
    names = run.table.target.names[:MOST_TARGETS]
    panels, drawn = [], []
    for c, name in enumerate(names):
        good = np.flatnonzero(np.isfinite(truth_NC[:, c]) & np.isfinite(predicted_NC[:, c]))
        if not len(good):
            continue
        kept = good[thin.some(len(good), thin.MOST_POINTS if len(names) == 1 else 1_500, run.resolved.seed)]
        r2 = _r2(truth_NC[good, c], predicted_NC[good, c])
        label = f"Predicted against true {name} on {words.count(len(good), 'row')}; R² {words.number(r2, digits=3)}."
        chart = charts.scatter(
            f"chart-fit-{c}",
            truth_NC[kept, c],
            predicted_NC[kept, c],
            rows_N[kept],
            label,
            _drawn(len(good), len(kept), which, words.thing(run)),
        )
        drawn.append(chart)
        panels.append(
            figure(chart, named(name, 60) if len(names) > 1 else f"Each {words.thing(run)}: predicted against true")
        )
    lead = "On the dashed line a prediction is right; above it is too high, below it too low."
    if len(names) == 1 and drawn:
        error_N = predicted_NC[good, 0] - truth_NC[good, 0]
        half, most = np.quantile(np.abs(error_N), [0.5, 0.9])
        said = f"Half of the predictions are off by less than {words.about(half)}, "
        said += f"nine in ten by less than {words.about(most)}."
        drawn.append(charts.errors("chart-errors", error_N, f"Predicted minus true. {said}"))
        panels.append(figure(drawn[-1], "Errors"))
        lead = f"{said} {lead}"
    held = words.sure(run.scores or run.test)
    hidden = len(run.table.target.names) - len(names)
    content = join(
        tag("p", lead, class_="lead"),
        tag("p", f"{held}; danlu predict --interval 0.9 writes them.") if held else None,
        tag("div", panels, list(beside), class_="panels"),
        tag("p", f"{words.count(hidden, 'more target')} not drawn.", class_="note") if hidden else None,
        tables.per_target(run),
    )
    return Part("predictions", "Predicted against true", content, tuple(drawn))


def _r2(truth: np.ndarray, predicted: np.ndarray) -> float | None:
    """Return the share of variance explained of rows weighing alike; None where the truth does not vary."""
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((truth - predicted) ** 2).sum()) / spread if spread > 0 else None


def _drawn(total: int, kept: int, which: str, thing: str = "row") -> str:
    if kept == total:
        return f"All {total:,} {which} {thing}s."
    return f"{kept:,} of {total:,} {which} {thing}s, drawn at random."


def _classification(
    run: Run,
    truth_N: np.ndarray,
    predicted_NC: np.ndarray,
    guess_N: np.ndarray,
    which: str,
    extra: Sequence[Html],
) -> Part:
    """Draw the confusion matrix, the commonest mistakes, each class, how sure the networks rightly are, and for two
    classes the probabilities."""
    names = run.table.target.classes
    good = np.isfinite(predicted_NC).all(axis=1) & np.isfinite(truth_N.astype(np.float64))
    truth, probability = truth_N[good].astype(np.int64), predicted_NC[good]
    matrix = tables.counts(truth, guess_N[good], len(names))
    small, kept = tables.gathered(matrix, MOST_IN_MATRIX)
    shown = [names[i] for i in kept] + ([f"{len(names) - len(kept):,} others"] if len(small) > len(kept) else [])
    right = int(np.trace(matrix))
    mistakes = tables.confused(matrix, names, words.thing(run)) if len(names) > 2 else None
    f1 = (run.scores or run.test).get("f1")  # of the rows that the matrix counts
    two = len(names) == 2
    likeliest = probability.argmax(axis=1)
    sure, hit = (probability[:, 1], truth == 1) if two else (probability.max(axis=1), truth == likeliest)
    drawn = [guesses.reliability_chart(sure, hit, two=two, thing=words.thing(run))]
    reliable = figure(drawn[0], join("Calibration", ": ", named(names[1], 40)) if two else "Calibration")
    beside: Html | None = None
    if two:
        drawn.append(_probabilities(names, truth, probability[:, 1]))
        key = [
            tag("span", tag("i", class_=f"swatch {c}"), named(n, 40)) for n, c in zip(names, ("b", "a"), strict=True)
        ]
        beside = figure(
            drawn[-1], join("Predicted probability of ", named(names[1], 40)), tag("p", "truly ", key, class_="key")
        )
    shade = "The darker, the larger the share of the true class."
    thing = words.thing(run)
    others = f" Classes with few {thing}s are gathered in the last." if len(small) > len(kept) else ""
    block = tag(
        "figure",
        tag("h3", "Confusion matrix"),
        tables.confusion(small, shown, words.thing(run)),
        tag("figcaption", f"{right:,} of {int(matrix.sum()):,} {which} {thing}s are right. {shade}{others}"),
    )
    panels = [
        each for each in (None if len(shown) > WIDE_MATRIX else block, beside, reliable, *extra) if each is not None
    ]
    content = join(
        tag("p", f"Predicted is {chosen}.", class_="lead") if (chosen := words.decision_words(run)) else None,
        # A matrix of many classes needs the whole width.
        block if len(shown) > WIDE_MATRIX else None,
        tag("div", panels, class_="panels" if len(panels) > 1 else "single"),
        tag("p", note, class_="note") if (note := guesses.reliability_note(run)) else None,
        join(tag("h3", "Commonest mistakes"), mistakes) if mistakes else None,
        tag("h3", "Each class"),
        tables.classes(matrix, names, (f1.per_class if f1 else None) or {}, words.thing(run)),
        tables.more(len(names), tables.MOST_ROWS, "classes"),
    )
    return Part("predictions", "Predicted against true", content, tuple(drawn))


def _probabilities(names: tuple[str, ...], truth: np.ndarray, probability: np.ndarray) -> Chart:
    middle = [float(np.median(probability[truth == c])) if (truth == c).any() else None for c in (0, 1)]
    label = (
        f"Predicted probability of {names[1]}: median {words.percent(middle[1])} for rows of that class, "
        f"{words.percent(middle[0])} for the others."
    )
    return charts.probabilities(probability, truth == 1, label, "Apart is good: a row in the middle is a guess.")


def scores(run: Run) -> Part | None:
    """List all scores."""
    if not run.scores and not run.test and not run.baselines:
        return None
    where = f"on the {words.name_of_test(run)}" if run.main_metric in run.test else "on the same folds"
    said = "Each value is followed by its 95% interval. "
    said += f"Baselines learnt from the same {words.thing(run)}s and were judged {where}."
    note = tag("p", said, class_="note") if run.scores else None
    unit = words.unit_of_several(run.scores or run.test)
    counted = tag("p", f"{unit}.", class_="note") if unit else None
    return Part("scores", "All scores", join(tables.scores(run), note, counted), (), "All scores")


def findings(run: Run) -> Part:
    """List what diagnosis found."""
    content = findings_list(run.findings, "Nothing wrong was found.")
    return Part("findings", "What is wrong, and what to do?", content, (), "Findings")


def findings_list(found: Sequence[Finding], none: str) -> Html:
    """List findings: fault, evidence, cure; where there are none, a sentence."""
    items = [
        tag(
            "article",
            tag("h3", tag("span", finding.severity, class_=f"badge {finding.severity}"), " ", finding.fault),
            facts([("Evidence", finding.evidence), ("What to do", finding.cure)], class_="facts wide"),
            class_="finding",
        )
        for finding in found
    ]
    return join(items) if items else tag("p", none, class_="lead")
