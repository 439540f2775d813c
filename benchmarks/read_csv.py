"""How much longer reading, typing and checking a table takes than pyarrow's CSV reader alone, and how much memory.

Usage: python benchmarks/read_csv.py [ROWS]

Makes a table of 12 mixed columns (whole numbers, decimals, categories, dates, yes/no, missing cells), then
reads it 7 times with pyarrow, with `danlu.data.read`, and with `read` and `examine` (kinds, schema, target), in
turn, and prints medians. Peak memory is that of a fresh process, above what it
holds once everything is imported, over the size of the table in Arrow form.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.csv as pa_csv

from danlu.core.plan import make_plan
from danlu.data import examine, read

REPEATS = 7

PEAK = """
import resource, sys
import pyarrow.csv as pa_csv
from danlu.core.plan import make_plan
from danlu.data import examine, read
plan = make_plan(target="y")
pa_csv.read_csv({small!r}), examine(read({small!r}), plan)
with open("/proc/self/clear_refs", "w") as file: file.write("5")
def memory(field): return int(next(l for l in open("/proc/self/status") if l.startswith(field)).split()[1]) * 1024
before = memory("VmRSS")
table = {call}
print(memory("VmHWM") - before)
"""


def make(path: Path, rows: int, *, seed: int = 0) -> None:
    """Write the table."""
    random = np.random.default_rng(seed)

    def with_missing(values: np.ndarray, share: float = 0.03) -> np.ndarray:
        cells = values.astype(object)
        cells[random.random(rows) < share] = ""
        return cells

    columns = {
        "id": np.arange(rows),
        "age": random.integers(18, 90, rows),
        "income": with_missing(np.round(random.lognormal(10, 1, rows), 2)),
        "score": np.round(random.normal(size=rows), 6),
        "city": random.choice(["Rome", "Paris", "Lima", "Oslo", "Kyoto"], rows),
        "plan": with_missing(random.choice(["basic", "plus", "pro"], rows)),
        "day": (np.datetime64("2020-01-01") + random.integers(0, 1500, rows)).astype(str),
        "ratio": random.random(rows),
        "visits": with_missing(random.poisson(3, rows)),
        "flag": random.choice(["yes", "no"], rows),
        "distance": np.round(random.gamma(2, 10, rows), 3),
        "y": np.round(random.normal(size=rows) * 100, 4),
    }
    cells = zip(*(values.tolist() for values in columns.values()), strict=True)
    with path.open("w") as file:
        file.write(",".join(columns) + "\n")
        file.writelines(",".join(map(str, row)) + "\n" for row in cells)


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak(call: str, small: Path) -> int:
    """Return the peak memory of a call in a fresh process, above that of the imports, in bytes."""
    code = PEAK.format(call=call, small=str(small))
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def main(rows: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        path, small = Path(folder) / "table.csv", Path(folder) / "small.csv"
        make(path, rows)
        make(small, 1000)
        size = pa_csv.read_csv(path).nbytes
        plan = make_plan(target="y")
        calls: dict[str, Callable[[], object]] = {
            "pyarrow alone": lambda: pa_csv.read_csv(path),
            "danlu read": lambda: read(path),
            "danlu read and examine": lambda: examine(read(path), plan),
        }
        times = [[seconds(call) for call in calls.values()] for _ in range(REPEATS)]
        text = path.stat().st_size
        print(f"{rows} rows x 12 columns, {text / 1e6:.1f} MB of text, {size / 1e6:.1f} MB in Arrow form")
        for name, own in zip(calls, zip(*times, strict=True), strict=True):
            ratios = sorted(mine / each[0] for mine, each in zip(own, times, strict=True))
            print(
                f"{name}: {statistics.median(own) * 1e3:.0f} ms, "
                f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) times pyarrow"
            )
        measured = {
            "pyarrow alone": f"pa_csv.read_csv({str(path)!r})",
            "danlu read and examine": f"examine(read({str(path)!r}), plan)",
        }
        for name, call in measured.items():
            used = peak(call, small)
            print(f"peak memory, {name}: {used / 1e6:.0f} MB, {used / size:.2f} times the table")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500_000)
