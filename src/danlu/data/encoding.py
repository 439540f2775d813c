"""From bytes in any of the usual encodings to UTF-8.

UTF-8 and UTF-16 announce themselves. The others do not: almost any bytes are valid GB18030, and all are
valid Latin-1. So each candidate is judged by how many of its characters beyond ASCII are everyday ones, and
the first of the best is taken; Latin-1 is what remains.
"""

from __future__ import annotations

import codecs
import re

from danlu.core.errors import DataError, PlanError

_BLOCK = 1 << 20
_SAMPLE = 1 << 16

_EVERYDAY = {
    # The characters that each standard lists first, as the most used (level 1), its punctuation and kana.
    "gb18030": re.compile(rb"[\xb0-\xd7][\xa1-\xfe]|[\xa1\xa3][\xa1-\xfe]"),
    "big5": re.compile(rb"[\xa4-\xc6][\x40-\x7e\xa1-\xfe]|[\xa1-\xa2][\x40-\x7e\xa1-\xfe]"),
    "shift_jis": re.compile(rb"[\x81-\x83\x88-\x97][\x40-\x7e\x80-\xfc]"),
}
_ENOUGH = 0.7
"""Least share of everyday characters: running text has above 0.9, text in another encoding below 0.6 or so."""

_MOSTLY = 0.9
"""Share of lines beyond ASCII that are valid UTF-8 where the whole is meant to be: by chance hardly any is."""

_SHOWN = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 (little-endian)",
    "utf-16-be": "UTF-16 (big-endian)",
    "utf-32": "UTF-32",
    "gb18030": "GB18030",
    "big5": "Big5",
    "shift_jis": "Shift-JIS",
    "cp1252": "Latin-1 (Windows-1252)",
    "latin-1": "Latin-1",
}


def to_utf8(data: bytes | bytearray, encoding: str | None, source: str) -> tuple[bytes | bytearray, str]:
    """Return the text as UTF-8 bytes (a byte order mark stays), and the name of its encoding.

    Raises:
        PlanError: no such encoding.
        DataError: the bytes are not text in the encoding that was asked for.
    """
    if encoding is None:
        name = _detect(data)
    else:
        try:
            name = codecs.lookup(encoding).name
            "a".encode(name)  # Python's list has some that are none of text, such as rot13
        except (LookupError, ValueError):
            raise PlanError(
                "`encoding` must be one that Python knows",
                f"got {encoding!r}",
                "Use encoding=utf-8, gb18030, big5, shift_jis or latin-1.",
            ) from None
        name = {"utf-8-sig": "utf-8", "iso8859-1": "latin-1"}.get(name, name)
    if name == "utf-8":
        _decodes(data, name, source)
        return data, "UTF-8"
    return _transcode(data, name, source), _SHOWN.get(name, name)


def line_of(data: bytes | bytearray | memoryview, offset: int) -> int:
    """Return the number, from 1, of the line that holds the byte at an offset."""
    return bytes(data[:offset]).count(b"\n") + 1


def _detect(data: bytes | bytearray) -> str:
    """Return the codec of some bytes."""
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if zeros := _zeros(data):
        return zeros
    if data.startswith(codecs.BOM_UTF8) or data.isascii() or _valid_utf8(data):
        return "utf-8"
    lines = [line for line in bytes(data[: 64 * _SAMPLE]).splitlines() if not line.isascii()]
    if len(lines) > 4 and sum(map(_valid_utf8, lines)) >= _MOSTLY * len(lines):
        return "utf-8"  # but for a few lines, which will be refused by their numbers
    sample = b"\n".join(lines)[:_SAMPLE] if lines else bytes(data[-_SAMPLE:])
    shares = {name: _everyday(sample, name) for name in _EVERYDAY}
    best = max(shares, key=lambda name: shares[name])
    if shares[best] >= _ENOUGH:
        return best
    undefined = any(byte in data for byte in b"\x81\x8d\x8f\x90\x9d")
    return "cp1252" if not undefined and any(byte in data for byte in range(0x80, 0xA0)) else "latin-1"


def _zeros(data: bytes | bytearray) -> str:
    """Return which UTF-16 without a byte order mark the bytes are: every other byte of ASCII is zero in it."""
    sample = bytes(data[:_SAMPLE])
    even, odd = sample[::2], sample[1::2]
    if len(sample) < 8 or b"\0" not in sample:
        return ""
    if odd.count(0) > 0.3 * len(odd) and not even.count(0):
        return "utf-16-le"
    return "utf-16-be" if even.count(0) > 0.3 * len(even) and not odd.count(0) else ""


def _valid_utf8(data: bytes | bytearray) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _BLOCK):
            decoder.decode(data[start : start + _BLOCK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _everyday(sample: bytes, name: str) -> float:
    """Return the share of everyday characters among those beyond ASCII; 0 if the bytes do not decode.

    A character beside an ASCII letter does not count: "Århus" in Latin-1 is a Big5 character and "hus".
    """
    text = ""
    for cut in range(4):  # the sample may end inside a character
        try:
            text = sample[: len(sample) - cut].decode(name)
            break
        except UnicodeDecodeError:
            continue
    found = [match for match in re.finditer(r"[^\x00-\x7f]", text) if not re.search(r"[A-Za-z]", _around(text, match))]
    total = len(re.findall(r"[^\x00-\x7f]", text))
    hits = sum(_EVERYDAY[name].fullmatch(match[0].encode(name)) is not None for match in found)
    return hits / total if total else 0.0


def _around(text: str, match: re.Match[str]) -> str:
    return text[max(match.start() - 1, 0) : match.start()] + text[match.end() : match.end() + 1]


def _decodes(data: bytes | bytearray, name: str, source: str) -> None:
    """Refuse bytes that are no UTF-8, with the line of the first."""
    if data.isascii() or _valid_utf8(data):
        return
    try:
        bytes(data).decode(name)
    except UnicodeDecodeError as error:
        raise _undecodable(data, name, source, error.start) from None


def _transcode(data: bytes | bytearray, name: str, source: str) -> bytearray:
    """Return text of another encoding as UTF-8, in blocks so that no more than both is in memory."""
    decoder = codecs.getincrementaldecoder(name)()
    out = bytearray()
    start = 0
    try:
        for start in range(0, len(data), _BLOCK):
            out += decoder.decode(bytes(data[start : start + _BLOCK])).encode()
        out += decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise _undecodable(data, name, source, start + getattr(error, "start", 0)) from None
    return out


def _undecodable(data: bytes | bytearray, name: str, source: str, offset: int) -> DataError:
    shown = _SHOWN.get(name, name)
    return DataError(
        f"{source} must be text in {shown}",
        f"bytes at or after line {line_of(data, offset)} are not",
        "Correct them, name its encoding (encoding=gb18030; latin-1 takes any bytes), or save it as UTF-8.",
    )
