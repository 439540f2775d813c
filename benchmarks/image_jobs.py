"""Whole jobs on images: SEEDS.md A beside a DataLoader loop and beside plain PyTorch's numbers, MNIST, PNG files."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

import danlu
from danlu.core.errors import DanluError
from danlu.data.images import read_images
from danlu.networks.build import make_network
from danlu.population import Members
from danlu.population.batches import Deck

SAY = Callable[[str], None]
NETWORKS: dict[str, dict[str, Any]] = {
    "784-256-10": {"hidden": 256, "bias": "zero"},
    "784-128-10": {"hidden": 128, "bias": "default"},
}
"""The two networks of SEEDS.md A."""
MNIST: dict[str, Any] = {
    "hidden": (200, 200), "activation": "relu", "optimizer": "adamw", "lr": 0.004, "schedule": "one-cycle",
    "dropout": 0.2, "weight_decay": 0.02, "batch_size": 256, "scale": "unit",
}  # fmt: skip
"""The good setting of 784-200-200-10."""


def folder_of(name: str) -> Path:
    """Return the folder of DANLU_DATA that holds a set."""
    for base in filter(None, os.environ.get("DANLU_DATA", "").split(os.pathsep)):
        for folder in (Path(base) / name, Path(base)):
            if (folder / "train-images-idx3-ubyte.gz").is_file():
                return folder
    raise SystemExit(f"{name} must be in a folder of DANLU_DATA, packed as .gz")


def settings_of(which: dict[str, Any]) -> dict[str, Any]:
    """Return a network of SEEDS.md A as settings of a fit."""
    return {
        "hidden": (which["hidden"],), "activation": "relu", "init": "normal:0.01", "optimizer": "sgd", "lr": 0.1,
        "init_bias": 0.0 if which["bias"] == "zero" else "default", "batch_size": 256, "scale": "unit", "holdout": 0,
    }  # fmt: skip


def part_of(name: str, rows: int | None) -> tuple[Any, Any, str]:
    """Return training and test part, whole by the set's name, or the first rows of both; and words for them."""
    if rows is None:
        return name, None, name
    images = read_images(name)
    assert images.test is not None
    parts = [(part.pixels_NKHW[:rows], np.asarray(part.labels[:rows])) for part in (images, images.test)]
    return *parts, f"the first {rows:,} of {name}"


# Seconds


def measure_seeds_a(*, epochs: int, rounds: int, rows: int | None, threads: int, say: SAY) -> list[dict[str, Any]]:
    """Return for each network the least seconds of ten epochs, whole from prompt to page and an epoch: both in turn."""
    found = []
    for name, which in NETWORKS.items():
        runs: dict[str, list[float]] = {"whole": [], "train": [], "loop whole": [], "loop epoch": []}
        last: dict[str, list[float]] = {}
        for round_ in range(rounds):
            say(f"measuring {name}, {epochs} epochs: round {round_ + 1} of {rounds}")
            with tempfile.TemporaryDirectory() as folder:
                seconds, answer = _danlu(which, epochs, rows, threads, Path(folder))
            runs["whole"].append(seconds)
            runs["train"].append(answer["seconds"]["train"] / epochs)
            command = [sys.executable, str(Path(__file__).with_name("image_loop.py")), str(folder_of("fashion-mnist"))]
            command += ["--hidden", str(which["hidden"]), "--bias", which["bias"], "--epochs", str(epochs)]
            command += ["--threads", str(threads), *(["--rows", str(rows)] if rows else [])]
            began = time.perf_counter()
            loop = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            runs["loop whole"].append(time.perf_counter() - began)
            runs["loop epoch"].append(sum(loop["seconds"]) / epochs)
            last = {"loop": loop["accuracy"][-1:], "danlu": [answer["test"]["accuracy"]]}
        least = {way: min(values) for way, values in runs.items()}
        ratios = {
            "whole_ratio": least["loop whole"] / least["whole"],
            "epoch_ratio": least["loop epoch"] / least["train"],
        }
        found.append({"network": name, **least, **ratios, "last_accuracy": {k: v[0] for k, v in last.items()}})
    return found


def _danlu(
    which: dict[str, Any], epochs: int, rows: int | None, threads: int, place: Path
) -> tuple[float, dict[str, Any]]:
    """Return the seconds of a whole `danlu fit` in a process of its own, and its answer."""
    data: list[str] = ["fashion-mnist"]
    if rows is not None:  # as files, so that the process has something to read
        for part, (pixels, labels) in zip(("train", "test"), part_of("fashion-mnist", rows)[:2], strict=True):
            np.savez(place / f"{part}.npz", x=pixels, y=labels.astype(str))
        data = [str(place / "train.npz"), "--test", str(place / "test.npz")]
    settings = settings_of(which) | {"epochs": epochs, "threads": threads}
    words = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", _text(value))]
    command = [sys.executable, "-m", "danlu", "fit", *data, *words, "--watch-test", "--json"]
    began = time.perf_counter()
    answered = subprocess.run(
        [*command, "-o", str(place / "m.danlu")], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    return time.perf_counter() - began, json.loads(answered.stdout)


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


# Numbers


def measure_equal(*, epochs: int, rows: int | None, threads: int, say: SAY) -> list[dict[str, Any]]:
    """Return test accuracies after each epoch beside those of plain PyTorch from the same weights and batches."""
    found = []
    for name, which in NETWORKS.items():
        data, test, _ = part_of("fashion-mnist", rows)
        say(f"training {name} in Danlu and in plain PyTorch")
        model = danlu.fit(data, test=test, watch_test=True, epochs=epochs, threads=threads, **settings_of(which))
        ours = model.arrays["test_JM"][:, 0].tolist()
        theirs = _plain(model, rows, epochs, threads)
        most = max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) * 100
        found.append({"network": name, "danlu": ours, "pytorch": theirs, "most_points_apart": most})
    return found


