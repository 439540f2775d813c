"""The page's tables: scores, classes, columns, plan, networks."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from danlu.core.plan import Plan
from danlu.core.records import ColumnSchema, Run, Score
from danlu.report import words
from danlu.report.markup import Html, join, named, table, tag
from danlu.report.opening import baseline_name, baselines

MOST_ROWS = 500
"""Rows of one table on the page; the model's folder holds them all."""
MOST_CONFUSED = 15


def more(total: int, shown: int, what: str) -> Html | None:
    """Say how many rows of a table were left out, if any."""
    if total <= shown:
        return None
    return tag(
        "p", f"The first {shown:,} of {total:,} {what} are listed; danlu show MODEL --json has all.", class_="note"
    )


def scores(run: Run) -> Html:
    """List every metric: of test rows, judged rows, one network, baselines; then of each target."""
    groups = [
        (label, found)
        for label, found in ((words.name_of_test(run).capitalize(), run.test), (_kind(run), run.scores))
        if found
    ]
    names = list(dict.fromkeys(name for _, found in groups for name in found))
    single = any(s.one_member is not None for _, found in groups for s in found.values())
    rows = []
    for name in names:
        first = next((found[name] for _, found in groups if name in found), None)
        place = words.score_place(first) if first else None
        of = f" of {first.of}" if first is not None and first.of else ""
        cells: list[object] = [tag("abbr", words.metric_name(name) + of, title=words.METRIC_MEANINGS.get(name))]
        cells += [_with_interval(name, found.get(name)) for _, found in groups]
        if single:
            cells.append(
                words.metric_value(name, groups[0][1][name].one_member if name in groups[0][1] else None, place)
            )
        cells += [words.metric_value(name, values.get(name), place) for values in baselines(run).values()]
        rows.append(cells)
    head = ["Metric", *(label for label, _ in groups), *(["One network"] if single else [])]
    head += [baseline_name(name) for name in baselines(run)]
    return table(head, rows, caption="All scores", right=range(1, len(head)))


def _kind(run: Run) -> str:
    kinds = {score.kind for score in run.scores.values()}
    return {"out-of-fold": "Out of fold", "holdout": "Held out"}.get(
        next(iter(kinds), ""), f"Judged {words.thing(run)}s"
    )


def _with_interval(name: str, score: Score | None) -> Html:
    if score is None:
        return tag("span", "–", class_="muted")
    between = words.interval(name, score)
    return join(
        tag("strong", words.metric_value(name, score.value, words.score_place(score))),
        tag("span", f" {between}", class_="muted small") if between else None,
    )


def per_target(run: Run) -> Html | None:
    """List each target's own scores, where there are several."""
    found = run.test or run.scores
    names = [name for name, score in found.items() if score.per_target]
    if len(run.table.target.names) < 2 or not names:
        return None
    rows = [
        [named(target, 60), *(words.number((found[name].per_target or {}).get(target)) for name in names)]
        for target in run.table.target.names[:MOST_ROWS]
    ]
    head = ["Target, in its own units", *(words.metric_name(name) for name in names)]
    return table(head, rows, caption="Scores of each target", right=range(1, len(head)))


def counts(truth_N: np.ndarray, guessed_N: np.ndarray, classes: int) -> np.ndarray:
    """Count rows by true and predicted class: [true, predicted].

    >>> counts(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    return np.bincount(truth_N * classes + guessed_N, minlength=classes * classes).reshape(classes, classes)


def gathered(matrix: np.ndarray, most: int) -> tuple[np.ndarray, list[int]]:
    """Keep the classes with most rows, in their order; all others become one last class.

    >>> gathered(np.diag([5, 1, 7, 2]), 2)
    (array([[5, 0, 0],
           [0, 7, 0],
           [0, 0, 3]]), [0, 2])
    """
    if len(matrix) <= most:
        return matrix, list(range(len(matrix)))
    kept = sorted(np.argsort(-matrix.sum(axis=1), kind="stable")[:most].tolist())
    place = np.full(len(matrix), most)
    place[kept] = np.arange(most)
    small = np.zeros((most + 1, most + 1), matrix.dtype)
    np.add.at(small, (place[:, None], place[None, :]), matrix)
    return small, kept


def confusion(matrix: np.ndarray, names: list[str], thing: str = "row") -> Html:
    """Draw the confusion matrix as a table whose cells are shaded by their share of the true class."""
    totals = matrix.sum(axis=1)
    wide = len(matrix) > 6

    def cell(row: int, column: int) -> Html:
        amount = int(matrix[row, column])
        share = amount / totals[row] if totals[row] else 0.0
        shade = math.ceil(share * 10)
        of = f"{words.percent(share)} of the true class"
        said = f"true {names[row]}, predicted {names[column]}: {amount:,} {thing}s, {of}"
        content = join(
            tag("span", f"{amount:,}" if amount else "·"),
            tag("small", words.percent(share)) if amount and not wide else None,
        )
        side = "right" if row == column else "wrong"
        return tag("td", content, class_=f"{side} s{shade}", title=said)

    head = tag(
        "tr",
        tag("th", tag("span", "true ↓ predicted →", class_="muted small"), scope="col"),
        [tag("th", tag("span", named(name, 24)), scope="col", title=name, translate="no") for name in names],
        tag("th", f"{thing}s", scope="col", class_="n"),
    )
    body = [
        tag(
            "tr",
            tag("th", named(name, 24), scope="row", title=name, translate="no"),
            [cell(row, column) for column in range(len(names))],
            tag("td", f"{int(totals[row]):,}", class_="n muted"),
        )
        for row, name in enumerate(names)
    ]
    caption = f"Confusion matrix: {thing}s of each true class by the class predicted"
    whole = tag("table", tag("caption", caption, class_="unseen"), tag("thead", head), tag("tbody", body))
    size = "confusion many" if wide else "confusion"
    return tag("div", whole, class_=f"frame {size}", tabindex="0", role="region", aria_label=caption)


def confused(matrix: np.ndarray, names: tuple[str, ...], thing: str = "row") -> Html | None:
    """List the commonest mistakes."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSED]
    totals = matrix.sum(axis=1)
    rows = []
    for flat in order.tolist():
        true, guessed = divmod(flat, len(matrix))
        amount = int(wrong[true, guessed])
        if amount:
            rows.append(
                [named(names[true], 40), named(names[guessed], 40), f"{amount:,}", words.percent(amount / totals[true])]
            )
    if not rows:
        return None
    head = ["True class", "Predicted", f"{thing.capitalize()}s", "Of the true class"]
    return table(head, rows, caption="Commonest mistakes", right=(2, 3), class_="narrow")


