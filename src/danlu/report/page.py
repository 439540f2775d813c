"""The page of a run: why the model is as good as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from danlu.core.paths import check_new_file
from danlu.core.records import Run
from danlu.report import parts
from danlu.report.document import document, masthead, write_whole
from danlu.report.drivers import drivers
from danlu.report.failures import failures
from danlu.report.gallery import gallery
from danlu.report.inside import inside
from danlu.report.markup import Html, join, named, tag
from danlu.report.opening import target_words
from danlu.report.parts import Arrays, Part
from danlu.report.searched import searched
from danlu.report.seen import seen
from danlu.report.settings import plan
from danlu.report.use import use

PARTS: tuple[Callable[[Run, Arrays], Part | None], ...] = (
    lambda run, _: parts.score(run),
    lambda run, _: parts.scores(run),
    lambda run, _: seen(run),
    parts.training,
    lambda run, _: searched(run),
    drivers,
    gallery,
    failures,
    lambda run, _: inside(run),
    lambda run, _: parts.findings(run),
    lambda run, _: use(run),
    lambda run, _: plan(run),
)
"""The questions of the page in their order. A part that returns None is left out, with its place in the navigation; a
new one is a function of the records and arrays that returns a `Part`, and its words in `chinese.txt`."""


def write_page(run: Run, arrays: Mapping[str, np.ndarray], path: str | Path, *, force: bool = True) -> Path:
    """Write the report of a run as one self-contained HTML file; whole or not at all.

    Arguments:
        run: the records.
        arrays: the long arrays kept beside them, by name; what is missing is not drawn.
        path: the file to write.
        force: whether a file that exists is replaced.

    Raises:
        OutputError: the file exists and may not be replaced, or cannot be written.
    """
    path = Path(path)
    check_new_file(path, force=force)
    return write_whole(path, page(run, arrays))


def page(run: Run, arrays: Mapping[str, np.ndarray]) -> str:
    """Return the whole page as text."""
    found = [part for make in PARTS if (part := make(run, arrays)) is not None]
    header = join(tag("a", "Skip to the score", href="#score", class_="skip"), _masthead(run, found))
    charts = [chart for part in found for chart in part.charts]
    return document(run.name, header, [part.html() for part in found], charts=charts, version=run.version, chinese=True)


def _masthead(run: Run, found: list[Part]) -> Html:
    """Return the page's head: what was predicted from what, and the way to the sections."""
    source = named((Path(run.source).name or run.source).removeprefix("danlu:"), 60)
    return masthead(
        join(target_words(run), tag("span", " predicted from ", source)),
        name=run.name,
        when=run.created.replace("T", " ")[:16],
        links=[(part.id, part.short or part.title) for part in found],
        note="Charts need JavaScript; the tables below do not.",
    )
