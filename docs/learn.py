"""Run the pages of docs/learn from top to bottom, and write what their blocks print, and the pictures that they show.

    python docs/learn.py [--slow] [PAGE ...]      # `make docs` runs all of them, without what is marked slow

A page is Markdown. Its fenced blocks are run in one empty folder, in order, with one namespace for all its Python:

- `console`: lines that begin with `$ danlu`, each followed by what it prints. Progress, on standard error, is left out.
- `python`: is executed; what it prints is the `text` block behind it.
- any language with `file=NAME`: is written to that file.

Words behind the language are marks: `slow` (not run without --slow), `needs=mnist` (run only where that data is, beside
the checkout), `fails` (the command must be refused; what it says is shown), `tolerance=0.05`.

Old and new output agree where all words are the same, and all numbers within a thousandth (or `tolerance`), or one in
the last place of a decimal fraction, or 1e-9. Spaces and line breaks do not count, nor does what a run took: durations
(`2.3 s`), and what is behind `time`. Pages name no folder but the one that they run in.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import re
import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "learn"
PICTURES = ROOT / "docs" / "images" / "learn"
DATA = ROOT.parent / "shared" / "data"
NAMES = ("perceptron", "by-hand", "gradients", "spreadsheet", "convolution")

FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
DURATION = re.compile(r"^time\s[^(\n]*(?:\([^)]*\))?|\b\d[\d,.]* (?:ms|s|min)\b(?: \d+ s\b)?", re.MULTILINE)
NUMBER = re.compile(r"(?<![\w.])[-−]?\d[\d,]*(?:\.\d+)?(?:e[-+−]?\d+)?(?!\w)|[-−]?\d\.\d*e[-+]?\d+")


@dataclass
class Block:
    """A fenced block of a page: its language, its marks, and what stands in it."""

    language: str
    marks: dict[str, str]
    text: str
    output: str = ""
    """What Python printed: the text block behind it."""

    @property
    def tolerance(self) -> float:
        """How far numbers may be apart, relatively."""
        return float(self.marks.get("tolerance", 1e-3))

    def parts(self) -> list[tuple[str, str]]:
        """Return code and output: of a console block, each command's."""
        if self.language != "console":
            return [(self.text, self.output)]
        found: list[list[str]] = []
        for line in self.text.splitlines(keepends=True):
            if line.startswith("$ ") or (found and found[-1][0].endswith("\\\n") and not found[-1][1]):
                if line.startswith("$ "):
                    found.append([line, ""])
                else:
                    found[-1][0] += line
            else:
                found[-1][1] += line
        return [(code, output) for code, output in found]


def blocks_of(page: str) -> list[tuple[int, int, Block]]:
    """Return the blocks that are run, each with where it begins and ends in the page, its output with it."""
    found: list[tuple[int, int, Block]] = []
    for fence in FENCE.finditer(page):
        language, words, text = fence.groups()
        if language == "text":
            if found and found[-1][2].language == "python" and page[found[-1][1] : fence.start()].strip() == "":
                found[-1][2].output = text
                found[-1] = (found[-1][0], fence.end(), found[-1][2])
            continue
        marks = dict((*word.split("=", 1), "")[:2] for word in words.split())
        if language in ("console", "python") or "file" in marks:
            found.append((fence.start(), fence.end(), Block(language, marks, text)))
    return found


