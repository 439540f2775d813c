"""Figures: what is written is what its name says, holds its numbers, and asks nobody for anything."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import altair as alt
import numpy as np
import pytest

from danlu.core.errors import OutputError, PlanError
from danlu.report.figures import Figure, Mark, Panel, check_picture
from danlu.report.outcomes import history, predictions
from danlu.report.pictures.grid import grid_chart, unlike
from danlu.report.pictures.lines import Axis, Line, lines_chart


def small(title: str = "A line", panels: int = 2, caption: str = "What it says.") -> Figure:
    """Return a figure of straight lines."""
    x = np.linspace(0, 4, 9)
    drawn = [
        lines_chart(
            f"chart-{i}",
            [Line("one", x, x * i), Line("two", x, -x, "second", "dashed")],
            Axis("input"),
            Axis("output"),
            label=f"Line {i}",
            caption=caption,
        )
        for i in range(panels)
    ]
    return Figure(
        "lines",
        title,
        tuple(Panel(chart, f"{title} {i}") for i, chart in enumerate(drawn)),
        {"x": x.tolist(), "y": (x / 3).tolist()},
        {"slope": 1 / 3},
        "Two lines.",
        (
            Mark("one", "first"),
            Mark("two", "second", "dashed"),
            Mark("area", "third", "area"),
            Mark("dot", "ink", "point"),
        ),
        columns=2,
        size=(200, 120),
    )


def png_size(content: bytes) -> tuple[int, int]:
    return struct.unpack(">II", content[16:24])


def test_files_are_what_their_names_say(tmp_path: Path) -> None:
    figure = small()
    png = figure.save(tmp_path / "a.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert png.rstrip().endswith(b"IEND\xaeB`\x82")
    width, height = png_size(png)
    # Two panels of 200 x 120 points and what stands around them, three pixels a point.
    assert 3 * 2 * 200 < width < 3 * 700
    assert 3 * 120 < height < 3 * 420
    pdf = figure.save(tmp_path / "a.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert b"%%EOF" in pdf[-64:]
    assert len(pdf) > 3_000
    svg = figure.save(tmp_path / "A.SVG").read_text(encoding="utf-8")
    assert svg.startswith("<svg")
    for text in ("A line 0", "A line 1", "What it says.", "input", "output", "two"):
        assert text in svg
    page = figure.save(tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "Content-Security-Policy" in page


def test_pictures_are_in_the_light_colours_of_the_theme() -> None:
    svg = small().render("svg").decode()
    assert "var(--" not in svg
    assert {"#0072b2", "#d55e00", "#ffffff"} <= set(re.findall(r"#[0-9a-f]{6}", svg))


def test_panels_do_not_share_colours_or_dashes() -> None:
    dashed = [Line("a", [0, 1], [0, 1], "grey", "dashed")]
    one = lines_chart("one", dashed, Axis("x"), Axis("y"), label="one")
    other = lines_chart("two", [Line("b", [0, 1], [1, 0], "second")], Axis("x"), Axis("y"), label="two")
    svg = Figure("k", "t", (Panel(one, "a"), Panel(other, "b")), {}).render("svg").decode()
    lines = [path for path in re.findall(r"<path[^>]*>", svg) if 'stroke-width="2"' in path]
    assert [re.findall(r'stroke="(#\w+)"', path) for path in lines] == [["#8a939d"], ["#d55e00"]]
    assert ['dasharray="4,3"' in path for path in lines] == [True, False]


def test_specifications_compile_and_hold_no_address() -> None:
    spec = small().spec()
    alt.VConcatChart.from_dict(spec)
    assert "http" not in json.dumps(spec)


def test_names_of_the_user_stay_text(tmp_path: Path) -> None:
    evil = "</script><img src=x onerror=alert(1)>\u202e\x00 & 很长"
    figure = small(evil, 1, evil)
    svg = figure.render("svg").decode()
    assert "<img src=x" not in svg
    assert "很长" in svg
    assert "\x00" not in svg
    page = figure.save(tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "\u202e" not in page


def test_chinese_is_written_in_a_font_without_serifs() -> None:
    assert small("价格").spec()["config"]["font"].startswith("Noto Sans CJK SC")
    assert small("price").spec()["config"]["font"].startswith("Helvetica")


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="must not exist yet"):
        small().save(path)
    assert path.read_text(encoding="utf-8") == "mine"
    small().save(path, force=True)
    assert path.read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("name", "says"),
    [("a.jpg", "got .jpg"), ("a", "without one"), ("a.pgn", "Did you mean `png`"), ("none/a.svg", "there is no")],
)
def test_other_endings_and_places_are_refused(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises((PlanError, OutputError), match=re.escape(says)):
        check_picture(tmp_path / name)


def test_a_notebook_gets_the_picture_itself() -> None:
    figure = small()
    bundle = figure._repr_mimebundle_()
    assert bundle["text/html"].startswith("<figure><svg")
    assert "<title>A line. Line 0 Line 1</title>" in bundle["text/html"]
    assert "<script" not in bundle["text/html"]
    assert bundle["text/plain"] == "<Danlu figure 'lines': 2 panels, 9 rows of numbers>"


def test_the_record_holds_unrounded_numbers() -> None:
    record = small().record()
    assert record["data"]["y"][1] == 0.5 / 3
    assert record["facts"] == {"slope": 1 / 3}


def test_the_page_draws_every_panel_and_makes_no_request(tmp_path: Path, browse) -> None:
    path = small().save(tmp_path / "a.html")
    seen = browse(path)
    assert seen.console == []
    assert 'data-ready="yes"' in seen.dom
    assert seen.dom.count('data-drawn="yes"') == 2


def test_grids_tell_names_apart_that_are_cut_alike() -> None:
    assert unlike(["x" * 60, "x" * 61, "x" * 60]) == ["x" * 39 + "…", "x" * 39 + "… (2)", "x" * 39 + "… (3)"]
    names = ["x" * 60, "x" * 61]
    chart = grid_chart("g", np.eye(2), (names, names), ("r", "c"), texts=[["1", "0"], ["0", "1"]], label="l")
    assert len(set(chart.data["cells"]["row"])) == 2


def test_history_holds_every_value_of_every_network(examples) -> None:
    run, arrays = examples.stopped()
    figure = history(run, arrays)
    assert figure is not None
    assert [panel.title for panel in figure.panels] == ["Training loss", "RMSE on judged rows"]
    values = np.asarray(arrays["loss_EM"])
    kept = [v for v, name in zip(figure.data["value"], figure.data["curve"], strict=True) if name == "loss"]
    assert sorted(kept) == sorted(values[np.isfinite(values)].tolist())
    assert history(run, {}) is None


def test_predictions_of_numbers(examples) -> None:
    run, arrays = examples.several_targets()
    figure = predictions(run, arrays, where="Rows.")
    assert figure is not None
    assert len(figure.panels) == 3
    truth, predicted = arrays["truth_NC"], arrays["predicted_NC"]
    assert figure.data["truth"] == truth.T.ravel().tolist()
    rmse = np.sqrt(((truth - predicted) ** 2).mean(axis=0))
    assert [fact["rmse"] for fact in figure.facts.values()] == pytest.approx(rmse.tolist())


@pytest.mark.parametrize("classes", [2, 23])
def test_predictions_of_classes(examples, classes: int) -> None:
    run, arrays = examples.classification(classes)
    figure = predictions(run, arrays, where="Rows.")
    assert figure is not None
    guessed = arrays["predicted_NC"].argmax(axis=1)
    assert figure.facts["accuracy"] == pytest.approx((guessed == arrays["truth_NC"]).mean())
    assert np.sum(figure.facts["confusion"]) == len(guessed)
    titles = [panel.title for panel in figure.panels]
    assert titles == ["Confusion matrix", "Calibration", *(["Probability of yes"] if classes == 2 else [])]
    bins = figure.panels[1].chart.data["bins"]
    assert sum(bins["rows"]) == len(guessed)
    if classes == 2:
        place = np.minimum((arrays["predicted_NC"][:, 1] * 10).astype(int), 9)
        first = [(arrays["truth_NC"][place == b] == 1).mean() for b in np.unique(place)]
        assert bins["y"] == pytest.approx(first, rel=1e-4, abs=1e-6)
    assert len(figure.render("svg")) > 10_000


def test_predictions_with_hostile_names_can_be_drawn(examples) -> None:
    run, arrays = examples.hostile()
    figure = predictions(run, arrays, where="Rows.")
    assert figure is not None
    assert "<script>" not in figure.render("svg").decode()
    assert "<script>alert" not in figure.html()
