"""What came out, in Markdown: Danlu beside its peers on the tables, beside published figures on UCI, and its intervals.

The error of a regression is its rmse, of a classification the share of wrong answers. The gap of Danlu to the best peer
is in percent of the peer's rmse, and in points of accuracy; below 0 Danlu is better. A relative error is that of a tool
over the least error of all tools on the table. Scores are means over the splits that Danlu has; a peer that has not all
of them is not compared on that table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, median, stdev

from table_published import METHODS, MUST, published
from table_results import Result, is_danlu

SURE_ROWS = 2000
"""The bar of the intervals is for tables with more training rows than these."""
Chosen = Mapping[tuple[str, int, str], Result]


@dataclass(frozen=True)
class Row:
    """A table: the mean result of each tool, over the same splits."""

    table: str
    splits: tuple[int, ...]
    metric: str
    score: dict[str, float]
    seconds: dict[str, float]
    log_loss: dict[str, float]

    @property
    def error(self) -> dict[str, float]:
        """Error of each tool: the less the better."""
        return self.score if self.metric == "rmse" else {tool: 1 - right for tool, right in self.score.items()}

    def best_peer(self) -> str | None:
        """Return the peer of the least error; None without one."""
        peers = {tool: error for tool, error in self.error.items() if not is_danlu(tool)}
        return min(peers, key=peers.__getitem__) if peers else None

    def gap(self, danlu: str) -> float | None:
        """Return percent of rmse, or points of accuracy, by which Danlu is worse than the best peer."""
        peer = self.best_peer()
        if peer is None:
            return None
        ours, theirs = self.error[danlu], self.error[peer]
        return 100 * (ours / theirs - 1) if self.metric == "rmse" else 100 * (ours - theirs)


def rows_of(chosen: Chosen, danlu: str) -> list[Row]:
    """Return the tables that Danlu has results of, in the order of their names in the results."""
    rows = []
    for table in dict.fromkeys(table for table, _, tool in chosen if tool == danlu):
        splits = tuple(sorted(split for name, split, tool in chosen if (name, tool) == (table, danlu)))
        tools = dict.fromkeys(tool for name, _, tool in chosen if name == table)
        whole = {
            tool: [chosen[table, split, tool] for split in splits]
            for tool in tools
            if all((table, split, tool) in chosen for split in splits)
        }
        rows.append(
            Row(
                table, splits, whole[danlu][0]["metric"],
                *(
                    {tool: mean(r[name] for r in of) for tool, of in whole.items() if all(name in r for r in of)}
                    for name in ("score", "seconds", "log_loss")
                ),
            )
        )  # fmt: skip
    return rows


def tables_summary(chosen: Chosen, danlu: str, note: str) -> str:
    """Return the summary of the tables: each of them, the bars, and ranks."""
    rows = rows_of(chosen, danlu)
    tools = [danlu, *sorted({tool for row in rows for tool in row.score} - {danlu})]
    lines = [f"# Tables: {danlu} beside its peers", "", note, "", *_scores(rows, tools, danlu), ""]
    lines += [*_bars(rows, danlu), "", *_ranks(rows, tools)]
    if any(row.log_loss for row in rows):
        lines += ["", "Log-loss of the classifications:", "", *_log_losses(rows, tools)]
    return "\n".join(lines) + "\n"


def _scores(rows: Sequence[Row], tools: Sequence[str], danlu: str) -> list[str]:
    lines = _head(["table", "splits", *tools, "best peer", "gap"])
    for row in rows:
        cells = [
            f"{_value(row.score[tool], row.metric)} ({row.seconds[tool]:.1f} s)" if tool in row.score else "-"
            for tool in tools
        ]
        gap = row.gap(danlu)
        unit = "%" if row.metric == "rmse" else " points"
        said = "-" if gap is None else f"{gap:+.1f}{unit}"
        lines.append(_line([row.table, str(len(row.splits)), *cells, row.best_peer() or "-", said]))
    return lines


def _bars(rows: Sequence[Row], danlu: str) -> list[str]:
    """Return the bars, and what was reached."""
    lines = _head(["to hold", "bar", "reached"])
    for peer, share in (("sklearn-mlp", 13 / 15), ("realmlp", 2 / 3), ("catboost", 1 / 2)):
        with_peer = [row for row in rows if peer in row.error]
        wins = sum(row.error[danlu] < row.error[peer] for row in with_peer)
        held = _held(wins >= share * len(with_peer)) if with_peer else "-"
        lines.append(_line([f"better than {peer}", f"{share:.0%} of tables", f"{wins} of {len(with_peer)}: {held}"]))
    for row in rows:
        if row.table == "california" and "catboost" in row.score:
            ratio = row.score[danlu] / row.score["catboost"]
            name = f"california: rmse over catboost's, {len(row.splits)} splits"
            lines.append(_line([name, "at most 1.02 on 5", f"{ratio:.3f}: {_held(ratio <= 1.02)}"]))
    timed = [row for row in rows if "realmlp" in row.seconds]
    if timed:
        ratio = sum(row.seconds[danlu] for row in timed) / sum(row.seconds["realmlp"] for row in timed)
        lines.append(_line(["seconds over realmlp's", "at most 0.33", f"{ratio:.2f}: {_held(ratio <= 1 / 3)}"]))
    gaps = [(row, gap) for row in rows if (gap := row.gap(danlu)) is not None]
    if gaps:
        middle = median(gap for _, gap in gaps)
        lines.append(_line(["median gap to the best peer", "at most 1", f"{middle:+.1f}: {_held(middle <= 1)}"]))
        for percent, points, most in ((5, 1.5, 2), (12, 6, 0)):
            beyond = [row.table for row, gap in gaps if gap > (percent if row.metric == "rmse" else points)]
            said = f"{len(beyond)} ({', '.join(beyond)})" if beyond else "0"
            bar = f"beyond {percent}% of rmse or {points:g} points"
            lines.append(_line([bar, f"at most {most}", f"{said}: {_held(len(beyond) <= most)}"]))
    return lines


def _ranks(rows: Sequence[Row], tools: Sequence[str]) -> list[str]:
    """Return mean rank, mean relative error, wins and seconds of each tool, over the tables that it has."""
    lines = _head(["tool", "tables", "mean rank", "mean relative error", "wins", "seconds"])
    said = []
    for tool in tools:
        mine = [row for row in rows if tool in row.error]
        if not mine:
            continue
        ranks = [_rank(row.error, tool) for row in mine]
        relative = mean(_relative(row.error, tool) for row in mine)
        wins = sum(row.error[tool] == min(row.error.values()) for row in mine)
        cells = [tool, str(len(mine)), f"{mean(ranks):.2f}", f"{relative:.3f}", str(wins)]
        said.append((mean(ranks), _line([*cells, f"{sum(row.seconds[tool] for row in mine):.0f}"])))
    return lines + [line for _, line in sorted(said)]


def _rank(errors: Mapping[str, float], tool: str) -> float:
    """Return the place of a tool, from 1; those that are equal share their places.

    >>> [_rank({"a": 1.0, "b": 2.0, "c": 2.0}, tool) for tool in "abc"]
    [1.0, 2.5, 2.5]
    """
    mine = errors[tool]
    return 1 + sum(e < mine for e in errors.values()) + (sum(e == mine for e in errors.values()) - 1) / 2


def _relative(errors: Mapping[str, float], tool: str) -> float:
    """Return the error of a tool over the least one."""
    least = min(errors.values())
    return errors[tool] / least if least > 0 else 1.0 if errors[tool] == 0 else float("inf")


def _log_losses(rows: Sequence[Row], tools: Sequence[str]) -> list[str]:
    lines = _head(["table", *tools])
    for row in rows:
        if row.log_loss:
            lines.append(_line([row.table, *(f"{row.log_loss[t]:.4f}" if t in row.log_loss else "-" for t in tools)]))
    return lines


def uci_summary(chosen: Chosen, danlu: str, note: str) -> str:
    """Return means and standard errors over the splits, beside what is published."""
    lines = [f"# UCI regression, standard splits: {danlu}", "", note]
    sets = list(dict.fromkeys(table for table, _, tool in chosen if tool == danlu))
    for metric in ("rmse", "nll"):
        own = {}
        for name in sets:
            of = [result for (table, _, tool), result in chosen.items() if (table, tool) == (name, danlu)]
            values = [result[metric] for result in of if result.get(metric) is not None]
            if len(values) == len(of):
                own[name] = mean(values), stdev(values) / sqrt(len(values)) if len(values) > 1 else None, len(values)
        lines += ["", *(_beside_published(metric, own) if own else [f"{metric}: this Danlu gives none."])]
    return "\n".join(lines) + "\n"


def _beside_published(metric: str, own: Mapping[str, tuple[float, float | None, int]]) -> list[str]:
    """Return the table of a metric: equal is a difference within two standard errors of it, and less is better."""
    others = published(metric)
    lines = _head([metric, "splits", "danlu", *METHODS, "worse than"])
    worse: dict[str, int] = dict.fromkeys(METHODS, 0)
    for name, (value, error, splits) in own.items():
        ours = f"{value:.3f}" + ("" if error is None else f" ± {error:.3f}")
        beaten = []
        for method in METHODS:
            theirs, spread = others[method][name]
            if value > theirs + 2 * sqrt(spread**2 + (error or 0) ** 2):
                beaten.append(method)
                worse[method] += 1
        cells = [f"{others[method][name][0]:.2f} ± {others[method][name][1]:.2f}" for method in METHODS]
        lines.append(_line([name, str(splits), ours, *cells, ", ".join(beaten) or "none"]))
    held = [f"{method} on {len(own) - worse[method]} of {len(own)}" for method in (*MUST, "NGBoost")]
    return [*lines, "", f"{metric} at least as good as {'; '.join(held)} (bars: all, all, two thirds)."]


def intervals_summary(chosen: Chosen, danlu: str, note: str) -> str:
    """Return coverage of test rows and mean width (in deviations of the target) of each level, over the splits."""
    found = {place: result for place, result in chosen.items() if place[2] == danlu and result.get("intervals")}
    head = [f"# Intervals: {danlu}", "", note, ""]
    if not found:
        return "\n".join([*head, "This Danlu gives no intervals."]) + "\n"
    levels = sorted({level for result in found.values() for level in result["intervals"]}, key=float)
    lines, errors = _head(["table", "train rows", "test rows", *levels, "held"]), []
    for place in dict.fromkeys(table for table, _, _ in found):
        of = [result for (table, _, _), result in found.items() if table == place]
        tested, learnt = sum(result["test_rows"] for result in of), of[0]["rows"]
        cells, held = [], True
        for level in levels:
            with_level = [result["intervals"][level] for result in of if level in result["intervals"]]
            if len(with_level) < len(of):  # too few rows for it
                cells.append("-")
                continue
            share, width = (mean(each[name] for each in with_level) for name in ("coverage", "width"))
            promise = float(level)
            cells.append(f"{share:.3f} (width {width:.2f})")
            held &= abs(share - promise) <= 0.02 + 2 * sqrt(promise * (1 - promise) / tested)
            errors += [abs(share - promise)] if learnt > SURE_ROWS else []
        lines.append(_line([place, f"{learnt:,}", f"{tested:,}", *cells, _held(held) if learnt > SURE_ROWS else "-"]))
    if errors:
        reached = 100 * mean(errors)
        lines += ["", f"Mean error {reached:.1f} points (bar: at most 1): {_held(reached <= 1)}."]
    return "\n".join([*head, *lines]) + "\n"


def _value(value: float, metric: str) -> str:
    return f"{value:.4f}" if metric == "accuracy" else f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _held(held: bool) -> str:
    return "held" if held else "not held"


def _head(names: Sequence[str]) -> list[str]:
    return [_line(names), _line(["---"] * len(names))]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
