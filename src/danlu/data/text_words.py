"""Texts that differ in nearly every row, as yes/no columns: which have a word that many of them share.

Of `Braund, Mr. Owen Harris` no two are alike, but one in five has the word `miss`. Words are runs of letters and
digits, whatever their case; of scripts that are written without spaces, single characters.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pyarrow as pa

from danlu.data.cells import pc

MOST_WORDS = 20
"""Words of a column that are learnt from, the most frequent first."""
LEAST_SHARE, LEAST_ROWS = 0.02, 10
"""A word must be in this share of the rows, and in so many; and be missing from as many."""
LOOKED_AT = 20_000
"""Rows that words are counted in, at most."""
_LONG = 1000
"""Characters of a cell that words are looked for in."""
_SPACELESS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_BOUNDARY = rf"[^\pL\pN]|[{_SPACELESS}]"
"""What ends a word, as Arrow's RE2 writes it."""
_WORD = re.compile(rf"[{_SPACELESS}]|(?:(?![{_SPACELESS}])[^\W_])+")


def shared_words(cells: pa.ChunkedArray) -> dict[str, np.ndarray]:
    """Return the words that many texts share, each with which rows have it, `[N]` bool: the most frequent first, of
    like ones the longest.

    Words that stand in the same rows, or in all others, as one before are left out.

    >>> names = [f"{title} number {i}" for i, title in enumerate(["mr", "miss"] * 20)]
    >>> {word: int(has.sum()) for word, has in shared_words(pa.chunked_array([names])).items()}
    {'miss': 20}
    """
    rows = len(cells)
    places = np.unique(np.linspace(0, rows - 1, min(rows, LOOKED_AT)).astype(np.int64))
    seen = [_words(text) for text in cells.take(pa.array(places)).to_pylist() if text is not None]
    least = max(LEAST_ROWS * len(places) / rows, LEAST_SHARE * len(places))
    counts = Counter(word for words in seen for word in words if len(word) > 1 or not word.isascii())
    common = sorted(
        (w for w, n in counts.items() if least <= n <= len(places) - least), key=lambda w: (-counts[w], -len(w), w)
    )
    found: dict[str, np.ndarray] = {}
    for word in common[: 2 * MOST_WORDS]:
        has_N = has_word(cells, word)
        known = any(np.array_equal(has_N, other_N) or np.array_equal(has_N, ~other_N) for other_N in found.values())
        if not known and LEAST_ROWS <= has_N.sum() <= rows - LEAST_ROWS and len(found) < MOST_WORDS:
            found[word] = has_N
    return found


def has_word(cells: pa.ChunkedArray, word: str) -> np.ndarray:
    """Return which texts have a word, `[N]` bool; a missing cell has none.

    >>> has_word(pa.chunked_array([["Mr. Smith", "Mrs. Smith", None, "MR"]]), "mr").tolist()
    [True, False, False, True]
    """
    lowered = pc.utf8_lower(pc.utf8_slice_codeunits(cells, 0, _LONG))
    spaceless = re.fullmatch(f"[{_SPACELESS}]", word) is not None
    pattern = word if spaceless else f"(^|{_BOUNDARY}){word}($|{_BOUNDARY})"
    return pc.match_substring_regex(lowered, pattern).fill_null(False).to_numpy(zero_copy_only=False)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text[:_LONG].lower()))
