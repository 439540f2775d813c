"""Numbers and times as people write them: rounded to what is known, thousands separated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from danlu.core.records import ImageSchema, NetworkSpec, Run, Score

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

METRIC_NAMES = {
    "rmse": "RMSE",
    "mae": "MAE",
    "rmsle": "RMSLE",
    "r2": "R²",
    "nll": "NLL",
    "coverage": "Coverage of 90%",
    "width": "Width of 90%",
    "accuracy": "Accuracy",
    "balanced-accuracy": "Balanced accuracy",
    "log-loss": "Log-loss",
    "roc-auc": "ROC AUC",
    "f1": "F1",
    "brier": "Brier score",
    "ece": "Calibration error",
}
METRIC_MEANINGS = {
    "rmse": "root of the mean squared error: the size of a typical error, large ones weighing more",
    "mae": "mean absolute error",
    "rmsle": "rmse of the logarithm of 1 + the target: a typical relative error",
    "r2": "share of the target's variance explained: 1 is perfect, 0 no better than the mean",
    "nll": "negative log-likelihood: minus the logarithm of the predicted density at the truth, in the target's unit",
    "coverage": "share of rows whose truth lies in the interval that should hold 90% of them",
    "width": "mean width of the intervals that should hold 90% of the truths",
    "accuracy": "share of rows whose class is right",
    "balanced-accuracy": "mean over classes of the share found, so that rare classes count as much",
    "log-loss": "how surprised the probabilities were by the truth: 0 is perfect",
    "roc-auc": "chance that a row of the class is ranked above one that is not: 0.5 is guessing",
    "f1": "harmonic mean of precision and recall: of two classes of the rarer one, else averaged over classes",
    "brier": "mean squared error of the probability: 0 is perfect",
    "ece": "how far the likeliest class's probability is from how often it is right, on average over 15 bins (ECE)",
}
SHARES = frozenset({"accuracy", "balanced-accuracy", "ece", "coverage"})
"""Metrics that read best as a percentage."""


def metric_name(name: str) -> str:
    """Return how a metric is written.

    >>> metric_name("roc-auc")
    'ROC AUC'
    """
    return METRIC_NAMES.get(name, name)


def place_of(low: float | None, high: float | None) -> int | None:
    """Return the power of ten that an interval allows to print, or None where there is none.

    The Particle Data Group's rule on the half-width: two digits of it where they begin with 1.00 to 3.54, else one.

    >>> place_of(47_610, 48_650), place_of(0.8671, 0.8753), place_of(1.0, 1.0)
    (2, -3, None)
    """
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return None
    half = (high - low) / 2
    exponent = math.floor(math.log10(half))
    return exponent - 1 if half / 10**exponent < 3.55 else exponent


def number(value: float | None, place: int | None = None, digits: int = 4) -> str:
    """Write a number rounded to 10**place, or to significant digits where no place is known.

    >>> number(48_130.7, 2), number(0.87123, -3), number(66_700.123), number(-0.00004567), number(None), number(3.0)
    ('48,100', '0.871', '66,700', '−0.00004567', '–', '3')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 1e12 or (place is None and 0 < size < 1e-6):
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}".replace("-", "−")
    if place is None:
        if not size:
            return "0"
        place = math.floor(math.log10(size)) + 1 - digits
        text = _fixed(value, min(place, 0))  # digits before the point are never cut off: 20,641 stays
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = _fixed(value, place)
    return text.replace("-", "−")


def about(value: float, digits: int = 2) -> str:
    """Write a measured quantity to so many significant digits, before the point as well.

    >>> about(35_256.4), about(0.04567), about(0)
    ('35,000', '0.046', '0')
    """
    if not value or not math.isfinite(value):
        return number(value)
    return number(value, math.floor(math.log10(abs(value))) + 1 - digits, digits)


def _fixed(value: float, place: int) -> str:
    """Round to 10**place and separate thousands."""
    rounded = round(value, -place)
    text = f"{rounded:,.{max(0, -place)}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text


