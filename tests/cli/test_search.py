"""`danlu fit --search` and `danlu search show`: what is printed, written and refused."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from danlu.search.study import Known, Study
from danlu.workflow.model import load

ROOT = Path(__file__).resolve().parents[2]
FIT = ("fit", "houses.csv", "--target", "price")
QUICK = ("--hidden", "8", "--epochs", "3", "--batch-size", "32", "--folds", "3", "--no-explain")


def schema(name: str) -> dict[str, object]:
    return json.loads((ROOT / "docs" / "schema" / f"{name}.schema.json").read_text(encoding="utf-8"))


def test_a_search_is_printed_kept_drawn_and_told(danlu, houses: Path, tmp_path: Path) -> None:
    ended = danlu(*FIT, *QUICK, "--search", "8", "--lr", "0.01")
    assert ended.code == 0, ended.err
    assert "searching 8 settings, 3 folds, over" in ended.err
    assert max(map(len, ended.out.splitlines())) <= 80
    found = load(tmp_path / "houses.danlu").run.searched
    assert found is not None
    assert found.words in " ".join(ended.out.split())
    assert [attempt.number for attempt in found.attempts] == list(range(8))
    assert list(found.space) == ["dropout", "weight_decay", "activation"], "what the user named does not vary"
    assert '<section id="search"' in (tmp_path / "houses.html").read_text(encoding="utf-8")

    shown = danlu("search", "show", "houses.study", "--best", "3")
    assert shown.code == 0, shown.err
    assert max(map(len, shown.out.splitlines())) <= 80
    assert "finished" in shown.out.splitlines()[0]
    assert found.words in " ".join(shown.out.split())
    table = shown.out.partition("folds ")[2].splitlines()[1:]
    assert sum(line[:5].strip().isdigit() for line in table) == 3
    assert table[0].split()[0] == "3", "of all folds first"
    told = json.loads(danlu("search", "show", "houses.study", "--json").out)
    jsonschema.validate(told, schema("search"))
    (search,) = told["searches"]
    assert search["finished"]
    assert search["found"]["words"] == found.words
    values = {
        (json.dumps(each["setting"], sort_keys=True), each["folds"]): each["value"] for each in search["trainings"]
    }
    for attempt in found.attempts[1:]:
        for score in attempt.scores:
            assert values[json.dumps(attempt.setting, sort_keys=True), score.folds] == score.value


def test_json_has_it_and_the_score_is_not_the_value_it_was_chosen_by(danlu, houses: Path, tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text("[lr]\nlow = 0.001\nhigh = 0.05\nlog = true\n", encoding="utf-8")
    words = (*FIT, *QUICK, "--json", "--no-page", "--search", "8", "--space", "space.toml", "--study", "own.study")
    said = json.loads(danlu(*words).out)
    jsonschema.validate(said, schema("fit"))
    search = said["search"]
    assert (search["metric"], search["settings"], search["study"]) == ("rmse", 8, "own.study")
    assert list(search["setting"]) == ["lr"]
    assert search["best"] <= search["start"]
    assert said["score"]["rmse"]["flattered"] == search["optimism"]["rmse"]
    again = json.loads(danlu(*words, "--force").out)
    assert again["search"]["known"] >= 7, "the study knows all but the setting that it begins with"
    assert again["search"]["best"] == search["best"]


def test_scores_of_a_part_of_the_rows_are_shown_as_such(danlu, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=5000)
    rows = [f"{a:.3f},{np.sin(2 * a) + 0.1 * b:.3f}" for a, b in zip(x, rng.normal(size=5000), strict=True)]
    (tmp_path / "waves.csv").write_text("\n".join(["x,y", *rows]), encoding="utf-8")
    words = ("fit", "waves.csv", "--target", "y", "--holdout", "0.2", "--hidden", "4", "--epochs", "1", "--no-explain")
    ended = danlu(*words, "--search", "8", "--batch-size", "256")
    assert ended.code == 0, ended.err
    assert "searching 8 settings, 1 fold (first 25% of its rows), over" in ended.err
    page = (tmp_path / "waves.html").read_text(encoding="utf-8")
    for said in ("On 25% of the rows", "25% of the rows, in the order in which", "the score on 25% of the rows"):
        assert said in page, said
    shown = danlu("search", "show", "waves.study").out
    assert shown.count("25% of rows") == 8 - 2, "the setting before the search among them, and 2 of the others went on"
    assert max(map(len, shown.splitlines())) <= 80
    told = json.loads(danlu("search", "show", "waves.study", "--json").out)
    jsonschema.validate(told, schema("search"))
    shares = sorted(each["share"] for each in told["searches"][0]["trainings"])
    assert shares == [0.25] * 8 + [1.0] * 2
    assert [rung["share"] for rung in told["searches"][0]["found"]["rungs"]] == [0.25, 1.0]


def test_bare_search_is_auto_and_off_is_none(danlu, houses: Path, tmp_path: Path) -> None:
    ended = danlu(*FIT, *QUICK, "--search", "--no-page", "-q", "--lr", "0.01")
    assert ended.code == 0, ended.err
    run = load(tmp_path / "houses.danlu").run
    assert run.plan.search == "auto"
    assert run.searched is not None
    assert len(run.searched.attempts) == 32
    assert run.searched.importance
    ended = danlu(*FIT, *QUICK, "--search", "off", "--no-page", "-o", "b.danlu")
    assert ended.code == 0, ended.err
    assert load(tmp_path / "b.danlu").run.searched is None
    assert not (tmp_path / "b.study").exists()


def test_a_study_that_is_not_finished_says_so(danlu, tmp_path: Path) -> None:
    about = {"plan": "{}", "space": "lr  0.001 to 0.1, log\nhidden  64 | 64x2"}
    study = Study.open(tmp_path / "a.study", "base", "key", "data", about, "accuracy", greater=True)
    study.add({"lr": 0.01, "hidden": (64, 64)}, 1, Known(0.25, 2.0, None), "spread", 10)
    study.add({"lr": 0.02, "hidden": (64,)}, 1, Known(0.5, 2.0, None), "spread", 10)
    study.add({"lr": 0.03, "hidden": (64,)}, 1, Known(float("inf"), 2.0, None), "model", 10)
    study.add({"lr": 0.02, "hidden": (64,)}, 5, Known(0.4, 8.0, None), "spread", 10)
    shown = danlu("search", "show", "a.study")
    assert shown.code == 0, shown.err
    assert "not finished: the same command goes on with it" in " ".join(shown.out.split())
    assert "4 trainings, 14 s" in shown.out
    table = [line.split() for line in shown.out.partition("folds ")[2].splitlines()[1:]]
    assert table == [["5", "0.6", "hidden", "64,", "lr", "0.02"], ["1", "0.75", "hidden", "64x2,", "lr", "0.01"]]
    told = json.loads(danlu("search", "show", "a.study", "--json").out)
    jsonschema.validate(told, schema("search"))
    (search,) = told["searches"]
    assert (search["finished"], search["found"]) == (False, None)
    values = {(each["setting"]["lr"], each["folds"]): each["value"] for each in search["trainings"]}
    assert values == {(0.01, 1): 0.75, (0.02, 1): 0.5, (0.03, 1): None, (0.02, 5): 0.6}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--space", "s.toml"], 2, "belongs to a search, got none"),
        (["--search", "8", "--watch-test", "--test", "houses.csv"], 2, "got a search as well"),
        (["--search", "8", "--holdout", "0"], 2, "a search needs judged rows"),
        (["--search", "8", "--space", "missing.toml"], 2, "No such file"),
        (["--search", "1.5"], 2, "search"),
    ],
)
def test_what_a_search_cannot_have_is_refused(danlu, houses: Path, words: list[str], code: int, said: str) -> None:
    ended = danlu(*FIT, *words)
    assert (ended.code, ended.out) == (code, "")
    assert said in " ".join(ended.err.split())
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("learning_rat = [1, 2]\n", "learning_rat must be a setting to search"),
        ("dropuot = [0.1, 0.2]\n", "Did you mean `dropout`?"),
        ("[lr]\nlow = 0.1\nhigh = 0.001\n", "s.toml: lr must have low below high, got 0.1 and 0.001"),
        ("[lr]\nlow = -1\nhigh = 0.001\n", "s.toml: lr must be above 0.0, got -1. Use lr = 0.001."),
        ("[lr]\nlow = 0\nhigh = 0.1\nlog = true\n", "low above 0 for log"),
        ('activation = ["reluu"]\n', "relu"),
        ("[lr\n", "a space must be a TOML file"),
    ],
)
def test_a_space_with_a_mistake_is_refused(danlu, houses: Path, tmp_path: Path, space: str, said: str) -> None:
    (tmp_path / "s.toml").write_text(space, encoding="utf-8")
    ended = danlu(*FIT, "--search", "8", "--space", "s.toml")
    assert ended.code == 2, ended.err
    assert said in " ".join(ended.err.split())
    assert not (tmp_path / "houses.danlu").exists()


@pytest.mark.parametrize("kind", ["text", "another"])
def test_a_study_that_is_none_is_refused_and_left_alone(danlu, houses: Path, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "s.study"
    if kind == "text":
        file.write_text("these are my notes\n" * 100, encoding="utf-8")
    else:
        with sqlite3.connect(file) as connection:
            connection.execute("create table mine (a)")
    before = file.read_bytes()
    for words in ((*FIT, *QUICK, "--search", "8", "--study", "s.study"), ("search", "show", "s.study")):
        ended = danlu(*words)
        assert ended.code == 3, ended.err
        assert "must be a study" in " ".join(ended.err.split())
        assert file.read_bytes() == before
    ended = danlu("search", "show", "none.study")
    assert ended.code == 3
    assert "there is no such file" in " ".join(ended.err.split())
