"""The words of pages in Chinese: one catalogue, English phrases with what is said instead of each.

The catalogue is a text: a phrase on a line of its own, and under it, indented, the Chinese; a phrase without one
(RMSE, ReLU) is the same in both. What is not a phrase's own stands in braces: `{n}` a number, `{x}` something of the
user's, `{t}` a phrase itself, `{y}` a phrase or something of the user's; digits tell several apart. `(s)` is a plural
that may be there. Lines that begin with # are for those who read the file.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


def read_phrases(text: str) -> tuple[tuple[str, str], ...]:
    r"""Return the phrases of a catalogue in their order, each with its translation.

    Raises:
        ValueError: a translation without a phrase, or a phrase that is there twice.

    >>> read_phrases("# Top\nScore\n    得分\nRMSE\n{n} row(s)\n    {n} 行")
    (('Score', '得分'), ('RMSE', 'RMSE'), ('{n} row(s)', '{n} 行'))
    """
    found: dict[str, str | None] = {}
    last = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            last = line.rstrip()
            if last in found:
                raise ValueError(f"line {number}: {last!r} is there twice")
            found[last] = None
        elif not last or found[last] is not None:
            raise ValueError(f"line {number}: a translation without its phrase")
        else:
            found[last] = line.strip()
    return tuple((english, english if chinese is None else chinese) for english, chinese in found.items())


@cache
def phrases() -> tuple[tuple[str, str], ...]:
    """Return the phrases that Danlu's pages know in Chinese."""
    return read_phrases(files("danlu.report").joinpath("chinese.txt").read_text(encoding="utf-8"))
