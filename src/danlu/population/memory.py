"""What training needs of memory, and the waves that a population is trained in where that is more than there is.

A member's result does not depend on which others it trains beside, so any division gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.core.errors import TrainingError
from danlu.core.plan import Plan
from danlu.networks import Network, Prepared, Program
from danlu.networks import Step as NetworkStep
from danlu.population.batches import Deck, Rows, Shelf
from danlu.population.captured import bucket
from danlu.population.curves import CHUNK, judged_epochs
from danlu.population.engine import SHORT
from danlu.population.feed import BLOCK
from danlu.population.members import Members
from danlu.population.optimizers import make_optimizer
from danlu.population.room import VARIABLE, Room, written


@dataclass(frozen=True)
class Need:
    """Bytes that training takes at once, by what they are for."""

    weights: int
    """Weights and running moments: now, before the stretch, the best, and what is kept in the end."""
    optimizer: int
    """Its tensors, now and before the stretch, and the spare one."""
    passes: int
    """What the training pass keeps between its operations, and the gradient."""
    batches: int
    """Rows as members see them, and the tables that steps read."""
    orders: int
    """The order of rows of an epoch, and of what is judged."""
    judging: int
    """What the passes over judged, watched and test rows keep."""
    curves: int
    passing: int
    """What operations, the next order of rows, and the compaction of ended members need for a moment."""

    @property
    def total(self) -> int:
        """All of it."""
        return sum(getattr(self, f.name) for f in fields(self))


class Dry(Program):
    """A program that runs nothing: a pass then only makes its tensors, which on the device "meta" take no memory."""

    def __init__(self) -> None:
        super().__init__(record=False)

    def __call__(self, operation: Callable[..., Any], *_: Any, **named: Any) -> Any:
        """Return where the operation would have written to."""
        return named.get("out", getattr(operation, "__self__", None))


class Meter:
    """Measures what some members of a population need.

    Arguments:
        network, shelf, rows, members, plan: as `train` takes them.
    """

    def __init__(self, network: Network, shelf: Shelf, rows: Rows, members: Members, plan: Plan) -> None:
        self.network, self.shelf, self.members, self.plan = network, shelf, members, plan
        self.device = shelf.matrices.x_NF.device
        self.item = members.lr.element_size()
        self.deck = Deck(rows.fit, None, plan.batch_size or "all", like=members.lr, single=not network.state_size)
        watched = rows.watched if plan.early_stopping else None
        test = None if rows.test is None else [rows.test] * len(rows.fit)
        given = [r for r in (rows.judged, watched, test) if r is not None and any(len(part) for part in r)]
        self.judged = [Deck(r, None, CHUNK, like=members.lr) for r in given]
        self.optimizer = make_optimizer(plan, members)
        self.low = plan.precision == "bfloat16"
        self.dropout = bool((members.dropout > 0).any())
        self.ends_apart = bool(plan.early_stopping) or len(set(members.epochs)) > 1

    def __call__(self, index: Sequence[int] | None = None) -> Need:
        """Return what some members need; all of them by default."""
        chosen = range(self.members.count) if index is None else index
        fold_M = self.members.fold_M.tolist()
        members, folds = bucket(len(chosen), self.device), {fold_M[i] for i in chosen}
        steps_K = self.deck.steps_K[list(folds)]
        uneven = int(steps_K.min() != steps_K.max())
        slots, flat = len(self.optimizer.slots), members * self.item * self.network.size
        weights = members * self.item * (self.network.size + self.network.state_size)
        orders, next_order = self._orders(len(folds))
        passes, largest = self._pass
        judging = [self._evaluation(deck.width) for deck in self.judged]
        batches, gathered = self._batches(members)
        moment = 2 * members * max([largest, *(most for _, most in judging)]) + gathered + flat
        # What was before the last stretch is there until the next one has ended.
        again = weights + flat * slots
        # Where ended members leave, all tensors of the others are made anew, while the old ones are still there.
        leaving = (weights + flat * (slots + 2) + batches + members * passes) * self.ends_apart
        return Need(
            weights=weights * (3 + uneven + bool(self.plan.early_stopping)),
            optimizer=flat * (slots * (2 + uneven) + 1),
            passes=members * passes,
            batches=batches + self._split_shelf,
            orders=orders,
            judging=members * sum(kept for kept, _ in judging),
            curves=self._curves(len(chosen)),
            passing=again + max(moment, next_order, leaving),
        )

    # The parts

    @cached_property
    def _pass(self) -> tuple[int, int]:
        """Return the bytes that the training pass of one member keeps, and those of its largest tensor."""
        step = self._step(self.deck.width, torch.device("meta"))
        kept, largest = self._kept(self.deck.width, step)
        return kept + self._by_autograd(self.deck.width), largest

    def _step(self, rows: int, device: torch.device) -> NetworkStep:
        """Return a training step of one member."""
        like = torch.ones(1, dtype=self.members.lr.dtype, device=device)
        moments = bool(self.network.state)
        return NetworkStep(
            training=True,
            share_MB1=(like / rows).expand(rows).view(1, rows, 1) if moments else None,
            rows_M11=(like * rows).view(1, 1, 1) if moments else None,
            seeds_M2=torch.zeros(1, 2, dtype=torch.int32, device=device) if self.dropout else None,
            dropped_M=torch.zeros(1, dtype=torch.uint8, device=device) if self.dropout else None,
            kept_M11=like.view(1, 1, 1) if self.dropout else None,
        )

    def _by_autograd(self, rows: int) -> int:
        """Return the bytes that torch keeps for the way back through a user's own module; 0 of our own layers.

        They grow with the rows, and are counted in two small passes that are really taken.
        """
        if type(self.network) is Network:
            return 0
        few, more = self._saved(32), self._saved(64)
        return max(few, more + (more - few) * (rows - 64) // 32)

    def _saved(self, rows: int) -> int:
        """Return the bytes that torch keeps for the way back, of one member and so many rows."""
        network, dtype, kept = self.network, self.members.lr.dtype, dict[int, Tensor]()
        columns = self._inputs(False, dtype)[1]
        run = network.bind(*network.initial([0], dtype), gradient=True)
        inputs = Prepared(
            torch.zeros(1, rows, self.shelf.preparation.input_width, dtype=dtype),
            torch.zeros(1, rows, columns, dtype=torch.int64),
        )

        def keep(tensor: Tensor) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            run.forward(inputs, self._step(rows, torch.device("cpu")))
        return sum(_bytes(tensor) for tensor in kept.values())

    def _evaluation(self, width: int) -> tuple[int, int]:
        """Return the same of a pass in evaluation mode."""
        return self._kept(width, NetworkStep(training=False))

    def _kept(self, width: int, step: NetworkStep) -> tuple[int, int]:
        """Return the bytes that one member's pass keeps between its operations, and those of its largest tensor.

        The pass is laid out on the device "meta", as it would be on this one, and nothing is computed.
        """
        network, dtype, dry = self.network, self.members.lr.dtype, Dry()
        weights_1P = torch.zeros(1, network.size, dtype=dtype, device="meta")
        state_1S = torch.zeros(1, network.state_size, dtype=dtype, device="meta")
        run = network.bind(weights_1P, state_1S, gradient=step.training, low=self.low and step.training)
        inputs, columns, kind = self._inputs(step.training and run.split, dtype)
        x = torch.zeros(1, width, inputs, dtype=kind, device="meta")
        slots = torch.zeros(1, width, columns, dtype=torch.int64, device="meta")
        outputs = run.forward(Prepared(x, slots), step, dry)
        if step.training:
            run.backward(outputs.new_zeros(outputs.shape))
        kept = {t.untyped_storage()._cdata: t for space in run.spaces for t in space.kept.values()}
        kept = {place: t for place, t in kept.items() if place not in _places(weights_1P, x, slots)}
        sizes = [_bytes(t) for t in [*kept.values(), run.gradient_MP]]
        slope = _bytes(outputs) if step.training else 0
        return sum(sizes) + slope, max(sizes)

    def _inputs(self, split: bool, dtype: torch.dtype) -> tuple[int, int, torch.dtype]:
        """Return how many numbers and embedded columns a prepared row has, and the type of its numbers."""
        layout = self.shelf.preparation.layout
        width, columns = self.shelf.preparation.input_width, sum(1 for column in layout.codes if column.width)
        return (width + len(layout.numbers), columns, torch.bfloat16) if split else (width, columns, dtype)

    @property
    def _is_split(self) -> bool:
        one = torch.zeros(1, self.network.size, device="meta")
        state = torch.zeros(1, self.network.state_size, device="meta")
        return self.network.bind(one, state, low=self.low).split

    def _row(self, split: bool) -> int:
        """Return the bytes of one row of a batch: numbers, slots, target and share."""
        inputs, columns, kind = self._inputs(split, self.members.lr.dtype)
        y = self.shelf.matrices.y
        target = (y.shape[1] if y.dim() > 1 else 1) * (self.item if self.shelf.numeric else 8)
        return inputs * kind.itemsize + columns * 8 + target + self.item

    def _batches(self, members: int) -> tuple[int, int]:
        """Return the bytes of batches and of tables for steps, and those that gathering takes for a moment."""
        widths, split = {deck.width for deck in self.judged}, self._is_split
        rows = members * (self.deck.width * self._row(split) + sum(widths) * self._row(False))
        steps = int(self.deck.steps_K.max())
        stretch = members * max(SHORT, steps)
        numbers = self.item * (len(self.optimizer.names) + 1 + (not self.shelf.numeric)) + 8
        fixed = self.deck.constant(range(len(self.deck.rows_K)))
        laid = 0 if fixed else members * self.deck.width * ((8 + self.item) * min(BLOCK, steps) + 8)
        # Places of rows, and errors in float64: a few numbers of 8 bytes for each output.
        widest, outputs = max([self.deck.width, *widths]), self.network.spec.outputs
        gathered = members * widest * 8 * (1 + 2 * outputs)
        if self.shelf.stored is None:
            gathered += 2 * members * widest * self._row(False)
        # Of classes: the greatest output, which it is, whether that is right, and the row's share then.
        right = 0 if self.shelf.numeric else members * self.deck.width * (2 * self.item + 9)
        return rows + stretch * numbers + laid + right, gathered

    @property
    def _split_shelf(self) -> int:
        """Return the bytes of all prepared rows once more, split for products in bfloat16."""
        if self.shelf.stored is None or "stored_low" in vars(self.shelf) or not self._is_split:
            return 0
        inputs, _, kind = self._inputs(True, self.members.lr.dtype)
        return len(self.shelf.stored[0].x_KBD) * inputs * kind.itemsize

    def _orders(self, folds: int) -> tuple[int, int]:
        """Return the bytes of the orders of rows that are kept, and those that the next one takes for a moment."""
        sizes = [int(deck.steps_K.max()) * deck.width * (8 + 2 * self.item) for deck in (self.deck, *self.judged)]
        return folds * sum(sizes), folds * 2 * max(sizes)

    def _curves(self, members: int) -> int:
        """Return the bytes of losses, accuracies, rates and judgings."""
        epochs, curves = max(self.members.epochs), 2 if self.shelf.numeric else 3
        return 8 * members * (curves * epochs + 3 * len(judged_epochs(epochs, self.plan.judge_every)))


def need(network: Network, shelf: Shelf, rows: Rows, members: Members, plan: Plan) -> Need:
    """Return what training a whole population at once takes of memory.

    Arguments:
        network, shelf, rows, members, plan: as `train` takes them; the shelf's own bytes are not counted.
    """
    return Meter(network, shelf, rows, members, plan)()


def _bytes(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes()


def _places(*tensors: Tensor) -> set[int]:
    """Return what tells the storages of tensors on the device "meta" apart: they all lie at address 0."""
    return {tensor.untyped_storage()._cdata for tensor in tensors}


def waves(meter: Meter, given: Room | None) -> list[list[int]]:
    """Divide the members of a population into as few waves as fit, of equal sizes as far as possible.

    Arguments:
        meter: says what members need.
        given: what may be taken; None: not known, one wave.

    Raises:
        TrainingError: not even one member fits.
    """
    everyone = list(range(meter.members.count))
    if given is None:
        return [everyone]
    count = 1
    while True:
        parts = [part.tolist() for part in np.array_split(everyone, count)]
        most = max(meter(part).total for part in (parts[0], parts[-1]))
        if most <= given.bytes:
            return parts
        if count == len(everyone):
            raise too_large(most, given.words)
        # What a wave needs grows at most as its members do, so fewer waves than this cannot fit.
        count = min(len(everyone), max(count + 1, int(count * _growth(meter, parts[0], given.bytes))))


def _growth(meter: Meter, part: list[int], most: int) -> float:
    """Return how many times as many waves are needed at least, by the bytes of one member more."""
    alone, whole = meter(part[:1]).total, meter(part).total
    each = (whole - alone) / max(1, len(part) - 1)
    fitting = 1 + max(0.0, (most - alone) / each) if each > 0 else 1.0
    return len(part) / (fitting + 1)


def too_large(needed: float | None, words: str) -> TrainingError:
    """Say that one network does not fit.

    Arguments:
        needed: bytes that it needs, or None where memory ran out though it seemed enough.
        words: what there is.
    """
    fact = "memory ran out with one network alone" if needed is None else f"it needs {written(needed)}; {words}"
    return TrainingError(
        "the memory must hold at least one network while it trains",
        fact,
        f"Use smaller layers (--hidden) or smaller batches (--batch-size); {VARIABLE}=8GB allows more by hand.",
    )


def ran_out(error: BaseException) -> bool:
    """Return whether an error says that memory could not be had."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(said in text for said in _SAID)


_SAID = ("can't allocate memory", "not enough memory", "out of memory", "cannot allocate memory")
