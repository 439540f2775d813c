"""Which of several processes this one is, as `torchrun` says in the environment; this file loads nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Where one of these is missing, this process is alone."""


@dataclass(frozen=True)
class Launch:
    """The number of this process, from 0, among all of them and among those of this machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self.world == 1

    @property
    def first(self) -> bool:
        """Whether this is the process that prints, asks and writes."""
        return self.rank == 0


def launched(environment: Mapping[str, str] = os.environ) -> Launch:
    """Return what `torchrun`, or another launcher that sets the same variables, says of this process.

    >>> launched({})
    Launch(rank=0, world=1, local_rank=0, local_world=1)
    >>> launched({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2",
    ...     "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"})
    Launch(rank=3, world=4, local_rank=1, local_world=2)
    """
    if not all(environment.get(name) for name in NEEDED):
        return Launch()
    names = {"RANK": "", "WORLD_SIZE": "", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    numbers = [environment.get(name, default) for name, default in names.items()]
    if not all(number.isdecimal() for number in numbers):
        return Launch()
    rank, world, local_rank, local_world = map(int, numbers)
    return Launch(rank, world, local_rank, max(1, local_world)) if world > 1 else Launch()
