"""Words for yes and no, in several languages and spellings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_PAIRS = (
    ("no", "yes"),
    ("n", "y"),
    ("false", "true"),
    ("f", "t"),
    ("off", "on"),
    ("0", "1"),
    ("nein", "ja"),
    ("nej", "ja"),
    ("nee", "ja"),
    ("non", "oui"),
    ("no", "si"),
    ("no", "sí"),
    ("não", "sim"),
    ("нет", "да"),
    ("否", "是"),
    ("无", "有"),
    ("いいえ", "はい"),
)
_NO_YES = {frozenset(pair): pair for pair in _PAIRS}
_MIXED = {word: side for pair in _PAIRS[:6] for side, word in enumerate(pair)}
"""Words that may stand beside each other in one column: yes, Y, true, 1."""
_FULL = (frozenset({"no", "false"}), frozenset({"yes", "true"}))


def no_yes(texts: Sequence[str]) -> tuple[str, str] | None:
    """Return the two texts of a known yes/no pair as (no, yes), or None.

    >>> no_yes(["Yes", "No"]), no_yes(["yes", "maybe"])
    (('No', 'Yes'), None)
    """
    if len(texts) != 2:
        return None
    spelt = {_plain(text): text for text in texts}
    pair = _NO_YES.get(frozenset(spelt))
    return (spelt[pair[0]], spelt[pair[1]]) if pair else None


def sides(texts: Sequence[str]) -> np.ndarray | None:
    """Return 0 (no) or 1 (yes) for each of three or more spellings of one answer, int32 `[M]`, or None.

    They are one where they differ in case or blanks only, or where all are English and no and yes are written out.

    >>> sides(["yes", "Yes", "NO"]).tolist(), sides(["yes", "n", "No", "1"]).tolist(), sides(["f", "t", "n"])
    ([1, 1, 0], [1, 0, 0, 1], None)
    """
    words = [_plain(text) for text in texts]
    told = set(words)
    if len(texts) < 3 or len(texts) > 40:
        return None
    if pair := _NO_YES.get(frozenset(told)):
        return np.array([word == pair[1] for word in words], dtype=np.int32)
    if told <= _MIXED.keys() and all(told & full for full in _FULL):
        return np.array([_MIXED[word] for word in words], dtype=np.int32)
    return None


def side_of(text: str, levels: Sequence[str]) -> int | None:
    """Return which of two levels another spelling means, or None.

    >>> side_of("YES", ("no", "yes")), side_of("y", ("No", "Yes")), side_of("y", ("nein", "ja"))
    (1, 1, None)
    """
    word, known = _plain(text), [_plain(level) for level in levels]
    if frozenset(known) not in _NO_YES:
        return None
    if word in known:
        return known.index(word)
    told = [_MIXED.get(level) for level in known]
    return told.index(_MIXED[word]) if word in _MIXED and None not in told else None


def _plain(text: str) -> str:
    return text.strip().casefold()
