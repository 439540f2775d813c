"""`danlu minimize` as a user types it: the tutorial's numbers, the four minima, pictures, refusals."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest


def answer(ended) -> dict:
    """Return the JSON of a run that went well."""
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_himmelblau_by_adam_gives_the_tutorials_numbers(danlu) -> None:
    words = "minimize himmelblau --start 0,0 --optimizer adam --lr 0.001 --steps 20000 --dtype float32 --json"
    found = answer(danlu(*words.split()))
    f = {row["step"]: row["f"] for row in found["path"]}
    assert list(f) == list(range(0, 20_001, 2_000))
    assert f[0] == 170
    assert (f"{f[2_000]:.4f}", f"{f[4_000]:.6f}", f[16_000]) == ("13.7309", "0.014859", 0)
    assert found["path"][8]["x"] == [3, 2]
    assert found["minima"] == [found["points"][0]]
    assert found["minima"][0]["x"] == pytest.approx([3, 2])
    assert (found["minima"][0]["f"], found["minima"][0]["starts"]) == (0, 1)


def test_a_thousand_starts_find_the_four_minima_soon(danlu) -> None:
    danlu("minimize", "x**2", "--starts", "2", "--steps", "2")  # loads torch
    begun = time.perf_counter()
    found = answer(danlu("minimize", "himmelblau", "--starts", "1000", "--json"))
    assert time.perf_counter() - begun < 3
    places = sorted(point["x"] for point in found["minima"])
    expected = [[-3.779310, -3.283186], [-2.805118, 3.131312], [3, 2], [3.584428, -1.848126]]
    np.testing.assert_allclose(places, expected, atol=1e-6)
    assert all(point["f"] < 1e-20 for point in found["minima"])
    assert sum(point["starts"] for point in found["minima"]) == 1000
    assert len(found["paths"]) == 1000
    assert [point["kind"] for point in found["other_points"]].count("saddle") == 4


def test_what_is_printed_fits_80_columns(danlu) -> None:
    ended = danlu(
        "minimize",
        "himmelblau",
        "--start",
        "0,0",
        "--start",
        "x=-4,y=0",
        "--optimizer",
        "adam,sgd,rmsprop",
        "--lr",
        "0.01,0.1",
    )
    assert ended.code == 0
    assert max(len(line.rstrip()) for line in ended.out.splitlines()) <= 80
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert lines[0] == "himmelblau (x**2 + y - 11)**2 + (x + y**2 - 7)**2"
    assert any(line.startswith("sgd 0.1 0 of 2 2 of 2") for line in lines)
    assert any("before step" in line and "f is infinite" in line for line in lines)
    assert not any("…" in line for line in lines)


def test_the_path_of_one_start_is_a_table(danlu) -> None:
    ended = danlu(
        "minimize",
        "x**2 + 10*y**2",
        "--start",
        "1,1",
        "--optimizer",
        "sgd",
        "--lr",
        "0.025",
        "--steps",
        "4",
        "--every",
        "1",
    )
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    # x becomes 0.95 x, y becomes 0.5 y: 1 - 2 * 0.025 and 1 - 20 * 0.025.
    begin = lines.index("step x y f")
    assert lines[begin + 1 : begin + 4] == ["0 1 1 11", "1 0.95 0.5 3.4025", "2 0.9025 0.25 1.43951"]
    assert any(line.startswith("ended still descending, gradient norm 2.05") for line in lines)
    assert "variables in this order: x, y" in " ".join(lines)


def test_a_saddle_is_named(danlu) -> None:
    found = answer(danlu("minimize", "x**2 - y**2", "--start", "1,0", "--optimizer", "sgd", "--lr", "0.1", "--json"))
    assert found["ended"] == {"stalled at a saddle": 1}
    assert found["points"][0]["eigenvalues"] == [-2, 2]
    assert found["minima"] == []


def test_numbers_that_are_not_finite_are_null(danlu) -> None:
    found = answer(danlu("minimize", "x**3", "--start", "-1", "--optimizer", "sgd", "--lr", "0.1", "--json"))
    assert found["ended"] == {"diverged": 1}
    assert found["broken"][0]["what"] == "f is minus infinity"
    assert found["path"][-1]["step"] <= found["broken"][0]["step"]


def test_pictures_are_written_and_not_over_others(danlu, tmp_path: Path) -> None:
    ended = danlu("minimize", "himmelblau", "--starts", "20", "--steps", "500", "-o", "page.html", "--surface", "s.svg")
    assert ended.code == 0, ended.err
    assert "page.html" in ended.out
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (tmp_path / "s.svg").read_text(encoding="utf-8").startswith("<svg")
    again = danlu("minimize", "himmelblau", "-o", "page.html")
    assert again.code == 5
    assert "must not exist yet" in again.err
    assert danlu("minimize", "himmelblau", "--starts", "2", "--steps", "9", "-o", "page.html", "--force").code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["__import__('os').system('touch here')"], 2, "a call of what is no function"),
        (["himmelblu"], 2, "Did you mean `himmelblau`?"),
        (["himmelblau", "--start", "0"], 2, "one number for each variable"),
        (["himmelblau", "--start", "a,b"], 2, "`--start` must be numbers"),
        (["himmelblau", "--steps", "0"], 2, "`--steps` must be a whole number"),
        (["himmelblau", "--box", "3,1"], 2, "Use --box -5,5, or --box -5,5,0,10."),
        (["himmelblau", "--start", "0,0", "--starts", "3"], 2, "`--starts` spreads"),
        (["himmelblau", "--lr", "-1"], 2, "`--lr` must be above"),
        (["himmelblau", "-o", "x.gif"], 2, "must end in"),
        (["himmelblau", "--surface", "x.html"], 2, "must end in .svg, .png or .pdf"),
        (["abs(x)", "--start", "0"], 3, "its slope by x is -1 before and 1 behind"),
        (["log(x)", "--start", "-1"], 3, "must be finite where it starts"),
        (["x**2", "--steps", "9", "--surface", "s.svg"], 2, "needs a function of two variables"),
    ],
)
def test_refusals(danlu, tmp_path: Path, words: list[str], code: int, said: str) -> None:
    ended = danlu("minimize", *words)
    assert ended.code == code
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert list(tmp_path.iterdir()) == []
