"""Real processes, started as users start them: by torchrun."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SINGLE = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "OMP_NUM_THREADS"}
"""What a shell does not have, whatever runs these tests."""


def command(processes: int, program: Sequence[str] = ("-m", "danlu")) -> list[str]:
    """Return the beginning of a command line that runs a program in several processes."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [*launcher, *program]


def surroundings(**more: str) -> dict[str, str]:
    """Return the environment of a shell."""
    return {name: value for name, value in os.environ.items() if name not in SINGLE} | more


def torchrun(
    processes: int, words: Sequence[str], folder: Path, program: Sequence[str] = ("-m", "danlu"), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a program in several processes, and return how it ended and what all of them said."""
    options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 300, "stdin": subprocess.DEVNULL}
    return subprocess.run(
        [*command(processes, program), *words], cwd=folder, env=surroundings(**environment), check=False, **options
    )
