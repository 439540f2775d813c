"""The bars: what is measured, beside what, and how many times as long it may last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ours import LAYERS, LOW, Inlined, Measurement, Population, images, plain_loop, product_rate

WIDTHS = (32, 64, 128, 256)
MANY, FEW = 20, 5


@dataclass(frozen=True)
class Bar:
    """One bar: `ours` may last at most `most` times as long as `theirs`.

    Arguments:
        name: for `--only`.
        case: said in the tables.
        ours: names of measurements; the quickest is judged.
        theirs: name of the measurement beside it.
        most: the largest ratio; of a share, the least one.
        factor: what `ours` is multiplied by.
        share: the ratio is turned over: theirs / ours, at least `most`.
    """

    name: str
    case: str
    ours: tuple[str, ...]
    theirs: str
    most: float
    factor: float = 1
    share: bool = False

    @property
    def says(self) -> str:
        """The bar in a word."""
        return f">= {self.most:g}" if self.share else f"<= {self.most:g}"

    def judge(self, least: Mapping[str, float]) -> dict[str, object] | None:
        """Return the row of the table from the least seconds of each measurement; None where one was not taken."""
        taken = {name: least[name] for name in self.ours if name in least}
        if not taken or self.theirs not in least:
            return None
        best = min(taken, key=lambda name: taken[name])
        ours, theirs = taken[best] * self.factor, least[self.theirs]
        ratio = theirs / ours if self.share else ours / theirs
        held = ratio >= self.most if self.share else ratio <= self.most
        return {
            "name": self.name, "case": self.case, "bar": self.says, "ratio": ratio, "held": held, "ours": best,
            "ours_seconds": ours, "theirs": self.theirs, "theirs_seconds": theirs,
            "all_ours": {name: seconds * self.factor for name, seconds in taken.items()},
        }  # fmt: skip


def many(hidden: int) -> str:
    """Return the name of the measurement of 20 members."""
    return f"danlu {hidden} x{MANY} {LOW}"


def single(hidden: int) -> tuple[str, ...]:
    """Return the names of the measurements of one member: in float32, and in bfloat16 where the machine has it."""
    return tuple(f"danlu {hidden} x1 {precision}" for precision in dict.fromkeys(("float32", LOW)))


FASHION = tuple(f"danlu images {precision}" for precision in dict.fromkeys(("float32", LOW)))

BARS = (
    Bar("torch", f"64 units, {MANY} members: PyTorch", (many(64),), "torch 64", 0.2),
    Bar("scikit-learn", f"64 units, {MANY} members: scikit-learn", (many(64),), "scikit-learn 64", 0.125),
    Bar("jax-64", f"64 units, {MANY} members: JAX", (many(64),), "jax 64", 0.7),
    Bar("jax-32", f"32 units, {MANY} members: JAX", (many(32),), "jax 32", 0.8),
    Bar("jax-128", f"128 units, {MANY} members: JAX", (many(128),), "jax 128", 0.8),
    Bar("jax-256", f"256 units, {MANY} members: JAX", (many(256),), "jax 256", 0.8),
    Bar("dropout", "dropout 0.2, preparation: without", ("danlu dropout",), many(64), 1.25),
    Bar("dropout-anew", "the same, each batch prepared anew", ("danlu dropout anew",), many(64), 1.25),
    Bar("batch-norm", "batch norm: without", ("danlu batch norm",), many(64), 1.6),
    Bar("share-128", "128 units: share of bmm's speed", (many(128),), "bmm 128", 0.4, share=True),
    Bar("share-256", "256 units: share of bmm's speed", (many(256),), "bmm 256", 0.4, share=True),
    *(Bar(f"one-{h}", f"{h} units, 1 member: PyTorch", single(h), f"torch {h}", 1.2) for h in WIDTHS),
    Bar("five", f"64 units, {FEW} members: one in PyTorch", (f"danlu 64 x{FEW} {LOW}",), "torch 64", 2.0, factor=FEW),
    Bar("images", "784-256-10, an epoch: JAX", FASHION, "jax images", 1.0),
    Bar("front-door", "`train`: loop written out by hand", ("danlu front door",), "by hand", 1.05),
    Bar("module", "a user's module: stacked layers", ("danlu module",), "danlu stacked", 1.5),
)

Make = Callable[[], Measurement | None]
Ask = Callable[..., Measurement | None]
"""Asks the peers' server: (tool, ...) -> the measurement, or None where the tool is absent."""


def epochs(hidden: int, members: int) -> int:
    """Return how many epochs of 80 steps a training takes: a quarter of a second or more on two cores."""
    enough = 3 if members > FEW else 6 if members > 1 else 12
    return enough // 3 if hidden >= 256 else enough


def population(hidden: int, members: int, precision: str = LOW, **settings: Any) -> Population:
    """Return members with hidden layers of one width."""
    return Population((hidden,) * LAYERS, members, precision, epochs=epochs(hidden, members), **settings)


def width_group(hidden: int, ask: Ask) -> dict[str, Make]:
    """Return what is measured for networks of one width, in turn."""
    case = {"hidden": hidden, "layers": LAYERS}
    group: dict[str, Make] = {
        many(hidden): lambda: population(hidden, MANY),
        f"torch {hidden}": lambda: plain_loop(hidden),
        f"jax {hidden}": lambda: ask("jax", members=MANY, repeat=2, **case),
        f"bmm {hidden}": lambda: product_rate(hidden),
        f"scikit-learn {hidden}": lambda: ask("scikit-learn", **case),
    }
    return group | {name: partial(population, hidden, 1, name.split()[-1]) for name in single(hidden)}


def groups(ask: Ask) -> dict[str, dict[str, Make]]:
    """Return what is measured by title, in groups whose measurements are taken in turn."""
    width = {hidden: width_group(hidden, ask) for hidden in WIDTHS}
    prepared = {"scale": "robust", "dropout": 0.2}
    width[64] |= {
        "danlu dropout": lambda: population(64, MANY, **prepared),
        "danlu dropout anew": lambda: population(64, MANY, **prepared, stored=False),
        "danlu batch norm": lambda: population(64, MANY, batch_norm="hidden"),
        f"danlu 64 x{FEW} {LOW}": lambda: population(64, FEW),
    }
    in_images: dict[str, Make] = {name: partial(images, name.split()[-1]) for name in FASHION}
    return {f"{hidden} units": group for hidden, group in width.items()} | {
        "784-256-10": in_images | {"jax images": lambda: ask("jax images")},
        "the front door": front_door(),
        "a user's module": modules(),
    }


def front_door() -> dict[str, Make]:
    """Return `train` and the loop written out by hand on the same population."""
    built: list[Population] = []

    def shared() -> Population:
        if not built:
            built.append(population(64, MANY))
        return built[0]

    return {"danlu front door": shared, "by hand": lambda: Inlined(shared())}


def modules() -> dict[str, Make]:
    """Return an equal network as a user's own module beside the stacked layers, in float32 as it is by default."""
    return {
        "danlu module": lambda: population(64, MANY, "float32", module=True),
        "danlu stacked": lambda: population(64, MANY, "float32"),
    }
