"""The pages of docs/learn do what they say: every block runs, and prints what the page shows."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "learn"


def runner() -> ModuleType:
    """Return docs/learn.py as a module."""
    spec = importlib.util.spec_from_file_location("danlu_learn_pages", ROOT / "docs" / "learn.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for it
    spec.loader.exec_module(module)
    return module


learn = runner()


def marked(name: str, mark: str) -> list[str]:
    """Return what a mark says, for each block of a page that has it."""
    found = learn.blocks_of((PAGES / f"{name}.md").read_text(encoding="utf-8"))
    return [block.marks[mark] or mark for _, _, block in found if mark in block.marks]


def check(name: str, folder: Path, *, slow: bool) -> None:
    """Run a page, and compare what it prints with what it shows."""
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    found = learn.run_page(text, folder, slow=slow)
    assert sum(new is not None for _, ran in found for _, _, new in ran) > 5
    for block, ran in found:
        for code, old, new in ran:
            if new is not None:
                said = learn.difference(old, new, block.tolerance)
                assert not said, f"{name}.md:\n{code}{said}\n(`make docs` writes what is printed now)"
    for picture in learn.pictures_of(text):
        kept = learn.PICTURES / picture
        assert kept.stat().st_size < 150_000, picture


@pytest.mark.parametrize("name", learn.NAMES)
def test_blocks_print_what_the_page_shows(name: str, tmp_path: Path) -> None:
    check(name, tmp_path, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in learn.NAMES if marked(name, "slow")])
def test_slow_blocks_do_as_well(name: str, tmp_path: Path) -> None:
    check(name, tmp_path, slow=True)
    if missing := {needed for needed in marked(name, "needs") if not (learn.DATA / needed).is_dir()}:
        pytest.skip(f"needs {', '.join(sorted(missing))} beside the checkout (../shared/data); the other blocks agree")


@pytest.mark.parametrize("name", learn.NAMES)
def test_a_translation_has_the_same_blocks_and_pictures(name: str) -> None:
    page, translation = ((PAGES / f"{name}{end}").read_text(encoding="utf-8") for end in (".md", ".zh-CN.md"))
    ours, theirs = ([block for _, _, block in learn.blocks_of(text)] for text in (page, translation))
    assert ours == theirs
    assert learn.pictures_of(page) == learn.pictures_of(translation)
    assert re.findall(r"^#+", page, re.MULTILINE) == re.findall(r"^#+", translation, re.MULTILINE)
    assert len(re.findall(r"[\u4e00-\u9fff]", translation)) > 400


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("loss 0.5200 in 2.3 s", "loss   0.5201\nin 961 ms", True),
        ("4 of 4 known", "3 of 4 known", False),
        ("minimum", "maximum", False),
        ("f −1.5e−08", "f 2e-10", False),
        ("f 7.889e-31", "f 0", True),
        ("86% less", "87% less", False),
        ("1,000 of 1,000", "1,000 of 1,003", False),
        ("[3, 1] has -0.0070614", "[3, 2] has -0.0070614", False),
        ("0.06 0.07", "0.07 0.07", True),
        ("one two", "one two three", False),
    ],
)
def test_what_counts_as_the_same_output(old: str, new: str, same: bool) -> None:
    assert (not learn.difference(old, new)) is same
