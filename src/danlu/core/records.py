"""What happened, as plain frozen records without tensors: every reader of a run reads these.

They are written to the model's folder as JSON and validated when they are read again. Names of axes:
M members, K folds (repeats included), E epochs, J judgings, N rows, C outputs.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from danlu.core.checks import Checks
from danlu.core.classes import Calibration, Decision
from danlu.core.explained import Explained
from danlu.core.grown import Doubling as Doubling
from danlu.core.grown import LearningCurve as LearningCurve
from danlu.core.grown import LearningPoint as LearningPoint
from danlu.core.plan import Plan, Task
from danlu.core.progress import About as About
from danlu.core.progress import Latest as Latest
from danlu.core.progress import Progress as Progress
from danlu.core.record import Record
from danlu.core.searched import Searched

Kind = Literal["number", "category", "yes/no", "date"]


class ColumnSchema(Record):
    """One column that the network sees, and all that is needed to turn its cells into numbers.

    A number becomes `(cell - shift) / unit`, in float64, before it is stored as float32. A category
    or yes/no becomes a code: 0 unseen, 1 missing, 2 and up the `levels` in their order. A date becomes
    seconds since `shift` (itself seconds since 1970, UTC), and the cyclic `parts`.
    """

    name: str
    kind: Kind
    levels: tuple[str, ...] = ()
    shift: float = 0.0
    unit: float = 1.0
    parts: tuple[str, ...] = ()
    """Cycles of a date that vary in the data: of "month", "monthday", "weekday", "hour", "minute"."""
    date_order: Literal["", "year first", "day first", "month first", "time of day"] = ""
    """How a date that is written as text is read: 03/04/2020 is a day in April or in March."""
    decimal: Literal["", ".", ","] = ""
    """Decimal mark of numbers that are written for people, as $1,234.50; empty: as a program writes them."""
    sign: str = ""
    """What stands beside such numbers: $, %, kr."""
    missing: int = 0
    """Cells that were missing in the table learnt from."""
    low: float | None = None
    high: float | None = None
    """Smallest and largest cell seen, in the column's own units (seconds since 1970 for a date)."""
    example: str = ""
    source: str = ""
    """The table's column, where this one only says whether its text has a `word`."""
    word: str = ""

    @property
    def given(self) -> str:
        """Name of the table's column that it is read from."""
        return self.source or self.name


class TargetSchema(Record):
    """The target: its columns, task and, for classes, their names in the order of the outputs."""

    names: tuple[str, ...]
    task: Task
    classes: tuple[str, ...] = ()
    outputs: int
    """Width of the network's last layer: targets of a regression, classes (2 for two) of a classification."""
    positive: int = 1
    """Of two classes the place of the one that f1 and the threshold are of: the rarer of the rows learnt from."""


class ImageSchema(Record):
    """What a model expects of an image, and how others are brought to it."""

    channels: int
    """1: grey, 3: red, green, blue."""
    height: int
    width: int
    resize: str = ""
    """Rule by which images of another size are brought to this one; empty: they are refused."""
    values: Literal["uint8", "float"] = "uint8"
    """Whole numbers from 0 to 255, or floats as they were given."""
    low: float = 0.0
    high: float = 255.0
    """Least and greatest value: the ends of the range of uint8, or those seen in floats."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return self.channels, self.height, self.width


class LeftOut(Record):
    """A column that the network does not see, and why."""

    name: str
    reason: str


class Schema(Record):
    """What a model expects of a table, or of images."""

    columns: tuple[ColumnSchema, ...]
    target: TargetSchema
    left_out: tuple[LeftOut, ...] = ()
    header: bool = True
    image: ImageSchema | None = None
    """What it expects of images; it has no columns then."""


class CodeColumn(Record):
    """One column of codes inside the network: `slots` codes, embedded in `width` numbers (0: one-hot)."""

    name: str
    slots: int
    width: int = 0


class SpaceLayout(Record):
    """Columns in which the nearest training rows are looked for; what these had in the mean are further numbers."""

    columns: tuple[str, ...]
    """Names of the table's columns."""
    places: tuple[int, ...]
    """Which of the prepared inputs, bins and what other rows' targets say left out, are the coordinates."""
    nearest: int
    """How many neighbours count."""
    outputs: int = 1
    """Numbers that each neighbour has: targets, or classes (of two the second)."""