def classes(matrix: np.ndarray, names: tuple[str, ...], f1: Mapping[str, float | None], thing: str = "row") -> Html:
    """List each class: how many rows, how many found, how many right of those named."""
    found = np.diag(matrix)
    true, named_rows = matrix.sum(axis=1), matrix.sum(axis=0)
    whole = int(true.sum())
    rows = []
    for i, name in enumerate(names[:MOST_ROWS]):
        recall = found[i] / true[i] if true[i] else None
        precision = found[i] / named_rows[i] if named_rows[i] else None
        shares = [words.percent(true[i] / whole if whole else None), words.percent(recall), words.percent(precision)]
        rows.append([named(name, 60), f"{int(true[i]):,}", *shares, words.number(f1.get(name), -2)])
    head = [
        "Class",
        f"{thing.capitalize()}s",
        "Share",
        tag("abbr", "Found", title=f"recall: share of the class's {thing}s that were given this class"),
        tag("abbr", "Right", title=f"precision: share of {thing}s given this class that belong to it"),
        "F1",
    ]
    return table(head, rows, caption="Each class", right=range(1, 6), class_="tall" if len(rows) > 15 else None)


def missing(column: ColumnSchema, rows: int) -> object:
    """Return how many cells of a column are missing, and the share of rows that is."""
    if not column.missing:
        return tag("span", "–", class_="muted")
    share = words.percent(column.missing / rows) if rows else ""
    return join(f"{column.missing:,}", tag("span", f" {share}", class_="muted small"))


def values(column: ColumnSchema) -> object:
    """Return the levels of a column, or its least and greatest cell."""
    if column.kind in ("category", "yes/no"):
        shown = [join(", " if i else "", named(level, 40)) for i, level in enumerate(column.levels[:6])]
        rest = len(column.levels) - 6
        return join(shown, tag("span", f" and {rest:,} more", class_="muted") if rest > 0 else None)
    if column.low is None or column.high is None:
        return tag("span", "–", class_="muted")
    write = words.moment if column.kind == "date" else words.number
    return f"{write(column.low)} to {write(column.high)}"


def left_out(run: Run) -> Html | None:
    """List the columns that the networks do not see, and why."""
    if not run.table.left_out:
        return None
    rows = [[named(item.name, 60), item.reason] for item in run.table.left_out[:MOST_ROWS]]
    return table(
        ["Column", "Because"], rows, caption="Columns left out", class_="narrow tall" if len(rows) > 15 else "narrow"
    )


def plan(run: Run) -> Html:
    """List every setting of the run: what the user asked for and what was chosen."""
    rows = []
    asked, resolved = run.plan, run.resolved
    for name, field in Plan.model_fields.items():
        value = getattr(resolved, name)
        wanted = name in asked.model_fields_set and getattr(asked, name) is not None
        empty = value in ((), {}, "") or (not wanted and value in (None, False))
        if name == "data" or empty:
            continue
        who = tag("strong", "asked") if wanted else tag("span", "chosen", class_="muted")
        rows.append([tag("abbr", tag("code", name), title=field.description), _setting(value), who])
    return table(["Setting", "Value", "By"], rows, caption="Settings", class_="narrow tall")


def _setting(value: object) -> object:
    if value is None:
        return tag("span", "–", class_="muted")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return named(", ".join(f"{key}={kind}" for key, kind in value.items()), 200)
    if isinstance(value, tuple | list):
        return named(words.listed([str(item) for item in value], 20), 200) if value else "none"
    if isinstance(value, float):
        return words.number(value, digits=6)
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else named(value, 200)


def networks(run: Run) -> Html:
    """List every network: its rows, its epochs, how it ended."""
    most = 200
    rows = [
        [
            f"{m.index}",
            f"{m.fold}",
            f"{m.repeat}",
            f"{m.train_rows:,}",
            f"{m.judged_rows:,}",
            f"{m.epochs:,}",
            f"{m.best_epoch:,}",
            m.ended,
        ]
        for m in run.members[:most]
    ]
    things = f"{words.thing(run).capitalize()}s"
    head = ["Network", "Fold", "Repeat", f"{things} learnt from", "Judged", "Epochs", "Weights of epoch", "Ended"]
    whole = table(head, rows, caption="Networks", right=range(7), class_="tall" if len(rows) > 15 else None)
    return join(whole, more(len(run.members), most, "networks"))
