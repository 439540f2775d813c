"""How the program ends: exit codes, and what is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from danlu.cli import ending
from danlu.core import errors
from danlu.core.errors import ArtifactError, DanluError, DataError, Interrupted, OutputError, PlanError, SchemaError


class Command:
    """What `ending.run` calls: a command that does what the test wants."""

    def __init__(self, raises: BaseException | None = None, code: int | None = None) -> None:
        self.raises, self.code = raises, code

    def list_commands(self, _: Any) -> list[str]:
        return ["fit"]

    def main(self, **_: Any) -> int | None:
        if self.raises is not None:
            raise self.raises
        return self.code


CODES = {
    DanluError: 1,
    PlanError: 2,
    DataError: 3,
    SchemaError: 4,
    OutputError: 5,
    ArtifactError: 6,
    errors.TrainingError: 7,
    Interrupted: 130,
}


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_each_error_has_its_exit_code_and_form(kind: type[DanluError], capsys: pytest.CaptureFixture[str]) -> None:
    assert ending.run(Command(kind("rules are kept", "they were not", "Keep them.")), ["fit"]) == CODES[kind]
    printed = capsys.readouterr()
    assert printed.err == "error: rules are kept, they were not.\nKeep them.\n"
    assert printed.out == ""


def test_names_of_columns_are_not_taken_for_settings(capsys: pytest.CaptureFixture[str]) -> None:
    ending.run(Command(DataError("no column `weigth`", "", "Did you mean `weight`?")), ["fit"])
    assert "Did you mean `weight`?" in capsys.readouterr().err


def test_what_nobody_foresaw_is_one_line_without_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DANLU_DEBUG", raising=False)
    assert ending.run(Command(ZeroDivisionError("division by zero")), ["fit"]) == 70
    printed = capsys.readouterr().err
    assert printed.startswith("internal error: ZeroDivisionError: division by zero\n")
    assert "please report it" in printed
    assert "Traceback" not in printed


def test_an_error_without_a_message_is_said_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert ending.run(Command(AssertionError()), ["fit", "--json"]) == 70
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["exit_code"] == 70
    assert "AssertionError" in printed.err


def test_debugging_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANLU_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        ending.run(Command(ZeroDivisionError("division by zero")), ["fit"])


@pytest.mark.parametrize(
    ("mistake", "code", "words"),
    [
        (MemoryError(), 3, "the work must fit into memory"),
        (KeyboardInterrupt(), 130, "stopped before anything could be kept"),
    ],
)
def test_memory_and_ctrl_c_are_said(
    mistake: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending.run(Command(mistake), ["fit"]) == code
    assert words in capsys.readouterr().err


def test_typer_gives_130_for_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    assert ending.run(Command(code=130), ["fit"]) == 130
    assert "stopped" in capsys.readouterr().err


def test_after_two_dashes_json_is_a_word_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    ending.run(Command(DataError("x")), ["fit", "--", "--json"])
    assert capsys.readouterr().out == ""


def test_messages_in_square_brackets_are_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    ending.run(Command(DataError("no [bold]columns[/bold] :smile:")), ["fit"])
    assert "no [bold]columns[/bold] :smile:" in capsys.readouterr().err


def test_no_colour_where_there_is_no_terminal() -> None:
    done = subprocess.run([sys.executable, "-m", "danlu", "fitt"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "\x1b" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="pipes end this way on POSIX")
def test_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    code = (
        "import sys, typer; from danlu.cli import ending\n"
        "class Endless:\n"
        "    def list_commands(self, _): return []\n"
        "    def main(self, **_):\n"
        "        for _ in range(100_000): sys.stdout.write('x' * 100 + '\\n')\n"
        "sys.exit(ending.run(Endless(), []))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=120) in (0, -signal.SIGPIPE)
