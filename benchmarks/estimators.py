"""One network with one recipe, trained by Danlu's estimator and by the tools that would be used instead.

    python benchmarks/estimators.py                                      (what is installed beside Danlu)
    python benchmarks/estimators.py --peers .venv-bench/bin/python --rounds 7 --out estimators.jsonl

Numbers of California housing (the table that ships with Danlu), standardised by the training rows, and its price: the
same float32 arrays for all. Two hidden ReLU layers of 128, squared error, Adam at 0.001, batches of 256 in a new order
each epoch, 10 epochs, on the CPU: as each tool's own documentation does it, without validation, logs and files. What is
timed is `fit` alone, after one that is not. `danlu, 5 folds` trains five networks at once and judges all rows.

Each tool has a process of its own, and all have the same number of threads; in each round every tool that is there is
timed once, in another order. Tools that are not installed are named and left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

Fit = Callable[[int], Callable[[np.ndarray], np.ndarray]]
"""seed -> trains, and returns what predicts."""

HIDDEN, BATCH, RATE = (128, 128), 256, 1e-3
DANLU = ("danlu", "danlu, 5 folds")
PACKAGES = {"scikit-learn": "sklearn", "skorch": "skorch", "keras": "keras", "lightning": "lightning"}
TOOLS = (*DANLU, *PACKAGES)


# One tool, in a process of its own


def danlu(x: np.ndarray, y: np.ndarray, epochs: int, folds: int = 0) -> Fit:
    from danlu import TableRegressor  # noqa: PLC0415  only its own process has it

    plan = {"optimizer": "adam", "repeats": 1, "scale": "none", "scale_target": "none"}
    settings: dict[str, Any] = {"hidden": HIDDEN, "epochs": epochs, "lr": RATE, "batch_size": BATCH, "device": "cpu"}

    def fit(seed: int) -> Callable[[np.ndarray], np.ndarray]:
        model = TableRegressor(**settings, cv=folds, random_state=seed, plan=plan)
        return model.fit(x, y).predict

    return fit


def scikit_learn(x: np.ndarray, y: np.ndarray, epochs: int) -> Fit:
    from sklearn.neural_network import MLPRegressor  # noqa: PLC0415  may be absent

    def fit(seed: int) -> Callable[[np.ndarray], np.ndarray]:
        settings: dict[str, Any] = {"batch_size": BATCH, "learning_rate_init": RATE, "alpha": 0, "max_iter": epochs}
        settings |= {"tol": 0, "n_iter_no_change": epochs}
        return MLPRegressor(hidden_layer_sizes=HIDDEN, **settings, random_state=seed).fit(x, y).predict

    return fit


def layers(inputs: int) -> list[Any]:
    from torch import nn  # noqa: PLC0415  of some processes only

    one, two = HIDDEN
    return [nn.Linear(inputs, one), nn.ReLU(), nn.Linear(one, two), nn.ReLU(), nn.Linear(two, 1)]


def skorch(x: np.ndarray, y: np.ndarray, epochs: int) -> Fit:
    import torch  # noqa: PLC0415
    from skorch import NeuralNetRegressor  # noqa: PLC0415

    def fit(seed: int) -> Callable[[np.ndarray], np.ndarray]:
        torch.manual_seed(seed)
        net = NeuralNetRegressor(
            torch.nn.Sequential(*layers(x.shape[1])),
            optimizer=torch.optim.Adam,
            lr=RATE,
            max_epochs=epochs,
            batch_size=BATCH,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        )
        net.fit(x, y[:, None])
        return lambda rows: net.predict(rows)[:, 0]

    return fit


def keras(x: np.ndarray, y: np.ndarray, epochs: int) -> Fit:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras as tool  # noqa: PLC0415

    def fit(seed: int) -> Callable[[np.ndarray], np.ndarray]:
        tool.utils.set_random_seed(seed)
        hidden = [tool.layers.Dense(width, "relu") for width in HIDDEN]
        net = tool.Sequential([tool.Input((x.shape[1],)), *hidden, tool.layers.Dense(1)])
        net.compile(tool.optimizers.Adam(RATE), "mse")
        net.fit(x, y, epochs=epochs, batch_size=BATCH, verbose=0)
        return lambda rows: net.predict(rows, verbose=0)[:, 0]

    return fit


def lightning(x: np.ndarray, y: np.ndarray, epochs: int) -> Fit:
    import logging  # noqa: PLC0415

    import lightning as tool  # noqa: PLC0415
    import torch  # noqa: PLC0415

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Net(tool.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(*layers(x.shape[1]))

        def training_step(self, batch: Any, _: int) -> Any:
            rows, truth = batch
            return torch.nn.functional.mse_loss(self.layers(rows)[:, 0], truth)

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=RATE)

    rows = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}

    def fit(seed: int) -> Callable[[np.ndarray], np.ndarray]:
        tool.seed_everything(seed, verbose=False)
        net = Net()
        trainer = tool.Trainer(max_epochs=epochs, accelerator="cpu", devices=1, enable_model_summary=False, **quiet)
        trainer.fit(net, torch.utils.data.DataLoader(rows, batch_size=BATCH, shuffle=True))
        with torch.no_grad():
            return lambda new: net.layers(torch.from_numpy(new))[:, 0].detach().numpy()

    return fit


def maker(tool: str) -> Callable[..., Fit]:
    return {"scikit-learn": scikit_learn, "skorch": skorch, "keras": keras, "lightning": lightning}.get(tool, danlu)


def serve(tool: str, arrays: str, epochs: int) -> None:
    """Answer one JSON line for each line that is read, after one that says what this is."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what tools print is no answer
    package = "danlu" if tool in DANLU else PACKAGES[tool]
    if find_spec(package) is None:
        answers.write(json.dumps({"left out": f"{tool} is not installed"}) + "\n")
        return
    warnings.simplefilter("ignore")  # of few epochs, and of few loaders
    loaded = np.load(arrays)
    more = {"folds": 5} if tool == "danlu, 5 folds" else {}
    fit = maker(tool)(loaded["x"], loaded["y"], epochs, **more)
    fit(0)
    answers.write(json.dumps({"version": version("danlu" if tool in DANLU else tool)}) + "\n")
    answers.flush()
    for line in sys.stdin:
        begin = time.perf_counter()
        predict = fit(int(line))
        seconds = time.perf_counter() - begin
        error = np.asarray(predict(loaded["x_test"]), np.float64) - loaded["y_test"]
        rmse = float(np.sqrt(np.square(error).mean()) * loaded["unit"])
        answers.write(json.dumps({"seconds": seconds, "rmse": rmse}) + "\n")
        answers.flush()


