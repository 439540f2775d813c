"""Pages in Chinese: every word of Danlu's is said, no word of the user's is touched, and English comes back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from danlu.core.compared import Comparison, Difference, Pair, Side
from danlu.core.plan import Plan
from danlu.report import write_page
from danlu.report.comparison import compare_page
from danlu.report.languages import phrases, read_phrases
from report.browser import until
from report.test_searched import search

PLACE = re.compile(r"\{[nxty]\d*\}")
NAMES = ("regression", "stopped", "several", "two", "many", "broken", "unjudged")
MADE_UP = ["A note.", "Nothing to do."]
"""Texts of the made-up runs that no run of Danlu's says."""
LEFT = r"""() => {
  const own = "bdi:not(.said), code, pre, script, style, noscript, [translate=no], .chart *", found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const english = /[a-z]{2,} [a-z]{2,} [a-z]{2,}/i;
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.parentElement.closest(own) && english.test(node.nodeValue)) found.push(node.nodeValue);
  }
  for (const name of ["title", "aria-label", "alt", "placeholder"])
    for (const each of document.querySelectorAll(`[${name}]`))
      if (!each.closest(own) && english.test(each.getAttribute(name))) found.push(each.getAttribute(name));
  return found;
}"""
"""What still reads like a sentence in English."""
AXIS = "document.querySelectorAll('#chart-learning .role-axis-title text')[1]?.textContent"


# The catalogue


def test_a_phrase_and_its_translation_have_the_same_places() -> None:
    for english, chinese in phrases():
        assert sorted(set(PLACE.findall(english))) == sorted(set(PLACE.findall(chinese))), english


def test_a_translation_is_chinese_and_has_no_marks_of_english() -> None:
    for english, chinese in phrases():
        same = chinese == english or english.startswith("epoch") or chinese.lower() == english.lower().replace("-", " ")
        assert same or re.search("[\u4e00-\u9fff。，、：；×（]", chinese), english
        assert not re.search("[\u4e00-\u9fff][,;:.?](?!\\w)", chinese), chinese


def test_a_catalogue_with_a_mistake_is_not_read() -> None:
    with pytest.raises(ValueError, match="line 3: 'Score' is there twice"):
        read_phrases("Score\n    得分\nScore")
    with pytest.raises(ValueError, match="line 3: a translation without its phrase"):
        read_phrases("Score\n    得分\n    评分")


# Pages in Chromium


