"""Several processes that `torchrun` started: how they meet, what they tell each other, and how all end alike.

Over the wire go tensors and JSON, never pickles. One rule keeps processes from waiting for each other in vain: what
they do together begins with `agree`, and a process that has an error tells it with `agree` too. So each finds the
others at the same call, whatever happened to them.
"""

from __future__ import annotations

import atexit
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from typing import Any

import torch
import torch.distributed as dist

from danlu.core import errors
from danlu.core.errors import DanluError, PlanError, TrainingError
from danlu.core.launch import launched

MEET = timedelta(minutes=10)
"""How long processes wait for each other at the beginning."""
WAIT = timedelta(hours=24)
"""How long one that has trained its share waits for the slowest. One that has ended is noticed at once."""
PART = timedelta(seconds=30)
"""How long the others wait, at the end, for the first to say what went wrong."""
SETTLED = "Every process ends with this error."


def tell_all(message: Any) -> list[Any]:
    """Send a JSON value to all processes, and return the values of all, in the order of their ranks.

    Raises:
        TrainingError: a process has ended, or cannot be reached.
    """
    text = torch.frombuffer(bytearray(json.dumps(message).encode()), dtype=torch.uint8)
    with _speaking() as group:
        world = dist.get_world_size(group)
        length_W = [torch.zeros(1, dtype=torch.int64) for _ in range(world)]
        dist.all_gather(length_W, torch.tensor([len(text)]), group=group)
        longest = max(int(length) for length in length_W)
        text_W = [torch.zeros(longest, dtype=torch.uint8) for _ in range(world)]
        dist.all_gather(text_W, torch.nn.functional.pad(text, (0, longest - len(text))), group=group)
    return [json.loads(each[: int(n)].numpy().tobytes()) for each, n in zip(text_W, length_W, strict=True)]


def broadcast(tensor: torch.Tensor, source: int) -> torch.Tensor:
    """Fill a contiguous tensor of the CPU with that of one process, byte by byte, and return it.

    Raises:
        TrainingError: a process has ended, or cannot be reached.
    """
    if tensor.numel():
        with _speaking() as group:
            dist.broadcast(tensor.view(-1).view(torch.uint8), source, group=group)
    return tensor


def agree(error: Exception | None = None) -> None:
    """Wait for all processes; if any has an error, raise that of the lowest rank in every one of them."""
    try:
        statements = tell_all(_statement(error))
    except TrainingError:
        if error is None:
            raise
        error.add_note(SETTLED)
        raise error from None
    failed = [rank for rank, statement in enumerate(statements) if statement is not None]
    if not failed:
        return
    rank = failed[0]
    own = error if rank == launched().rank else None
    common = own or _restored(rank, statements[rank])
    common.add_note(SETTLED)
    raise common


@contextmanager
def agreed() -> Iterator[None]:
    """Let every process leave the block in the same way: all without an error, or all with the same one."""
    if launched().alone:
        yield
        return
    try:
        yield
    except Exception as error:
        if not is_settled(error):
            agree(error)
        raise
    agree()


def is_settled(error: BaseException) -> bool:
    """Return whether the other processes know of this error, or cannot be told any more."""
    return SETTLED in getattr(error, "__notes__", ())


def settle(error: Exception) -> Exception:
    """Tell the others of an error that ends this process, and return the one that all end with."""
    if is_settled(error):
        return error
    try:
        agree(error)
    except Exception as common:
        return common
    return error


def part() -> None:
    """Wait until all have come here: `torchrun` stops the others as soon as one has ended with an error."""
    if _gone:
        return
    with suppress(RuntimeError, DanluError), _speaking() as group:
        waiting = dist.barrier(group=group, async_op=True)
        assert waiting is not None
        waiting.wait(PART)


_gone: list[str] = []
"""Why the others can no longer be reached, if they cannot."""


@contextmanager
def _speaking() -> Iterator[dist.ProcessGroup]:
    """Yield the group of all processes, and say so where it breaks while the block runs."""
    try:
        yield _group()
    except RuntimeError as broken:
        _gone.append(str(broken))
        error = TrainingError(
            "every process must stay until the end",
            "one has ended, or cannot be reached",
            "Its own message or the report of torchrun says why. Start all of them again.",
        )
        error.add_note(SETTLED)
        raise error from broken


@cache
def _group() -> dist.ProcessGroup:
    """Return a group of our own, on the CPU; the first call meets the others."""
    if not dist.is_available():
        raise PlanError(
            "several processes must have a PyTorch that can connect them",
            "this one was built without torch.distributed",
            "Start danlu without torchrun.",
        )
    ours = not dist.is_initialized()
    if ours:
        dist.init_process_group("gloo", timeout=MEET)
    atexit.register(_close, ours)
    group = dist.new_group(backend="gloo", timeout=WAIT)
    assert isinstance(group, dist.ProcessGroup)
    return group


def _close(ours: bool) -> None:
    """Let go of the connections: a thread of theirs that outlives the interpreter would abort the process."""
    _group.cache_clear()
    if ours and dist.is_initialized():
        dist.destroy_process_group()


def _statement(error: Exception | None) -> dict[str, str] | None:
    """Return an error as JSON."""
    if error is None:
        return None
    if not isinstance(error, DanluError):
        return {"said": f"{type(error).__name__}: {error}"}
    return {"type": type(error).__name__, "rule": error.rule, "fact": error.fact, "remedy": error.remedy}


def _restored(rank: int, statement: dict[str, str]) -> Exception:
    """Return the error of another process: of the same class, so that the exit code is the same."""
    if "said" in statement:
        return RuntimeError(f"process {rank}: {statement['said']}")
    kind = getattr(errors, statement["type"])
    assert issubclass(kind, DanluError)
    return kind(statement["rule"], statement["fact"], statement["remedy"])
