"""HTML built from nested calls, in which whatever is not markup is escaped.

Nothing that a user named (columns, classes, files) can become a tag: text turns into `Html` only here.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

_VOID = frozenset({"meta", "link", "br", "hr", "img", "col"})
# Control characters are no characters in HTML; lone surrogates cannot be written as UTF-8. The overrides of
# writing direction (U+202A-202E, U+2066-2069) would turn the text around them.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def plain(text: object) -> str:
    """Return text without characters that cannot stand in a page; they show as U+FFFD.

    >>> plain("a" + chr(0) + "b")
    'a\ufffdb'
    """
    return _UNPRINTABLE.sub("\ufffd", str(text))


def escape(value: object) -> Html:
    """Return a value as markup: `Html` as it is, everything else escaped.

    >>> escape("<b>")
    '&lt;b&gt;'
    """
    return value if isinstance(value, Html) else Html(html.escape(plain(value)))


def join(*parts: object) -> Html:
    """Put parts one after the other; lists are opened, None is nothing.

    >>> join("a<", None, ["b", tag("i", "c")])
    'a&lt;b<i>c</i>'
    """
    found: list[str] = []
    for part in parts:
        if part is None:
            continue
        if isinstance(part, list | tuple):
            found.append(join(*part))
        else:
            found.append(escape(part))
    return Html("".join(found))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """Build an element; `class_` is class, `data_x` is data-x; attributes that are None or False are left out.

    >>> tag("td", "<3", class_="n", title='say "hi"')
    '<td class="n" title="say &quot;hi&quot;">&lt;3</td>'
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{html.escape(plain(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def named(name: object, most: int = 120) -> Html:
    """Write what a user named: its direction isolated, cut (with the whole in the title) where very long.

    >>> named("a<b")
    '<bdi>a&lt;b</bdi>'
    """
    text = plain(name)
    if not text.strip():
        return tag("bdi", "(blank)" if text else "(empty)", class_="muted")
    if len(text) <= most:
        return tag("bdi", text)
    return tag("bdi", text[: most - 1] + "…", title=text[:2000])


def worded(text: object, most: int = 200) -> Html:
    """Write what is Danlu's or the user's, whichever it is: as `named`, but its phrases are translated.

    >>> worded("out-of-fold")
    '<bdi class="said">out-of-fold</bdi>'
    """
    return tag("bdi", plain(text)[:most], class_="said")


def table(
    head: Iterable[object],
    rows: Iterable[Iterable[object]],
    *,
    caption: str,
    right: Iterable[int] = (),
    class_: str | None = None,
) -> Html:
    """Build a table in a frame that scrolls: the first cell of a row is its header, columns in `right` hold numbers.

    The frame takes the keyboard's focus, so that a wide table can be scrolled without a mouse.
    """
    numbers = set(right)

    def cell(kind: str, position: int, content: object, **more: object) -> Html:
        return tag(kind, content, class_="n" if position in numbers else None, **more)

    header = tag("tr", [cell("th", i, content, scope="col") for i, content in enumerate(head)])
    body = [
        tag("tr", [cell("td" if i else "th", i, c, scope=None if i else "row") for i, c in enumerate(row)])
        for row in rows
    ]
    whole = tag("table", tag("caption", caption, class_="unseen"), tag("thead", header), tag("tbody", body))
    return tag("div", whole, class_=f"frame {class_ or ''}".strip(), tabindex="0", role="region", aria_label=caption)


def facts(pairs: Mapping[str, object] | Iterable[tuple[object, object]], class_: str = "facts") -> Html:
    """Build a list of terms and what they are."""
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return tag("dl", [tag("div", tag("dt", term), tag("dd", fact)) for term, fact in items], class_=class_)


def embedded(value: Any) -> Html:
    """Write a value as JSON that is safe inside a script element; numbers that are not finite are not allowed.

    >>> embedded({"a": "</script>"})
    '{"a":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Html(plain(text))
