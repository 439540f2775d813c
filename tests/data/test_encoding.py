"""Encodings: each is told from the others by a few words, and said."""

from __future__ import annotations

import codecs

import pytest

from danlu.core.errors import DataError, PlanError
from danlu.data.encoding import line_of, to_utf8

CHINESE = "面积,房间,地区,价格\n100,3,朝阳区,五百万\n80,2,海淀区,四百万\n"
TAIWANESE = "面積,房間,地區,價格\n100,3,大安區,五百萬\n80,2,信義區,四百萬\n"
JAPANESE = "面積,部屋,地区,かかく\n100,3,渋谷区,高い\n80,2,東京,カタカナ\n"
GERMAN = "Größe,Straße\n3,Müller\n4,Köln\n"


@pytest.mark.parametrize(
    ("words", "encoding", "shown"),
    [
        (CHINESE, "utf-8", "UTF-8"),
        (CHINESE, "utf-8-sig", "UTF-8"),
        (CHINESE, "utf-16", "UTF-16"),
        (CHINESE, "gb18030", "GB18030"),
        (CHINESE, "gbk", "GB18030"),
        ("城市,人口\n北京,1\n", "gb18030", "GB18030"),
        (TAIWANESE, "big5", "Big5"),
        (JAPANESE, "shift_jis", "Shift-JIS"),
        (GERMAN, "latin-1", "Latin-1"),
        ("città,età\nÅrhus,é\n", "latin-1", "Latin-1"),
        ("São Paulo,naïve café\n", "latin-1", "Latin-1"),
        ("price\n5 €\n“x”\n", "cp1252", "Latin-1 (Windows-1252)"),
    ],
)
def test_detected(words: str, encoding: str, shown: str) -> None:
    data, name = to_utf8(words.encode(encoding), None, "t.csv")
    assert name == shown
    assert bytes(data).removeprefix(codecs.BOM_UTF8).decode() == words


def test_a_character_cut_by_a_block_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.data.encoding._BLOCK", 3)
    for encoding in ("utf-8", "gb18030", "utf-16"):
        assert bytes(to_utf8(CHINESE.encode(encoding), None, "t.csv")[0]).decode() == CHINESE


def test_overruled() -> None:
    data, _ = to_utf8("é".encode("latin-1"), "cp1252", "t.csv")
    assert bytes(data).decode() == "é"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "big5"])
def test_not_in_the_encoding_asked_for(encoding: str) -> None:
    with pytest.raises(DataError, match="line 3") as caught:
        to_utf8(b"a\nb\n\xff\xff\n", encoding, "t.csv")
    assert caught.value.remedy


def test_unknown_encoding() -> None:
    with pytest.raises(PlanError, match="klingon"):
        to_utf8(b"a", "klingon", "t.csv")


def test_line_of() -> None:
    assert [line_of(b"a\nb\n", i) for i in range(4)] == [1, 1, 2, 2]
