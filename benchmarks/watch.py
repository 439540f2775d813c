"""What following a run costs it: the same fit with and without `--watch`, in pairs, with a reader on the stream.

    python benchmarks/watch.py --pairs 10 -o watch.json

Both fits of a pair follow each other at once, every second pair the other way round, so that a machine that gets
slower or busier weighs on both alike. What is compared is the time of training alone (`seconds.train` of `--json`).
The journal is written in either case; what `--watch` adds is a server in a process of its own, and who reads from it:
nobody, the stream (a client that takes every event as a page does), or a real page in Chromium, which also draws.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

FIT = "import danlu.cli.watch as watch; watch.IDLE = 1; from danlu.cli.app import main; main()"
"""The command line, whose server ends a second after the run: it must not stand beside the next one."""
MOST = 1.01
"""Issue 8: following a run costs it less than 1%."""
READERS = ("nobody", "stream", "chromium")


def write_table(path: Path, rows: int, columns: int = 10) -> None:
    """Write a table of numbers with a target that takes a network some epochs."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, columns))
    y = np.sin(x[:, 0] * 2) + x[:, 1] * x[:, 2] + 0.1 * rng.standard_normal(rows)
    names = ",".join([*(f"x{i}" for i in range(columns)), "y"])
    np.savetxt(path, np.column_stack([x, y]), delimiter=",", header=names, comments="", fmt="%.6g")


def train(table: Path, epochs: int, reader: str | None) -> float:
    """Fit once, and return the seconds of training.

    Arguments:
        reader: who follows it; None: without `--watch`.
    """
    with tempfile.TemporaryDirectory() as folder:
        words = ["fit", str(table), "--target", "y", "--epochs", str(epochs), "--hidden", "64,64", "--repeats", "1"]
        words += ["-o", str(Path(folder) / "m.danlu"), "--no-page", "--no-explain", "--json", "--quiet"]
        words += [] if reader is None else ["--watch"]
        command = [sys.executable, "-c", FIT, *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as fit:
            assert fit.stdout is not None
            assert fit.stderr is not None
            said: list[str] = []
            listening = threading.Thread(target=_listen, args=(fit.stderr, said, reader), daemon=True)
            listening.start()
            answer = fit.stdout.read()
            code = fit.wait()
        if code:
            raise SystemExit("".join(said))
        if reader is not None:
            _until_gone(said)
    return json.loads(answer)["seconds"]["train"]


def _listen(stream: Any, said: list[str], reader: str | None) -> None:
    """Keep what the fit says, and begin to read once it says where."""
    for line in stream:
        said.append(line)
        found = re.search(r"follow at (http://\S+)", line)
        if found and reader in ("stream", "chromium"):
            threading.Thread(target=_read if reader == "stream" else _look, args=(found[1],), daemon=True).start()


def _read(address: str) -> None:
    """Take every event until the run ends."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}events", timeout=60) as stream:
        for _ in stream:
            pass


def _look(address: str) -> None:
    """Keep the page open in Chromium until the finished one takes its place."""
    from playwright.sync_api import Error, sync_playwright  # noqa: PLC0415  only this reader needs it

    with sync_playwright() as driver:
        browser = driver.chromium.launch(args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        with contextlib.suppress(Error):
            page.goto(address)
            page.wait_for_selector("#use", timeout=3_600_000)
        browser.close()


def _until_gone(said: Sequence[str]) -> None:
    """Wait until the server of a run has ended."""
    found = re.search(r"follow at (http://\S+)", "".join(said))
    end = time.monotonic() + 60
    while found and time.monotonic() < end:
        try:
            urllib.request.urlopen(found[1].rstrip("/") + "x", timeout=1).close()
        except urllib.error.HTTPError:
            time.sleep(0.5)
        except OSError:
            return


@contextmanager
def table_of(rows: int) -> Iterator[Path]:
    """Yield a table of so many rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        write_table(path, rows)
        yield path


def interval(ratios: np.ndarray, draws: int = 2000) -> tuple[float, float]:
    """Return the 95% interval of the median of ratios, by a bootstrap over pairs.

    >>> interval(np.array([1.0, 1.0, 1.0]))
    (1.0, 1.0)
    """
    rng = np.random.default_rng(0)
    drawn = np.median(rng.choice(ratios, (draws, len(ratios))), axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def measure(pairs: int, rows: int, epochs: int, reader: str) -> dict[str, Any]:
    """Return seconds of every pair, the median ratio with its interval, and the machine."""
    taken: list[dict[str, float]] = []
    with table_of(rows) as table:
        train(table, 2, None)  # the first process of all finds cold files
        for place in range(pairs):
            order = (None, reader) if place % 2 == 0 else (reader, None)
            found = {("alone" if who is None else "watched"): train(table, epochs, who) for who in order}
            taken.append(found)
            print(json.dumps(found), file=sys.stderr)
    ratios = np.array([each["watched"] / each["alone"] for each in taken])
    low, high = interval(ratios)
    return {
        "reader": reader,
        "rows": rows,
        "epochs": epochs,
        "pairs": taken,
        "ratio": float(np.median(ratios)),
        "low": low,
        "high": high,
        "most": MOST,
        "held": bool(np.median(ratios) <= MOST),
        "machine": platform.platform(),
        "python": platform.python_version(),
    }


def main() -> None:
    """Measure, and print or write the result."""
    parser = argparse.ArgumentParser(description="What --watch costs a training.")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--reader", choices=READERS, default="stream")
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args()
    text = json.dumps(measure(asked.pairs, asked.rows, asked.epochs, asked.reader), indent=2)
    if asked.output:
        asked.output.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
