"""Texts that differ in nearly every row: their shared words are learnt from, in whatever table they come again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import danlu
from danlu.core.errors import SchemaError
from danlu.data.text_words import MOST_WORDS, has_word, shared_words


def homes(rows: int = 160, seed: int = 0) -> dict[str, list]:
    """Advertisements whose price is told by two of their words."""
    rng = np.random.default_rng(seed)
    garden, lift = rng.random(rows) < 0.4, rng.random(rows) < 0.3
    texts = [
        f"Flat no. {i} in street {rng.integers(10**6)}{', with GARDEN' if g else ''}{' and a lift' if e else ''}"
        for i, (g, e) in enumerate(zip(garden, lift, strict=True))
    ]
    size = rng.normal(size=rows)
    return {"advert": texts, "size": size.tolist(), "price": (3 * garden - 2 * lift + 0.2 * size).tolist()}


def test_words_are_found_whatever_their_case_and_as_whole_words() -> None:
    cells = pa.chunked_array([["A lift", "LIFT!", "lifting", None, "lift-shaft", "no_lift", ""]])
    assert has_word(cells, "lift").tolist() == [True, True, False, False, True, True, False]


def test_only_words_that_many_rows_share_and_many_lack_are_taken() -> None:
    texts = [f"row {i:05} {'north' if i % 3 else 'south'} {'rare' if i < 9 else ''}" for i in range(300)]
    found = shared_words(pa.chunked_array([texts]))
    assert list(found) == ["north"], "`row` is in all, `rare` in 9, `south` in all others than `north`"
    assert found["north"].sum() == 200


def test_at_most_so_many_words_the_most_frequent_first() -> None:
    rng = np.random.default_rng(1)
    has = rng.random((400, 30)) < np.linspace(0.5, 0.1, 30)
    texts = [f"{i:09}" + "".join(f" w{j:02}" for j in np.flatnonzero(row)) for i, row in enumerate(has)]
    found = shared_words(pa.chunked_array([texts]))
    assert len(found) == MOST_WORDS
    assert [int(h.sum()) for h in found.values()] == sorted(has.sum(axis=0), reverse=True)[:MOST_WORDS]


def test_scripts_without_spaces_are_taken_by_characters() -> None:
    texts = [f"{'东' if i % 2 else '西'}城区第{i:04}号院" for i in range(60)]
    assert set(shared_words(pa.chunked_array([texts]))) == {"东"}
    assert has_word(pa.chunked_array([["在东边", "西"]]), "东").tolist() == [True, False]


def test_a_fit_learns_from_the_words_and_predicts_with_them(tmp_path) -> None:
    table = homes()
    model = danlu.fit(table, "price", epochs=30, repeats=1)
    columns = {column.name: column for column in model.run.table.columns}
    assert {"advert: garden", "advert: lift"} <= set(columns)
    assert columns["advert: lift"].given == "advert"
    (note,) = [note.text for note in model.run.inferred if note.topic == "advert"]
    assert "learnt from are the words that many rows share: " in note
    assert model.run.scores["r2"].value > 0.8
    new = {"advert": ["A garden, large", "Lift! no garden", None], "size": [0.0, 0.0, 0.0]}
    loaded = danlu.load(model.save(tmp_path / "m.danlu"))
    said = loaded.predict(new)
    assert said[0] > said[1]
    assert said[0] > said[2]
    assert np.isfinite(said).all()
    assert '"advert": [' in loaded.report(tmp_path / "m.html").read_text(encoding="utf-8").replace("&quot;", '"')


def test_a_table_without_the_text_is_refused_by_its_name(tmp_path) -> None:
    model = danlu.fit(homes(), "price", epochs=1, repeats=1)
    with pytest.raises(SchemaError, match="there is no `advert`"):
        model.predict({"size": [1.0]})
    extra = model.predictions(homes(4) | {"other": [1, 2, 3, 4]})
    assert [note.text for note in extra.warnings] == ["1 column not learnt from, ignored: other"]


@pytest.mark.parametrize(("kind", "left"), [("drop", True), ("id", True), ("text", False)])
def test_the_user_may_decide(kind: str, left: bool) -> None:
    model = danlu.fit(homes(), "price", epochs=1, repeats=1, kinds={"advert": kind})
    assert ([column.name for column in model.run.table.left_out] == ["advert"]) is left
    assert any(column.source == "advert" for column in model.run.table.columns) is not left


def test_a_category_may_be_taken_by_its_words() -> None:
    table = homes()
    table["advert"] = ["with a garden" if "GARDEN" in text else "bare" for text in table["advert"]]
    model = danlu.fit(table, "price", epochs=1, repeats=1, kinds={"advert": "text"})
    assert [column.word for column in model.run.table.columns if column.source] == ["bare"]
