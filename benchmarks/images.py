"""Images: seconds beside a DataLoader loop, numbers beside plain PyTorch's, MNIST, PNG files, members at once.

    python benchmarks/images.py MODE... [--epochs N] [--rounds 3] [--rows N] [--files 70000] [--folder DIR]
                                [--steps 30] [--batch 256] [--members 1,2,5] [--precision float32,bfloat16]
                                [--device cpu] [--threads 2] [--json FILE]

- `seeds-a`: the two networks of Fashion-MNIST's textbook, ten epochs of `danlu fit --watch-test` in a process of its
  own, and in another a loop over a DataLoader that reads image by image: whole, and an epoch (10 epochs).
- `equal`: the same networks from the same weights and batches, in Danlu and in plain PyTorch: accuracy of each epoch.
- `mnist`: 784-200-200-10, 20 epochs: test accuracy after each epoch.
- `png`: PNG files in class folders, read for the first time, from the cache, and by Pillow in two processes.
- `members`: convolutional members at once and one after another: the table of `danlu/networks/together.py`.

The sets are looked for in the folders of DANLU_DATA. What is compared is measured in turn, round after round, and the
least counts. Nothing else may run. `--rows`, `--files` and `--steps` make it small, to see that it works.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch
from image_jobs import measure_equal, measure_mnist, measure_png, measure_seeds_a
from image_members import measure_members

from danlu import __version__

MODES = ("seeds-a", "equal", "mnist", "png", "members")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(mode: str, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the rows of a mode."""
    common = {"rows": asked.rows, "threads": asked.threads, "say": say}
    if mode == "seeds-a":
        return measure_seeds_a(epochs=asked.epochs or 10, rounds=asked.rounds, **common)
    if mode == "equal":
        return measure_equal(epochs=asked.epochs or 10, **common)
    if mode == "mnist":
        return measure_mnist(epochs=asked.epochs or 20, **common)
    if mode == "png":
        return measure_png(
            files=asked.files, rounds=asked.rounds, folder=asked.folder, processes=asked.threads, say=say
        )
    torch.set_num_threads(asked.threads)
    torch.set_flush_denormal(True)
    counts, precisions = [int(m) for m in asked.members.split(",")], asked.precision.split(",")
    return measure_members(
        counts, asked.rounds, steps=asked.steps, batch=asked.batch, precisions=precisions, device=asked.device, say=say
    )


def shown(value: Any) -> str:
    """Return a value as a cell of the table."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return " ".join(map(shown, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(each)}" for name, each in value.items())
    return str(value)


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a table in Markdown."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([shown(row[name]) for name in names] for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def parsed(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modes", nargs="+", choices=MODES, metavar="MODE")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--files", type=int, default=70_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--members", default="1,2,5")
    parser.add_argument("--precision", default="float32,bfloat16")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--json", type=Path)
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    asked = parsed(words)
    about = {"danlu": __version__, "torch": torch.__version__, "machine": platform.machine(), "threads": asked.threads}
    results: dict[str, Any] = {"about": about}
    for mode in asked.modes:
        results[mode] = measure(mode, asked)
        print(f"\n{mode}\n\n{table(results[mode])}", flush=True)
        if asked.json is not None:
            asked.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
