"""How much memory training may take: what is free, or what the user says."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from danlu.core.errors import PlanError
from danlu.core.launch import launched

try:
    import resource
except ImportError:  # Windows has no limits of this kind
    resource = None

SHARE = 0.7
"""Share of the free memory that training may take: libraries have tensors of their own, and other programs grow."""
VARIABLE = "DANLU_MEMORY"
"""Environment variable that says how much training may take, instead of what is free."""


@dataclass(frozen=True)
class Room:
    """Bytes that training may take, and how that came about, in words."""

    bytes: int
    words: str


def room(device: torch.device) -> Room | None:
    """Return how much training may take on a device; None where that is not known.

    The environment variable DANLU_MEMORY ("4GB", "512MB", "2GiB") decides where it is set; else 70% of what is free.

    Raises:
        PlanError: the variable holds no amount of memory.
    """
    if given := os.environ.get(VARIABLE, "").strip():
        return Room(amount(given), f"{VARIABLE} allows {written(amount(given))}")
    free = free_on(device)
    if free is None:
        return None
    beside = launched().local_world
    if device.type == "cuda":
        beside = -(-beside // torch.cuda.device_count())
    shared = f" by {beside} processes together" if beside > 1 else ""
    return Room(int(SHARE * free) // beside, f"{written(free)} are free, and {SHARE:.0%} of that may be used{shared}")


def free_on(device: torch.device, root: Path = Path("/")) -> int | None:
    """Return the bytes that this process may still take on a device; None where that is not known.

    On Linux the least of what the machine has, what the control groups of the process leave, and its own limits.
    """
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # torch's own, to be used again
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type != "cpu":
        return None
    known = [left for left in (_available(root), *_groups(root), *_limits(root)) if left is not None]
    return max(0, min(known)) if known else None


def _available(root: Path) -> int | None:
    """Return what the kernel says programs can still take without swapping."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _groups(root: Path) -> list[int | None]:
    """Return what is left in the control groups of this process, version 1 or 2, and in those around them."""
    left: list[int | None] = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, names = "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            base = "sys/fs/cgroup/memory"
        else:
            continue
        # In a container the path may be that of the host, and the group itself is mounted as the root.
        inner = Path(path.lstrip("/"))
        left += [_left_in(root / base / part, *names) for part in dict.fromkeys([inner, *inner.parents, Path()])]
    return left


def _left_in(group: Path, limit: str, used: str, cached: str) -> int | None:
    """Return what is left in one control group; files that are only cached in memory make way."""
    most, now = _read(group / limit).strip(), _read(group / used).strip()
    if not most.isdigit() or not now.isdigit():
        return None
    found = re.search(rf"^{cached} (\d+)", _read(group / "memory.stat"), re.MULTILINE)
    return int(most) - int(now) + (int(found[1]) if found else 0)


def _limits(root: Path) -> list[int | None]:
    """Return what the limits of this process (`ulimit -v`, `ulimit -d`) leave of addresses and of data."""
    taken = _read(root / "proc/self/statm").split()
    if resource is None or len(taken) < 6:
        return []
    left: list[int | None] = []
    for name, pages in (("RLIMIT_AS", taken[0]), ("RLIMIT_DATA", taken[5])):
        most = resource.getrlimit(getattr(resource, name))[0]
        left.append(None if most == resource.RLIM_INFINITY else most - int(pages) * resource.getpagesize())
    return left


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def amount(text: str) -> int:
    """Return the bytes that a text such as "4GB", "1.5 GiB" or "800M" means.

    Raises:
        PlanError: it means none.

    >>> amount("4GB"), amount("1.5 GiB"), amount("800M"), amount("1000")
    (4000000000, 1610612736, 800000000, 1000)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B?", text.strip().upper())
    if found is None or not (size := float(found[1]) * (1024 if found[3] else 1000) ** " KMGT".index(found[2] or " ")):
        raise PlanError(f"{VARIABLE} must be an amount of memory", f"got {text!r}", f"Use {VARIABLE}=4GB, or unset it.")
    return int(size)


def written(size: float) -> str:
    """Write bytes as people do.

    >>> written(9_140_000_000), written(52_000_000), written(1_200_000)
    ('9.1 GB', '52 MB', '1.2 MB')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.{1 if size < 10 * factor else 0}f} {unit}"
    return f"{size / 1e3:.0f} kB"
