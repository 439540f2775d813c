"""`danlu check`: what a table holds, what would mislead, what is refused; without training."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.main import get_command

from danlu.cli.app import app
from danlu.cli.ending import run

ROOT = Path(__file__).parents[2]


def danlu(*words: object) -> int:
    return run(get_command(app), [str(word) for word in words])


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    path = tmp_path / "houses.csv"
    lines = [
        f'"${1000 + 37 * i:,}",{i * i % 91},{"yes" if i % 3 else "No"},{i},2020-{i % 12 + 1:02d}-01' for i in range(120)
    ]
    path.write_text("A list of houses\nprice,area,sold,id,day\n" + "\n".join(lines) + "\n")
    return path


def test_what_is_read_and_decided(houses: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert danlu("check", houses, "--target", "price") == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    for words in (
        "120 rows, target price (a number)",
        "A list of houses",
        "$1,000",
        "id (row identifier",
        "--time day",
    ):
        assert words in said
    assert "danlu fit" in said[said.index("next") :]


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, Any]]:
    code = danlu("check", *words, "--json")
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    found = json.loads(out)
    if "error" not in found:
        schema = json.loads((ROOT / "docs" / "schema" / "check.schema.json").read_text(encoding="utf-8"))
        jsonschema.validate(found, schema)
    return code, found


def test_json_is_one_object_that_its_schema_describes(houses: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = answer(capsys, houses, "-t", "price")
    assert (code, found["refused"], found["task"]) == (0, None, "regression")
    assert found["rows"] == {
        "read": 120,
        "used": 120,
        "without_target": 0,
        "without_weight": 0,
        "skipped": 1,
        "bad": 0,
        "test": 0,
    }
    assert [(column["name"], column["kind"]) for column in found["columns"]] == [
        ("area", "number"),
        ("sold", "yes/no"),
        ("day", "date"),
    ]
    assert found["left_out"][0]["name"] == "id"
    code, found = answer(capsys, houses, "-t", "sold")
    assert (found["classes"], found["class_rows"]) == (["No", "yes"], [40, 80])


def test_bad_rows_are_all_listed_and_the_exit_code_is_that_of_a_fit(
    houses: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with houses.open("a") as file:
        file.write("1,2\n$1,2,No,4,2020-01-01\n1,2,3\n")
    code, found = answer(capsys, houses, "-t", "price")
    assert (code, found["refused"]["exit_code"], found["refused"]["type"]) == (3, 3, "DataError")
    assert found["bad_rows"] == [
        {"line": 123, "why": "has 2 cells in place of 5"},
        {"line": 125, "why": "has 3 cells in place of 5"},
    ]
    assert found["rows"]["used"] == 121
    assert danlu("check", houses, "-t", "price") == 3
    said = capsys.readouterr().out
    assert "--skip-bad-rows leaves these rows out" in said
    assert "line 123 has 2" in said
    code, found = answer(capsys, houses, "-t", "price", "--skip-bad-rows")
    assert (code, found["refused"], found["rows"]["bad"]) == (0, None, 2)
    assert found["inferred"]["bad rows"].startswith("2 rows left out, as asked: line 123")


def test_what_cannot_be_learnt_from_is_refused_beside_what_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "x,1\n" * 30)
    code, found = answer(capsys, path, "-t", "b")
    assert code == 3
    assert found["refused"]["rule"] == "target `b` must vary"
    assert found["inferred"]["format"].startswith("comma-separated")
    code, found = answer(capsys, path, "-t", "c")
    assert "`target`" in found["refused"]["rule"] or "--target" in found["refused"]["rule"]
    code, found = answer(capsys, tmp_path / "no.csv", "-t", "c")
    assert (code, found["error"]["exit_code"]) == (3, 3)


def test_without_a_target_the_columns_are_said(houses: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert danlu("check", houses) == 0
    said = capsys.readouterr().out
    assert "120 rows, no target named" in said
    assert "A list of houses" in said
    assert "these need a target" in " ".join(said.split())
    assert said.rstrip().endswith("--target COLUMN")
    code, found = answer(capsys, houses)
    kinds = {"price": "number", "area": "number", "sold": "yes/no", "day": "date"}
    assert (code, found["target"], found["task"], found["findings"]) == (0, [], None, [])
    assert {column["name"]: column["kind"] for column in found["columns"]} == kinds
    assert [column["name"] for column in found["left_out"]] == ["id"]
    assert found["rows"]["read"] == 120


def test_without_a_target_bad_rows_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3\n4,5\n")
    code, found = answer(capsys, path)
    assert (code, [row["line"] for row in found["bad_rows"]]) == (3, [3])
    assert [column["name"] for column in found["columns"]] == ["a", "b"]
    code, found = answer(capsys, path, "--skip-bad-rows", "--drop", "c")
    assert code == 3
    assert "`--drop`" in found["refused"]["rule"] or "`drop`" in found["refused"]["rule"]


def test_the_page_holds_it_all_and_nothing_that_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "<script>alert(1)</script>,=1+1,../../x,y\n"
        + "".join(f"{i * i % 7},{i / 3},<b>,{i % 2}\n" for i in range(60))
        + "1,2\n"
    )
    page = tmp_path / "t.html"
    assert danlu("check", path, "-t", "y", "--skip-bad-rows", "-o", page) == 0
    words = page.read_text(encoding="utf-8")
    assert "<script>alert" not in words
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in words
    assert "Rows that cannot be read" in words
    capsys.readouterr()
    assert danlu("check", path, "-t", "y", "-o", page) == 5
    assert danlu("check", path, "-t", "y", "--skip-bad-rows", "-o", page, "--force") == 0


def test_nothing_of_torch_is_loaded(houses: Path) -> None:
    code = (
        "import sys\nfrom danlu.cli.app import main\ntry: main(['check', sys.argv[1], '-t', 'price'])\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(houses)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_standard_input_and_plan_files(houses: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = shutil.which("danlu") or str(Path(sys.executable).parent / "danlu")
    with houses.open("rb") as file:
        done = subprocess.run(
            [program, "check", "-", "-t", "price", "--json"], stdin=file, capture_output=True, check=True
        )
    assert json.loads(done.stdout)["rows"]["used"] == 120
    (tmp_path / "plan.toml").write_text('data = "houses.csv"\ntarget = "price"\nhidden = [8]\n')
    code, found = answer(capsys, tmp_path / "plan.toml")
    assert (code, found["target"]) == (0, ["price"])