def percent(share: float | None, place: int | None = None) -> str:
    """Write a share as a percentage; `place` is that of the share.

    >>> percent(0.87123, -3), percent(0.5), percent(0.00031), percent(None)
    ('87.1%', '50%', '0.03%', '–')
    """
    if share is None or math.isnan(share):
        return "–"
    if place is not None:
        return number(share * 100, min(place + 2, 0)) + "%"
    size = abs(share)
    digits = 0 if size >= 0.1 or share == 0 else 1 if size >= 0.01 else 2
    return number(share * 100, -digits) + "%"


def metric_value(name: str, value: float | None, place: int | None = None) -> str:
    """Write the value of a metric: shares as percentages, the others as numbers.

    >>> metric_value("accuracy", 0.87123, -3), metric_value("rmse", 48_130.7, 2)
    ('87.1%', '48,100')
    """
    if name in SHARES:
        return percent(value, -3 if place is None else place)
    return number(value, place)


def score_place(score: Score) -> int | None:
    """Return the place that a score's own interval allows."""
    return place_of(score.low, score.high)


def interval(name: str, score: Score) -> str:
    """Write the interval of a score, or nothing where it has none.

    >>> interval("rmse", Score(value=48_130, low=47_610, high=48_650, rows=20_640, kind="out-of-fold"))
    '47,600 to 48,600'
    """
    if score.low is None or score.high is None:
        return ""
    place = score_place(score)
    return f"{metric_value(name, score.low, place)} to {metric_value(name, score.high, place)}"


def sure(scores: Mapping[str, Score]) -> str:
    """Say how wide the 90% intervals are and how many rows they hold; "" where there are none.

    >>> one = Score(value=0.9012, low=0.8970, high=0.9053, rows=20_640, kind="out-of-fold")
    >>> width = Score(value=139_000, low=138_000, high=140_000, rows=20_640, kind="out-of-fold")
    >>> sure({"coverage": one, "width": width})
    '90% intervals hold 90.1% of the rows (89.7% to 90.5%) and are 139,000 wide on average'
    """
    coverage, width = scores.get("coverage"), scores.get("width")
    if coverage is None or width is None or coverage.value is None or width.value is None:
        return ""
    between = interval("coverage", coverage)
    text = f"90% intervals hold {metric_value('coverage', coverage.value, score_place(coverage))} of the rows"
    text += f" ({between})" if between else ""
    unit = " standard deviations" if width.per_target else ""
    return f"{text} and are {metric_value('width', width.value, score_place(width))}{unit} wide on average"


def unit_of_several(scores: Mapping[str, Score]) -> str:
    """Say in what unit errors of several targets are counted; "" of one target, whose own unit it is.

    >>> unit_of_several({"rmse": Score(value=0.4, rows=80, kind="out-of-fold", per_target={"low": 29.0, "high": 0.2})})
    'RMSE and MAE of several targets are in standard deviations of each target'
    """
    several = any(score.per_target for name, score in scores.items() if name in ("rmse", "mae"))
    return "RMSE and MAE of several targets are in standard deviations of each target" if several else ""


def told_apart(run: Run) -> str:
    """Say how one network does on rows that it learnt from and on rows that it did not; "" where that is not known."""
    train, judged, name = run.checks.train.get(run.judged_by), run.checks.judged, run.judged_by
    if train is None or judged is None:
        return ""
    main = run.scores.get(name) or run.test.get(name)
    place = None if main is None else score_place(main)
    learnt, others = metric_value(name, train, place), metric_value(name, judged, place)
    values = f"{learnt} on {thing(run)}s learnt from, {others} on others"
    return f"{metric_name(name)} {values}"


def decision_words(run: Run) -> str:
    """Say how a class is chosen, where it is not simply the likeliest; else "".

    E.g. "Yes from a probability of 0.37 on, chosen for F1: 0.627, with the likeliest class 0.593".
    """
    decision = run.decision
    if decision is None:
        return ""
    if decision.threshold is not None:
        said = f"{decision.positive} from a probability of {about(decision.threshold)} on"
    else:
        said = "the greatest of probability times the class's weight"
    if not decision.metric:
        return f"{said}, by the class weights"
    name = metric_name(decision.metric)
    after, before = (metric_value(decision.metric, v, -3) for v in (decision.value, decision.value_before))
    return f"{said}, chosen for {name}: {after}, with the likeliest class {before}"


