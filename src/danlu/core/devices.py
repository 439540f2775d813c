"""Which machine a run uses: device, number of threads, and the facts that decided the arithmetic."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from danlu.core.errors import PlanError


def resolve(device: str = "auto") -> torch.device:
    """Return the torch device for `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    `auto` takes CUDA where there is one, else the CPU.

    Raises:
        PlanError: the device does not exist on this machine.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind = device.partition(":")[0]
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind not in there:
        raise PlanError("`device` must be auto, cpu, cuda, cuda:N or mps", f"got {device!r}", "Use --device auto.")
    if not there[kind]:
        raise PlanError(
            f"`device` {device} must be on this machine", "PyTorch finds none", "Use --device cpu, or --device auto."
        )
    chosen = torch.device(device)
    if kind == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise PlanError(
            f"`device` {device} must be on this machine",
            f"PyTorch finds {torch.cuda.device_count()} CUDA device(s)",
            "Use --device cuda.",
        )
    return chosen


@contextmanager
def arithmetic(threads: int | None = None) -> Iterator[int]:
    """Let tensors use so many CPU threads and flush denormals while the block runs; yield the number.

    `None` takes the cores that this process may run on, at most 8: more threads change the order of
    sums without making small networks faster. Denormals cost a hundred times an ordinary product, and weights
    that decay towards 0 pass through them. What was set before is set again afterwards.
    """
    before = torch.get_num_threads()
    # A number below the least normal one becomes 0 where denormals are flushed.
    flushed = float(torch.tensor(1e-40) * 1) == 0
    torch.set_num_threads(threads or min(8, _cores()))
    torch.set_flush_denormal(True)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(flushed)


def _cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def facts(device: torch.device, threads: int) -> dict[str, str]:
    """Return what decided the arithmetic of a run, for its record."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "device": str(device),
        "processor": name,
        "threads": str(threads),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
    }
