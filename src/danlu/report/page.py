"""The page as a whole: one HTML file that needs nothing else and asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np

from danlu.core.errors import OutputError
from danlu.core.paths import check_new_file
from danlu.core.records import Run
from danlu.report import bundle, parts
from danlu.report.markup import Html, embedded, join, named, tag
from danlu.report.opening import target_words
from danlu.report.parts import Part
from danlu.report.use import use


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
    text = page(run, arrays)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}-")
    except OSError as error:
        raise _unwritten(path, error) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise _unwritten(path, error) from None
    return path


def _unwritten(path: Path, error: OSError) -> OutputError:
    why = (error.strerror or str(error)).lower()
    return OutputError("the page must be written", f"{path} could not be: {why}", "Give another place with -o.")


def page(run: Run, arrays: Mapping[str, np.ndarray]) -> str:
    """Return the whole page as text."""
    sections = [
        parts.score(run),
        parts.training(run, arrays),
        parts.predictions(run, arrays),
        parts.scores(run),
        parts.data(run),
        parts.plan(run),
        parts.findings(run),
        use(run),
    ]
    found = [part for part in sections if part is not None]
    style, script, library = _file("theme.css"), _file("page.js"), bundle.javascript()
    policy = (
        f"default-src 'none'; script-src {_hash(library)} {_hash(script)}; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="generator", content=f"danlu {run.version}"),
        tag("title", f"{run.name} · Danlu"),
        tag("style", Html(style)),
    )
    body = tag(
        "body",
        tag("a", "Skip to the score", href="#score", class_="skip"),
        _masthead(run, found),
        tag("main", [part.html() for part in found]),
        tag("footer", f"Written by Danlu {run.version}. This page holds everything it shows and makes no request."),
        tag("script", embedded(_drawings(found)), type="application/json", id="charts"),
        tag("script", Html(library)),
        tag("script", Html(script)),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _masthead(run: Run, found: list[Part]) -> Html:
    """Return the page's head: what was predicted from what, and the way to the sections."""
    when = run.created.replace("T", " ")[:16]
    links = [tag("li", tag("a", part.title, href=f"#{part.id}")) for part in found]
    return tag(
        "header",
        tag(
            "p",
            tag("span", "丹炉", lang="zh", class_="mark"),
            " Danlu",
            tag("span", named(run.name, 60)),
            when,
            class_="brand",
        ),
        tag(
            "h1",
            target_words(run),
            tag("span", " predicted from ", named((Path(run.source).name or run.source).removeprefix("danlu:"), 60)),
        ),
        tag("noscript", tag("p", "Charts need JavaScript; the tables below do not.", class_="alert")),
        tag("nav", tag("ul", links), aria_label="Sections"),
    )


def _drawings(found: list[Part]) -> dict[str, object]:
    return {chart.id: {"spec": chart.spec, "data": chart.data} for part in found for chart in part.charts}


def _file(name: str) -> str:
    return join(Html(files("danlu.report").joinpath(name).read_text(encoding="utf-8")))


def _hash(text: str) -> str:
    """Return the source expression that lets a browser run exactly this inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
