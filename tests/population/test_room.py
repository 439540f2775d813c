"""How much memory training may take: files of the kernel as they stand on several kinds of machines."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

from danlu.core.errors import PlanError
from danlu.population.room import Room, free_on, room

CPU = torch.device("cpu")


def put(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_least_of_what_bounds_a_process_is_free(tmp_path: Path) -> None:
    put(tmp_path, proc__meminfo="MemTotal: 9000 kB\nMemAvailable:    8000 kB\n")
    assert free_on(CPU, tmp_path) == 8000 * 1024
    put(tmp_path, proc__self__cgroup="0::/app/inner\n")
    group = tmp_path / "sys/fs/cgroup/app"
    put(
        group, **{"memory.max": "6000000", "memory.current": "2500000", "memory.stat": "anon 5\ninactive_file 500000\n"}
    )
    assert free_on(CPU, tmp_path) == 4_000_000
    put(group / "inner", **{"memory.max": "max", "memory.current": "100"})
    assert free_on(CPU, tmp_path) == 4_000_000


def test_control_groups_of_version_1_bound_too(tmp_path: Path) -> None:
    """In a container the path is that of the host, and the group itself is mounted as the root."""
    put(tmp_path, proc__meminfo="MemAvailable:    8000 kB\n", proc__self__cgroup="5:cpu:/\n4:memory:/docker/abc\n")
    group = tmp_path / "sys/fs/cgroup/memory"
    names = {"memory.limit_in_bytes": "3000000", "memory.usage_in_bytes": "1000000"}
    put(group, **names, **{"memory.stat": "total_inactive_file 0\n"})
    assert free_on(CPU, tmp_path) == 2_000_000


def test_what_is_not_known(tmp_path: Path) -> None:
    assert free_on(CPU, tmp_path) is None
    assert free_on(torch.device("mps")) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only there this is known")
def test_this_machine_says_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DANLU_MEMORY", raising=False)
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free = free_on(CPU)
    assert free is not None
    assert 0 < free <= total
    given = room(CPU)
    assert given is not None
    assert given.bytes == pytest.approx(0.7 * free, rel=0.2)


def test_the_amount_can_be_given_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANLU_MEMORY", "2.5 GB")
    assert room(CPU) == Room(2_500_000_000, "DANLU_MEMORY allows 2.5 GB")
    for wrong in ("much", "0", "-1GB", "4 bananas"):
        monkeypatch.setenv("DANLU_MEMORY", wrong)
        with pytest.raises(PlanError, match="DANLU_MEMORY must be an amount of memory"):
            room(CPU)
