"""Random streams keyed by content: a hash of seed, purpose and place, never a position in a population."""

from __future__ import annotations

import hashlib


def stream(seed: int, purpose: str, *place: int | str) -> int:
    """Return the 63-bit key of the random stream for one purpose at one place.

    A member draws the same numbers in any population, because nothing about the population enters
    the hash.

    >>> stream(0, "weights", 3) == stream(0, "weights", 3)
    True
    >>> stream(0, "weights", 3) == stream(0, "weights", 4)
    False
    """
    text = "\x1f".join([str(seed), purpose, *map(str, place)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
