"""Fixtures that every package's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes is the machine's affair.
settings.register_profile("danlu", deadline=None)
settings.load_profile("danlu")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data beside the checkout, or skip the test."""
    if not (SHARED / "tables").is_dir():
        pytest.skip("needs the real data beside the checkout (../shared/data)")
    return SHARED
