"""Search beside its peers on California housing, in the space of a common random search over scikit-learn's MLP.

    python benchmarks/search.py [--settings 32] [--rounds 1] [--peer-settings 16] [--only danlu,sklearn,optuna,cost]
        [--peer-epochs 100] [--threads 2] [--out FILE.jsonl]

- `danlu`: `danlu.fit(..., net="mlp", search=N, space=...)`, the whole fit: reading, search, judging.
- `sklearn`: RandomizedSearchCV(MLPRegressor(early_stopping=True, max_iter=100), n_iter, cv=5, n_jobs=2), on scaled
  columns and target.
- `optuna`: Optuna's TPE with a median pruner over skorch's MLP of the same space, 5 folds a trial (needs both); early
  stopping as there, `--peer-epochs` at most.
- `cost`: the seconds of the search's rungs over those of one 5-fold fit of the largest setting of the same space.

The training part is four fifths of the rows, the other fifth is scored once. Each tool has a process of
its own, one after the other; each result is a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SPACE: dict[str, Any] = {
    "hidden": ["64", "128", "256", "64,64", "128,128", "256,256", "128,128,128"],
    "lr": {"low": 1e-4, "high": 1e-2, "log": True},
    "weight_decay": {"low": 1e-6, "high": 1e-2, "log": True},
    "batch_size": [64, 128, 256, 512],
}
GIVEN = {"net": "mlp", "optimizer": "adamw", "schedule": "one-cycle", "epochs": 30}
"""One cycle of the rate needs no early stopping, and a third of the epochs."""
LARGEST = {"hidden": (256, 256), "batch_size": 128}
"""The setting of the space that takes longest, but for smaller batches."""
HIDDEN = [(64,), (128,), (256,), (64, 64), (128, 128), (256, 256), (128, 128, 128)]
TABLE = Path(__file__).resolve().parents[1] / "src" / "danlu" / "data" / "tables" / "california_housing.csv.gz"
TARGET = "median_house_value"


def parts(folder: Path) -> tuple[Path, Path]:
    """Write the two parts of the table."""
    rows = pd.read_csv(TABLE)
    order = np.random.default_rng(0).permutation(len(rows))
    test, train = rows.iloc[order[: len(rows) // 5]], rows.iloc[order[len(rows) // 5 :]]
    for name, part in (("train", train), ("test", test)):
        part.to_csv(folder / f"{name}.csv", index=False)
    return folder / "train.csv", folder / "test.csv"


def rmse(truth: pd.Series, said: np.ndarray) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean((truth.to_numpy(float) - np.asarray(said).ravel()) ** 2)))


def with_danlu(train: Path, test: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Search with Danlu."""
    import danlu  # noqa: PLC0415

    rows = pd.read_csv(test)
    begun = time.perf_counter()
    given: dict[str, Any] = GIVEN | {"threads": asked.threads}
    model = danlu.fit(str(train), TARGET, **given, search=asked.settings, space=SPACE)
    seconds = time.perf_counter() - begun
    found = model.run.searched
    assert found is not None
    said = {"seconds": seconds, "test_rmse": rmse(rows[TARGET], model.predict(rows)), "settings": len(found.attempts)}
    score = model.run.scores["rmse"]
    return said | {"own_rmse": score.value, "flattered": score.flattered, "chosen": len(found.chosen)}


def cost(train: Path, _test: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Compare the rungs with one fit of the largest setting, trained as in the search."""
    import danlu  # noqa: PLC0415

    given: dict[str, Any] = GIVEN | {"threads": asked.threads}
    largest = danlu.fit(str(train), TARGET, **given, **LARGEST, lr=1e-3, judge_every=3)
    model = danlu.fit(str(train), TARGET, **given, search=asked.settings, space=SPACE)
    assert model.run.searched is not None
    rungs, one = sum(rung.seconds for rung in model.run.searched.rungs), largest.run.seconds["train"]
    return {"rungs": rungs, "largest": one, "ratio": rungs / one, "settings": asked.settings}


def with_sklearn(train: Path, test: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Search with scikit-learn, as its users do."""
    from scipy.stats import loguniform  # noqa: PLC0415
    from sklearn.compose import TransformedTargetRegressor, make_column_transformer  # noqa: PLC0415
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.model_selection import RandomizedSearchCV  # noqa: PLC0415
    from sklearn.neural_network import MLPRegressor  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: PLC0415

    learnt, rows = pd.read_csv(train), pd.read_csv(test)
    x = learnt.drop(columns=TARGET)
    numbers = x.select_dtypes("number").columns.tolist()
    encode = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), [name for name in x.columns if name not in numbers]),
    )
    network = MLPRegressor(early_stopping=True, max_iter=asked.peer_epochs, random_state=0)
    whole = make_pipeline(encode, TransformedTargetRegressor(network, transformer=StandardScaler()))
    space = {
        "hidden_layer_sizes": HIDDEN,
        "learning_rate_init": loguniform(1e-4, 1e-2),
        "alpha": loguniform(1e-6, 1e-2),
        "batch_size": [64, 128, 256, 512],
    }
    space = {f"transformedtargetregressor__regressor__{name}": values for name, values in space.items()}
    begun = time.perf_counter()
    search = RandomizedSearchCV(
        whole, space, n_iter=asked.peer_settings, cv=5, n_jobs=asked.threads, random_state=0,
        scoring="neg_root_mean_squared_error",
    )  # fmt: skip
    search.fit(x, learnt[TARGET])
    seconds = time.perf_counter() - begun
    said = rmse(rows[TARGET], search.predict(rows.drop(columns=TARGET)))
    return {"seconds": seconds, "test_rmse": said, "settings": asked.peer_settings, "own_rmse": -search.best_score_}


