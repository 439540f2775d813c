"""What the page shows of a search: every setting as a point, a line and a curve, and what it cost."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import altair as alt
import pytest

from danlu.core.searched import Attempt, Rung, RungScore, Searched
from danlu.report import write_page
from danlu.report.attempts import axes, coordinates, curves, ranked
from danlu.report.figures import records
from danlu.report.searched import searched


def search() -> Searched:
    """Return a search over three settings: the second is kept, the first went on, the third was dropped."""

    def tried(number: int, how: str, *values: float | None) -> Attempt:
        scores = tuple(RungScore(folds=1 + 2 * place, value=value) for place, value in enumerate(values))
        setting = {"lr": 0.001 * (number + 1), "hidden": (64, 32)}
        return Attempt.model_validate(
            {"number": number, "how": how, "setting": setting, "place": (0.5,), "parameters": 999, "scores": scores}
        )

    return Searched(
        metric="rmse",
        greater=False,
        space={"lr": "0.0001 to 0.01"},
        attempts=(tried(0, "start", 3.0, 3.1), tried(1, "model", 2.0, 2.1), tried(2, "spread", 9.0)),
        rungs=(Rung(folds=1, settings=3, networks=3, seconds=1.0), Rung(folds=3, settings=2, networks=6, seconds=2.0)),
        chosen=(1,),
        start=3.1,
        best=2.1,
        importance={"lr": 0.75, "hidden": 0.25},
        seconds=3.0,
        words="one of 3 settings: rmse out of fold 2.1 of the best one, 3.1 before the search; "
        "choosing flatters it by about 0.05, which is taken off",
    )


def test_a_run_without_a_search_has_no_such_part(examples) -> None:
    record, _ = examples.regression()
    assert searched(record) is None


def test_settings_are_listed_and_drawn_by_what_became_of_them(examples) -> None:
    record, _ = examples.regression()
    part = searched(record.model_copy(update={"searched": search()}))
    assert part is not None
    tried, matter, _ = part.charts
    rows = records(tried.data["tried"])
    assert [(row["x"], row["y"], row["fate"]) for row in rows] == [(0, 3, "further"), (1, 2, "kept"), (2, 9, "dropped")]
    assert rows[1]["setting"] == "lr 0.002, hidden 64,32"
    assert matter.data["items"]["name"] == ["lr", "hidden"]
    for chart in part.charts:
        datasets = {name: records(columns) for name, columns in chart.data.items()}
        alt.Chart.from_dict({**chart.spec, "datasets": datasets}, validate=True)
    text = part.html()
    order = [text.index(f"<code>lr {lr}, hidden 64,32</code>") for lr in ("0.002", "0.001", "0.003")]
    assert order == sorted(order), "kept, then by folds and score"
    assert "One of 3 settings: rmse out of fold 2.1 of the best one" in text


HOSTILE = "<img src=x onerror=alert(1)>"


def wide(metric: str = "rmse", *, greater: bool = False, hostile: str = "relu") -> Searched:
    """Return a search of 20 settings over a range, a choice and one that varies with a choice alone; number 7 broke."""

    def tried(number: int) -> Attempt:
        u = (number % 20) / 19
        folds = (1, 5) if number in (0, 3, 4) else (1,)
        value = None if number == 7 else 50.0 if number == 8 else 2.0 + (number - 3) ** 2 / 100
        setting = {"lr": 0.001 * 100**u, "activation": "silu" if number % 2 else hostile}
        setting |= {"momentum": 0.9} if number % 2 else {}
        return Attempt(
            number=number,
            how="start" if not number else "spread",
            setting=setting,
            place=(u, 0.75 if number % 2 else 0.25, 0.5),
            parameters=100,
            scores=tuple(RungScore(folds=f, value=value) for f in folds),
            curve=() if value is None else tuple((e, value + 5 / e) for e in (2, 4, 8)),
        )

    return Searched(
        metric=metric,
        greater=greater,
        space={"lr": "0.001 to 0.1, log", "activation": f"{hostile} | silu", "momentum": "0.8 to 1"},
        attempts=tuple(map(tried, range(20))),
        rungs=(Rung(folds=1, settings=20, networks=20, seconds=61.0), Rung(folds=5, settings=3, networks=8, seconds=2)),
        chosen=(3, 4),
        start=2.1,
        best=2.0,
        importance={"activation": 0.7, "lr": 0.3, "momentum": 0.0},
        seconds=64.0,
        known=3,
        words="networks of 2 of 20 settings: rmse out of fold 2 of the best one, 2.1 before the search; "
        "choosing flatters it by about 0.01, which is taken off",
    )


def test_the_furthest_settings_come_first_and_broken_ones_last() -> None:
    order = [attempt.number for attempt in ranked(wide())]
    assert order[:4] == [3, 4, 0, 2], "five folds, then one"
    assert order[-1] == 7
    up = wide("accuracy", greater=True)
    assert [attempt.number for attempt in ranked(up)][3] == 8, "more is better"


def test_each_setting_is_a_line_through_its_values() -> None:
    found = wide()
    chart = coordinates(found)
    assert chart is not None
    assert chart.data["axes"]["name"] == ["activation", "lr", "momentum", "RMSE"], "what mattered most at the top"
    lines = records(chart.data["lines"])
    assert lines[-1]["setting"] == 3, "the best one lies on top"
    own = {row["y"]: row["x"] for row in lines if row["setting"] == 3}
    assert own == {0: 0.75, 1: pytest.approx(3 / 19, abs=1e-4), 2: 0.5, 3: 1.0}
    assert {row["y"] for row in lines if row["setting"] == 4} == {0, 1, 3}, "momentum does not vary in it"
    assert {row["y"] for row in lines if row["setting"] == 7} == {0, 1, 2}, "it broke: it has no score"
    assert [row["x"] for row in lines if row["setting"] == 8 and row["y"] == 3] == [0.0], "far worse: at the end"
    strong = {row["setting"]: row["strong"] for row in lines}
    assert [strong[attempt.number] for attempt in ranked(found)] == sorted(strong.values(), reverse=True)
    ticks = [(row["x"], row["text"]) for row in records(chart.data["ticks"]) if row["y"] == 1]
    assert ticks == [(0.0, "0.001"), (0.5, "0.01"), (1.0, "0.1")]
    assert "A line goes past the axis of what does not vary in its setting." in chart.caption
    assert "stands at its left end." in chart.caption


def test_more_of_a_metric_stands_at_the_right_where_more_is_better() -> None:
    found = wide("accuracy", greater=True)
    score = axes(found, ranked(found))[-1]
    best = [attempt.number for attempt in ranked(found)].index(8)
    assert score.places[best] == 1.0


def test_every_setting_has_a_curve() -> None:
    chart = curves(wide(), "rmse")
    assert chart is not None
    rows = records(chart.data["lines"])
    assert {row["setting"] for row in rows} == set(range(20)) - {7}
    assert [(row["x"], row["y"]) for row in rows if row["setting"] == 3] == [(2, 4.5), (4, 3.25), (8, 2.625)]
    assert "1 setting without a curve" in chart.caption


def on_a_part(found: Searched) -> Searched:
    """Return a search of a holdout: the first rung learns from a quarter of the rows, the second from all."""
    attempts = tuple(
        each.model_copy(
            update={
                "scores": tuple(
                    score.model_copy(update={"folds": 1, "share": (0.25, 1.0)[place]})
                    for place, score in enumerate(each.scores)
                )
            }
        )
        for each in found.attempts
    )
    rungs = tuple(
        rung.model_copy(update={"folds": 1, "share": share})
        for rung, share in zip(found.rungs, (0.25, 1.0), strict=True)
    )
    return found.model_copy(update={"attempts": attempts, "rungs": rungs})


def test_scores_of_a_part_of_the_rows_are_said_to_be_such(examples) -> None:
    found = on_a_part(wide())
    assert [each.last.share for each in ranked(found)] == [1.0] * 3 + [0.25] * 17, (
        "they are not ranked among the others"
    )
    record, _ = examples.regression()
    part = searched(record.model_copy(update={"searched": found}))
    assert part is not None
    text = part.html()
    assert text.count(">25% of the rows<") == 17
    assert text.count("On 25% of the rows") == 2, "among the amounts, and below the chart"
    assert "The lowest axis is the score on 25% of the rows, the best at the right." in text
    assert "Each is of the training on 25% of the rows." in text
    assert "On all rows" in text


def test_nothing_tried_is_nothing_drawn() -> None:
    none = wide().model_copy(update={"attempts": ()})
    assert (coordinates(none), curves(none, "rmse")) == (None, None)


def test_what_it_cost_is_said(examples) -> None:
    record, _ = examples.regression()
    part = searched(record.model_copy(update={"searched": wide()}))
    assert part is not None
    for said in ("20 settings", "20 networks, 1 min 1 s", "8 networks, 2.0 s", "3 trainings", "1 min 4 s"):
        assert said in part.html()


@pytest.mark.parametrize(("width", "scheme", "locale"), [(1440, "light", "en-GB"), (360, "dark", "zh-CN")])
def test_it_is_drawn_in_chromium_and_hostile_text_stays_text(
    examples, tmp_path: Path, width: int, scheme: str, locale: str
) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (make test installs it)")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    record, arrays = examples.regression()
    found = wide(hostile=HOSTILE)
    found = on_a_part(found) if locale == "zh-CN" else found
    path = write_page(record.model_copy(update={"searched": found}), arrays, tmp_path / "page.html")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, locale=locale)
        tab, said = context.new_page(), []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
        tab.goto(path.as_uri())
        tab.wait_for_selector("html[data-ready=yes]", timeout=60_000)
        assert said == []
        drawn = {tab.locator("#search .chart").nth(i).get_attribute("data-drawn") for i in range(4)}
        assert drawn == {"yes"}
        assert tab.locator("#search .chart").count() == 4
        assert tab.locator("#search img").count() == 0
        assert HOSTILE in tab.locator("#chart-search-lines svg text").all_text_contents()
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than the window"
        if locale == "zh-CN":
            assert [text for text in tab.evaluate("language.missing()") if re.search("setting|fold|rows", text)] == []
        paths = "document.querySelectorAll('#chart-search-lines .mark-line path').length"
        before = tab.evaluate(paths)
        assert before >= 20
        tab.locator("#search button[data-chart=chart-search-lines][data-series=dropped]").click()
        tab.wait_for_function(f"{paths} === {before} - 17")
        assert said == []
        browser.close()
