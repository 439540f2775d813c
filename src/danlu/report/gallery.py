"""Images with what was predicted of them, the worst mistakes, and the first layer's weights: cards, and parts of a
page."""

from __future__ import annotations

import numpy as np

from danlu.core.records import Run
from danlu.report.cards import Arrays, about_weights, cards, drawn_from, figures, lead, units, worst_title
from danlu.report.markup import Html, join, tag
from danlu.report.parts import Part


def gallery(run: Run, arrays: Arrays) -> Part | None:
    """Show images with their true and predicted class or number, and the first weights; nothing for a table."""
    shown, weights = arrays.get("shown_GKHW"), arrays.get("first_UKHW")
    content: list[Html] = []
    if shown is not None and len(shown):
        mistake_G = np.asarray(arrays["shown_mistake_G"], bool)
        sample, worst = np.flatnonzero(~mistake_G), np.flatnonzero(mistake_G)
        what = worst_title(run.table.target)
        content += [
            tag("p", lead(run.table.target, drawn_from(run), heat=True), class_="lead"),
            figures(cards(run.table.target, arrays, sample), "Images drawn at random"),
        ]
        if len(worst):
            content += [tag("h3", what), figures(cards(run.table.target, arrays, worst), what)]
    if weights is not None and len(weights):
        content += [tag("h3", "What the first layer looks for"), units(weights)]
        content.append(tag("p", about_weights(weights), class_="note"))
    return Part("images", "Images", join(content)) if content else None