class Session:
    """An empty folder in which the blocks of one page are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        if DATA.is_dir():
            (folder / "data").symlink_to(DATA)

    def run(self, block: Block, code: str) -> str:
        """Run code, and return what it prints."""
        if "file" in block.marks:
            (self.folder / block.marks["file"]).write_text(code, encoding="utf-8")
            return ""
        said, aside = io.StringIO(), io.StringIO()
        with _surroundings(self.folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(aside):
            if block.language == "python":
                exec(compile(code, "<page>", "exec"), self.namespace)
                ended: Any = 0
            else:
                ended = _command(code)
        if bool(ended) != ("fails" in block.marks):
            raise RuntimeError(f"{code.strip()}\nended with {ended}:\n{said.getvalue()}{aside.getvalue()}")
        text = said.getvalue() + (aside.getvalue() if ended else "")
        return "".join(line.rstrip() + "\n" for line in text.splitlines())


def _command(code: str) -> Any:
    """Run `$ danlu ...` in this process, and return its exit code: to load torch again each time would take seconds."""
    from danlu.cli.app import main  # noqa: PLC0415  after the environment is set

    program, *words = shlex.split(code[2:].replace("\\\n", " "))
    if program != "danlu":
        raise RuntimeError(f"pages run danlu alone, not {program}")
    try:
        main(words)
    except SystemExit as ended:
        return ended.code


@contextlib.contextmanager
def _surroundings(folder: Path) -> Any:
    """Be in a folder, before a terminal of 80 columns."""
    before, here = dict(os.environ), Path.cwd()
    os.environ.update(COLUMNS="80", NO_COLOR="1", TERM="dumb", CUDA_VISIBLE_DEVICES="")
    if DATA.is_dir():
        os.environ["DANLU_DATA"] = "data"
    try:
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        yield
    finally:
        sys.path.remove(str(folder))
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)


def is_run(block: Block, slow: bool) -> bool:
    """Return whether a block is run here."""
    needed = block.marks.get("needs")
    return (slow or "slow" not in block.marks) and (needed is None or (DATA / needed).is_dir())


def run_page(text: str, folder: Path, *, slow: bool = False) -> list[tuple[Block, list[tuple[str, str, str | None]]]]:
    """Run a page.

    Returns:
        Its blocks, and for each the code, the output in the page and the one now, or None for what was not run.
    """
    session = Session(folder)
    found = []
    for _, _, block in blocks_of(text):
        ran = is_run(block, slow)
        found.append((block, [(code, old, session.run(block, code) if ran else None) for code, old in block.parts()]))
    return found


def renewed(text: str, folder: Path, *, slow: bool = False) -> str:
    """Return a page with what its blocks print now, where that differs from what it says."""
    parts, end = [], 0
    places = blocks_of(text)
    for (start, stop, _), (block, ran) in zip(places, run_page(text, folder, slow=slow), strict=True):
        parts += [text[end:start], _written(block, ran)]
        end = stop
    return "".join([*parts, text[end:]])


def _written(block: Block, ran: list[tuple[str, str, str | None]]) -> str:
    words = "".join(f" {name}={value}" if value else f" {name}" for name, value in block.marks.items())
    outputs = [old if new is None or not difference(old, new, block.tolerance) else new for _, old, new in ran]
    if block.language == "console":
        inside = "".join(code + output for (code, _, _), output in zip(ran, outputs, strict=True))
        return f"```console{words}\n{inside}```\n"
    behind = f"\n```text\n{outputs[0]}```\n" if outputs[0] else ""
    return f"```{block.language}{words}\n{block.text}```\n{behind}"


def difference(old: str, new: str, tolerance: float = 1e-3) -> str:
    """Return where two outputs differ, in words; empty where they agree.

    >>> difference("loss 0.5200, 2.3 s", "loss   0.5201, 961 ms"), difference("4 of 4 known", "3 of 4 known")
    ('', "'4 of 4 known' became '3 of 4 known'")
    """
    ours, theirs = _tokens(old), _tokens(new)
    for i, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        if not _same(one, other, tolerance):
            near = slice(max(i - 4, 0), i + 4)
            return f"'{' '.join(ours[near])}' became '{' '.join(theirs[near])}'"
    if len(ours) != len(theirs):
        return f"{len(ours)} words became {len(theirs)}"
    return ""


def _tokens(text: str) -> list[str]:
    """Return words and numbers, each number a token of its own."""
    text = DURATION.sub("TIME", text)
    return NUMBER.sub(lambda number: f" {number[0]} ", text).split()


def _same(one: str, other: str, tolerance: float) -> bool:
    if one == other:
        return True
    if not (NUMBER.fullmatch(one) and NUMBER.fullmatch(other)):
        return False
    a, b = _value(one), _value(other)
    last = max(_last_place(one), _last_place(other))
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-9) or abs(a - b) <= 1.001 * last


def _value(number: str) -> float:
    return float(number.replace(",", "").replace("−", "-"))


def _last_place(number: str) -> float:
    """Return one in the last place of a decimal fraction; 0 for whole numbers, which are counts."""
    fraction = re.search(r"\.(\d+)(?:e([-+−]?\d+))?$", number)
    if fraction is None:
        return 0.0
    return 10.0 ** (int((fraction[2] or "0").replace("−", "-")) - len(fraction[1]))


def pictures_of(text: str) -> list[str]:
    """Return the names of the pictures that a page shows."""
    return re.findall(r"\]\(\.\./images/learn/([^)\s]+)\)", text)


def keep_small(picture: Path, to: Path) -> None:
    """Copy a PNG with at most 1,000 pixels a side and 64 colours: some 50 kB instead of a megabyte."""
    from PIL import Image  # noqa: PLC0415  only to write

    image = Image.open(picture).convert("RGB")
    image.thumbnail((1000, 1000), Image.Resampling.LANCZOS)
    image.quantize(64, dither=Image.Dither.NONE).save(to, optimize=True)


def with_blocks(translation: str, page: str) -> str:
    """Return a translated page with the blocks of the original."""
    ours, theirs = blocks_of(translation), blocks_of(page)
    if len(ours) != len(theirs):
        raise SystemExit(f"the translation has {len(ours)} blocks, the page {len(theirs)}")
    parts, end = [], 0
    for (start, stop, _), (first, last, _) in zip(ours, theirs, strict=True):
        parts += [translation[end:start], page[first:last]]
        end = stop
    return "".join([*parts, translation[end:]])


def main() -> None:
    """Renew pages, their pictures, and the blocks of their translations."""
    parser = argparse.ArgumentParser(description="Run the pages of docs/learn, and write what their blocks print.")
    parser.add_argument("pages", nargs="*", default=NAMES)
    parser.add_argument("--slow", action="store_true", help="run what is marked slow, too")
    given = parser.parse_args()
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the program does, before torch is loaded
    for name in given.pages:
        page = PAGES / f"{name}.md"
        with tempfile.TemporaryDirectory() as folder:
            text = renewed(page.read_text(encoding="utf-8"), Path(folder), slow=given.slow)
            for picture in pictures_of(text):
                if (Path(folder) / picture).is_file():
                    keep_small(Path(folder) / picture, PICTURES / picture)
        page.write_text(text, encoding="utf-8")
        translation = page.with_suffix(".zh-CN.md")
        if translation.is_file():
            translation.write_text(with_blocks(translation.read_text(encoding="utf-8"), text), encoding="utf-8")
        sys.stdout.write(f"{page.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
