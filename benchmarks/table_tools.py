"""One fit of one tool on one split, in a process of its own: a request in JSON comes in, an answer in JSON goes out.

    python benchmarks/table_tools.py --versions          what is installed here: {"catboost": "1.2.10", ...}
    python benchmarks/table_tools.py < request.json      (started by tables.py)

A request is `{"tool", "train", "test", "target", "task", "threads", "settings", "levels"}`; `train` and `test` are CSV
files with a header. The answer holds the scores on the test rows, and the seconds and the processor's seconds of the
fit alone; packages are imported before the clock starts. Danlu runs in its own interpreter, the peers in theirs: this
file needs pandas and scikit-learn of both, and the tool.

The peers have their defaults: scikit-learn's MLP two layers of 128, scaling, one-hot and early stopping; RealMLP-TD and
TabM-D one network (`n_cv=1`). Columns of dates are given to the peers as numbers, which they cannot do themselves.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd

DISTRIBUTIONS = {
    "danlu": "danlu",
    "linear": "scikit-learn",
    "sklearn-mlp": "scikit-learn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "realmlp": "pytabkit",
    "tabm": "pytabkit",
}
"""Tools, and what has to be installed for each."""
DATE_PARTS = ("year", "month", "day", "hour", "day_of_week")


@dataclass
class Case:
    """A split as a tool gets it: `y` and `z` are numbers, of a classification the places of `classes`."""

    request: dict[str, Any]
    x: pd.DataFrame
    z_x: pd.DataFrame
    y: np.ndarray
    z: np.ndarray
    classes: list[str]
    words: list[str]
    """Columns that are no numbers."""

    @property
    def regression(self) -> bool:
        """Whether the target is a number."""
        return self.request["task"] == "regression"

    @property
    def numbers(self) -> list[str]:
        """Columns that are numbers."""
        return [name for name in self.x if name not in self.words]


Said = tuple[float, float, np.ndarray, dict[str, Any]]
"""Seconds and processor's seconds of the fit; predictions `[N]` or probabilities `[N, C]`; what else is to be kept."""