class MeanLayout(Record):
    """A category whose mean target is a further number (target encoding)."""

    column: str
    place: int
    """Which of the code matrix's columns it is."""
    outputs: int = 1
    """Numbers that each row has: targets, or classes (of two the second)."""


class FeatureLayout(Record):
    """What the columns of the float matrix and of the code matrix are."""

    numbers: tuple[str, ...]
    """Names of the float matrix's columns, e.g. "area" or "sold (weekday, sin)", behind them those of `means` and
    `spaces`."""
    means: tuple[MeanLayout, ...] = ()
    """Categories whose mean target is told: each adds `outputs` numbers behind the columns' own."""
    spaces: tuple[SpaceLayout, ...] = ()
    """Where neighbours are looked for: each adds `outputs` numbers at the end."""
    indicators: tuple[int, ...] = ()
    """Positions in `numbers` that get a second input, 1 where the cell is missing."""
    bins: int = 0
    """Bins that each number is spread over besides, as so many inputs; 0: none."""
    codes: tuple[CodeColumn, ...] = ()
    image: tuple[int, int, int] | None = None
    """Channels, height and width, where the matrix holds pixels, row by row of a channel; it has no `numbers` then."""

    @property
    def given(self) -> int:
        """How many of the numbers stand in the float matrix: all but what other rows' targets say."""
        return len(self.numbers) - sum(each.outputs for each in (*self.means, *self.spaces))

    def plain(self) -> FeatureLayout:
        """Return the layout without what other rows' targets say, and without bins: each number as it is."""
        return self.model_copy(update={"numbers": self.numbers[: self.given], "means": (), "spaces": (), "bins": 0})


class ModuleSpec(Record):
    """A user's own class of networks: what tells whether it is the same one, and nothing that could be imported."""

    name: str
    """For the eye: "my_net.py:MyNet", or the name of a class in Python."""
    sha256: str | None = None
    """Of its file, or of its source in Python; None where there is no source."""
    layout: str = ""
    """SHA-256 of the names and shapes of what it stores."""
    own_dropout: bool = True
    """Whether `nn.Dropout` has its own rates, not the `dropout` of the network."""


class ConvSpec(Record):
    """The convolutions of a network: as many as there are `channels`, each with its activation and pooling."""

    channels: tuple[int, ...]
    kernel: int = 3
    padding: int | Literal["same"] = "same"
    pool: Literal["none", "max", "average"] = "none"
    batch_norm: bool = False
    residual: bool = False
    """Whether it is the small residual network: a block at each width, and at the end each channel's greatest value."""


class NetworkSpec(Record):
    """The architecture of a member: enough to build it again without a plan."""

    layout: FeatureLayout
    outputs: int
    hidden: tuple[int, ...] = ()
    activation: str = "relu"
    batch_norm_input: bool = False
    batch_norm_hidden: bool = False
    batch_norm_momentum: float = 0.1
    layer_norm: bool = False
    copies: int = 1
    """Networks inside a member that share all weights but a few."""
    dropout: float = 0.0
    init: str = "default"
    init_bias: float | Literal["default"] = "default"
    scale: str = "robust"
    scale_target: str = "standard"
    link: Literal["identity", "softmax", "sigmoid", "exp"] = "identity"
    """What turns the last layer's outputs into a prediction; `identity` outputs are unscaled as well."""
    module: ModuleSpec | None = None
    """A user's own class in the place of all layers."""
    conv: ConvSpec | None = None
    """Convolutions before the hidden layers, of images."""
    mirrored: bool = False
    """Whether a prediction is the mean of that of an image and that of its mirror image."""


class Note(Record):
    """One thing that was inferred and can be overridden: said once, in one line."""

    topic: str
    text: str


class Finding(Record):
    """One thing diagnosis says: the fault, the evidence in numbers, the cure."""

    name: str
    """Short stable name, e.g. "non-finite-loss"."""
    fault: str
    evidence: str
    cure: str
    severity: Literal["note", "warning", "error"] = "warning"
    members: tuple[int, ...] = ()


