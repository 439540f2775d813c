"""Chromium, driven by Playwright, where both are there: pages are opened as a user opens them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass
class Tab:
    """A page in the browser, with what it asked for and what it complained of since it was opened."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str) -> Any:
        """Go to an address, and return the page."""
        self.page.goto(address)
        return self.page


def until(page: Any, condition: str, *, seconds: float = 20.0) -> None:
    """Wait until an expression is true; a page that forbids evaluating text as code cannot be asked by itself."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"never: {condition}"
        time.sleep(0.05)


@contextmanager
def tab(*, width: int = 1440, height: int = 1000, dark: bool = False) -> Iterator[Tab]:
    """Open an empty page in Chromium, or skip the test with the reason."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright (pip install playwright)")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", accept_downloads=True
        )
        found = Tab(page)
        page.on("request", lambda request: found.requests.append(request.url))
        page.on(
            "console", lambda said: found.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        try:
            yield found
        finally:
            browser.close()
