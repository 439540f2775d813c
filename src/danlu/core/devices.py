"""Which machine a run uses: device, number of threads, and the facts that decided the arithmetic."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from danlu.core.errors import PlanError
from danlu.core.launch import launched


def resolve(device: str = "auto") -> torch.device:
    """Return the torch device for `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    `auto` takes CUDA where there is one, else the CPU. Several processes of one machine take its GPUs in turn.

    Raises:
        PlanError: the device does not exist on this machine.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = device.partition(":")[0]
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind not in there:
        raise PlanError("`device` must be auto, cpu, cuda, cuda:N or mps", f"got {device!r}", "Use --device auto.")
    if not there[kind]:
        raise PlanError(
            f"`device` {device} must be on this machine", "PyTorch finds none", "Use --device cpu, or --device auto."
        )
    launch = launched()
    if device == "cuda" and not launch.alone:
        device = f"cuda:{launch.local_rank % torch.cuda.device_count()}"
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
    sums without making small networks faster. Several processes of one machine share its cores; that `torchrun` sets
    OMP_NUM_THREADS=1 for them makes no difference here. Denormals cost a hundred times an ordinary product, and weights
    that decay towards 0 pass through them. Where there is a GPU, only operations with the same bits in every run are
    allowed, and sums of bfloat16 products are kept in float32. What was set before is set again afterwards.
    """
    before = torch.get_num_threads()
    # A number below the least normal one becomes 0 where denormals are flushed.
    flushed = float(torch.tensor(1e-40) * 1) == 0
    torch.set_num_threads(threads or min(8, max(1, _cores() // launched().local_world)))
    torch.set_flush_denormal(True)
    try:
        with _exact_gpu() if torch.cuda.is_available() else nullcontext():
            yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(flushed)


@contextmanager
def _exact_gpu() -> Iterator[None]:
    """Let CUDA give the same bits in every run; the variable counts only before the first context is made."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    matmul = torch.backends.cuda.matmul
    deterministic, reduced = torch.are_deterministic_algorithms_enabled(), matmul.allow_bf16_reduced_precision_reduction
    torch.use_deterministic_algorithms(True)
    matmul.allow_bf16_reduced_precision_reduction = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        matmul.allow_bf16_reduced_precision_reduction = reduced


def _cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def facts(device: torch.device, threads: int) -> dict[str, str]:
    """Return what decided the arithmetic of a run, for its record."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    launch = launched()
    return {
        "device": str(device),
        "processor": name,
        "threads": str(threads),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        **({} if launch.alone else {"processes": str(launch.world)}),
    }
