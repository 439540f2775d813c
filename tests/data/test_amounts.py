"""Numbers that are written for people, and answers in several spellings: read, said, and read again for predictions."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from danlu.core.errors import SchemaError
from danlu.core.plan import make_plan
from danlu.data import ReadOptions, conform, examine
from danlu.data.amounts import amounts
from danlu.data.cells import Origin
from danlu.data.kinds import Decision, decide
from danlu.data.text import read_text


def decided(cells: list[Any], wanted: Any = None, decimal: str = ".") -> Decision:
    return decide(pa.chunked_array([pa.array(cells)]), Origin("x", decimal=decimal), wanted)


def table(cells: list[str], *, sep: str = ";") -> Any:
    quoted = [f'"{cell}"' if sep in cell or '"' in cell else cell for cell in cells]
    words = f"x{sep}y\n" + "".join(f"{cell}{sep}{i * i}\n" for i, cell in enumerate(quoted))
    return read_text(words.encode(), "t.csv", ReadOptions(delimiter=sep))


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["$1,234.50", "($3)", "-$2"], [1234.5, -3.0, -2.0]),
        (["1.234,5", "12.345.678", "7"], [1234.5, 12345678.0, 7.0]),
        (["1 234", "2 345 678"], [1234.0, 2345678.0]),
        (["1\u202f234,5 €", "2 €", "-3 €"], [1234.5, 2.0, -3.0]),
        (["1'234.5", "5"], [1234.5, 5.0]),
        (["12 %", "3.5%", ".5%"], [12.0, 3.5, 0.5]),
        (["12,34,567", "1,00,000"], [1234567.0, 100000.0]),
        (["'5", "'6.25"], [5.0, 6.25]),
        (["USD 5", "USD 1,000"], [5.0, 1000.0]),
        (["¥1,000", "-", "NA"], [1000.0, np.nan, np.nan]),
        (["−5", "3"], [-5.0, 3.0]),
    ],
)
def test_amounts(texts: list[str], values: list[float]) -> None:
    found = amounts(pa.array(texts))
    assert found is not None
    np.testing.assert_array_equal(found.values, values)


@pytest.mark.parametrize(
    "texts",
    [
        ["007", "8"],
        ["$1", "2 €"],
        ["$1", "2"],
        ["1.2.3"],
        ["1,2,3"],
        ["5 kg"],
        ["12345678901234567"],
        ["$"],
        ["NA"],
        ["(1)"],
    ],
)
def test_no_amounts(texts: list[str]) -> None:
    assert amounts(pa.array(texts)) is None


@pytest.mark.parametrize(
    ("group", "point"), [(",", "."), (".", ","), (" ", ","), ("'", "."), ("", "."), ("", ","), ("\u202f", ",")]
)
def test_every_way_of_writing_a_number_gives_that_number_again(group: str, point: str) -> None:
    truth = [1234567.25, -1234.5, 999.75, 0.0, 12.0, 1e6]
    written = [f"{value:,}".replace(",", "G").replace(".", point).replace("G", group) for value in truth]
    found = amounts(pa.array(written), point)
    assert found is not None
    np.testing.assert_array_equal(found.values, truth)


def test_thousands_that_may_be_decimals_are_said_and_overridden() -> None:
    found = decided(["1,234", "2,345", "3,456", "4,567"])
    assert found.column is not None
    assert found.column.values.tolist() == [1234, 2345, 3456, 4567]
    assert "decimal=comma" in found.note
    found = decided(["1,234", "2,345", "3,456", "4,567"], decimal=",")
    assert found.column is not None
    assert found.column.values.tolist() == [1.234, 2.345, 3.456, 4.567]
    raw = read_text(b'x,y\n"1,234",1\n"2,5",2\n"3,1",4\n', "t.csv", ReadOptions(decimal="comma"))
    assert raw.arrow["x"].to_pylist() == [1.234, 2.5, 3.1]


def test_a_column_of_amounts_is_a_number_and_is_read_alike_for_predictions() -> None:
    cells = [f"${1000 + 250.5 * i:,.2f}" for i in range(12)]
    examined = examine(table(cells), make_plan(target="y"))
    (schema,) = examined.schema.columns
    assert (schema.kind, schema.sign, schema.decimal) == ("number", "$", ".")
    assert examined.table.columns[0].values.tolist() == [1000 + 250.5 * i for i in range(12)]
    assert any("is read as" in note.text and "--kind x=category" in note.text for note in examined.notes)
    again = conform(table(["$2,000", "$3000", "-"]), examined.schema, with_target=False)
    np.testing.assert_array_equal(again.table.columns[0].values, [2000, 3000, np.nan])
    with pytest.raises(SchemaError, match="row 1 has '5 €'"):
        conform(table(["5 €", "6 €"]), examined.schema, with_target=False)
    asked = examine(table(cells), make_plan(target="y", kinds="x=category"))
    assert asked.schema.columns[0].levels[0] == "$1,000.00"


def test_a_target_of_amounts_is_a_regression_and_labels_of_classes_stay() -> None:
    raw = table([f"{i * 1000:,} €" for i in range(1, 30)])
    examined = examine(raw, make_plan(target="x"))
    assert examined.schema.target.task == "regression"
    assert examined.target.values[:3, 0].tolist() == [1000, 2000, 3000]
    assert any("--task classification" in note.text for note in examined.notes)
    labels = ["5%", "10%"] * 10
    classes = examine(table(labels), make_plan(target="x")).schema.target
    assert (classes.task, set(classes.classes)) == ("classification", {"5%", "10%"})
    odd = ["=1+1", "<script>"] * 10
    assert set(examine(table(odd), make_plan(target="x")).schema.target.classes) == {"=1+1", "<script>"}


def test_one_cell_that_is_no_number_is_named() -> None:
    cells = [str(i * 7) for i in range(60)]
    cells[17] = "see note"
    found = decided(cells)
    assert found.left_out == "not all numbers: row 18 has 'see note' (missing=x=see note makes it missing)"
    few = decided([*map(str, [1, 2, 3, 4, 5] * 20), "?!"])
    assert few.schema is not None
    assert few.schema.kind == "category"
    assert "row 101 has '?!'" in few.note


def test_numbers_stored_as_text() -> None:
    many = decided([f"{i * 7 % 100}" for i in range(200)])
    assert many.schema is not None
    assert (many.schema.kind, many.note.startswith("numbers stored as text")) == ("number", True)
    few = decided(["1", "2", "3"] * 10)
    assert few.schema is not None
    assert few.schema.kind == "category"
    assert "--kind x=number" in few.note
    codes = decided(["0123", "0456"] * 10)
    assert codes.schema is not None
    assert (codes.schema.kind, codes.note) == ("category", "")


@pytest.mark.parametrize(
    ("cells", "truth"),
    [
        (["yes", "No", "Y", "n", "TRUE", "0", None], [1, 0, 1, 0, 1, 0, -1]),
        (["Yes", "yes", "NO", "no "], [1, 1, 0, 0]),
        (["ja", "Ja", "nein"], [1, 1, 0]),
    ],
)
def test_answers_in_several_spellings(cells: list[str | None], truth: list[int]) -> None:
    found = decided(cells * 5)
    assert found.column is not None
    assert found.column.kind == "yes/no"
    assert found.column.values.tolist() == truth * 5
    assert "taken for yes" in found.note
    kept = decided(cells * 5, "category")
    assert kept.schema is not None
    assert len(kept.schema.levels) == len([cell for cell in cells if cell])


@pytest.mark.parametrize("cells", [["f", "t", "n"], ["yes", "no", "maybe"], ["1", "0", "2"], ["y", "n", "t"]])
def test_what_is_no_answer_stays_a_category(cells: list[str]) -> None:
    found = decided(cells * 5)
    assert found.schema is not None
    assert found.schema.kind == "category"


def test_other_spellings_are_known_to_a_model() -> None:
    cells = list(itertools.islice(itertools.cycle(["yes", "no"]), 20))
    schema = examine(table(cells), make_plan(target="y")).schema
    again = conform(table(["YES", "n", "True", "perhaps"]), schema, with_target=False)
    assert again.table.columns[0].values.tolist() == [1, 0, 1, -2]
    assert any("'perhaps'" in note.text and "'YES'" not in note.text for note in again.warnings)


def test_levels_that_differ_in_case_only_are_told() -> None:
    found = decided(["Male", "male", "Female"] * 5)
    assert found.schema is not None
    assert found.schema.levels == ("Female", "Male", "male")
    assert found.note == "levels that differ only in case or blanks are kept apart: 'Male' and 'male'"
