"""Cells of a text that are written ="00123", as Excel needs them to keep their zeros."""

from __future__ import annotations

import re

_BEFORE = rb"((?:^(?:\xef\xbb\xbf)?|[,;\t|\r\n])[ ]*)"
_BEHIND = rb"(?=[ ]*(?:[,;\t|\r\n]|$))"
_BARE = re.compile(_BEFORE + rb'="([^"\r\n]*)"' + _BEHIND)
_QUOTED = re.compile(_BEFORE + rb'"=""([^"\r\n]*)"""' + _BEHIND)
_SURE = re.compile(_BEFORE + rb'(?:="[^"\r\n]+"|"=""[^"\r\n]*""")' + _BEHIND)
"""What stands in no quoted cell, where each quote is written twice; the empty ="" might."""


def unwrapped(data: bytes | bytearray) -> tuple[bytes | bytearray, bool]:
    """Return a text in UTF-8 with its cells written as others are, in quotes, and whether any was wrapped.

    >>> unwrapped(b'zip,n\\n="00123",4\\n="",6\\n')
    (b'zip,n\\n"00123",4\\n"",6\\n', True)
    """
    if b'="' not in data or _SURE.search(data) is None:
        return data, False
    return _BARE.sub(rb'\1"\2"', _QUOTED.sub(rb'\1"\2"', data)), True
