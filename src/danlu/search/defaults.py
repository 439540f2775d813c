"""The default recipe: fills what a plan leaves open, from a few facts about the table.

`net=auto` is Danlu's own setting. Once a network or a layer is named, whatever is not named is plain
PyTorch: torch's own learning rate, no decay, no dropout, a constant schedule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from danlu.core.errors import PlanError
from danlu.core.nets import is_own
from danlu.core.parsing import split_setting
from danlu.core.plan import Plan, Task
from danlu.networks.build import LINKS
from danlu.search.images import of_images

TORCH_RATES = {"sgd": 0.001, "adam": 0.001, "adamw": 0.001, "rmsprop": 0.01, "adagrad": 0.01}
"""Learning rates that torch's optimizers have by default."""

BINS_LEAST, BINS_MOST = 3, 64
"""Bins of a number in the recipe: fewer say nothing that the number itself does not."""

ONEHOT_MOST = 12
"""Categories with more levels than this are embedded by the recipe; a named network gets one-hot columns."""
ROWS_A_LEVEL, MOST_ENCODED = 250, 12
"""Categories with fewer rows a level than this are also told by their mean target, of at most so many classes; of more
rows the embedding learns as much (docs/decisions/2026-11-21-target-encoding.md)."""


@dataclass(frozen=True)
class Facts:
    """What the recipe looks at: rows to learn from, task, how many classes and columns of numbers, names of categories
    that have many levels with few rows each, size of images."""

    rows: int
    task: Task
    classes: int = 0
    numbers: int = 0
    sparse: tuple[str, ...] = ()
    image: tuple[int, int, int] | None = None


def is_plain(plan: Plan) -> bool:
    """Return whether the plan names a network or a layer, so that the rest is plain PyTorch."""
    named = (plan.hidden, plan.activation, plan.batch_norm, plan.layer_norm, plan.init, plan.init_bias, plan.conv)
    return plan.net not in ("auto", "cnn") or any(value is not None for value in named)


def recipe(plan: Plan, facts: Facts) -> Plan:
    """Return the plan with every open setting decided.

    Raises:
        PlanError: the loss does not fit the task, or the target cannot be scaled for it.

    >>> resolved = recipe(Plan(hidden=(64,)), Facts(rows=5000, task="regression"))
    >>> resolved.optimizer, resolved.lr, resolved.loss, resolved.dropout
    ('adam', 0.001, 'mse', 0.0)
    """
    plain = is_plain(plan)
    open_ = _plain(plan) if plain else _tuned(plan, facts)
    open_ |= _judging(plan, facts, plain=plain)
    open_ |= of_images(plan, facts.rows, facts.image, plain=plain)
    if plan.batch_norm:
        open_["batch_norm_momentum"] = 0.1
    if plan.net == "linear":
        del open_["activation"]
    if is_own(plan.net):
        # Its layers, rates of dropout and first numbers are its own.
        for name in (
            "hidden",
            "activation",
            "batch_norm",
            "layer_norm",
            "bins",
            "neighbours",
            "target_encoding",
            "copies",
            "init",
            "init_bias",
            "dropout",
        ):
            del open_[name]
    open_["loss"] = "mse" if facts.task == "regression" else "cross-entropy"
    open_ |= _effort(plan, open_, plain=plain)
    if plan.dtype == "float64":
        open_.pop("precision", None)
    filled = {name: value for name, value in open_.items() if getattr(plan, name) is None}
    resolved = plan.model_copy(update=filled)
    _check_loss(plan, resolved, facts)
    if resolved.scale_target is None:
        scaled = LINKS[split_setting(resolved.loss or "")[0]] == "identity" and facts.task == "regression"
        resolved = resolved.model_copy(update={"scale_target": "standard" if scaled else "none"})
    return resolved


QUICK = 0.4
"""Part of the recipe's epochs that a quick fit trains."""


def _effort(plan: Plan, open_: dict[str, Any], *, plain: bool) -> dict[str, Any]:
    """Return the epochs and repeats of a quick fit, and of the first training where there is a budget.

    Raises:
        PlanError: an effort is asked of a network that is named, whose settings are plain PyTorch's.
    """
    if plain and plan.effort is not None:
        raise PlanError(
            "`effort` is the recipe's, for net auto",
            f"got effort {plan.effort} and a network that is named",
            "Leave it out, or give --epochs and --repeats.",
        )
    first = plan.budget is not None and plan.holdout != 0
    if plain or not (plan.effort == "quick" or first):
        return {}
    return {"epochs": max(1, round(QUICK * open_["epochs"])), "repeats": 1}


def _plain(plan: Plan) -> dict[str, Any]:
    """Return plain PyTorch's choices."""
    optimizer = plan.optimizer or "adam"
    return {
        "hidden": () if plan.net == "linear" else (128, 128),
        "activation": "relu",
        "batch_norm": (),
        "layer_norm": False,
        "bins": 0,
        "neighbours": (),
        "target_encoding": (),
        "copies": 1,
        "dropout": 0.0,
        "init": "default",
        "init_bias": "default",
        "scale": "robust",
        "label_smoothing": 0.0,
        "optimizer": optimizer,
        "lr": TORCH_RATES[optimizer],
        "momentum": 0.0,
        "weight_decay": 0.01 if optimizer == "adamw" else 0.0,
        "l1": 0.0,
        "schedule": "constant",
        "warmup": 0.0,
        "epochs": 100,
        "batch_size": 256,
        "early_stopping": False,
        "repeats": 1,
        "precision": "float32",
    }


