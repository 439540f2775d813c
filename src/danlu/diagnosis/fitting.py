"""Overfitting and underfitting: how networks do on rows that they learnt from, and on rows that they did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from danlu.core.checks import Checks
from danlu.core.nets import is_own
from danlu.core.plan import Plan
from danlu.core.records import Finding, MemberRecord, Score
from danlu.diagnosis.curves import ENOUGH_JUDGINGS, SURE, judged_errors
from danlu.diagnosis.words import shown
from danlu.judging import GREATER_IS_BETTER
from danlu.search.defaults import TORCH_RATES

CLOSE = 0.8
"""Share of the judged error that the training error must be at least for both to count as close together.

Of networks that fit the noise of their rows it is less (0.06 to 0.7 on small tables, though the judged error may be
the best there is); of those that miss what is to be learnt it is 0.95 to 1, and 0.8 leaves room for chance."""
FAR = 0.5
"""Below this share of the judged error, a training error is far below: half of the errors at least are only seen on
new rows."""
RISEN = 0.05
"""Share by which the judged error must have risen again since its lowest.

With the default recipe it rose by 0.9% at most on four tables where nothing was wrong (wine-red, ames, wine, bike), and
by 16% to 34% where networks of 512-512 or the recipe itself learnt the noise of 200 or 1,000 rows: a threshold read
off these runs, not one that other data has judged."""
LEFT = 0.15
"""Share of the squared error that trees must predict for much to be left to learn: rmse could then be 8% less at least.

Of networks that had learnt what there was it was -0.14 to 0.02 on the real tables where it was asked; of linear
networks 0.21 on California's house prices, and of linear networks, single units and vanishing learning rates 0.73 to
0.87 on curved targets of two columns. It too was read off these runs."""


@dataclass(frozen=True)
class Fit:
    """How a run did: errors are 0 when perfect, whatever the metric is.

    Arguments:
        metric: the main one.
        checks: what was looked at after training.
        score: the main score, or None.
        baselines: the main metric of each baseline, by name.
        plan: as run, or None.
    """

    metric: str
    checks: Checks
    score: Score | None
    baselines: Mapping[str, float]
    plan: Plan | None

    @property
    def train(self) -> float | None:
        """Error of single networks on rows learnt from."""
        value = self.checks.train.get(self.metric)
        return None if value is None else self.error(value)

    @property
    def judged(self) -> float | None:
        """Error of single networks on judged rows."""
        return None if self.checks.judged is None else self.error(self.checks.judged)

    def error(self, value: float) -> float:
        """Return a metric as an error."""
        return 1 - value if GREATER_IS_BETTER.get(self.metric, False) else value

    @property
    def surely(self) -> float | None:
        """Error at the better end of the score's interval."""
        ends = [self.score.low, self.score.high] if self.score is not None else []
        known = [self.error(end) for end in ends if end is not None]
        return min(known) if known else None

    def better(self) -> dict[str, float]:
        """Return the baselines that are surely better than the networks."""
        surely = self.surely
        return {} if surely is None else {n: v for n, v in self.baselines.items() if self.error(v) < surely}

    @property
    def things(self) -> str:
        """What was learnt from."""
        return "images" if self.checks.images else "rows"

    def both(self) -> str:
        """Say both errors."""
        train, judged = self.checks.train[self.metric] or 0.0, self.checks.judged or 0.0
        ours = f"{self.metric} {shown(train)} on {self.things} learnt from"
        return f"{ours}, {shown(judged)} on {self.things} not learnt from"


def is_close(train: float | None, judged: float | None, metric: str) -> bool:
    """Return whether the training error is nearly as high as the judged one.

    >>> is_close(0.9, 1.0, "rmse"), is_close(0.5, 1.0, "rmse"), is_close(0.8, 0.78, "accuracy")
    (True, False, True)
    """
    if train is None or judged is None:
        return False
    if GREATER_IS_BETTER.get(metric, False):
        train, judged = 1 - train, 1 - judged
    return train >= CLOSE * judged


@dataclass(frozen=True)
class Rise:
    """How the judged error rose again: since which epoch, from what to what, and by which share."""

    epoch: int
    lowest: float
    last: float
    share: float


