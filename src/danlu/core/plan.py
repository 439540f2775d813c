"""The plan: what the user asked for, as one frozen, validated model.

The table of fields below is the only one: command line, estimators, TOML files and the reference page
are made from it. `None` stands for "let Danlu choose"; what it chose stands in the resolved plan of the run.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from danlu.core.agree import contradictions
from danlu.core.classes import METRICS, ClassWeight, check_metric, check_stop_on, parse_class_weight
from danlu.core.durations import parse_duration
from danlu.core.errors import PlanError, nearest
from danlu.core.nets import check_net, parse_encoded, parse_neighbours
from danlu.core.parsing import (
    INITS,
    LOSSES,
    SCHEDULES,
    check_augment,
    check_space,
    parse_hidden,
    parse_kinds,
    parse_search,
    split_names,
    with_numbers,
)

Task = Literal["regression", "classification"]
KindName = Literal["number", "category", "yes/no", "date", "text", "id", "drop"]
Activation = Literal[
    "relu", "leaky-relu", "elu", "selu", "gelu", "silu", "mish", "sigmoid", "tanh", "softplus", "identity"
]
Optimizer = Literal["sgd", "adam", "adamw", "rmsprop", "adagrad"]
Normalised = Literal["input", "hidden"]

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
    sheet: str | None = setting(None, "data", "Sheet of a workbook: a name or a number from 1; the first one.")
    encoding: str | None = setting(None, "data", "Text encoding; detected.")
    delimiter: str | None = setting(None, "data", "Column delimiter (a character, or 'tab'); detected.", min_length=1)
    quote: str | None = setting(None, "data", "Quote character, or 'none'; detected.", min_length=1)
    header: bool | None = setting(None, "data", "Whether the first row names the columns; detected.")
    missing: Names | None = setting(None, "data", "Marks of a missing value, instead of the usual ones.")
    decimal: Literal["point", "comma"] | None = setting(None, "data", "Decimal mark of numbers; detected.")
    skip_lines: int | None = setting(
        None, "data", "Lines of text before the table; detected.", "Use skip_lines=2.", ge=0, le=1_000_000
    )
    skip_bad_rows: bool = setting(False, "data", "Leave out rows that cannot be read; count and list them.")
    query: str | None = setting(None, "data", "Select whose rows are learnt from, of a database.", min_length=1)
    table: str | None = setting(None, "data", "Table of a database; the only one.", min_length=1)
    images: str | None = setting(None, "data", "Column of paths, where the table is one of images.")
    resize: str | None = setting(
        None, "data", "Pixels of images: 64, 96x64, 96x64:crop or :pad; images of several sizes: at most 64."
    )
    colour: Literal["grey", "colour"] | None = setting(None, "data", "Images as grey or colour; as they are.")

    # --- rows
    test: str | None = setting(None, "rows", "Table that is scored once, at the end.")
    test_table: str | None = setting(None, "rows", "Table of the database of the test; that of table.", min_length=1)
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
    metric: Annotated[str | None, BeforeValidator(check_metric)] = setting(
        None, "rows", "Main metric: " + ", ".join(METRICS) + "; rmse or accuracy. Thresholds are chosen for some."
    )
    watch_test: bool = setting(False, "rows", "Show the test curve while training; the score is marked as watched.")
    learning_curve: bool = setting(False, "rows", "Train on growing shares of the rows too: what would more bring?")

    # --- network
    net: Annotated[str, BeforeValidator(check_net)] = setting(
        "auto", "network", "auto (the tuned recipe), linear, mlp, cnn (images), or your own class: FILE.py:CLASS."
    )
    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=65536)], ...] | None, BeforeValidator(parse_hidden)] = (
        setting(None, "network", "Hidden widths: 256,128 or 130x20.", "Use hidden=256,128.")
    )
    conv: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...] | None, BeforeValidator(parse_hidden)] = setting(
        None, "network", "Channels of the convolutions of net cnn: 6,16; a small residual network.", "Use conv=16,32."
    )
    kernel: int | None = setting(None, "network", "Rows and columns of convolutions (3).", "Use kernel=3.", ge=1, le=31)
    padding: int | Literal["same"] | None = setting(
        None, "network", "Zeros around an image before a convolution (0), or same: as many as keep its size."
    )
    pool: Literal["none", "max", "average"] | None = setting(
        None, "network", "Pooling of 2 x 2 pixels after each convolution (none)."
    )
    residual: bool | None = setting(None, "network", "Whether net cnn is the residual one (where conv is not given).")
    augment: Annotated[tuple[str, ...] | None, BeforeValidator(check_augment)] = setting(
        None,
        "network",
        "Images at random: flip, shift:2 or crop:4 (pixels), rotate:10 (degrees), cutout:8.",
        "Use shift:2.",
    )
    activation: Activation | None = setting(None, "network", "Activation of hidden layers (relu).")
    batch_norm: Annotated[tuple[Normalised, ...] | None, BeforeValidator(split_names)] = setting(
        None, "network", "Batch norm of input, hidden or input,hidden."
    )
    batch_norm_momentum: float | None = setting(None, "network", "Momentum of running moments (0.1).", "", gt=0, le=1)
    layer_norm: bool | None = setting(None, "network", "Layer norm before each activation.")
    bins: int | None = setting(
        None,
        "network",
        "Bins that each number is spread over besides (piecewise-linear encoding).",
        "Use bins=48.",
        ge=0,
        le=256,
    )
    neighbours: Annotated[tuple[tuple[str, ...], ...] | None, BeforeValidator(parse_neighbours)] = setting(
        None,
        "network",
        "Columns in which the targets of near rows are an input: COL,COL, all or off (where errors ask for it).",
    )
    target_encoding: Annotated[tuple[str, ...] | None, BeforeValidator(parse_encoded)] = setting(
        None,
        "network",
        "Categories whose mean target is an input: COL,COL or off (those with few rows a level).",
    )
    copies: int | None = setting(
        None, "network", "Networks inside each network, sharing most weights (TabM).", "Use copies=4.", ge=1, le=64
    )
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
    scale_target: Literal["none", "standard", "log", "mixed"] | None = setting(
        None, "network", "Scaling of numeric targets (standard; log: of their logarithm, mixed: in every other repeat)."
    )

    # --- training
    loss: Annotated[str | None, BeforeValidator(with_numbers(LOSSES, 1))] = setting(
        None, "training", "Loss: " + ", ".join(LOSSES) + "; e.g. huber:1, pinball:0.9."
    )
    class_weight: Annotated[dict[str, ClassWeight] | str | None, BeforeValidator(parse_class_weight)] = setting(
        None, "training", "What mistakes on a class cost: balanced, none, or CLASS=WEIGHT,... (none)."
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
    stop_on: Annotated[str | None, BeforeValidator(check_stop_on)] = setting(
        None, "training", "What early stopping watches: loss, or a metric such as rmse, roc-auc or f1 (loss)."
    )
    patience: int | None = setting(
        None, "training", "Judgings without gain before stopping (16).", "Use patience=16.", ge=1
    )
    judge_every: int | None = setting(
        None, "training", "Epochs between judgings; at most 500 judgings by default.", "", ge=1
    )

    # --- effort
    effort: Literal["quick", "normal", "best"] | None = setting(
        None, "effort", "How much is tried: quick, normal or best (normal; with a budget what it allows)."
    )
    budget: Annotated[float | None, BeforeValidator(parse_duration)] = setting(
        None, "effort", "Time that the whole may take: 60s, 5m, 1h.", "Use budget=60s.", ge=1, allow_inf_nan=False
    )
    explain: bool = setting(True, "effort", "Look at what drives predictions, at the worst rows and the layers.")

    search: Annotated[int | Literal["auto", "off"] | None, BeforeValidator(parse_search)] = setting(
        None,
        "effort",
        "Settings to search: how many are tried, auto (32, or what the budget allows), off (of a budget what is left).",
        "Use search=32.",
    )
    space: Annotated[Any, BeforeValidator(check_space)] = setting(
        None, "effort", "What a search varies: a TOML file (around the recipe)."
    )
    study: str | None = setting(
        None, "effort", "SQLite file of the search: it goes on where it was killed (beside the model)."
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
        for wrong, message in contradictions(self):
            if wrong:
                raise ValueError(message)
        return self


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
