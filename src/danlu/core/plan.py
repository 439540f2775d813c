"""The plan: what the user asked for, as one frozen, validated model.

The table of fields below is the only one: command line, estimators, TOML files and the reference page
are made from it. `None` stands for "let Danlu choose"; what it chose stands in the resolved plan of the run.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from danlu.core.errors import PlanError, nearest
from danlu.core.nets import check_net, is_own

Task = Literal["regression", "classification"]
KindName = Literal["number", "category", "yes/no", "date", "text", "id", "drop"]
Activation = Literal[
    "relu", "leaky-relu", "elu", "selu", "gelu", "silu", "mish", "sigmoid", "tanh", "softplus", "identity"
]
Optimizer = Literal["sgd", "adam", "adamw", "rmsprop", "adagrad"]
Normalised = Literal["input", "hidden"]

LOSSES = ("mse", "l1", "huber", "cross-entropy", "binary-cross-entropy", "kl", "poisson", "pinball")
SCHEDULES = ("constant", "step", "exponential", "cosine", "one-cycle", "plateau")
INITS = (
    "default",
    "normal",
    "uniform",
    "xavier",
    "xavier-normal",
    "kaiming",
    "kaiming-normal",
    "orthogonal",
    "constant",
)


def split_names(value: Any) -> Any:
    """Split "a,b" into ("a", "b"); leave lists and tuples as they are."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def parse_hidden(value: Any) -> Any:
    """Read layer widths: "256,128", "130x20", "none", 64 or (256, 128).

    >>> parse_hidden("256,128"), parse_hidden("130x3"), parse_hidden("none")
    ((256, 128), (130, 130, 130), ())
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    if not isinstance(value, str):
        return value
    if value.strip().lower() in ("none", ""):
        return ()
    widths: list[int] = []
    for part in value.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:x\s*(\d+))?\s*", part)
        if not match:
            raise ValueError(f"must be widths such as 256,128 or 130x20, got {value!r}")
        widths += [int(match[1])] * int(match[2] or 1)
    return tuple(widths)


def parse_kinds(value: Any) -> Any:
    """Read kinds of columns: "zip=category,day=date", a list of such texts, or a mapping."""
    if isinstance(value, str):
        value = split_names(value)
    if isinstance(value, list | tuple):
        pairs = [str(item).rpartition("=") for item in value]
        if any(not name for name, _, _ in pairs):
            raise ValueError(f"must be COLUMN=KIND, got {value!r}")
        return {name.strip(): kind.strip() for name, _, kind in pairs}
    return value


def with_numbers(names: tuple[str, ...], most: int) -> Any:
    """Return a check for texts like "step:30:0.1": a known name, then at most `most` numbers."""

    def check(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        name, *numbers = value.split(":")
        if name not in names:
            raise ValueError(f"must be one of {', '.join(names)}, got {value!r}. {nearest(name, names)}")
        if len(numbers) > most:
            raise ValueError(f"takes at most {most} numbers after {name}, got {value!r}")
        for number in numbers:
            try:
                float(number)
            except ValueError:
                raise ValueError(f"must have numbers after {name}, got {value!r}") from None
        return value

    return check


def split_setting(text: str) -> tuple[str, tuple[float, ...]]:
    """Split "step:30:0.1" into its name and its numbers.

    >>> split_setting("step:30:0.1"), split_setting("cosine")
    (('step', (30.0, 0.1)), ('cosine', ()))
    """
    name, *numbers = text.split(":")
    return name, tuple(float(number) for number in numbers)


Names = Annotated[tuple[str, ...], BeforeValidator(split_names)]


def setting(default: Any, group: str, about: str, remedy: str = "", **constraints: Any) -> Any:
    """Declare one field: default, the group it is listed under, one line of help, and the remedy of its errors."""
    return Field(default, description=about, json_schema_extra={"group": group, "remedy": remedy}, **constraints)


class Plan(BaseModel):
    """Everything a user can ask of a fit. Frozen; `make_plan` builds one with Danlu's own errors.

    >>> make_plan(folds=3, hidden="64,32").hidden
    (64, 32)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # --- what to learn from
    data: str | None = setting(None, "data", "Table to learn from (only in plan files).")
    target: Names = setting((), "data", "Target column, or several with commas: a name or a number from 1.")
    task: Task | None = setting(None, "data", "regression or classification; inferred from the target.")
    drop: Names = setting((), "data", "Columns to leave out (leaks, identifiers).")
    kinds: Annotated[dict[str, KindName], BeforeValidator(parse_kinds)] = setting(
        {}, "data", "COLUMN=KIND; kinds: number, category, yes/no, date, text, id, drop."
    )
    sheet: str | None = setting(None, "data", "Sheet of an .xlsx: a name or a number from 1; the first one.")
    encoding: str | None = setting(None, "data", "Text encoding; detected.")
    delimiter: str | None = setting(None, "data", "Column delimiter (a character, or 'tab'); detected.", min_length=1)
    quote: str | None = setting(None, "data", "Quote character, or 'none'; detected.", min_length=1)
    header: bool | None = setting(None, "data", "Whether the first row names the columns; detected.")
    missing: Names | None = setting(None, "data", "Marks of a missing value, instead of the usual ones.")

    # --- rows
    test: str | None = setting(None, "rows", "Table that is scored once, at the end.")
    folds: int | None = setting(None, "rows", "Folds of cross-validation (5).", "Use folds=5, or holdout=0.2.", ge=2)
    repeats: int | None = setting(
        None, "rows", "Repeats of the folds, or seeds of a holdout.", "Use repeats=1.", ge=1, le=1000
    )
    holdout: float | None = setting(
        None,
        "rows",
        "Share of rows to judge on instead of folds; 0: train on all rows.",
        "Use holdout=0.2.",
        ge=0,
        lt=1,
    )
    fold_column: str | None = setting(None, "rows", "Column that gives each row's fold.")
    group: str | None = setting(None, "rows", "Column whose equal values stay in one fold.")
    time: str | None = setting(None, "rows", "Column of time order: judged rows come after training rows.")
    weight: str | None = setting(None, "rows", "Column of row weights.")
    refit: bool = setting(False, "rows", "Ship networks trained on all rows instead of the fold members.")
    watch_test: bool = setting(False, "rows", "Show the test curve while training; the score is marked as watched.")

    # --- network
    net: Annotated[str, BeforeValidator(check_net)] = setting(
        "auto", "network", "auto (the tuned recipe), linear, mlp, or your own class: FILE.py:CLASS."
    )
    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=65536)], ...] | None, BeforeValidator(parse_hidden)] = (
        setting(None, "network", "Hidden widths: 256,128 or 130x20.", "Use hidden=256,128.")
    )
    activation: Activation | None = setting(None, "network", "Activation of hidden layers (relu).")
    batch_norm: Annotated[tuple[Normalised, ...] | None, BeforeValidator(split_names)] = setting(
        None, "network", "Batch norm of input, hidden or input,hidden."
    )
    batch_norm_momentum: float | None = setting(None, "network", "Momentum of running moments (0.1).", "", gt=0, le=1)
    layer_norm: bool | None = setting(None, "network", "Layer norm before each activation.")
    dropout: float | None = setting(
        None, "network", "Dropout after each activation (0).", "Use dropout=0.2.", ge=0, lt=1
    )
    init: Annotated[str | None, BeforeValidator(with_numbers(INITS, 1))] = setting(
        None, "network", "Weights: " + ", ".join(INITS) + "; e.g. normal:0.01."
    )
    init_bias: Annotated[float | Literal["default"] | None, Field()] = setting(
        None, "network", "Biases: a number, or default (PyTorch's)."
    )
    scale: Literal["none", "unit", "standard", "robust"] | None = setting(
        None, "network", "Scaling of numbers (robust)."
    )
    scale_target: Literal["none", "standard"] | None = setting(
        None, "network", "Scaling of numeric targets (standard)."
    )

    # --- training
    loss: Annotated[str | None, BeforeValidator(with_numbers(LOSSES, 1))] = setting(
        None, "training", "Loss: " + ", ".join(LOSSES) + "; e.g. huber:1, pinball:0.9."
    )
    label_smoothing: float | None = setting(None, "training", "Label smoothing (0).", "Use 0.1.", ge=0, lt=1)
    optimizer: Optimizer | None = setting(None, "training", "sgd, adam, adamw, rmsprop or adagrad.")
    lr: float | None = setting(None, "training", "Learning rate.", "Use lr=0.001.", gt=0, allow_inf_nan=False)
    momentum: float | None = setting(
        None, "training", "Momentum of sgd and rmsprop (0).", "Use momentum=0.9.", ge=0, lt=1
    )
    nesterov: bool = setting(False, "training", "Nesterov's momentum, with sgd.")
    weight_decay: float | None = setting(
        None, "training", "Weight decay (L2; decoupled in adamw).", "", ge=0, allow_inf_nan=False
    )
    l1: float | None = setting(None, "training", "L1 penalty on weights.", "", ge=0, allow_inf_nan=False)
    clip: float | None = setting(None, "training", "Largest norm of a network's gradient.", "Use clip=1.", gt=0)
    schedule: Annotated[str | None, BeforeValidator(with_numbers(SCHEDULES, 2))] = setting(
        None, "training", "Learning rate over time: " + ", ".join(SCHEDULES) + "; e.g. step:30:0.1."
    )
    warmup: float | None = setting(None, "training", "Epochs of linear warm-up (0).", "", ge=0)
    epochs: int | None = setting(
        None, "training", "Passes over the training rows.", "Use epochs=50.", ge=1, le=100_000_000
    )
    batch_size: int | Literal["all"] | None = setting(None, "training", "Rows a step, or all.", "Use batch_size=256.")
    early_stopping: bool | None = setting(None, "training", "Stop on 10% of the member's own training rows.")
    patience: int | None = setting(
        None, "training", "Judgings without gain before stopping (16).", "Use patience=16.", ge=1
    )
    judge_every: int | None = setting(
        None, "training", "Epochs between judgings; at most 500 judgings by default.", "", ge=1
    )

    # --- machine
    seed: int = setting(0, "machine", "Decides all random numbers.", "Use seed=0.", ge=0, lt=2**63)
    device: str = setting("auto", "machine", "auto, cpu, cuda, cuda:N or mps.")
    dtype: Literal["float32", "float64"] = setting("float32", "machine", "Numbers of training.")
    precision: Literal["float32", "bfloat16"] | None = setting(
        None, "machine", "Products of hidden layers; by machine and size for net auto, else those of dtype."
    )
    threads: int | None = setting(None, "machine", "CPU threads (cores, at most 8).", "Use threads=2.", ge=1, le=1024)

    @model_validator(mode="after")
    def _agree(self) -> Plan:
        for wrong, message in _contradictions(self):
            if wrong:
                raise ValueError(message)
        return self


