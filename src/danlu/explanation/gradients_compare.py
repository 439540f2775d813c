"""What differences say of a gradient: that it is right, at a kink, wrong, or that they cannot tell.

An entry is first moved by eps^(1/3) both ways. Where the quotient agrees with the gradient, that is that. Else its line
is looked at closely (`differences`): a mistake disagrees with quotients of all step sizes, here and at points nearby;
at a kink the sides differ, and nearby the gradient agrees.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from danlu.explanation.gradients_lines import LIFT, Line, Point, Sides, Slope, differences
from danlu.explanation.gradients_records import Entry, Verdict

CANCELLED = 256.0
"""Rounding errors of an analytic gradient, in units of epsilon times the largest one there is: what cancels leaves
that behind."""
CLOSE = 6
"""At most so many entries of a parameter are looked at closely; what disagrees beyond them is judged like most of
them."""
NEARBY = 0.01
"""How far points nearby are, as a share of what a parameter's entries usually are."""
ATTEMPTS = 3
FINE = 1e-12
"""Types with a larger epsilon are coarse: float32."""


@dataclass(eq=False)
class Look:
    """One line, looked at ever more closely."""

    line: Line
    entry: Entry
    sides: Sides | None = None
    nearby: list[Verdict] = field(default_factory=list)

    def smooth(self, tolerance: float) -> bool:
        """Whether it was looked at closely, and both sides have the same derivative."""
        return self.sides is not None and self.sides.smooth(tolerance)


def compare(
    point: Point, gradients: Mapping[str, Tensor | None], lines: Sequence[Line], tolerance: float, seed: int
) -> list[Entry]:
    """Return an entry for each line: analytic and numeric derivative, and the verdict.

    Arguments:
        gradients: of the point.
        tolerance: largest relative error that is right.
        seed: of the points nearby.
    """
    names = list(dict.fromkeys(line.name for line in lines))
    room = _Room(point, {name: gradients[name] for name in names}, tolerance)
    looks = [Look(line, _first(point, line, gradients[line.name], room)) for line in lines]
    doubtful: list[Look] = []
    for name in names:
        open_looks = [look for look in looks if look.line.name == name and look.entry.verdict != "right"]
        for look in open_looks[:CLOSE]:
            look.sides = differences(point, look.line, room.of[name])
            look.entry = _second(look, room)
        doubtful += [look for look in open_looks[:CLOSE] if look.entry.verdict == "wrong"]
    if doubtful:
        _look_nearby(point, doubtful, tolerance, seed)
    for look in doubtful:
        look.entry = look.entry.model_copy(update={"verdict": _third(look, room)})
    if blamed := [each for each in doubtful if each.entry.verdict in ("wrong", "unsure") and each.smooth(tolerance)]:
        _allow_for_rounding(point, blamed, room, seed)
    _judge_rest(looks)
    return [look.entry for look in looks]


class _Room:
    """What gradients may differ by at a point in any case.

    Attributes:
        tolerance: largest relative error.
        largest: of all analytic gradients: what is far below it need not be known so exactly.
        of: by leaf, what rounding leaves of what cancels. In float32, where steps are large and meet kinks, the errors
            of a leaf's entries are in addition relative to its largest gradient.
        coarse: whether it computes in float32.
    """

    def __init__(self, point: Point, gradients: Mapping[str, Tensor | None], tolerance: float) -> None:
        each = {name: _largest(gradient) for name, gradient in gradients.items()}
        self.tolerance, self.largest = tolerance, max(each.values(), default=0.0)
        self.coarse = point.epsilon > FINE
        cancelled = CANCELLED * point.epsilon * self.largest
        self.of = {name: cancelled + (tolerance * own if self.coarse else 0.0) for name, own in each.items()}


def relative(analytic: float, numeric: float, numeric_error: float, tolerance: float) -> float:
    """Return the relative error of `FORMULA`.

    >>> relative(1.0, 2.0, 0.0, 1e-6), relative(0.0, 0.0, 0.0, 1e-6), relative(0.0, 0.25, 0.5, 0.5)
    (0.5, 0.0, 0.25)
    """
    largest = max(abs(analytic), abs(numeric), numeric_error / tolerance)
    error = abs(analytic - numeric) / largest if largest else 0.0
    return error if math.isfinite(error) else math.inf


def _first(point: Point, line: Line, gradient: Tensor | None, room: _Room) -> Entry:
    """Take one central difference."""
    step = point.epsilon ** (1 / 3) * line.scale(point)
    (after, forth), (before, back) = line.at(point, step), line.at(point, -step)
    step = (forth - back) / 2
    change = after - before
    numeric = float(change.sum()) / (2 * step) + 0.0
    moved = (after.abs() + before.abs())[change != 0]
    noise = LIFT * point.epsilon * float(moved.sum()) / (2 * step)
    return _entry(line, line.slope(gradient), Slope(numeric, noise + room.of[line.name], step), room.tolerance)


def _entry(line: Line, analytic: float, numeric: Slope, tolerance: float, sides: Sides | None = None) -> Entry:
    error = relative(analytic, numeric.value, numeric.error, tolerance)
    return Entry(
        index=line.index,
        analytic=analytic,
        numeric=numeric.value,
        numeric_error=numeric.error,
        error=error,
        step=numeric.step,
        verdict="right" if error <= tolerance else "wrong",
        left=None if sides is None else sides.left.value,
        right=None if sides is None else sides.right.value,
    )


