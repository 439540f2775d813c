"""How the program ends: every error in the same form, with the exit code of its class."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import typer
from rich.text import Text
from typer.exceptions import TyperException

from danlu.cli.terminal import err
from danlu.core.errors import DanluError, DataError, Interrupted, PlanError
from danlu.core.launch import launched

INTERNAL = 70
"""Exit code of a mistake in Danlu itself (EX_SOFTWARE of sysexits.h)."""


TOGETHER = ("fit", "demo")
"""Commands that several processes carry out together; the first process does any other alone."""


def run(command: Any, words: Sequence[str]) -> int:
    """Run a command with these words, say what went wrong, if anything, and return the exit code.

    Of several processes only the first says anything.
    """
    if launched().first:
        return _run(command, words)
    if words[:1] and words[0] not in TOGETHER:
        return 0
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        return _run(command, words)


def _run(command: Any, words: Sequence[str]) -> int:
    as_json = "--json" in words[: words.index("--")] if "--" in words else "--json" in words
    where = f"danlu {words[0]}" if words and words[0] in command.list_commands(None) else "danlu"
    try:
        code = command.main(args=list(words), prog_name="danlu", standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as end:
        return _quietly(end)
    except BaseException as mistake:
        together = not launched().alone and words[:1] and words[0] in TOGETHER
        if together and isinstance(mistake, Exception) and not _is_asked(mistake):
            return _say_together(mistake, as_json, where)
        return _say(mistake, as_json, where)
    # typer turns Ctrl-C into this code and returns it
    return _say(KeyboardInterrupt(), as_json, where) if code == Interrupted.exit_code else int(code or 0)


def _quietly(end: BrokenPipeError | SystemExit) -> int:
    """Leave without a word: the reader of our output has gone (`danlu predict ... | head`)."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        # What is left in the buffer would raise once more when Python closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return end.code if isinstance(end, SystemExit) and isinstance(end.code, int) else 0


def _is_asked(mistake: BaseException) -> bool:
    """Return whether this is an end that the user asked for."""
    return isinstance(mistake, typer.Abort) or _is_help(mistake)


def _is_help(mistake: BaseException) -> bool:
    """Return whether the help has been printed, because there was nothing to do."""
    return type(mistake).__name__ == "NoArgsIsHelpError"


def _say_together(mistake: Exception, as_json: bool, where: str) -> int:
    """Agree with the other processes on what went wrong, say it in the first, and let none leave before."""
    from danlu.population.processes import is_settled, part, settle  # noqa: PLC0415  loads torch

    try:
        if not is_settled(mistake):
            mistake = settle(as_danlu_error(mistake, where) or mistake)
        return _say(mistake, as_json, where)
    finally:
        part()
        # `torchrun` ends the others as soon as one has left; each is to leave with the same code.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _say(mistake: BaseException, as_json: bool, where: str) -> int:
    if _is_help(mistake):
        return 0
    error = as_danlu_error(mistake, where)
    if error is None:
        return _internal(mistake, as_json)
    if as_json:
        print_error_object(type(error).__name__, error.rule, error.fact, error.remedy, error.exit_code)
    line = Text("error: ", style="bold red")
    line.append(str(error).partition(error.remedy)[0].rstrip() if error.remedy else str(error), style="red")
    err().print(line, soft_wrap=True)
    if error.remedy:
        err().print(Text(error.remedy), soft_wrap=True)
    return error.exit_code


def _internal(mistake: BaseException, as_json: bool) -> int:
    fact = f"{type(mistake).__name__}: {mistake}".splitlines()[0]
    remedy = "This is a mistake in Danlu: please report it. DANLU_DEBUG=1 shows where it happened."
    if as_json:
        print_error_object("InternalError", "Danlu must not fail like this", fact, remedy, INTERNAL)
    err().print(Text("internal error: ", style="bold red").append(fact, style="red"), soft_wrap=True)
    err().print(Text(remedy), soft_wrap=True)
    if os.environ.get("DANLU_DEBUG", "") not in ("", "0"):
        raise mistake
    return INTERNAL


def as_danlu_error(mistake: BaseException, where: str = "danlu") -> DanluError | None:
    """Return the mistake in Danlu's form, or None for one that nobody foresaw."""
    if isinstance(mistake, DanluError):
        from danlu.cli.flags import as_flags  # noqa: PLC0415  needs pydantic, which `danlu --help` does not

        return as_flags(mistake)
    if isinstance(mistake, TyperException):
        return _usage(mistake, where)
    if isinstance(mistake, MemoryError):
        return DataError(
            "the work must fit into memory", "there was not enough", "Leave columns out with --drop, or use fewer rows."
        )
    if isinstance(mistake, KeyboardInterrupt | typer.Abort):
        return Interrupted("stopped before anything could be kept")
    return None


def _usage(mistake: TyperException, where: str) -> PlanError:
    """Turn typer's own complaint into rule, fact and remedy."""
    kind = type(mistake).__name__
    help_line = f"`{where} --help` shows what there is."
    option = getattr(mistake, "option_name", None)
    if kind == "NoSuchOption":
        near = getattr(mistake, "possibilities", None) or []
        remedy = f"Did you mean `{near[0]}`?" if near else help_line
        return PlanError(f"`{option}` must be an option of `{where}`", "there is none of that name", remedy)
    if kind == "BadOptionUsage":
        if "requires" in mistake.message:
            return PlanError(f"`{option}` must have a value", "got none", help_line)
        return PlanError(f"`{option}` must have no value", "got one", help_line)
    if kind == "MissingParameter":
        param: Any = getattr(mistake, "param", None)
        return PlanError(f"`{where}` must have {param.display_name_raw}", "got none", help_line)
    return _usage_in_words(mistake.format_message().strip(), where, help_line)


def _usage_in_words(message: str, where: str, help_line: str) -> PlanError:
    """Turn complaints that only their words tell apart into rule, fact and remedy."""
    if found := re.fullmatch(r"No such command '(.*?)'\.?(?: Did you mean '(.*?)'.*)?", message):
        remedy = f"Did you mean `danlu {found[2]}`?" if found[2] else help_line
        return PlanError(f"`{found[1]}` must be a command of `danlu`", "there is none of that name", remedy)
    if found := re.fullmatch(r"Got unexpected extra argument\(s\) \((.*)\)", message, re.DOTALL):
        remedy = "A name with spaces stands in quotes."
        return PlanError(f"`{where}` must have no more than its own arguments", f"got {found[1]}", remedy)
    return PlanError(message.rstrip("."), "", help_line)


def print_error_object(kind: str, rule: str, fact: str, remedy: str, exit_code: int) -> None:
    """Print the one JSON object of a command that failed."""
    error = {"type": kind, "rule": rule, "fact": fact, "remedy": remedy, "exit_code": exit_code}
    sys.stdout.write(json.dumps({"error": error}) + "\n")
    sys.stdout.flush()