def _contradictions(plan: Plan) -> list[tuple[bool, str]]:
    """List what no plan may ask for together: (whether it does; rule, fact and remedy)."""
    return [*_row_contradictions(plan), *_network_contradictions(plan), *_training_contradictions(plan)]


def _row_contradictions(plan: Plan) -> list[tuple[bool, str]]:
    ways = [name for name in ("folds", "holdout", "fold_column") if getattr(plan, name) is not None]
    order = plan.time is not None or plan.group is not None
    return [
        (len(ways) > 1, f"rows can be divided in one way only, got `{'` and `'.join(ways)}`. Give one of them."),
        (
            plan.time is not None and plan.group is not None,
            "`time` and `group` cannot both decide the folds, got both. Give one of them.",
        ),
        (
            plan.fold_column is not None and order,
            "`fold_column` gives the folds itself, got `time` or `group` as well. Give one of them.",
        ),
        (
            bool(plan.repeats and plan.repeats > 1 and (plan.fold_column or (plan.time and plan.holdout is None))),
            f"`repeats` need folds drawn at random, got {plan.repeats} with given or ordered ones. Use repeats=1.",
        ),
        (
            plan.watch_test and plan.test is None,
            "`watch_test` needs a test table, got none. Give `test` too.",
        ),
        (
            plan.refit and plan.holdout == 0,
            "`refit` needs judged rows, got holdout=0, which already trains on all rows. Leave one of them out.",
        ),
    ]