def timed(fit: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return seconds, processor's seconds and result of a call."""
    wall, busy = time.perf_counter(), time.process_time()
    result = fit()
    return time.perf_counter() - wall, time.process_time() - busy, result


def read_case(request: dict[str, Any]) -> Case:
    """Read a split and prepare it for tools that want numbers and categories."""
    target, task = request["target"], request["task"]
    train, test = (pd.read_csv(request[part]) for part in ("train", "test"))
    x, z_x = train.drop(columns=[target]), test.drop(columns=[target])
    classes: list[str] = []
    if task == "regression":
        y, z = train[target].to_numpy(float), test[target].to_numpy(float)
    else:
        classes = sorted(train[target].astype(str).unique())
        code = {name: place for place, name in enumerate(classes)}
        # -1: a class that the training rows do not have; nobody can be right about it.
        y, z = (part[target].astype(str).map(code).fillna(-1).astype(int).to_numpy() for part in (train, test))
    words = [name for name in x if not pd.api.types.is_numeric_dtype(x[name])]
    return Case(request, x, z_x, y, z, classes, words)


def as_numbers_and_categories(case: Case) -> None:
    """Turn dates into numbers, and words into categories of the training rows; missing words are a category."""
    x, z_x = case.x, case.z_x
    for name in list(case.words):
        days = pd.to_datetime(x[name], errors="coerce", format="mixed", utc=True) if x[name].nunique() > 300 else None
        if days is None or days.notna().mean() <= 0.99:
            continue
        others = pd.to_datetime(z_x[name], errors="coerce", format="mixed", utc=True)
        for part in DATE_PARTS:
            x[f"{name}_{part}"] = getattr(days.dt, part).astype(float)
            z_x[f"{name}_{part}"] = getattr(others.dt, part).astype(float)
        case.x, case.z_x = x, z_x = x.drop(columns=[name]), z_x.drop(columns=[name])
        case.words.remove(name)
    x[case.numbers], z_x[case.numbers] = x[case.numbers].astype(float), z_x[case.numbers].astype(float)
    for name in case.words:
        x[name], z_x[name] = (_filled(part[name], "missing") for part in (x, z_x))
        levels = pd.CategoricalDtype(sorted(x[name].unique()))
        known = z_x[name].where(z_x[name].isin(levels.categories))  # an unseen word is missing
        x[name], z_x[name] = x[name].astype(levels), known.astype(levels)


def _filled(column: pd.Series, word: str) -> pd.Series:
    """Return a column of words as plain text, a word in the place of what is missing."""
    return column.astype(object).where(column.notna(), word).map(str)


def _predicted(case: Case, model: Any, fit: Callable[[], Any]) -> Said:
    """Fit a model that has scikit-learn's face, and predict."""
    seconds, busy, _ = timed(fit)
    values = model.predict(case.z_x) if case.regression else model.predict_proba(case.z_x)
    return seconds, busy, np.asarray(values), {}


def sklearn_case(case: Case) -> Said:
    """Run a linear model, or the MLP, of scikit-learn."""
    from sklearn.compose import TransformedTargetRegressor, make_column_transformer  # noqa: PLC0415
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression, Ridge  # noqa: PLC0415
    from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: PLC0415

    as_numbers_and_categories(case)
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), case.numbers),
        (OneHotEncoder(handle_unknown="ignore", min_frequency=5), case.words),
    )
    layers = {"hidden_layer_sizes": (128, 128), "early_stopping": True, "random_state": 0}
    if case.request["tool"] == "linear":
        last = Ridge() if case.regression else LogisticRegression(max_iter=500)
    else:
        last = MLPRegressor(**layers) if case.regression else MLPClassifier(**layers)
    model: Any = make_pipeline(prepare, last)
    if case.regression:
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    return _predicted(case, model, lambda: model.fit(case.x, case.y))


def boosted_case(case: Case) -> Said:
    """Run XGBoost or LightGBM."""
    tool, threads = case.request["tool"], case.request["threads"]
    package, short = import_module(tool), {"xgboost": "XGB", "lightgbm": "LGBM"}[tool]
    own = {"enable_categorical": True} if tool == "xgboost" else {"verbose": -1}
    make = getattr(package, short + ("Regressor" if case.regression else "Classifier"))
    as_numbers_and_categories(case)
    model = make(n_jobs=threads, **own)
    return _predicted(case, model, lambda: model.fit(case.x, case.y))


def catboost_case(case: Case) -> Said:
    """Run CatBoost, which wants categories as text."""
    package = import_module("catboost")
    as_numbers_and_categories(case)
    for name in case.words:
        case.x[name], case.z_x[name] = (_filled(part[name], "unseen") for part in (case.x, case.z_x))
    make = package.CatBoostRegressor if case.regression else package.CatBoostClassifier
    model = make(
        verbose=0, thread_count=case.request["threads"], cat_features=case.words, allow_writing_files=False
    )  # fmt: skip
    return _predicted(case, model, lambda: model.fit(case.x, case.y))


def pytabkit_case(case: Case) -> Said:
    """Run RealMLP-TD or TabM-D, which take no missing numbers."""
    package = import_module("pytabkit")
    as_numbers_and_categories(case)
    middle = case.x[case.numbers].median()
    for part in (case.x, case.z_x):
        part[case.numbers] = part[case.numbers].fillna(middle)
    name = {"realmlp": "RealMLP_TD_", "tabm": "TabM_D_"}[case.request["tool"]]
    make = getattr(package, name + ("Regressor" if case.regression else "Classifier"))
    model = make(device="cpu", random_state=0, n_cv=1, n_threads=case.request["threads"])
    return _predicted(case, model, lambda: model.fit(case.x, case.y, cat_col_names=case.words))