# All of them


def write_arrays(path: Path, rows: int | None) -> None:
    """Write the numbers of California housing: every fifth row is for the test."""
    from danlu.data import read  # noqa: PLC0415  the servers need not have it

    table = read("danlu:california").arrow
    names = [name for name in table.column_names if name != "ocean_proximity"]
    values = np.column_stack([table.column(name).cast("float64").to_numpy(zero_copy_only=False) for name in names])
    values = values[np.isfinite(values).all(1)]
    values = values[np.random.default_rng(0).permutation(len(values))][:rows]
    place = names.index("median_house_value")
    x, y = np.delete(values, place, 1), values[:, place]
    test = np.arange(len(y)) % 5 == 0
    center, spread, unit = x[~test].mean(0), x[~test].std(0), y[~test].std()
    x, y_scaled = (x - center) / spread, (y - y[~test].mean()) / unit
    parts = {"x": x[~test], "y": y_scaled[~test], "x_test": x[test], "y_test": y_scaled[test]}
    np.savez(path, **{name: part.astype(np.float32) for name, part in parts.items()}, unit=unit)


class Server:
    """A tool in its own process."""

    def __init__(self, tool: str, python: str, arrays: Path, epochs: int, threads: int) -> None:
        self.tool = tool
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, str(threads))
        words = [python, str(Path(__file__).resolve()), "--serve", tool, "--arrays", str(arrays)]
        self.process = subprocess.Popen(
            [*words, "--epochs", str(epochs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.hello = self.read()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"left out": f"{self.tool} ended with the error above"}

    def run(self, seed: int) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seed}\n")
        self.process.stdin.flush()
        return self.read()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)


def markdown(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of what was timed; the last column is the median over Danlu's own.

    >>> print(markdown([{"tool": "danlu", "version": "1", "seconds": 2.0, "rmse": 5e4, "round": 1}]))
    | tool | seconds: median (least to most of 1) | rmse of the test rows, mean | times Danlu's |
    | --- | --- | --- | --- |
    | danlu 1 | 2.00 (2.00 to 2.00) | 50,000 | 1.0 |
    """
    of = {tool: [line for line in lines if line["tool"] == tool] for tool in TOOLS}
    of = {tool: own for tool, own in of.items() if own}
    seconds = {tool: [line["seconds"] for line in own] for tool, own in of.items()}
    middle = {tool: statistics.median(own) for tool, own in seconds.items()}
    rounds = max(map(len, of.values()), default=0)
    rows = [
        f"| tool | seconds: median (least to most of {rounds}) | rmse of the test rows, mean | times Danlu's |",
        "| --- | --- | --- | --- |",
    ]
    for tool, own in of.items():
        between = f"{min(seconds[tool]):.2f} to {max(seconds[tool]):.2f}"
        rmse = statistics.fmean(line["rmse"] for line in own)
        times = f"{middle[tool] / middle['danlu']:.1f}" if "danlu" in middle else "–"
        rows.append(f"| {tool} {own[0]['version']} | {middle[tool]:.2f} ({between}) | {rmse:,.0f} | {times} |")
    return "\n".join(rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=sys.executable, help="interpreter that has the other tools")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rows", type=int, help="fewer rows, to try it out")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", action="append", choices=TOOLS, help="may be given several times")
    parser.add_argument("--out", type=Path, help="JSON lines: one a tool and round")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--arrays", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    if asked.serve:
        serve(asked.serve, asked.arrays, asked.epochs)
        return
    lines: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder) / "arrays.npz"
        write_arrays(arrays, asked.rows)
        servers = []
        for tool in asked.only or TOOLS:
            python = sys.executable if tool in DANLU else asked.peers
            server = Server(tool, python, arrays, asked.epochs, asked.threads)
            if "left out" in server.hello:
                print(f"left out: {server.hello['left out']}", file=sys.stderr)
                server.close()
            else:
                servers.append(server)
        for number in range(1, asked.rounds + 1):
            for server in random.Random(number).sample(servers, len(servers)):
                facts = {"tool": server.tool, "round": number, "epochs": asked.epochs, "threads": asked.threads}
                lines.append(facts | server.hello | server.run(number))
                if asked.out is not None:
                    with asked.out.open("a", encoding="utf-8") as out:
                        out.write(json.dumps(lines[-1]) + "\n")
        for server in servers:
            server.close()
    print(f"{asked.epochs} epochs, batches of {BATCH}, hidden {HIDDEN}, {asked.threads} threads,", end=" ")
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}\n")
    print(markdown(lines))


if __name__ == "__main__":
    main()
