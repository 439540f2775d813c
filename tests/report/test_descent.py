"""The page of a descent and its pictures: sound, self-contained, drawn in a browser, and true."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from danlu.core.errors import OutputError, PlanError
from danlu.report.contour import chart, contour, curve, progress
from danlu.report.descent import page, write_page
from danlu.report.descent_groups import groups
from danlu.report.surface import surface, write_surface
from danlu.workflow.minimize import Descent, minimize

NAMES = ("two", "one", "many", "settings", "broken", "hostile")


@pytest.fixture(scope="module")
def found() -> dict[str, Descent]:
    return {
        "two": minimize("himmelblau", starts=80, steps=600),
        "one": minimize("sin(3*x) + x**2/4", starts=20, steps=400),
        "many": minimize("rosenbrock", starts=10, variables=6, steps=400),
        "settings": minimize("himmelblau", (0, 0), optimizer="adam,sgd", lr="0.01,0.1", steps=300),
        "broken": minimize("log(x) + 1/x + y**2", starts=30, steps=300),
        "hostile": minimize(hostile(), (1.0, 1.0), lr=0.1, steps=50),
    }


def hostile():
    def function(x, y):
        return x**2 + y**2

    function.__name__ = "</script><script>alert(1)</script>"
    return function


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_one_sound_file(name: str, found) -> None:
    text = page(found[name])
    policy = html.unescape(text.partition('content="')[2].partition('"')[0])
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "<script>alert" not in text
    ids = re.findall(r'<(?:section|div|figure)[^>]* id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    drawings = json.loads(re.search(r'<script type="application/json" id="charts">(.*?)</script>', text, re.DOTALL)[1])
    assert set(drawings) <= set(ids)
    assert len(text) < 2_500_000
    style = re.sub(r"<style>.*?</style>|<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r'(?:src|href)="(?!#)', style)
    assert " style=" not in style


@pytest.mark.parametrize(
    "name", [name if name in ("two", "settings") else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_a_browser_draws_it_without_a_complaint(name: str, found, tmp_path: Path, browse) -> None:
    seen = browse(write_page(found[name], tmp_path / "page.html"))
    assert 'data-ready="yes"' in seen.dom
    assert "This chart could not be drawn.</" not in seen.dom
    assert seen.console == []
    if name == "two":
        assert seen.dom.count('type="checkbox"') == 3


def test_numbers_stand_on_the_page(found) -> None:
    text = page(found["two"])
    assert "4 of 4 known minima reached." in text
    assert "-1.8481265" in text
    assert "80 converged" in text


def test_the_contour_shows_every_start_minimum_and_saddle(found) -> None:
    data = chart(found["two"]).data
    assert len(data["starts"]["x"]) == 80
    kinds = list(data["points"]["kind"])
    assert (kinds.count("minimum"), kinds.count("saddle"), kinds.count("maximum")) == (4, 4, 1)
    ends = {group: [] for group in set(data["paths"]["group"])}
    last = {m: (x, y, g) for m, x, y, g in zip(*(data["paths"][k] for k in ("m", "x", "y", "group")), strict=True)}
    for x, y, group in last.values():
        ends[group].append((x, y))
    for group, places in ends.items():
        target = [float(v) for v in group.strip("()").split(",")]
        assert np.abs(np.array(places) - target).max() < 0.02


def test_contour_lines_have_the_value_that_they_say(found) -> None:
    data = chart(found["two"]).data["levels"]
    x, y, f = (np.array(data[name]) for name in ("x", "y", "f"))
    value = (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2
    slope = np.hypot(4 * x * (x**2 + y - 11) + 2 * (x + y**2 - 7), 2 * (x**2 + y - 11) + 4 * y * (x + y**2 - 7))
    # In space: no point of a line is farther from where it belongs than a fifth of a cell (12 / 120).
    assert np.quantile(np.abs(value - f) / (slope + 5), 0.99) < 0.02


def test_what_diverges_leaves_the_picture_of_f_over_the_steps(found) -> None:
    data = progress(found["settings"]).data["lines"]
    assert max(data["y"]) < 1000
    assert set(data["group"]) == {"adam 0.01", "adam 0.1", "sgd 0.01", "sgd 0.1"}


def test_charts_are_chosen_by_the_number_of_variables(found) -> None:
    two, one = found["two"], found["one"]
    assert chart(two).spec == contour(two, two.grid).spec
    assert chart(one).spec == curve(one, one.grid).spec
    assert chart(found["many"]).id == progress(found["many"]).id


def test_groups_are_the_largest_ends_and_the_rest() -> None:
    told = groups(minimize("rastrigin", starts=100, steps=300))
    assert len(told.names) == 8
    assert told.names[-1] == "others"
    counts = np.bincount(told.group_M)
    assert (np.diff(counts[:-1]) <= 0).all()


@pytest.mark.parametrize(("which", "form"), [("two", "png"), ("one", "svg"), ("many", "pdf")])
def test_pictures_are_written(which: str, form: str, found, tmp_path: Path) -> None:
    path = found[which].save(tmp_path / f"picture.{form}")
    assert path.stat().st_size > 5_000
    head = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF"}[form]
    assert path.read_bytes().startswith(head)
    assert found["two"].surface(tmp_path / f"surface.{form}").read_bytes().startswith(head)


def test_a_surface_is_drawn_from_back_to_front_with_the_colours_of_its_heights(found) -> None:
    text = str(surface(found["two"]))
    root = ET.fromstring(text)
    polygons = [
        each for each in root.iter("{http://www.w3.org/2000/svg}polygon") if each.get("fill", "").startswith("#")
    ]
    assert len(polygons) == 44 * 44

    def light(colour: str) -> float:
        return sum(int(colour[i : i + 2], 16) for i in (1, 3, 5))

    # Far cells come first, and those stand higher on the picture; low f is dark.
    heights = [np.mean([float(p.split(",")[1]) for p in each.get("points", "").split()]) for each in polygons]
    assert np.mean(heights[:300]) < np.mean(heights[-300:])
    shades = [light(each.get("fill", "")) for each in polygons]
    assert min(shades) < 200 < 300 < max(shades)


def test_a_surface_needs_two_variables_and_a_known_ending(found, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="two variables"):
        write_surface(found["one"], tmp_path / "s.svg")
    with pytest.raises(PlanError, match="must end in"):
        write_surface(found["two"], tmp_path / "s.html")
    (tmp_path / "s.svg").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError):
        write_surface(found["two"], tmp_path / "s.svg")
    with pytest.raises(OutputError):
        found["two"].page(tmp_path / "s.svg")