def _network_contradictions(plan: Plan) -> list[tuple[bool, str]]:
    layers = ("hidden", "activation", "batch_norm", "batch_norm_momentum", "layer_norm", "init", "init_bias")
    named = [name for name in layers if getattr(plan, name) is not None]
    return [
        (
            is_own(plan.net) and bool(named),
            f"a class of your own decides its layers, got `{named[0] if named else ''}` too. Leave it out.",
        ),
        (
            is_own(plan.net) and plan.precision == "bfloat16",
            "a class of your own computes in float32 or float64, got `precision` bfloat16. Leave it out.",
        ),
        (
            plan.net == "linear" and bool(plan.hidden),
            "`net` linear has no hidden layers, got `hidden`. Use net=mlp, or leave `hidden` out.",
        ),
        (
            plan.net == "linear" and plan.activation is not None,
            "`net` linear has no activation, got `activation`. Use net=mlp, or leave it out.",
        ),
        (
            plan.batch_norm_momentum is not None and not plan.batch_norm,
            "`batch_norm_momentum` needs batch norm, got none. Give batch_norm=input,hidden.",
        ),
    ]


def _training_contradictions(plan: Plan) -> list[tuple[bool, str]]:
    with_momentum = plan.optimizer in ("sgd", "rmsprop")
    few = isinstance(plan.batch_size, int) and plan.batch_size < 1
    return [
        (few, f"`batch_size` must be at least 1, got {plan.batch_size}. Use batch_size=256, or all."),
        (
            plan.nesterov and plan.optimizer != "sgd",
            f"`nesterov` belongs to optimizer sgd, got {plan.optimizer or 'none'}. Use optimizer=sgd.",
        ),
        (plan.nesterov and not plan.momentum, "`nesterov` needs momentum, got none. Use momentum=0.9."),
        (
            bool(plan.momentum) and not with_momentum,
            f"`momentum` belongs to optimizer sgd or rmsprop, got {plan.optimizer or 'none'}. Use optimizer=sgd.",
        ),
        (
            plan.dtype == "float64" and plan.precision is not None,
            f"`precision` belongs to dtype float32, got {plan.precision} with float64. Leave one of them out.",
        ),
        (
            plan.patience is not None and not plan.early_stopping,
            "`patience` belongs to early stopping, which is off. Use early_stopping=true, or leave it out.",
        ),
    ]