def calibration_words(run: Run) -> str:
    """Say what was done to the probabilities; "" where nothing was."""
    calibration = run.calibration
    if calibration is None:
        return ""
    said = []
    if calibration.kept:
        own, shipped = calibration.judged_temperature, calibration.temperature
        before, after = (number(v, -4) for v in (calibration.log_loss_before, calibration.log_loss))
        how = f"made {'less' if own > 1 else 'more'} sure by temperature"
        if shipped == 1:
            how = f"of judged rows {how} {number(own, -2)}"
        else:
            how = f"{how} {number(shipped, -2)}" + (f" (judged rows: {number(own, -2)})" if own != shipped else "")
        said.append(f"{how}: log-loss {after} instead of {before}")
        if shipped == 1:
            said.append("those that predict are more networks, and need none")
    if calibration.shift:
        said.append("class weights taken out again")
    return ", ".join(said)


def duration(seconds: float | None) -> str:
    """Write a length of time.

    >>> duration(0.0312), duration(8.44), duration(75), duration(8100)
    ('31 ms', '8.4 s', '1 min 15 s', '2 h 15 min')
    """
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def count(amount: int, one: str, many: str = "") -> str:
    """Write an amount with its noun.

    >>> count(1, "row"), count(20_640, "row"), count(3, "class", "classes")
    ('1 row', '20,640 rows', '3 classes')
    """
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def moment(seconds: float | None, *, with_time: bool = True) -> str:
    """Write seconds since 1970 as a date, with the time of day only where it says something.

    >>> moment(0), moment(1_600_000_037), moment(-1e30)
    ('1970-01-01', '2020-09-13 12:27', '−1 × 10³⁰ s since 1970')
    """
    if seconds is None or not math.isfinite(seconds):
        return "–"
    try:
        when = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return f"{number(seconds)} s since 1970"
    return f"{when:%Y-%m-%d %H:%M}" if with_time and seconds % 86400 else f"{when:%Y-%m-%d}"


def listed(names: list[str], most: int = 6) -> str:
    """Join names; of many, the first ones and how many more there are.

    >>> listed(["a", "b"]), listed(["a", "b", "c", "d"], 2)
    ('a, b', 'a, b and 2 more')
    """
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def thing(run: Run) -> str:
    """Return what a model learns from: a row of a table, or an image."""
    return "row" if run.table.image is None else "image"


def name_of_test(run: Run) -> str:
    """Return what a model is tested on."""
    return "test table" if run.table.image is None else "test images"


def in_sentence(metric: str) -> str:
    """Return a metric's name inside a sentence.

    >>> in_sentence("rmse"), in_sentence("log-loss")
    ('RMSE', 'log-loss')
    """
    name = metric_name(metric)
    return name[0].lower() + name[1:] if name[1:2].islower() else name


def both(names: list[str]) -> str:
    """Join names with commas, the last one with "and".

    >>> both(["a"]), both(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def plain_cut(name: str, most: int) -> str:
    """Return a name for a chart, cut where it is long.

    >>> plain_cut("median_house_value", 10), plain_cut("", 10)
    ('median_ho…', '(empty)')
    """
    text = name.strip() or "(empty)"
    return text if len(text) <= most else text[: most - 1] + "…"


def convolutions(spec: NetworkSpec) -> str:
    """Return the convolutions of a network in words, empty where it has none.

    >>> from danlu.core.records import ConvSpec, FeatureLayout
    >>> image = FeatureLayout(numbers=(), image=(1, 8, 8))
    >>> convolutions(NetworkSpec(layout=image, outputs=2, conv=ConvSpec(channels=(6, 16), pool="max")))
    'convolutions 3x3 of 6-16 channels, max pooling'
    """
    conv = spec.conv
    if conv is None:
        return ""
    what = "residual convolutions" if conv.residual else "convolutions"
    pooled = "" if conv.pool == "none" else f", {conv.pool} pooling"
    return f"{what} {conv.kernel}x{conv.kernel} of {'-'.join(map(str, conv.channels))} channels{pooled}"


def image(schema: ImageSchema) -> str:
    """Return the size and kind of images.

    >>> image(ImageSchema(channels=3, height=32, width=48))
    '48 x 32 pixels, colour'
    """
    kind = {1: "grey", 3: "colour"}.get(schema.channels, f"{schema.channels} channels")
    return f"{schema.width} x {schema.height} pixels, {kind}"