def _plain(model: Any, rows: int | None, epochs: int, threads: int) -> list[float]:
    torch.set_num_threads(threads)
    images = read_images("fashion-mnist")
    assert images.test is not None
    classes = list(model.run.table.target.classes)
    (x, y), (xt, yt) = (
        (torch.tensor(part.pixels_NKHW[:rows]).flatten(1).float() / 255,
         torch.tensor([classes.index(label) for label in part.labels[:rows]]))
        for part in (images, images.test)
    )  # fmt: skip
    network = make_network(model.run.network)
    weights_MP, _ = network.initial(Members.make(model.run.resolved, 1, (0,)).keys)
    start = [view[0] for view in network.named(weights_MP).values()]
    net = nn.Sequential(nn.Linear(784, start[0].shape[1]), nn.ReLU(), nn.Linear(start[0].shape[1], len(classes)))
    for parameter, values in zip(net.parameters(), start, strict=True):
        parameter.data = values.T.clone() if values.ndim > 1 else values.clone()
    optimizer, deck = torch.optim.SGD(net.parameters(), lr=0.1), Deck([np.arange(len(x))], None, 256, like=x)
    accuracies = []
    for epoch in range(epochs):
        order = deck.deal([0], (0, [0], epoch))
        for rows_KB, weight_KB in zip(order.rows_SKB, order.weight_SKB, strict=True):
            chosen = rows_KB[0][weight_KB[0] > 0]
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[chosen]), y[chosen]).backward()
            optimizer.step()
        with torch.no_grad():
            accuracies.append(float((net(xt).argmax(1) == yt).float().mean()))
    return accuracies


def measure_mnist(*, epochs: int, rows: int | None, threads: int, say: SAY) -> list[dict[str, Any]]:
    """Return test accuracy of 784-200-200-10 on MNIST after each epoch."""
    data, test, words = part_of("mnist", rows)
    say(f"training 784-200-200-10 on {words}, {epochs} epochs")
    began = time.perf_counter()
    model = danlu.fit(data, test=test, watch_test=True, holdout=0, epochs=epochs, threads=threads, **MNIST)
    seconds = time.perf_counter() - began
    accuracies = model.arrays["test_JM"][:, 0].tolist()
    setting = {name: _text(value) for name, value in MNIST.items()}
    return [{"accuracy": accuracies, "last": accuracies[-1], "seconds": seconds, "setting": setting}]


# PNG files


def measure_png(*, files: int, rounds: int, folder: Path | None, processes: int, say: SAY) -> list[dict[str, Any]]:
    """Return the least seconds to read PNG files in class folders: the first time, from the cache, and by Pillow."""
    with contextlib.ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        paths = _written(place, files, say)
        runs: dict[str, list[float]] = {"first": [], "cached": [], "pillow": []}
        # Started beforehand: what counts is decoding.
        pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(processes))
        pool.map(_pillow, np.array_split(paths[:processes], processes))
        for round_ in range(rounds):
            say(f"reading {len(paths):,} PNG files: round {round_ + 1} of {rounds}")
            with tempfile.TemporaryDirectory() as cache, _cache(cache):
                for way in ("first", "cached"):
                    began = time.perf_counter()
                    images = read_images(str(place))
                    runs[way].append(time.perf_counter() - began)
                    assert len(images) == len(paths)
            began = time.perf_counter()
            assert sum(pool.map(_pillow, np.array_split(paths, processes), chunksize=1)) == len(paths)
            runs["pillow"].append(time.perf_counter() - began)
    least = {way: min(values) for way, values in runs.items()}
    return [{"files": len(paths), **least, "ratio": least["first"] / least["pillow"]}]


def _pillow(paths: list[str]) -> int:
    """Decode files as Pillow's users do, and return how many."""
    pixels = np.empty((len(paths), 28, 28), np.uint8)
    for row, path in enumerate(paths):
        with Image.open(path) as image:
            pixels[row] = np.asarray(image)
    return len(pixels)


def _written(place: Path, files: int, say: SAY) -> list[str]:
    """Write images of Fashion-MNIST, both parts, as PNG files in class folders, unless they are there."""
    found = sorted(str(path) for path in place.glob("*/*.png"))
    if len(found) == files:
        return found
    say(f"writing {files:,} PNG files")
    try:
        images = read_images("fashion-mnist")
    except DanluError as error:
        raise SystemExit(str(error)) from None
    assert images.test is not None
    pixels = np.concatenate([images.pixels_NKHW, images.test.pixels_NKHW])[:files, 0]
    labels = [*images.labels, *images.test.labels][:files]
    paths = []
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        into = place / str(label).replace("/", "-")
        into.mkdir(exist_ok=True, parents=True)
        Image.fromarray(image).save(into / f"{number:05}.png")
        paths.append(str(into / f"{number:05}.png"))
    return sorted(paths)


@contextlib.contextmanager
def _cache(place: str) -> Iterator[None]:
    """Let Danlu keep decoded images in an empty folder."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = place
    try:
        yield
    finally:
        os.environ.pop("XDG_CACHE_HOME") if before is None else os.environ.update(XDG_CACHE_HOME=before)
