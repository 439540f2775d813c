"""The page that follows a run: a shell that its script fills from the stream; what a user named is only ever text.

Its curves are drawn by a small script of its own rather than by Vega: they are drawn again up to twice a second, on the
machine that trains, where Vega would take 50 to 100 ms each time and 0.9 MB at first. The finished page takes its
place when the run is saved.
"""

from __future__ import annotations

import html
import re

from danlu.report.document import document, masthead
from danlu.report.markup import Html, join, tag

_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]*)"')


def live_page(name: str, *, saved: bool = False) -> str:
    """Return the page that follows a run.

    Arguments:
        name: of the model's folder.
        saved: whether an earlier model is there, which can be looked at meanwhile.
    """
    called = name.removesuffix(".danlu")
    title = join(tag("bdi", called, id="title"), tag("span", id="source"))
    header = masthead(title, name=called, note="Following a run needs JavaScript; danlu show needs none.")
    main = join(_now(saved), _training(), _earlier())
    return document(called, header, main, extra=("live/live.js", "live/live.css"), live=True, chinese=True)


def policy_of(page: str) -> str:
    """Return the content security policy that a page carries, as a header, where it can also forbid frames.

    >>> policy_of('<meta http-equiv="Content-Security-Policy" content="default-src &#x27;none&#x27;">')
    "default-src 'none'; frame-ancestors 'none'"
    """
    found = _POLICY.search(page)
    own = html.unescape(found[1]) if found else "default-src 'none'"
    return f"{own}; frame-ancestors 'none'"


def _now(saved: bool) -> Html:
    """Return where it stands: state, bar, time left; and what the run is about."""
    link = tag("p", "An earlier model of this name is kept: ", tag("a", "its page", href="model"), class_="note")
    return tag(
        "section",
        tag("h2", "Now", id="now-title", class_="unseen"),
        tag("p", tag("span", "connecting", id="state", class_="badge"), " ", tag("span", id="stage"), class_="state"),
        tag("div", tag("div", id="done"), id="bar", role="progressbar", aria_label="How far training is"),
        tag("p", id="words", class_="lead", aria_live="polite"),
        tag("p", id="end", class_="alert", role="status", hidden=True),
        link if saved else None,
        tag("dl", id="about", class_="facts strip"),
        id="now",
        aria_labelledby="now-title",
    )


def _training() -> Html:
    """Return the places of the curves."""
    panels = [_panel("loss", "Training loss"), _panel("metric", "Judged rows")]
    return tag(
        "section",
        tag("h2", "Training", id="training-title"),
        tag("p", "Curves appear with the first epoch.", id="none", class_="lead"),
        tag("div", panels, class_="panels", id="panels", hidden=True),
        id="training",
        aria_labelledby="training-title",
    )


def _panel(name: str, title: str) -> Html:
    return tag(
        "figure",
        tag("h3", title, id=f"{name}-title"),
        tag("div", id=f"{name}-chart", class_="live", role="img", tabindex="0"),
        tag("figcaption", id=f"{name}-caption"),
        id=name,
    )


def _earlier() -> Html:
    """Return the place of trainings that went before in the same run: settings compared, sizes, the refit."""
    return tag(
        "section",
        tag("h2", "Earlier in this run", id="earlier-title"),
        tag("ul", id="rounds", class_="notes"),
        id="earlier",
        aria_labelledby="earlier-title",
        hidden=True,
    )
