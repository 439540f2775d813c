"""Plan files say what options say, and survive being written and read."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.cli.fit import settings_of
from danlu.cli.planfile import read_plan, write_plan
from danlu.core.errors import PlanError
from danlu.core.plan import make_plan


def read(folder: Path, text: str) -> dict[str, object]:
    path = folder / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return read_plan(path)


def test_flat_and_in_sections_mean_the_same(tmp_path: Path) -> None:
    flat = read(tmp_path, 'target = "price"\nfolds = 3\nhidden = [64, 32]\nlr = 0.01\nbatch-size = "all"\n')
    sections = read(
        tmp_path,
        '[data]\ntarget = ["price"]\n[rows]\nfolds = 3\n[network]\nhidden = "64,32"\n'
        '[training]\nlr = 0.01\nbatch_size = "all"\n',
    )
    assert make_plan(**flat) == make_plan(**sections)
    assert make_plan(**flat).hidden == (64, 32)


def test_columns_and_sheets_may_be_numbers(tmp_path: Path) -> None:
    plan = make_plan(**read(tmp_path, 'target = 3\nsheet = 2\ndrop = [1, "id"]\nkind = { zip = "category" }\n'))
    assert (plan.target, plan.sheet, plan.drop, plan.kinds) == (("3",), "2", ("1", "id"), {"zip": "category"})


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir()
    plan = read(tmp_path / "plans", 'data = "../houses.csv"\ntest = "late.csv"\n')
    assert Path(str(plan["data"])) == tmp_path / "plans" / ".." / "houses.csv"
    assert Path(str(plan["test"])) == tmp_path / "plans" / "late.csv"
    assert read(tmp_path, 'data = "california"\n')["data"] == "california"
    assert read(tmp_path, 'data = "-"\n')["data"] == "-"


@pytest.mark.parametrize(
    ("text", "rule", "remedy"),
    [
        ("fold = 3", "'fold' in plan.toml must be a setting of the plan", "Did you mean 'folds'?"),
        ("folds = 3\n[rows]\nfolds = 4", "'folds' in plan.toml must be given once", "Leave one of them out."),
        ("folds = ", "the plan file plan.toml must be TOML", "Texts stand in double quotes."),
        ("[network]\nfoo = 1", "'foo' in plan.toml must be a setting", ""),
    ],
)
def test_mistakes_are_said(text: str, rule: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plan.toml").write_text(text, encoding="utf-8")
    with pytest.raises(PlanError) as refused:
        read_plan(Path("plan.toml"))
    assert rule in refused.value.rule
    assert remedy in refused.value.remedy


def test_a_plan_file_must_be_there_and_be_text(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="the plan file must exist"):
        read_plan(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanError, match="must be readable text"):
        read_plan(tmp_path / "binary.toml")


def test_the_command_line_comes_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('data = "danlu:california"\nfolds = 3\nlr = 0.1\n', encoding="utf-8")
    assert settings_of(str(path), {"lr": "0.2"}) == {"data": "danlu:california", "folds": 3, "lr": "0.2"}
    assert settings_of(str(path), {"holdout": "0.2"}) == {"data": "danlu:california", "holdout": "0.2", "lr": 0.1}


def test_a_plan_file_must_name_its_table(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text("folds = 3\n", encoding="utf-8")
    with pytest.raises(PlanError, match="must name the table"):
        settings_of(str(path), {})


def test_what_was_chosen_stands_as_comments() -> None:
    asked = make_plan(target="price", folds=3)
    text = write_plan(asked, make_plan(target="price", folds=3, lr=0.003, hidden=(256, 256)), source="houses.csv")
    assert "# lr = 0.003\n" in text
    assert "# hidden = [256, 256]\n" in text
    assert [each for each in text.splitlines() if each and each[0] not in "#["] == [
        'data = "houses.csv"',
        'target = ["price"]',
        "folds = 3",
    ]
    assert tomllib.loads(text)["rows"] == {"folds": 3}


names = st.text(min_size=1, max_size=8).filter(lambda name: name.isprintable())


@given(
    target=names,
    drop=st.lists(names, max_size=3),
    lr=st.floats(1e-9, 10),
    hidden=st.lists(st.integers(1, 500), max_size=4),
    seed=st.integers(0, 2**63 - 1),
    kinds=st.dictionaries(names, st.sampled_from(["number", "category", "date"]), max_size=3),
)
def test_written_and_read_again_a_plan_is_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    target: str,
    drop: list[str],
    lr: float,
    hidden: list[int],
    seed: int,
    kinds: dict[str, str],
) -> None:
    plan = make_plan(target=(target,), drop=tuple(drop), lr=lr, hidden=tuple(hidden), seed=seed, kinds=kinds)
    path = tmp_path_factory.mktemp("plan") / "plan.toml"
    path.write_text(write_plan(plan), encoding="utf-8")
    assert make_plan(**read_plan(path)) == plan
