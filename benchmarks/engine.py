"""The engine's bars beside its peers, in one run: a table on the terminal, and JSON.

    python benchmarks/engine.py [--peers PYTHON] [--only NAME,...] [--rounds 7] [--threads 2] [--json FILE]
                                [--markdown] [--plot FILE.svg]

Measurements that are compared are taken in turn, round after round, and the least of each counts: an idle machine is
the same in all rounds, and whatever else runs only adds. Between two of them nothing runs; that the process that
waits takes no processor time is measured too. Plain PyTorch runs in this interpreter; JAX and scikit-learn in the one
that `--peers` names (`make bench` makes it), and where one is absent its bars say so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import growth
import numpy as np
import torch
from bars import BARS, Bar, groups
from ours import LOW, Measurement

from danlu import __version__

PAUSE = 0.05
"""Seconds between two measurements: threads that wait for work spin for some milliseconds."""


class Peers:
    """The peers' server, and what is there."""

    def __init__(self, python: str | None) -> None:
        self.versions: dict[str, str] = {}
        self.idle = self.waiting = 0.0
        self.process: subprocess.Popen[str] | None = None
        if python is None or not Path(python).is_file():
            return
        command = [python, str(Path(__file__).with_name("peers.py"))]
        environment = os.environ | {"JAX_PLATFORMS": "cpu"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        self.versions = self._read()["versions"]

    def _read(self) -> dict[str, Any]:
        assert self.process is not None
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the peers' server ended with status {self.process.wait()}")
        return json.loads(line)

    def measure(self, request: dict[str, Any]) -> float:
        """Return the answer to a request; `idle` and `waiting` count processor time of who should wait."""
        assert self.process is not None
        assert self.process.stdin is not None
        began = time.process_time()
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self._read()
        self.waiting += time.process_time() - began
        if "error" in answer:
            raise SystemExit(f"{request}: {answer['error']}")
        self.idle += answer["idle"]
        return answer["seconds"]

    def ask(self, tool: str, **case: Any) -> Measurement | None:
        """Return the measurement of a tool; None where it is absent."""
        if tool.split(" ")[0] not in self.versions:
            return None
        return partial(self.measure, {"tool": tool, **case})

    def close(self) -> None:
        """End the server."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait(timeout=60)


def take(makers: dict[str, Any], rounds: int) -> dict[str, list[float]]:
    """Build measurements and take them in turn; return the seconds of all rounds of each that could be built."""
    built = {name: measurement for name, make in makers.items() if (measurement := make()) is not None}
    runs: dict[str, list[float]] = {name: [] for name in built}
    for _ in range(rounds):
        for name, measurement in built.items():
            time.sleep(PAUSE)
            runs[name].append(measurement())
    return runs


def measure_bars(bars: Sequence[Bar], peers: Peers, rounds: int) -> tuple[list[dict[str, Any]], dict[str, list[float]]]:
    """Return the rows of the table, and all seconds of all measurements that they need."""
    needed = {name for bar in bars for name in (*bar.ours, bar.theirs)}
    runs: dict[str, list[float]] = {}
    for title, group in groups(peers.ask).items():
        mine = {name: make for name, make in group.items() if name in needed}
        if mine:
            say(f"measuring {title}: {len(mine)} cases in turn")
            runs |= take(mine, rounds)
    least = {name: min(seconds) for name, seconds in runs.items()}
    rows = []
    for bar in bars:
        missing = [name for name in (*bar.ours, bar.theirs) if name not in least]
        rows.append(bar.judge(least) or {"name": bar.name, "case": bar.case, "bar": bar.says, "absent": missing})
    return rows, runs


def measure_growth(axes: Sequence[str], rounds: int) -> dict[str, dict[int, float]]:
    """Return the least seconds by axis and size."""
    grown = {}
    for axis in axes:
        say(f"measuring growth with {axis}")
        runs = take({str(size): partial(growth.case, axis, size) for size in growth.SIZES[axis]}, rounds)
        grown[axis] = {int(size): min(seconds) for size, seconds in runs.items()}
    return grown


def machine(threads: int, peers: Peers) -> dict[str, Any]:
    """Return what the figures belong to."""
    versions = {"danlu": __version__, "torch": torch.__version__, "numpy": np.__version__} | peers.versions
    return {
        "processor": processor(), "cores": os.cpu_count(), "threads": threads, "system": platform.system(),
        "low_precision": LOW, "python": platform.python_version(), "versions": versions, "date": str(date.today()),
    }  # fmt: skip


def processor() -> str:
    """Return the name of the processor, with family and model where the system tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    known = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = known.get("model name", platform.machine())
    return f"{name}, family {known['cpu family']} model {known['model']}" if "cpu family" in known else name


def described(facts: dict[str, Any]) -> str:
    """Return the machine in a line."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return (
        f"{facts['processor']}; {facts['cores']} cores, {facts['threads']} threads; {facts['system']}, "
        f"Python {facts['python']}, {versions}; {facts['date']}"
    )


def time_of(seconds: float) -> str:
    """Return seconds in the unit that suits.

    >>> time_of(0.0000472), time_of(0.0123), time_of(1.5)
    ('47.2 us', '12.3 ms', '1.5 s')
    """
    for unit, factor in (("us", 1e6), ("ms", 1e3)):
        if seconds * factor < 1000:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Return a row's texts: case, bar, ratio, our time, theirs, whether it held."""
    if "absent" in row:
        return row["case"], row["bar"], "", "", "", "absent"
    times = time_of(row["ours_seconds"]), time_of(row["theirs_seconds"])
    return row["case"], row["bar"], f"{row['ratio']:.2f}", *times, "held" if row["held"] else "MISSED"


HEADS = ("case: beside what", "bar", "ratio", "danlu", "beside", "")


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table for a terminal of 80 columns."""
    texts = [HEADS, *(cells(row) for row in rows)]
    return "\n".join(f"{a:<37} {b:>8} {c:>6} {d:>8} {e:>8}  {f}".rstrip() for a, b, c, d, e, f in texts)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table for a page; the better of two precisions is named."""
    lines = ["| case: beside what | bar | ratio | danlu | beside | |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        case, *rest = cells(row)
        several = len(row.get("all_ours", ())) > 1
        note = ", ".join(f"{name.split()[-1]} {time_of(s)}" for name, s in row["all_ours"].items()) if several else ""
        lines.append(f"| {case}{f' ({note})' if note else ''} | {' | '.join(rest)} |")
    return "\n".join(lines)


def say(text: str) -> None:
    """Tell what is being done, beside the table."""
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*(bar.name for bar in BARS), *growth.SIZES]
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter with jax and scikit-learn")
    parser.add_argument("--only", metavar="NAME,...", help=f"of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--markdown", action="store_true", help="print the table for docs/benchmarks.md")
    parser.add_argument("--plot", metavar="FILE", type=Path, help="draw how time grows")
    asked = parser.parse_args()
    asked.only = asked.only.split(",") if asked.only else names
    if unknown := set(asked.only) - set(names):
        parser.error(f"--only takes {', '.join(names)}; got {', '.join(sorted(unknown))}")
    return asked


def main() -> None:
    """Measure and print."""
    asked = arguments()
    if hasattr(os, "sched_setaffinity"):
        # JAX and scikit-learn take every core that they may run on: all get as many as Danlu's threads.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: asked.threads])
    torch.set_num_threads(asked.threads)
    torch.set_flush_denormal(True)
    began = time.perf_counter()
    peers = Peers(asked.peers)
    if absent := sorted({"jax", "scikit-learn"} - set(peers.versions)):
        say(f"absent, so not measured: {', '.join(absent)} (give their interpreter: --peers, or make bench)")
    facts = machine(asked.threads, peers)
    rows, runs = measure_bars([bar for bar in BARS if bar.name in asked.only], peers, asked.rounds)
    peers.close()
    grown = measure_growth([axis for axis in growth.SIZES if axis in asked.only], asked.rounds)
    rows += [growth.judge(axis, seconds) for axis, seconds in grown.items()]
    took = time.perf_counter() - began
    print(textwrap.fill(described(facts), 80))
    waits = f"processor time taken by who waited: {peers.waiting + peers.idle:.2f} s"
    print(f"Least of {asked.rounds} rounds in turn, {took:.0f} s in all; {waits}.")
    print("Ratio: Danlu's time over the other's; a share: the reverse.")
    print("Growth: the cost of a unit over that at the size before, where it is steepest.\n")
    print(markdown(rows) if asked.markdown else table(rows))
    if asked.json:
        result = {"machine": facts, "rounds": asked.rounds, "seconds": took}
        result |= {
            "waiting_seconds": {"danlu": peers.waiting, "peers": peers.idle},
            "bars": rows,
            "runs": runs,
            "growth": grown,
        }
        asked.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if asked.plot and grown:
        growth.draw(grown, asked.plot)


if __name__ == "__main__":
    main()