class Breakdown(Record):
    """Where a member's loss first became NaN or infinite, found by replaying the epoch."""

    member: int
    epoch: int
    step: int
    layer: str
    value: str
    gradient_norm: float | None = None
    lr: float


class MemberRecord(Record):
    """One network of the population. Epochs count from 1; 0 of a network that was never begun, which is of no use."""

    index: int
    fold: int
    repeat: int
    train_rows: int
    judged_rows: int
    epochs: int
    best_epoch: int
    ended: Literal["finished", "stopped early", "interrupted", "non-finite"]
    breakdown: Breakdown | None = None

    @property
    def usable(self) -> bool:
        """Whether it was trained, and its numbers are finite."""
        return self.epochs > 0 and self.ended != "non-finite"


class Score(Record):
    """A metric on rows that no choice was made on, with its 95% bootstrap interval.

    `kind`: out-of-fold, holdout, test, or test (watched). `one_member` is the score of a single member
    on the same rows (a mean over members), where the value is that of several together. `of` is the class that
    f1 of two classes is of.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    rows: int
    kind: str
    per_target: dict[str, float | None] | None = None
    per_class: dict[str, float | None] | None = None
    one_member: float | None = None
    of: str | None = None
    flattered: float = 0.0
    """What choosing among settings flattered it by: already taken off `value`, `low` and `high`."""


class Rows(Record):
    """How many rows were read, left out and used."""

    read: int
    used: int
    without_target: int = 0
    without_weight: int = 0
    skipped: int = 0
    """Lines before the table."""
    bad: int = 0
    """Rows left out because they cannot be read."""
    test: int = 0


class Run(Record):
    """All that is known of a run: what report, `show` and `--json` are drawn from.

    The long arrays are kept beside it, by name: `loss_EM` (training loss of each epoch), of classes
    `accuracy_EM` (training accuracy of each epoch, summed up while training), `judged_epochs_J`,
    `judged_JM` (main metric on each member's judged rows), `test_JM` where the test rows are watched,
    `lr_E`, `rows_N` (row numbers judged), `truth_NC` and `predicted_NC` (user units, or class codes
    and probabilities), and `guessed_N` (codes of the classes predicted, where there is a decision).
    Where no row was judged, `test_truth_NC` and `test_predicted_NC` are those of the test part; of images,
    `workflow.gallery` says what `shown_...`, `saliency_GHW` and `first_UKHW` are. `dependence_QGC` and `single_QIG` are
    those of `core.explained.Dependence`.
    """

    name: str
    version: str
    created: str
    source: str
    plan: Plan
    """As asked."""
    resolved: Plan
    """As run: nothing is None that decides the result."""
    table: Schema
    network: NetworkSpec
    parameters: int
    """Numbers learnt by one member."""
    rows: Rows
    folds: str
    """How rows were divided, in words."""
    main_metric: str
    curve_metric: str = ""
    """What `judged_JM` is; empty: the main metric."""
    watched_by: str = ""
    """What `watched_JM` is; empty: the loss."""
    calibration: Calibration | None = None
    """Of a classification."""
    decision: Decision | None = None
    """None where the likeliest class is predicted."""
    members: tuple[MemberRecord, ...]
    shipped: tuple[int, ...]
    """Members that predict, or empty when networks were refitted on all rows."""
    refitted: int = 0
    scores: dict[str, Score]
    test: dict[str, Score] = Field(default_factory=dict)
    baselines: dict[str, dict[str, float | None]]
    """Metrics of `linear`, and of `mean` or `majority`, on the rows that `scores` are of."""
    test_baselines: dict[str, dict[str, float | None]] = Field(default_factory=dict)
    """The same on the test table, learnt from all rows of the other one."""
    learning_curve: LearningCurve | None = None
    """Where it was asked for."""
    searched: Searched | None = None
    """Where a search was asked for."""
    checks: Checks = Checks()
    explained: Explained = Explained()
    findings: tuple[Finding, ...] = ()
    inferred: tuple[Note, ...] = ()
    seconds: dict[str, float]
    machine: dict[str, str]
    interrupted: bool = False

    @property
    def judged_by(self) -> str:
        """The metric of the curves."""
        return self.curve_metric or self.main_metric
