"""What every page is made of: one HTML file that needs nothing else and asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

from danlu._version import __version__
from danlu.core.errors import OutputError
from danlu.report import bundle
from danlu.report.charts import Chart
from danlu.report.languages import phrases
from danlu.report.markup import Html, embedded, join, named, tag


def document(
    title: str,
    header: Html,
    main: object,
    *,
    charts: Iterable[Chart] = (),
    extra: Sequence[str] = (),
    version: str = __version__,
    live: bool = False,
    chinese: bool = False,
) -> str:
    """Return a whole page as text: Danlu's theme, a policy that lets only its own scripts run, no request to anywhere.

    Arguments:
        title: of the window.
        header: the page's head, as `masthead` makes it.
        main: the content.
        charts: what is drawn in the elements of their ids; none: the page holds no drawing library.
        extra: further files of this package: .js run, in order, after the charts' own, .css add to the theme.
        version: of Danlu, named in the footer.
        live: whether it may ask the server that it came from, which a page in a file has not.
        chinese: whether all of its words are in the catalogue: it then speaks Chinese to who wants that.
    """
    drawings = {chart.id: {"spec": chart.spec, "data": chart.data, "said": chart.said} for chart in charts}
    style = "\n".join(_file(name) for name in ("theme.css", *(name for name in extra if name.endswith(".css"))))
    codes = [_file("language.js")] if drawings or chinese else []
    codes += [bundle.javascript(), _file("page.js")] if drawings else []
    codes += [_file(name) for name in extra if name.endswith(".js")]
    allowed = " ".join(_hash(code) for code in codes) or "'none'"
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    ) + ("; connect-src 'self'" if live else "")
    closing = "It asks this machine alone." if live else "This page holds everything it shows and makes no request."
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="generator", content=f"danlu {version}"),
        tag("title", f"{title} · Danlu"),
        tag("style", Html(style)),
    )
    body = tag(
        "body",
        header,
        tag("main", main),
        tag("footer", f"Written by Danlu {version}. {closing}"),
        tag("script", embedded({"phrases": phrases()}), type="application/json", id="phrases") if chinese else None,
        tag("script", embedded(drawings), type="application/json", id="charts") if drawings else None,
        [tag("script", Html(code)) for code in codes],
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def masthead(
    title: object, *, name: str, when: str | None = None, links: Sequence[tuple[str, str]] = (), note: str | None = None
) -> Html:
    """Return a page's head: Danlu's mark, what the page is about, and the way to its sections.

    Arguments:
        title: the heading, as markup or text.
        name: of the run or the picture, beside the mark.
        when: a time, beside it.
        links: (anchor, title) of each section.
        note: said where no script runs.
    """
    items = [tag("li", tag("a", text, href=f"#{anchor}")) for anchor, text in links]
    return tag(
        "header",
        tag(
            "p",
            tag("span", "丹炉", lang="zh", class_="mark"),
            " Danlu",
            tag("span", named(name, 60)),
            when,
            class_="brand",
        ),
        tag("h1", title),
        tag("noscript", tag("p", note, class_="alert")) if note else None,
        tag("nav", tag("ul", items), aria_label="Sections") if items else None,
    )


def write_whole(path: Path, content: str | bytes, what: str = "the page") -> Path:
    """Write a file whole or not at all, and return its path.

    Raises:
        OutputError: it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}-")
    except OSError as error:
        raise _unwritten(path, what, error) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise _unwritten(path, what, error) from None
    return path


def _unwritten(path: Path, what: str, error: OSError) -> OutputError:
    why = (error.strerror or str(error)).lower()
    return OutputError(f"{what} must be written", f"{path} could not be: {why}", "Give another place with -o.")


def _file(name: str) -> str:
    return join(Html(files("danlu.report").joinpath(name).read_text(encoding="utf-8")))


def _hash(text: str) -> str:
    """Return the source expression that lets a browser run exactly this inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