def risen(members: Sequence[MemberRecord], curves: Mapping[str, np.ndarray], metric: str) -> Rise | None:
    """Return by how much the judged error surely rose since its lowest; None where it did not.

    Means over a tenth of the judgings are compared, so that no lucky epoch counts; three quarters of the networks must
    agree, and the median network's rise be three standard errors. Networks that stopped early kept their best numbers.
    """
    ran = [member.index for member in members if member.ended in ("finished", "interrupted") and member.epochs]
    error_JM, at = judged_errors(curves, metric)
    if error_JM is None or len(error_JM) < ENOUGH_JUDGINGS or not ran or max(ran) >= error_JM.shape[1]:
        return None
    stopped = [member for member in members if member.ended == "stopped early"]
    error_JM = error_JM[:, [m for m in ran if np.isfinite(error_JM[:, m]).all()]]
    if not error_JM.shape[1] or len(stopped) > len(ran):
        return None
    width = max(2, len(error_JM) // 10)
    smooth_WM = np.lib.stride_tricks.sliding_window_view(error_JM, width, axis=0).mean(axis=2)
    smooth_W = smooth_WM.mean(axis=1)
    best = int(smooth_W.argmin())
    if best + width > len(smooth_W) - 1 or not smooth_W[best] > 0:
        return None
    rise_M = smooth_WM[-1] - smooth_WM[best]
    noise_M = np.diff(error_JM[best:], axis=0).std(axis=0) / np.sqrt(2)
    unsure_M = np.maximum(noise_M * np.sqrt(2 / width), np.finfo(np.float64).tiny)
    share = float(smooth_W[-1] / smooth_W[best] - 1)
    if share < RISEN or (rise_M > 0).mean() < 0.75 or np.median(rise_M / unsure_M) < SURE:
        return None
    lowest, last = (1 - v if GREATER_IS_BETTER.get(metric, False) else v for v in (smooth_W[best], smooth_W[-1]))
    return Rise(int(at[best + width // 2]), float(lowest), float(last), share)


def overfitting(members: Sequence[MemberRecord], curves: Mapping[str, np.ndarray], fit: Fit) -> list[Finding]:
    """Say that the networks learnt the noise of their rows.

    A gap between training and judged error alone is no fault: networks that fit all their rows are often the best ones.
    The judged error must have risen again while the training error fell, or a simple model be surely better while the
    training error is less than half of the judged one.
    """
    train, judged = fit.train, fit.judged
    if train is None or judged is None or is_close(fit.checks.train[fit.metric], fit.checks.judged, fit.metric):
        return []
    rise = risen(members, curves, fit.metric)
    better = fit.better() if train < FAR * judged else {}
    if rise is None and not better:
        return []
    said = [fit.both()]
    if rise is not None:
        said.append(f"it was {shown(rise.lowest)} around epoch {rise.epoch} and {shown(rise.last)} at the end")
    said += [f"{name}: {shown(value)}" for name, value in better.items()]
    return [
        Finding(
            name="overfitting",
            fault=f"The networks overfit: they learnt the noise of their own {fit.things}, which helps on no other "
            f"{fit.things[:-1]}.",
            evidence="; ".join(said) + ".",
            cure=_simpler(fit, rise),
            members=tuple(member.index for member in members if member.usable),
        )
    ]


def _simpler(fit: Fit, rise: Rise | None) -> str:
    """Name what keeps networks from learning noise, of what the plan has not yet."""
    plan, ways = fit.plan, []
    if rise is not None:
        ways.append(f"stop earlier (--early-stopping, or --epochs {max(1, rise.epoch)})")
    if plan is None or (plan.hidden and not is_own(plan.net)):
        ways.append("take smaller layers (--hidden 32)" if plan is None or max(plan.hidden or (0,)) > 32 else "")
        ways.append("drop more (--dropout 0.3)" if plan is None or (plan.dropout or 0) < 0.3 else "")
    if plan is None or (plan.weight_decay or 0) < 0.1:
        ways.append("shrink the weights (--weight-decay 0.1 with --optimizer adamw)")
    if fit.checks.images and plan is not None and not plan.augment:
        ways.append("move images at random (--augment shift:2)")
    if "linear" in fit.better():
        ways.append("take the linear model, which is better (--net linear)")
    listed = [way for way in ways if way]
    return f"One of: {'; '.join(listed)}; or give more {fit.things} (--learning-curve shows what they bring)."


def underfitting(members: Sequence[MemberRecord], fit: Fit) -> list[Finding]:
    """Say that the networks did not learn what the columns hold: both errors are high, and close together.

    High is what few trees can better by 15% of the squared error, on rows that these trees did not see; or an
    error, on the very rows learnt from, above that of a simple model on rows that this did not see.
    """
    checks, train = fit.checks, fit.train
    if train is None or not is_close(checks.train[fit.metric], checks.judged, fit.metric):
        return []
    left = checks.left_over if checks.left_over is not None and checks.left_over >= LEFT else None
    better = {name: value for name, value in fit.better().items() if fit.error(value) < train}
    if left is None and not better:
        return []
    said = [fit.both()]
    if left is not None:
        said.append(f"a few trees predict {left:.0%} of what is left of the squared error, from the same inputs")
    said += [f"{name}: {shown(value)}" for name, value in better.items()]
    return [
        Finding(
            name="underfitting",
            fault=f"The networks underfit: they miss much of what their inputs say, on their own {fit.things} as well.",
            evidence="; ".join(said) + ".",
            cure=_stronger(fit.plan, members, images=fit.checks.images),
            members=tuple(member.index for member in members if member.usable),
        )
    ]


def _stronger(plan: Plan | None, members: Sequence[MemberRecord], *, images: bool) -> str:
    """Name what lets networks learn more, the likeliest first."""
    epochs = max((member.epochs for member in members), default=1)
    longer = f"train longer (--epochs {2 * epochs})"
    if plan is None:
        return f"One of: wider layers (--hidden 128,128); {longer}; a higher learning rate (--lr)."
    ways = []
    if images and plan.net in (None, "auto", "mlp", "linear") and plan.conv is None:
        ways.append("convolutions (--net cnn)")
    if is_own(plan.net):
        ways.append("a wider or deeper class of your own")
    elif not plan.hidden and plan.net != "cnn":
        ways.append("hidden layers, which bend (--hidden 128,128, or --net auto)")
    elif max(plan.hidden or (64,)) < 64:
        ways.append("wider layers (--hidden 128,128)")
    if plan.activation == "identity" and plan.hidden:
        ways.append("an activation that bends (--activation relu)")
    strict = {"--dropout": (plan.dropout or 0) > 0.3, "--weight-decay": (plan.weight_decay or 0) > 0.1}
    strict["--l1"] = bool(plan.l1)
    if any(strict.values()):
        ways.append(f"less of what holds weights back ({', '.join(flag for flag, is_on in strict.items() if is_on)})")
    usual, lr = TORCH_RATES.get(plan.optimizer or "adam", 0.001), plan.lr or 0.001
    ways.append(f"a higher learning rate (--lr {usual if lr < usual / 3 else 10 * lr:.3g})")
    return f"One of: {'; '.join(ways)}; {longer}."