def danlu_case(case: Case) -> Said:
    """Run Danlu on the file, with nothing but the target and the task (and what `--set` says)."""
    import danlu  # noqa: PLC0415  absent from the peers' interpreter

    request, fit = case.request, danlu.fit
    settings = {"task": request["task"]} | request["settings"]
    seconds, busy, model = timed(lambda: fit(request["train"], request["target"], **settings))
    values = model.predict(request["test"], proba=not case.regression)
    run = model.run
    own = run.scores.get(run.main_metric)
    more: dict[str, Any] = {"own": None if own is None else own.value, "members": len(run.members)}
    if not case.regression:
        names = [str(name) for name in run.table.target.classes]
        if sorted(names) != case.classes:
            raise SystemExit(f"Danlu's classes are {names}, not {case.classes}")
        values = values[:, [names.index(name) for name in case.classes]]
        return seconds, busy, values, more
    density = model.score(request["test"]).get("nll")
    if density is not None:
        more["nll"] = density.value
    if request["levels"] and hasattr(model, "predict_interval"):
        more["intervals"] = _intervals(case, model)
    return seconds, busy, values, more


def _intervals(case: Case, model: Any) -> dict[str, dict[str, float]]:
    """Return, for each level, the share of test rows inside Danlu's intervals, and their mean width.

    The width is in standard deviations of the target. A level for which too few rows were judged is left out.
    """
    from danlu.core.errors import PlanError  # noqa: PLC0415  absent from the peers' interpreter

    said = {}
    for level in case.request["levels"]:
        try:
            low, high = model.predict_interval(case.request["test"], level).T
        except PlanError:
            continue
        inside, width = (low <= case.z) & (case.z <= high), high - low
        said[f"{level:g}"] = {"coverage": float(inside.mean()), "width": float(width.mean() / case.z.std())}
    return said


TOOLS: dict[str, Callable[[Case], Said]] = {
    "danlu": danlu_case,
    "linear": sklearn_case,
    "sklearn-mlp": sklearn_case,
    "xgboost": boosted_case,
    "lightgbm": boosted_case,
    "catboost": catboost_case,
    "realmlp": pytabkit_case,
    "tabm": pytabkit_case,
}


def scores(case: Case, values: np.ndarray) -> dict[str, float]:
    """Return the scores on the test rows, the main one under its own name and as `score`."""
    from sklearn.metrics import (  # noqa: PLC0415  a second, which a process that only hands out work need not wait
        accuracy_score,
        log_loss,
        roc_auc_score,
        root_mean_squared_error,
    )  # fmt: skip

    if case.regression:
        rmse = float(root_mean_squared_error(case.z, values.ravel()))
        return {"score": rmse, "rmse": rmse}
    right = float(accuracy_score(case.z, values.argmax(1)))
    said, known = {"score": right, "accuracy": right}, case.z >= 0
    said["log_loss"] = float(log_loss(case.z[known], values[known], labels=range(len(case.classes))))
    if len(case.classes) == 2:
        said["auc"] = float(roc_auc_score(case.z[known], values[known, 1]))
    return said


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run one request."""
    case = read_case(request)
    rows = len(case.y)
    seconds, busy, values, more = TOOLS[request["tool"]](case)
    metric = "rmse" if case.regression else "accuracy"
    said = {"rows": rows, "test_rows": len(case.z), "metric": metric} | scores(case, values)
    return said | {"seconds": round(seconds, 3), "cpu": round(busy, 3)} | more


def versions() -> dict[str, str]:
    """Return the tools that are installed here, with their versions."""
    found = {}
    for tool, distribution in DISTRIBUTIONS.items():
        try:
            found[tool] = version(distribution)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Answer one request; libraries may print: the answer alone goes to what was the standard output."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    reply = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    said = versions() if sys.argv[1:] == ["--versions"] else answer(json.load(sys.stdin))
    print(json.dumps(said), file=reply, flush=True)
    sys.stderr.flush()
    os._exit(0)  # the answer is out: what libraries do at the end of a process is none of it


if __name__ == "__main__":
    main()