def _second(look: Look, room: _Room) -> Entry:
    """Judge by the best of all step sizes; "wrong" means here that it may be a kink as well."""
    sides, analytic = look.sides, look.entry.analytic
    assert sides is not None
    entry = _entry(look.line, analytic, sides.central, room.tolerance, sides)
    enough = room.tolerance * max(abs(analytic), abs(sides.central.value), room.largest)
    told = sides.central.error <= enough + room.of[look.line.name]
    if not math.isfinite(sides.central.error) or (entry.verdict == "right" and not told):
        return entry.model_copy(update={"verdict": "unsure"})
    if entry.verdict == "right" and not sides.smooth(room.tolerance):
        return entry.model_copy(update={"verdict": "kink"})
    return entry


def _third(look: Look, room: _Room) -> Verdict:
    """Tell a mistake from a kink by what points nearby say."""
    sides, analytic = look.sides, look.entry.analytic
    assert sides is not None
    if look.nearby.count("wrong") >= (ATTEMPTS if room.coarse else 1):
        return "wrong"
    if not sides.smooth(room.tolerance):
        return "kink" if sides.between(analytic, room.tolerance) else "unsure"
    if "right" in look.nearby or room.coarse:
        return "unsure"  # Right around here and wrong just here.
    return "wrong" if abs(analytic - sides.central.value) > 3 * sides.central.error else "unsure"


def _allow_for_rounding(point: Point, looks: Sequence[Look], room: _Room, seed: int) -> None:
    """Judge mistakes once more, with what rounding does to analytic gradients: it shows when leaves move by an epsilon.

    Normalisation of values that are nearly equal multiplies rounding by hundreds, layer after layer.
    """
    scatter = dict.fromkeys(looks, 0.0)
    with _put_back(point) as before:
        generator = torch.Generator().manual_seed(seed)
        for _ in range(ATTEMPTS):
            for name, leaf in point.leaves.items():
                factor = torch.randn(leaf.shape, generator=generator, dtype=torch.float64) * (4 * point.epsilon)
                leaf.copy_(before[name] * (1 + factor.to(leaf)))
            gradients = point.gradients()
            for look in looks:
                moved = abs(look.line.slope(gradients[look.line.name]) - look.entry.analytic)
                scatter[look] = max(scatter[look], moved)
    for look in looks:
        assert look.sides is not None
        central = replace(look.sides.central, error=look.sides.central.error + 4 * scatter[look])
        look.sides = replace(look.sides, central=central)
        again = _second(look, room)
        look.entry = look.entry if again.verdict == "wrong" else again


@contextmanager
def _put_back(point: Point) -> Iterator[dict[str, Tensor]]:
    """Let the point be moved, and put it back; yield what its leaves are."""
    before = {name: leaf.clone() for name, leaf in point.leaves.items()}
    try:
        yield before
    finally:
        for name, leaf in point.leaves.items():
            leaf.copy_(before[name])


def _look_nearby(point: Point, looks: Sequence[Look], tolerance: float, seed: int) -> None:
    """Note what each line's derivatives say at a few points nearby, where no kink lies but by chance."""
    with _put_back(point) as before:
        generator = torch.Generator().manual_seed(seed)
        for _ in range(ATTEMPTS):
            for name, leaf in point.leaves.items():
                usual = float(before[name].double().square().mean().sqrt()) if leaf.numel() else 0.0
                noise = torch.randn(leaf.shape, generator=generator, dtype=torch.float64).to(leaf)
                leaf.copy_(before[name] + noise * (NEARBY * (usual or 1.0)))
            gradients = point.gradients()
            room = _Room(point, gradients, tolerance)
            for look in (each for each in looks if room.coarse or "wrong" not in each.nearby):
                look.nearby.append(_there(point, look.line, gradients[look.line.name], room))


def _there(point: Point, line: Line, gradient: Tensor | None, room: _Room) -> Verdict:
    """Return whether the derivatives agree at the point as it stands."""
    entry = _first(point, line, gradient, room)
    if entry.verdict == "right":
        return "right"
    look = Look(line, entry, differences(point, line, room.of[line.name]))
    assert look.sides is not None
    entry = _second(look, room)
    if entry.verdict != "wrong":
        return entry.verdict
    told = abs(entry.analytic - entry.numeric) > 3 * entry.numeric_error
    return "wrong" if look.sides.smooth(room.tolerance) and told else "unsure"


def _judge_rest(looks: Sequence[Look]) -> None:
    """Judge the entries that were too many for a close look like most of those of their leaf that had one."""
    for look in looks:
        if look.entry.verdict != "wrong" or look.sides is not None:
            continue
        judged = [o.entry.verdict for o in looks if o.line.name == look.line.name and o.sides is not None]
        usual = max(set(judged), key=lambda verdict: (judged.count(verdict), verdict))
        look.entry = look.entry.model_copy(update={"verdict": usual})


def _largest(gradient: Tensor | None) -> float:
    return float(gradient.abs().max()) if gradient is not None and gradient.numel() else 0.0
