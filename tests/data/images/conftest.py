"""A cache of the test's own, no set of data from the machine, and images made by Pillow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from danlu.core.errors import DanluError, DataError

Refused = Callable[..., None]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the cache."""
    base = tmp_path_factory.mktemp("cache")
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(base))
    monkeypatch.delenv("DANLU_DATA", raising=False)
    return base / "danlu"


@pytest.fixture
def refused() -> Refused:
    """Return what calls a function and checks that it refuses with rule, fact and remedy, and the words given."""

    def check(function: Callable[[], object], *words: str, error: type[DanluError] = DataError) -> None:
        with pytest.raises(error) as caught:
            function()
        assert caught.value.rule
        assert caught.value.fact
        assert caught.value.remedy
        for word in words:
            assert word in str(caught.value)

    return check


@pytest.fixture
def save() -> Callable[..., Path]:
    """Return what writes an image: pixels `[H, W]` or `[H, W, 3]`, or a Pillow image."""

    def write(path: Path, pixels: np.ndarray | Image.Image, **options: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        image.save(path, **options)
        return path

    return write


@pytest.fixture
def grey() -> Callable[..., np.ndarray]:
    """Return what makes random grey or colour pixels, uint8."""

    def make(height: int = 8, width: int = 6, *, seed: int = 0, channels: int = 0) -> np.ndarray:
        shape = (height, width, channels) if channels else (height, width)
        return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)

    return make
