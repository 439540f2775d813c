from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from danlu.core.errors import OutputError
from danlu.report import bundle, page, write_page

NAMES = ("regression", "stopped", "several", "two", "many", "unjudged", "broken", "hostile", "hostile-target")
VOID = {"meta", "br", "hr", "img", "link", "col", "input"}


class Parsed(HTMLParser):
    """A page as elements, texts and problems."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.problems: list[str] = []
        self.feed(text)
        self.close()
        self.problems += [f"{name} is never closed" for name in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("script", "style"):
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> out of place")

    def handle_data(self, data: str) -> None:
        place = self.open[-1] if self.open else ""
        if place in ("script", "style"):
            self.texts[place][-1] += data
        else:
            self.texts.setdefault("text", []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module", params=NAMES)
def parsed(request, examples):
    return Parsed(page(*examples.ALL[request.param]()))


def test_is_sound_html(parsed):
    assert parsed.problems == []
    ids = [attrs["id"] for _, attrs in parsed.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {link["href"] for link in parsed.all("a")} <= {f"#{name}" for name in ids}
    levels = [int(name[1]) for name, _ in parsed.elements if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert max(np.diff(levels)) <= 1, "a level of headings is skipped"
    assert all(th.get("scope") for th in parsed.all("th"))
    assert len(parsed.all("table")) == len(parsed.all("caption"))
    assert all(attrs.get("aria-label") for _, attrs in parsed.elements if attrs.get("class") == "chart")
    assert parsed.all("html") == [{"lang": "en"}]


def test_asks_nobody_for_anything(parsed):
    for name, attrs in parsed.elements:
        assert "src" not in attrs, name
        assert "style" not in attrs, name
        assert not [key for key in attrs if key.startswith("on")], name
        assert name not in ("img", "iframe", "link", "object", "embed", "base", "form"), name
        assert not (attrs.get("href") or "#").startswith(("http", "//", "javascript")), name


def test_its_policy_lets_only_its_own_scripts_run(parsed):
    policy = next(meta["content"] for meta in parsed.all("meta") if meta.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    phrases, data, *scripts = parsed.texts["script"]
    assert len(scripts) == 3, "languages, the library that draws, and what draws with it"
    for text in (*scripts, *parsed.texts["style"]):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    assert isinstance(json.loads(data), dict)
    assert isinstance(json.loads(phrases), dict)
    assert [each.get("type") for each in parsed.all("script")] == ["application/json"] * 2 + [None] * 3


@pytest.mark.parametrize("name", NAMES)
def test_is_small_enough_to_mail(name, examples, tmp_path):
    path = write_page(*examples.ALL[name](), tmp_path / "page.html")
    assert path.stat().st_size < 1_600_000


def test_forty_members_are_small_and_quick_to_write(examples, tmp_path):
    example = examples.regression(rows=20_640, members=40, epochs=200)
    page(*example)  # imports
    begun = time.perf_counter()
    path = write_page(*example, tmp_path / "page.html")
    assert path.stat().st_size < 1_600_000
    assert time.perf_counter() - begun < 5


def test_hostile_names_stay_text(examples):
    for name in ("hostile", "hostile-target"):
        text = page(*examples.ALL[name]())
        parsed = Parsed(text)
        assert parsed.problems == []
        assert len(parsed.all("script")) == 5
        assert "<script>alert" not in text
        assert "<img" not in text.replace(bundle.javascript(), "")
        shown = " ".join(parsed.texts["text"])
        assert "<script>alert(1)</script>" in shown
        assert "\u202e" not in text
        assert "\x00" not in text


def test_the_top_says_the_score_and_the_baselines(examples):
    run, arrays = examples.regression()
    run = run.model_copy(
        update={
            "scores": {"rmse": run.scores["rmse"].model_copy(update={"value": 48_130, "low": 47_610, "high": 48_650})},
            "baselines": {"mean": {"rmse": 115_400.0}, "linear": {"rmse": 66_700.0}},
        }
    )
    text = page(run, arrays)
    assert ">48,100<" in text
    assert "95% interval 47,600 to 48,600, on 2,000 rows" in text
    assert "28% smaller than a linear model (66,700), 58% smaller than always the mean (115,400)." in text


def test_a_baseline_within_the_interval_is_not_called_beaten(examples):
    run, arrays = examples.regression()
    score = run.scores["rmse"].model_copy(update={"value": 10.0, "low": 9.0, "high": 11.0})
    run = run.model_copy(update={"scores": {"rmse": score}, "baselines": {"linear": {"rmse": 10.5}}})
    assert "Not surely better than a linear model (10.5, within the interval)." in page(run, arrays)


def test_a_test_table_comes_first(examples):
    run, arrays = examples.stopped()
    text = page(run, arrays)
    assert "on 500 rows of the test table, scored once at the end" in text
    assert text.index("Networks together, on the test table") < text.index("Networks together, out-of-fold")


def test_a_run_without_scores_says_how_to_get_one(examples):
    text = page(*examples.unjudged())
    assert "Not judged" in text
    assert "--holdout 0.2" in text


def test_nothing_but_the_records_is_needed(examples):
    run, _ = examples.regression()
    assert "No curves were kept." in page(run, {})


def test_does_not_replace_a_file_unless_told(examples, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("mine")
    with pytest.raises(OutputError, match="must not exist"):
        write_page(*examples.unjudged(), path, force=False)
    assert path.read_text() == "mine"
    assert write_page(*examples.unjudged(), path) == path
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_said(examples, tmp_path):
    with pytest.raises(OutputError, match="there is no"):
        write_page(*examples.unjudged(), tmp_path / "none" / "page.html")


def test_report_never_loads_torch_or_pyarrow():
    import subprocess
    import sys

    code = "import sys, danlu.report; print([m for m in ('torch', 'altair', 'pyarrow', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "name",
    [
        "regression",
        "two",
        "hostile",
        *(pytest.param(n, marks=SLOW) for n in NAMES if n not in ("regression", "two", "hostile")),
    ],
)
def test_draws_in_a_real_browser(name, examples, browse, tmp_path: Path):
    path = write_page(*examples.ALL[name](), tmp_path / "page.html")
    charts = set(re.findall(r'"(chart-[a-z0-9-]+)":\{"spec"', path.read_text()))
    seen = browse(path)
    assert seen.console == []
    assert '<html lang="en" data-ready="yes">' in seen.dom
    places = re.split(r'<div id="(?=chart-)', seen.dom)[1:]
    assert {place.split('"')[0] for place in places} == charts
    for place in places:
        assert 'data-drawn="yes"' in place[:900]
        assert len(re.findall(r"<path[^>]* d=\"M", place)) >= 3, place[:300]