def _tuned(plan: Plan, facts: Facts) -> dict[str, Any]:
    """Return the recipe's choices for `net=auto`."""
    small = facts.rows < 1000
    batch = 32 if small else 128 if facts.rows < 5000 else 256 if facts.rows < 100_000 else 1024
    # Probabilities overfit long before numbers do; docs/decisions/2026-11-21-first-recipe.md has the measurements.
    numeric = facts.task == "regression"
    steps, least = (2500, 8) if numeric else (180 if facts.classes == 2 else 600, 6)
    epochs = epochs_of(steps, batch, facts.rows, least)
    optimizer = plan.optimizer or "adamw"
    return {
        "hidden": (128, 128) if small else (256, 256),
        "activation": "relu",
        "batch_norm": (),
        "layer_norm": facts.rows >= 10_000,
        "bins": _bins(facts),
        "neighbours": (),
        "target_encoding": facts.sparse if facts.classes <= MOST_ENCODED else (),
        "copies": 1,
        "dropout": 0.1 if numeric else 0.3,
        "init": "default",
        "init_bias": "default",
        "scale": "robust",
        "label_smoothing": 0.0,
        "optimizer": optimizer,
        "lr": _rate(optimizer, careful=facts.rows >= 60_000 or (not numeric and facts.rows < 10_000)),
        "momentum": 0.9 if optimizer == "sgd" else 0.0,
        "weight_decay": 0.02 if optimizer == "adamw" else 0.0,
        "l1": 0.0,
        "schedule": "one-cycle",
        "warmup": 0.0,
        "epochs": epochs,
        "batch_size": batch,
        "early_stopping": False,
        "repeats": 1,
    }


def epochs_of(steps: int, batch: int, rows: int, least: int = 1) -> int:
    """Return about as many epochs as so many steps make, on four fifths of the rows; at most 100."""
    return min(100, max(least, round(steps * batch / max(rows * 0.8, 1))))


def _bins(facts: Facts) -> int:
    """Return over how many bins each number is spread: the more, the more rows there are for each number.

    Of 4 splits of ames (36 numbers, 1,875 rows) mean rmse 20,800 without bins and with 4, 21,200 with 8, 21,650 with
    24; of 2 of concrete (8 numbers, 660 rows) 4.17, 4.17, 3.96, 4.02 with 4, 8, 20, 40, and of yacht (6 numbers, 197
    rows) 0.99, 0.57, 0.48, 0.50.
    """
    if not facts.numbers:
        return 0
    most = min(BINS_MOST, int(0.6 * facts.rows * 0.8 / facts.numbers**1.5), 1024 // facts.numbers)
    return most if most >= BINS_LEAST else 0


def _rate(optimizer: str, *, careful: bool) -> float:
    """Return the recipe's learning rate; `careful` where few rows teach probabilities, and where there are
    many rows, hence many steps: the last ones then learn noise (flights, 97,165 rows: rmse 42.8 against 44.0)."""
    if optimizer in ("adam", "adamw"):
        return 0.003 if careful else 0.01
    return 0.05 if optimizer == "sgd" else TORCH_RATES[optimizer]


def _judging(plan: Plan, facts: Facts, *, plain: bool) -> dict[str, Any]:
    """Decide folds and repeats: small tables get repeats, a holdout gets several seeds."""
    choice: dict[str, Any] = {}
    if plan.holdout is None and plan.fold_column is None and plan.group is None and plan.time is None:
        choice["folds"] = min(5, facts.rows)
    if plan.early_stopping:
        choice |= {"patience": 16, "stop_on": "loss"}
    if not plain:
        one_way = plan.holdout is not None
        ordered = plan.time is not None or plan.fold_column is not None
        choice["repeats"] = 5 if one_way else 1 if ordered else _repeats(facts)
    return choice


def _repeats(facts: Facts) -> int:
    """Return how often the rows are divided anew: the fewer there are, the more one division is chance."""
    if facts.rows >= 10_000:
        return 1
    return 3 if facts.task == "classification" or facts.rows < 1000 else 2


def _check_loss(plan: Plan, resolved: Plan, facts: Facts) -> None:
    """Refuse a loss that the task cannot have."""
    name = split_setting(resolved.loss or "")[0]
    for_numbers = ("mse", "l1", "huber", "pinball", "poisson", "kl")
    if facts.task == "classification" and name in for_numbers:
        raise PlanError(
            f"`loss` {name} needs numeric targets",
            f"the task is classification into {facts.classes} classes",
            "Use --loss cross-entropy, or --task regression.",
        )
    if facts.task == "regression" and name == "cross-entropy":
        raise PlanError(
            "`loss` cross-entropy needs classes", "the task is regression", "Use --task classification, or --loss mse."
        )
    if name == "binary-cross-entropy" and facts.classes > 2:
        raise PlanError(
            "`loss` binary-cross-entropy needs two classes", f"got {facts.classes}", "Use --loss cross-entropy."
        )
    if plan.scale_target in ("standard", "log", "mixed") and (
        LINKS[name] != "identity" or facts.task == "classification"
    ):
        raise PlanError(
            f"`scale_target` {plan.scale_target} needs a loss on numbers such as mse",
            f"got {name}",
            "Leave `scale_target` out, or use --scale-target none.",
        )
    if resolved.label_smoothing and name != "cross-entropy":
        raise PlanError("`label_smoothing` belongs to cross-entropy", f"got loss {name}", "Leave it out.")
