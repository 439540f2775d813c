"""Small charts inside tables, as SVG of a single path each: how cells are spread, how long a bar is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from danlu.core.explained import Spread
from danlu.report import words
from danlu.report.markup import Html, tag

WIDTH, HEIGHT = 120, 26


def bars(counts: Sequence[int], label: str, *, apart: bool = False) -> Html:
    """Return counts as bars side by side; `apart` leaves gaps, as between categories.

    >>> "M0 26" in bars([1, 2], "two") and "0 0 120 26" in bars([1, 2], "two")
    True
    """
    most = max(counts, default=0)
    step = WIDTH / max(1, len(counts))
    gap = min(2.0, step / 3) if apart else min(0.6, step / 6)
    drawn = []
    for place, amount in enumerate(counts):
        if amount:
            # Whatever is there is seen: a bar is at least one point high.
            high = max(1.0, (HEIGHT - 2) * amount / most)
            left, right = place * step, (place + 1) * step - gap
            drawn.append(f"M{_short(left)} {HEIGHT}V{_short(HEIGHT - high)}H{_short(right)}V{HEIGHT}Z")
    return _svg("".join(drawn), label, named=apart)


def length(share: float, label: str) -> Html:
    """Return one bar of a share of the width."""
    wide = _short(WIDTH * min(1.0, max(0.0, share)))
    return _svg(f"M0 8H{wide}V18H0Z", label)


def _svg(path: str, label: str, *, named: bool = False) -> Html:
    """Return a small picture; `named` says that its label holds the user's names, which nothing translates."""
    inner = (tag("title", label), tag("path", d=path) if path else None)
    own = {"role": "img", "aria_label": label, "translate": "no" if named else None}
    return tag("svg", *inner, class_="spark", viewBox=f"0 0 {WIDTH} {HEIGHT}", **own)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def of_spread(spread: Spread, kind: str) -> Html | None:
    """Return the small chart of a column; None where it has no cell."""
    if not spread.counts:
        return None
    if spread.levels:
        known = sum(spread.counts) + spread.beyond
        shown = [
            f"{level} {words.percent(amount / known)}"
            for level, amount in list(zip(spread.levels, spread.counts, strict=True))[:6]
            if amount
        ]
        more = spread.different - len(shown)
        return bars(spread.counts, ", ".join(shown) + (f" and {more:,} more" if more > 0 else ""), apart=True)
    write = words.moment if kind == "date" else words.number
    label = f"{write(spread.low)} to {write(spread.high)}, median {write(spread.middle)}"
    if spread.beyond:
        label += f"; {spread.beyond:,} cells lie outside"
    return bars(spread.counts, label)


def middle_words(spread: Spread, kind: str) -> str:
    """Return the median, or the commonest level with its share."""
    if spread.levels:
        known = sum(spread.counts) + spread.beyond
        if not known:
            return "–"
        share = spread.counts[0] / known
        # 99.7% are not all of them.
        return f"{words.percent(share, -3 if 0.99 < share < 1 else None)} {spread.levels[0]}"
    if spread.middle is None or not math.isfinite(spread.middle):
        return "–"
    return words.moment(spread.middle) if kind == "date" else words.number(spread.middle)
