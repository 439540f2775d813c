from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from danlu.core.errors import DataError
from danlu.data.cells import Origin, as_text, missing_cells, numbers, sorted_texts, text_codes

HERE = Origin("a")


def chunked(*chunks: object) -> pa.ChunkedArray:
    return pa.chunked_array([c if isinstance(c, pa.Array) else pa.array(c) for c in chunks])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (chunked([1, None, 3]), [1, np.nan, 3]),
        (chunked([1, 2], [None, 4]), [1, 2, np.nan, 4]),
        (chunked([1.5, None], [float("nan"), 2.0]), [1.5, np.nan, np.nan, 2]),
        (chunked([Decimal("1.25"), None]), [1.25, np.nan]),
        (chunked([True, None, False]), [1, np.nan, 0]),
        (chunked([" 3 ", "", "NA", "-1e3", ".5", "?"]), [3, np.nan, np.nan, -1000, 0.5, np.nan]),
        (chunked(pa.array([1, 2, None], pa.float16())), [1, 2, np.nan]),
        (chunked(pa.array([2**63], pa.uint64())), [2.0**63]),
        (chunked(pa.nulls(2)), [np.nan, np.nan]),
        (pa.chunked_array([pa.array([7, 8, 7]).dictionary_encode()]), [7, 8, 7]),
    ],
)
def test_numbers_of_every_type(cells: pa.ChunkedArray, expected: list[float]) -> None:
    np.testing.assert_array_equal(numbers(cells, HERE), expected)


def test_a_single_chunk_of_doubles_is_not_copied() -> None:
    column = pa.array(np.arange(5.0))
    assert np.shares_memory(numbers(chunked(column), HERE), column.to_numpy())


def test_text_that_is_no_number_is_refused_with_its_row() -> None:
    with pytest.raises(DataError, match=r"column `a` must hold numbers, row 3 has 'two'\."):
        numbers(chunked(["1", "NA"], ["two"]), HERE)


@pytest.mark.parametrize("cell", [np.inf, -np.inf])
def test_infinities_are_refused_with_their_row_in_the_raw_table(cell: float) -> None:
    with pytest.raises(DataError, match=r"numbers must be finite, row 8 of column `a` has -?inf\."):
        numbers(chunked([1.0, None, cell]), Origin("a", kept=np.array([3, 5, 7])))


def test_infinite_text_is_refused_too() -> None:
    with pytest.raises(DataError, match="finite"):
        numbers(chunked(["1", "inf"]), HERE)


def test_codes_of_text_join_chunks_and_take_blanks_for_missing() -> None:
    codes, texts = text_codes(chunked(["b", None, "a"], ["a", " ", "c"]))
    assert codes.dtype == np.int32
    assert [texts[int(code)].as_py() if code >= 0 else None for code in codes] == ["b", None, "a", "a", None, "c"]


def test_codes_of_dictionaries_that_differ_between_chunks() -> None:
    column = pa.chunked_array([pa.array(["b", "a"]).dictionary_encode(), pa.array(["a", None]).dictionary_encode()])
    codes, texts = text_codes(column)
    assert [texts[int(code)].as_py() if code >= 0 else None for code in codes] == ["b", "a", "a", None]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
def test_codes_of_every_text_type(kind: pa.DataType) -> None:
    codes, texts = text_codes(pa.chunked_array([pa.array(["x", "y", "x"]).cast(kind)]))
    assert codes.tolist() == [0, 1, 0]
    assert texts.to_pylist() == ["x", "y"]


def test_whole_floats_are_spelt_without_a_point() -> None:
    assert as_text(chunked([3.0, 0.5, float("nan"), 20201231.0])).to_pylist() == ["3", "0.5", None, "20201231"]
    assert as_text(chunked([True, None])).to_pylist() == ["true", None]


def test_missing_cells_are_null_nan_or_blank() -> None:
    assert missing_cells(chunked([1.0, float("nan")], pa.array([None], pa.float64()))).tolist() == [False, True, True]
    assert missing_cells(chunked(["a", "", "  ", None])).tolist() == [False, True, True, True]


def test_texts_that_are_all_numbers_are_sorted_by_value() -> None:
    texts = ["10", "9", "-1", "2.5"]
    assert [texts[i] for i in sorted_texts(texts)] == ["-1", "2.5", "9", "10"]
    texts = ["10", "9", "x"]
    assert [texts[i] for i in sorted_texts(texts)] == ["10", "9", "x"]