@pytest.fixture(scope="module")
def written(examples, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {name: write_page(*examples.ALL[name](), folder / f"{name}.html") for name in (*NAMES, "hostile")}


def opened(browser: Any, path: Path, locale: str = "zh-CN", width: int = 1440, scheme: str = "light") -> Any:
    """Open a page as a reader of that language does, and wait until its charts are drawn."""
    context = browser.new_context(viewport={"width": width, "height": 900}, locale=locale, color_scheme=scheme)
    tab, tab_said = context.new_page(), []
    tab.on("console", lambda message: tab_said.append(message.text))
    tab.on("pageerror", lambda error: tab_said.append(str(error)))
    tab.goto(path.as_uri())
    tab.wait_for_selector("html[data-ready=yes]", timeout=60_000)
    assert tab_said == []
    return tab


@pytest.mark.parametrize("name", NAMES)
def test_every_word_of_a_page_is_chinese(chromium, written, name) -> None:
    tab = opened(chromium, written[name])
    assert tab.evaluate("document.documentElement.lang") == "zh-CN"
    assert [text for text in tab.evaluate("language.missing()") if text not in MADE_UP] == []
    assert [text for text in tab.evaluate(LEFT) if text not in MADE_UP] == []
    titles = tab.locator(".role-axis-title").all_text_contents()
    assert titles
    assert {title for title in titles if not re.search("[\u4e00-\u9fff]", title)} <= {"epoch"}


def test_what_a_search_learnt_is_chinese(chromium, examples, tmp_path) -> None:
    record, arrays = examples.regression()
    record = record.model_copy(update={"searched": search()})
    tab = opened(chromium, write_page(record, arrays, tmp_path / "page.html"))
    assert tab.evaluate("language.missing()") == []
    assert tab.inner_text("#search h2") == "搜索发现了什么？"
    assert "3 种设置中的一种" in tab.inner_text("#search .lead")


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
def test_no_chinese_page_is_wider_than_the_window(chromium, written, width, scheme) -> None:
    for name in ("stopped", "many"):
        tab = opened(chromium, written[name], width=width, scheme=scheme)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_a_reader_of_another_language_gets_english_and_what_was_chosen_is_remembered(chromium, written) -> None:
    tab = opened(chromium, written["two"], "fr-FR")
    assert tab.evaluate("document.documentElement.lang") == "en"
    before = tab.inner_text("body")
    drawn = tab.locator("svg text").all_text_contents()
    tab.click(".language")
    until(tab, f"{AXIS} === '准确率'")
    assert tab.inner_text("#score .over") == "准确率"
    assert tab.get_attribute(".language", "lang") == "en"
    assert "比总是预测均值" not in before
    tab.reload()
    tab.wait_for_selector("html[data-ready=yes]")
    assert tab.evaluate("document.documentElement.lang") == "zh-CN"
    tab.click(".language")
    until(tab, f"{AXIS} === 'accuracy'")
    assert tab.inner_text("body") == before
    assert tab.locator("svg text").all_text_contents() == drawn


def test_a_hidden_curve_stays_hidden_in_the_other_language(chromium, written) -> None:
    tab = opened(chromium, written["two"], "en-GB")
    dashed = '#chart-learning path[stroke-dasharray="5,4"]'
    before, amount = tab.locator(dashed).count(), f"document.querySelectorAll({dashed!r}).length"
    tab.locator("#training button[data-series=loss]").click()
    until(tab, f"{amount} < {before}")
    fewer = tab.locator(dashed).count()
    tab.click(".language")
    until(tab, f"{AXIS} === '准确率'")
    until(tab, f"{amount} === {fewer}")


def test_what_a_user_named_is_never_translated(chromium, examples, tmp_path) -> None:
    words = ["Score", "Rows", "rows", "number", "Always the mean", "of", "to"]
    tab = opened(chromium, write_page(*examples.regression(names=words), tmp_path / "page.html"))
    heads = tab.locator("#data table tbody th").all_inner_texts()
    assert heads[: len(words) + 1] == [*words[:-1], "sold", words[-1]]
    assert tab.locator("#drivers figure h3 bdi").first.inner_text() == "Score"
    assert words[1] in tab.locator("#chart-importance svg text").all_text_contents()
    # Where the user's word stands in a sentence, the sentence is turned around it.
    assert "把 Score 在行间打乱后" in tab.inner_text("#drivers .lead")


def test_hostile_names_stay_text_in_chinese(chromium, written) -> None:
    tab = opened(chromium, written["hostile"])
    assert tab.locator("script").count() == 5
    assert tab.locator("img").count() == 0
    assert "<script>alert(1)</script>" in tab.inner_text("#drivers table")


SAID = {
    "95% interval 0.68 to 0.71, on 4,898 rows each judged by networks that had not learnt from it.": "95% 区间为 0.68 至 0.71，评判了 4,898 行，每个都由没有学过它的网络来评判。",
    "3 networks of 1 hidden layer (64, relu), 129 parameters each, trained for 1 epoch: 2 stopped early, 1 broke down.": "3 个网络，1 个隐藏层（64, relu），每个 129 个参数，训练 1 个 epoch：2 个提前停止，1 个数值崩溃。",
    "a. b; c and d matter most.": "a. b; c 和 d 最重要。",
    "Network": "网络",
    "−1.2 × 10⁻⁵ to ∞": "−1.2 × 10⁻⁵ 至 ∞",
    " predicted from x.csv": " 的预测，数据来自 x.csv",
    "something that nobody wrote": "something that nobody wrote",
    "Nothing wrong was found. Something that nobody wrote.": "没有发现问题。 Something that nobody wrote.",
}


def test_sentences_are_turned_as_a_whole(chromium, written) -> None:
    tab = opened(chromium, written["unjudged"])
    assert {text: tab.evaluate("text => language.said(text)", text) for text in SAID} == SAID


def test_every_setting_is_described(chromium, written) -> None:
    tab = opened(chromium, written["unjudged"])
    texts = [field.description for name, field in Plan.model_fields.items() if name != "data"]
    before = set(tab.evaluate("language.missing()"))
    tab.evaluate("texts => texts.map(language.said)", texts)
    assert set(tab.evaluate("language.missing()")) - before == set()


def test_the_page_that_compares_is_chinese(chromium, examples, tmp_path) -> None:
    (first, arrays), (other, others) = examples.regression(), examples.stopped()
    pair = Pair(
        first="b",
        other="a",
        metric="rmse",
        verdict="worse",
        words="a is worse than b on the same 2,000 rows: the difference in RMSE is more than chance in the rows.",
        value=3.0,
        other_value=4.0,
        difference=1.0,
        low=0.5,
        high=1.5,
        rows=2000,
        notes=("compared on the 2,000 rows that both were judged on",),
    )
    found = Comparison(
        models=tuple(Side(name=name, created="", source="", metric="rmse", rows="") for name in "ab"),
        pairs=(pair,),
        score=(Difference(topic="score", name="epochs", values=("60", "27 to 59")),),
        data=(Difference(topic="data", name="column x", values=("number", "left out: as asked")),),
        plan=(Difference(topic="plan", name="epochs", values=("60", "none")),),
    )
    path = tmp_path / "compare.html"
    path.write_text(compare_page(found, [first, other], [arrays, others]), encoding="utf-8")
    tab = opened(chromium, path)
    assert tab.evaluate("language.missing()") == []
    assert tab.evaluate(LEFT) == []
    assert tab.locator("#scores tbody tr").first.inner_text().split() == ["epoch", "数", "60", "27", "至", "59"]
    assert tab.locator("#plan tbody tr").first.inner_text().split() == ["epochs", "60", "none"], "settings are code"