def with_optuna(train: Path, test: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Search with Optuna's TPE and its median pruner over skorch's MLP, a step of pruning after each fold."""
    import optuna  # noqa: PLC0415
    import torch  # noqa: PLC0415
    from sklearn.model_selection import KFold  # noqa: PLC0415
    from skorch import NeuralNetRegressor  # noqa: PLC0415
    from skorch.callbacks import EarlyStopping  # noqa: PLC0415

    torch.set_num_threads(asked.threads)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    learnt, rows = pd.read_csv(train), pd.read_csv(test)
    both = pd.get_dummies(pd.concat([learnt, rows]).drop(columns=TARGET), dtype=float)
    both = both.fillna(both.iloc[: len(learnt)].median())
    x = both.to_numpy()
    centre, spread = x[: len(learnt)].mean(0), x[: len(learnt)].std(0)
    x = ((x - centre) / spread).astype(np.float32)
    x, z = x[: len(learnt)], x[len(learnt) :]
    low, width = learnt[TARGET].mean(), learnt[TARGET].std()
    y = ((learnt[TARGET].to_numpy(float) - low) / width).astype(np.float32)[:, None]

    def network(trial: Any) -> Any:
        layers: list[torch.nn.Module] = []
        width_in = x.shape[1]
        for width_out in HIDDEN[trial.suggest_categorical("hidden", range(len(HIDDEN)))]:
            layers += [torch.nn.Linear(width_in, width_out), torch.nn.ReLU()]
            width_in = width_out
        return NeuralNetRegressor(
            torch.nn.Sequential(*layers, torch.nn.Linear(width_in, 1)),
            max_epochs=asked.peer_epochs, optimizer=torch.optim.Adam,
            lr=trial.suggest_float("lr", 1e-4, 1e-2, log=True),
            optimizer__weight_decay=trial.suggest_float("decay", 1e-6, 1e-2, log=True),
            batch_size=trial.suggest_categorical("batch", [64, 128, 256, 512]),
            callbacks=[EarlyStopping(patience=10)], verbose=0,
        )  # fmt: skip

    def objective(trial: Any) -> float:
        errors: list[float] = []
        for step, (fit, judge) in enumerate(KFold(5, shuffle=True, random_state=0).split(x)):
            net = network(trial).fit(x[fit], y[fit])
            errors.append(float(np.sqrt(np.mean((net.predict(x[judge]) - y[judge]) ** 2))))
            trial.report(float(np.mean(errors)), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(errors))

    begun = time.perf_counter()
    sampler, pruner = optuna.samplers.TPESampler(seed=0), optuna.pruners.MedianPruner()
    study = optuna.create_study(sampler=sampler, pruner=pruner)
    study.optimize(objective, n_trials=asked.peer_settings)
    best = network(optuna.trial.FixedTrial(study.best_params)).fit(x, y)
    seconds = time.perf_counter() - begun
    said = best.predict(z).ravel() * width + low
    return {"seconds": seconds, "test_rmse": rmse(rows[TARGET], said), "settings": asked.peer_settings,
            "own_rmse": study.best_value * width}  # fmt: skip


TOOLS: dict[str, Callable[[Path, Path, argparse.Namespace], dict[str, Any]]] = {
    "danlu": with_danlu,
    "cost": cost,
    "sklearn": with_sklearn,
    "optuna": with_optuna,
}
NEEDED = {"optuna": ("optuna", "skorch")}


def main() -> None:
    """Run the tools, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=int, default=32)
    parser.add_argument("--peer-settings", type=int, default=16)
    parser.add_argument("--peer-epochs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default=",".join(TOOLS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", choices=TOOLS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        train, test = parts(Path(folder))
        if asked.one:
            print(json.dumps({"tool": asked.one} | TOOLS[asked.one](train, test, asked)))
            return
    for _ in range(asked.rounds):
        for tool in asked.only.split(","):
            absent = [name for name in NEEDED.get(tool, ()) if find_spec(name) is None]
            if absent:
                print(f"{tool} left out: {', '.join(absent)} not installed", file=sys.stderr)
                continue
            done = subprocess.run(
                [sys.executable, __file__, *sys.argv[1:], "--one", tool], capture_output=True, text=True
            )
            line = (
                done.stdout.strip() if done.returncode == 0 else json.dumps({"tool": tool, "error": done.stderr[-500:]})
            )
            print(line, flush=True)
            if asked.out:
                with asked.out.open("a") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
