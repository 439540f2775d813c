"""The page in a real Chromium, driven by Playwright: nothing asked, nothing complained of, everything at work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from danlu.report import write_page

NAMES = ("regression", "stopped", "several", "two", "many", "hostile", "hostile-target", "unjudged")


class Page:
    """A page that is open, and what it complained of and asked for."""

    def __init__(self, browser: Any, path: Path, width: int = 1440, scheme: str = "light") -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.tab, self.said, self.asked = context.new_page(), [], []
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.tab.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.goto(path.as_uri())
        self.tab.wait_for_selector("html[data-ready=yes]", timeout=60_000)


@pytest.fixture(scope="module")
def written(examples, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {name: write_page(*examples.ALL[name](), folder / f"{name}.html") for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (360, "dark")])
def test_it_is_drawn_without_a_complaint_or_a_request(chromium, written, name, width, scheme) -> None:
    page = Page(chromium, written[name], width, scheme)
    assert page.said == []
    assert page.asked == [written[name].as_uri()]
    places = page.tab.locator(".chart")
    for i in range(places.count()):
        assert places.nth(i).get_attribute("data-drawn") == "yes"
        assert places.nth(i).locator("svg path").count() >= 2
    assert page.tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than the window"
    paper = page.tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper.removeprefix("rgb(").removesuffix(")").split(","))) > 600) == (scheme == "light")


def test_hostile_names_are_seen_as_text(chromium, written) -> None:
    page = Page(chromium, written["hostile"])
    assert page.tab.locator("script").count() == 5
    assert page.tab.locator("img").count() == 0
    charts = " ".join(page.tab.locator("#drivers svg text").all_text_contents())
    assert "<script>alert(1)</script>" in charts
    assert "<script>alert(1)</script>" in page.tab.locator("#drivers table").inner_text()
    box = page.tab.locator("#chart-importance .mark-rect path").first
    box.scroll_into_view_if_needed()
    box.hover()
    hint = page.tab.locator("#vg-tooltip-element.visible")
    assert "<script>alert(1)</script>" in hint.inner_text()
    assert page.said == []


def test_a_key_hides_and_shows_its_curves(chromium, written) -> None:
    page = Page(chromium, written["two"])
    loss = page.tab.locator("#training button[data-series=loss]")
    drawn = page.tab.locator('#chart-learning path[stroke-dasharray="5,4"]')
    before = drawn.count()
    assert before > 0
    loss.click()
    assert loss.get_attribute("aria-pressed") == "false"
    page.tab.wait_for_function(
        "n => document.querySelectorAll('#chart-learning path[stroke-dasharray=\"5,4\"]').length < n", arg=before
    )
    loss.focus()
    page.tab.keyboard.press("Enter")
    assert loss.get_attribute("aria-pressed") == "true"
    page.tab.wait_for_function(
        "n => document.querySelectorAll('#chart-learning path[stroke-dasharray=\"5,4\"]').length === n", arg=before
    )
    assert page.said == []


def test_a_table_sorts_by_numbers_and_by_words(chromium, written) -> None:
    page = Page(chromium, written["many"])
    table = page.tab.locator("#predictions table", has=page.tab.locator("caption", has_text="Each class"))

    def column(place: int) -> list[str]:
        return table.locator(f"tbody tr > :nth-child({place})").all_inner_texts()

    rows = table.locator("thead th", has_text="Classes").or_(table.locator("thead th", has_text="Rows"))
    rows.locator("button").click()
    assert rows.get_attribute("aria-sort") == "ascending"
    numbers = [int(text.replace(",", "")) for text in column(2)]
    assert numbers == sorted(numbers)
    assert numbers[-1] > 999, "1,234 is more than 99"
    rows.locator("button").click()
    assert rows.get_attribute("aria-sort") == "descending"
    assert [int(text.replace(",", "")) for text in column(2)] == numbers[::-1]
    table.locator("thead th button").first.click()
    assert column(1) == sorted(column(1))
    assert rows.get_attribute("aria-sort") is None


def test_a_long_table_is_filtered(chromium, written) -> None:
    page = Page(chromium, written["many"])
    field = page.tab.get_by_role("searchbox", name="Filter: Each class")
    field.fill("class 07")
    table = page.tab.locator("#predictions table", has=page.tab.locator("caption", has_text="Each class"))
    assert table.locator("tbody tr:visible").count() == 1
    field.fill("")
    assert table.locator("tbody tr:visible").count() == 23


@pytest.mark.parametrize("form", ["SVG", "PNG"])
def test_every_chart_is_saved_as_a_file(chromium, written, form: str, tmp_path: Path) -> None:
    page = Page(chromium, written["regression"], scheme="dark")
    assert page.tab.get_by_role("button", name=f"Save as {form}").count() == page.tab.locator(".chart").count()
    with page.tab.expect_download() as waiting:
        page.tab.get_by_role("button", name=f"Save as {form}: Errors over predictions").click()
    saved = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(saved)
    assert saved.name == f"house-residuals.{form.lower()}"
    content = saved.read_bytes()
    if form == "PNG":
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000
    else:
        assert b"var(--" not in content, "colours are written out"
        assert b"<svg" in content
        assert b"#121417" in content, "the paper of the dark theme"
    assert page.said == []


def test_forty_networks_of_two_hundred_epochs_and_fifty_columns_are_drawn_at_once(chromium, examples, tmp_path) -> None:
    names = [f"column {i}" for i in range(50)]
    path = write_page(*examples.regression(rows=20_640, members=40, epochs=200, names=names), tmp_path / "page.html")
    assert path.stat().st_size < 1_600_000
    page = Page(chromium, path)
    assert page.tab.locator(".chart[data-drawn=yes]").count() == page.tab.locator(".chart").count() >= 12
    assert "150 of 200 points of each curve are drawn" in page.tab.locator("#training").inner_text()
    assert page.said == []


def test_it_prints_without_what_is_only_for_the_screen(chromium, written) -> None:
    page = Page(chromium, written["regression"])
    page.tab.emulate_media(media="print", color_scheme="dark")
    assert not page.tab.locator("nav").is_visible()
    assert not page.tab.locator(".saving").first.is_visible()
    assert page.tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.tab.locator("details:not([open])").count() == page.tab.locator(".chart details").count()