def make_plan(**settings: Any) -> Plan:
    """Build a plan; every mistake becomes a `PlanError` that says rule, fact and remedy.

    Raises:
        PlanError: an unknown setting (with the nearest name), a value out of range, or a contradiction.

    >>> make_plan(folds=1)
    Traceback (most recent call last):
        ...
    danlu.core.errors.PlanError: `folds` must be at least 2, got 1. Use folds=5, or holdout=0.2.
    """
    for name in settings:
        if name not in Plan.model_fields:
            raise PlanError(
                f"`{name}` must be a setting of the plan",
                "there is none of that name",
                nearest(name, Plan.model_fields),
            )
    try:
        return Plan(**settings)
    except ValidationError as error:
        raise _plan_error(error) from None


_PHRASES = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be above {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be below {lt}",
    "finite_number": "must be a finite number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "literal_error": "must be {expected}",
    "tuple_type": "must be a list",
    "dict_type": "must be a table of COLUMN = KIND",
}


def _plan_error(error: ValidationError) -> PlanError:
    """Say the first mistake that pydantic found in Danlu's words."""
    first = error.errors(include_url=False)[0]
    if not first["loc"]:
        return PlanError(first["msg"].removeprefix("Value error, ").removesuffix("."))
    name = str(first["loc"][0])
    field = Plan.model_fields[name]
    extra = field.json_schema_extra
    remedy = str(extra.get("remedy", "")) if isinstance(extra, dict) else ""
    if first["type"] == "value_error":
        rule, _, proposal = first["msg"].removeprefix("Value error, ").rpartition(". ")
        return PlanError(f"`{name}` {rule or proposal}".removesuffix("."), "", proposal if rule else remedy)
    phrase = _PHRASES.get(first["type"], first["msg"]).format(**first.get("ctx", {}))
    return PlanError(f"`{name}` {phrase}", f"got {first['input']!r}", remedy or _choices(name))


def _choices(name: str) -> str:
    """Return "Use one of ..." for a setting with fixed choices, else nothing."""
    options = [o for a in get_args(Plan.model_fields[name].annotation) for o in get_args(a)]
    texts = [o for o in options if isinstance(o, str)]
    return f"Use one of {', '.join(texts)}." if texts else ""
