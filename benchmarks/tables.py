"""Danlu and its peers on the same rows of the same tables: scores and seconds, and a summary in Markdown.

    python benchmarks/tables.py [tables|uci|intervals] [--tables NAME,...] [--more] [--only TOOL,...] [--splits N]
        [--data FOLDER] [--peers PYTHON] [--peers-from FILE] [--out FILE.jsonl] [--summary FILE.md]
        [--set NAME=VALUE ...] [--threads N] [--limit SECONDS] [--note TEXT] [--again] [--retry] [--dry-run]

- `tables`: a fifth of each table is kept for the test (four splits of tables below 10,000 rows, else one). Danlu gets
  the other rows as a CSV file, with nothing but the target and the task; each peer gets its defaults.
- `uci`: the standard splits of the UCI regression sets, rmse and (where a model has a density) NLL.
- `intervals`: Danlu alone, on the regressions: how many test rows lie in its intervals, and how wide these are.

The data lie in `--data`, else in the folders that DANLU_DATA names, in `tables` and `uci-regression` there; California
housing comes with Danlu. What is not there is left out, and said. Each fit has a process of its own, and its result is
one line of `--out`, kept by mode, table, split, tool and version; Danlu's version holds a hash of its source. A run
that was killed goes on where it was. `--peers` names the interpreter that has the peers (`make bench-tables` makes it);
with `--peers-from` results of an earlier run stand for those that are in it. `--set` gives Danlu a setting of its plan,
and keeps the result under a name of its own. Seconds can be compared where nothing else ran.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from table_results import Result, add_result, is_danlu, key_of, newest, read_results, source_version
from table_sets import MORE, TABLES, UCI, Data, table
from table_summary import intervals_summary, tables_summary, uci_summary
from table_tools import TOOLS

import danlu

HERE = Path(__file__).resolve().parent
LEVELS = (0.8, 0.9, 0.95)
SLOW = "tabm"
"""Asked for by name only: on California it takes a quarter of an hour."""


@dataclass(frozen=True)
class Task:
    """One fit: of a tool on a split."""

    mode: str
    table: str
    split: int
    tool: str
    version: str

    @property
    def line(self) -> Result:
        """The beginning of its result."""
        return {"mode": self.mode, "table": self.table, "split": self.split, "tool": self.tool, "version": self.version}


class Interpreters:
    """Danlu's own interpreter and that of the peers, and what is installed there."""

    def __init__(self, peers: str | None, settings: list[str]) -> None:
        package = Path(danlu.__file__).parent
        # Not resolved: the interpreter of an environment is a link to another one, and would be that one.
        self.peers = os.path.abspath(peers) if peers and Path(peers).is_file() else None  # noqa: PTH100
        self.own = " ".join(["danlu", *settings])
        self.version = source_version(package, danlu.__version__)
        self.settings = dict(setting.split("=", 1) for setting in settings)
        self.versions = self._installed() | {self.own: self.version}

    def _installed(self) -> dict[str, str]:
        """Return the peers that the interpreter has, with their versions."""
        if self.peers is None:
            return {}
        command = [self.peers, str(HERE / "table_tools.py"), "--versions"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            say(f"the peers' interpreter cannot be used: {done.stderr.strip().splitlines()[-1]}")
            return {}
        return {tool: version for tool, version in json.loads(done.stdout).items() if tool != "danlu"}

    def run(self, task: Task, request: dict[str, Any], folder: Path, limit: float) -> Result:
        """Run a task in a process of its own; what goes wrong is an `error`."""
        python = sys.executable if is_danlu(task.tool) else self.peers
        assert python is not None
        command = [python, str(HERE / "table_tools.py")]
        try:
            done = subprocess.run(
                command, input=json.dumps(request), capture_output=True, text=True, timeout=limit, cwd=folder
            )
        except subprocess.TimeoutExpired:
            return {"error": f"longer than {limit:g} s"}
        if done.returncode:
            words = done.stderr.strip().splitlines()
            return {"error": words[-1][:500] if words else f"ended with status {done.returncode}"}
        return json.loads(done.stdout)


def tasks(asked: argparse.Namespace, data: Data, there: Interpreters, mode: str) -> Iterator[Task]:
    """Return the fits that are asked for, table by table and split by split."""
    for name in names(asked, data, mode):
        for split in data.splits(mode, name, asked.splits):
            for tool in tools(asked, there):
                yield Task(mode, name, split, tool, there.versions[tool])


def names(asked: argparse.Namespace, data: Data, mode: str) -> list[str]:
    """Return the tables that are asked for and are there."""
    known = list(UCI) if mode == "uci" else [*TABLES, *(MORE if asked.more or asked.tables else ())]
    chosen = asked.tables.split(",") if asked.tables else known
    if asked.mode == "intervals":
        chosen = [name for name in chosen if name not in known or table(name).task == "regression"]
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise SystemExit(f"no table is called {', '.join(unknown)}; there are {', '.join(known)}")
    absent = [name for name in chosen if not data.has(mode, name)]
    if absent:
        say(f"not in the data: {', '.join(absent)}")
    if len(absent) == len(chosen):
        raise SystemExit("No data: name their folder with --data, or in the variable DANLU_DATA.")
    return [name for name in chosen if name not in absent]


def tools(asked: argparse.Namespace, there: Interpreters) -> list[str]:
    """Return the tools that are asked for and are installed, Danlu first."""
    every = ["danlu"] if asked.mode != "tables" else [tool for tool in TOOLS if tool != SLOW]
    chosen = asked.only.split(",") if asked.only else every
    unknown = [tool for tool in chosen if tool not in TOOLS]
    if unknown:
        raise SystemExit(f"no tool is called {', '.join(unknown)}; there are {', '.join(TOOLS)}")
    own = [there.own if tool == "danlu" else tool for tool in chosen]
    return [tool for tool in own if tool in there.versions]


def measure(asked: argparse.Namespace, data: Data, there: Interpreters, mode: str) -> None:
    """Run what has no result yet, and write each result as soon as it is there."""
    given = read_results(asked.peers_from) if asked.peers_from else []
    known = [result for result in [*given, *read_results(asked.out)] if asked.retry is False or "error" not in result]
    done = set() if asked.again else {key_of(result) for result in known}
    # A peer's earlier result stands for it whatever its version.
    stand_in = {(r["mode"], r["table"], r["split"], r["tool"]) for r in given if not is_danlu(r["tool"])}
    todo = [
        task for task in tasks(asked, data, there, mode)
        if key_of(task.line) not in done and (task.mode, task.table, task.split, task.tool) not in stand_in
    ]  # fmt: skip
    say(f"{len(todo)} fits to do")
    if asked.dry_run:
        for task in todo:
            say(f"  {task.table} {task.split} {task.tool}")
        return
    written: tuple[str, int] | None = None
    with tempfile.TemporaryDirectory() as folder:
        for number, task in enumerate(todo, 1):
            if written != (task.table, task.split):
                parts = data.split(mode, task.table, task.split)
                for name, frame in (("train", parts.train), ("test", parts.test)):
                    frame.to_csv(Path(folder) / f"{name}.csv", index=False)
                written = task.table, task.split
            request = {
                "tool": task.tool.split(" ")[0], "target": parts.target, "task": parts.task,
                "train": str(Path(folder) / "train.csv"), "test": str(Path(folder) / "test.csv"),
                "threads": asked.threads or os.cpu_count(), "levels": LEVELS,
                "settings": there.settings | ({"threads": asked.threads} if asked.threads else {}),
            }  # fmt: skip
            result = task.line | there.run(task, request, Path(folder), asked.limit)
            add_result(asked.out, result | {"machine": machine(), "date": str(date.today()), "note": asked.note})
            said = result.get("error") or f"{result['metric']} {result['score']:.6g}, {result['seconds']:.1f} s"
            say(f"{number}/{len(todo)} {task.table} {task.split} {task.tool}: {said}")


def machine() -> str:
    """Return the processor and its cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        named = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        named = platform.processor() or platform.machine()
    return f"{named}, {os.cpu_count()} cores"


def summary(asked: argparse.Namespace, there: Interpreters, mode: str) -> str:
    """Return what came out so far, in Markdown."""
    results = [*(read_results(asked.peers_from) if asked.peers_from else []), *read_results(asked.out)]
    chosen = newest(results, mode, there.version)
    if asked.tables:
        wanted = asked.tables.split(",")
        chosen = {place: result for place, result in chosen.items() if place[0] in wanted}
    # Danlu with other settings is no peer of its own.
    chosen = {place: r for place, r in chosen.items() if place[2] == there.own or not is_danlu(place[2])}
    versions = sorted({f"{r['tool']} {r['version']}" for r in chosen.values() if r["tool"] != there.own})
    notes = sorted({r["note"] for r in chosen.values() if r.get("note")})
    note = f"{machine()}, {date.today()}. Danlu {there.version}; {', '.join(versions) or 'no peers'}."
    note += "".join(f" {text}" for text in notes)
    draw = {"tables": tables_summary, "uci": uci_summary, "intervals": intervals_summary}[asked.mode]
    return draw(chosen, there.own, note)


def say(text: str) -> None:
    """Print to standard error."""
    print(text, file=sys.stderr, flush=True)


def arguments(words: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", nargs="?", default="tables", choices=["tables", "uci", "intervals"])
    parser.add_argument("--tables", help="only these, by name, with commas")
    parser.add_argument("--more", action="store_true", help="other tables and targets too")
    parser.add_argument("--only", help="only these tools, with commas: " + ", ".join(TOOLS))
    parser.add_argument("--splits", type=int, help="so many splits of every table")
    parser.add_argument("--data", type=Path, action="append", help="folder that holds the data")
    parser.add_argument("--peers", help="interpreter that has the peers")
    parser.add_argument("--peers-from", type=Path, help="results that stand for those of the peers")
    parser.add_argument("--out", type=Path, default=Path("bench-tables.jsonl"))
    parser.add_argument("--summary", type=Path, help="write the summary here too")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of Danlu's plan")
    parser.add_argument("--threads", type=int, help="of every tool; all cores, and for Danlu its default")
    parser.add_argument("--limit", type=float, default=7200, help="seconds that one fit may take")
    parser.add_argument("--note", default="", help="kept with each result, e.g. that other work ran")
    parser.add_argument("--again", action="store_true", help="also what has a result already")
    parser.add_argument("--retry", action="store_true", help="also what failed before")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    asked = parser.parse_args(words)
    asked.out = asked.out.resolve()
    for setting in asked.set:
        if "=" not in setting:
            parser.error(f"--set takes NAME=VALUE, got {setting}")
    return asked


def main(words: list[str] | None = None) -> None:
    """Measure, and print the summary."""
    asked = arguments(words)
    named = [Path(part) for part in os.environ.get("DANLU_DATA", "").split(os.pathsep) if part]
    shipped = Path(danlu.__file__).parent / "data"  # California housing comes with Danlu
    data, there = Data([*(asked.data or named), shipped]), Interpreters(asked.peers, asked.set)
    mode = "uci" if asked.mode == "uci" else "tables"  # intervals are kept with the results of the tables
    if not there.peers and asked.mode == "tables":
        say("no interpreter of the peers (--peers): Danlu alone is measured")
    try:
        measure(asked, data, there, mode)
    except KeyboardInterrupt:
        say("stopped; the same command goes on")
    text = summary(asked, there, mode)
    print(text)
    if asked.summary:
        asked.summary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
