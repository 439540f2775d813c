"""What is in the repository works on any machine, and what it says is true."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from danlu.cli.app import COMMANDS
from danlu.cli.flags import flag
from danlu.core.plan import Plan

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {".py", ".md", ".toml", ".txt", ".json", ".yml", ".yaml", ".cfg", ".ini", ""}
OWN_OPTIONS = {"--output", "--force", "--json", "--page", "--no-page", "--quiet", "--help", "--version", "--plan"}
OWN_OPTIONS |= {"--proba", "--keep", "--interval", "--quantiles"}
OWN_OPTIONS |= {"--start", "--starts", "--box", "--variables", "--steps", "--every", "--surface"}
OWN_OPTIONS |= {"--memory", "--input-shape", "--outputs"}
OWN_OPTIONS |= {"--columns", "--image", "--best"}
OWN_OPTIONS |= {"--watch", "--port", "--browser", "--no-browser", "--history", "--tensorboard", "--logdir"}
OWN_OPTIONS |= {"--member", "--most", "--tolerance", "--input-shape"}
OWN_OPTIONS |= {"--row", "--rows", "--train", "--input", "--gradient", "--all", "--steps", "--member"}
OWN_OPTIONS |= {"--standalone", "--nproc-per-node", "--nnodes", "--rdzv-backend", "--rdzv-endpoint"}  # of torchrun
# Written in pieces, so that this file does not hold what it looks for.
FOREIGN = re.compile(
    "|".join(["/ho" + "me/", "/Us" + "ers/", "/ro" + "ot/", "/wo" + "rk/", "/o" + "pt/", "C:" + r"\\"])
)
REGISTRY = re.compile(
    "|".join(["index" + "-url", "find" + "-links", "py" + r"pi\.", "pythonhosted" + r"\.", "file:" + "//"])
)


def texts() -> list[Path]:
    """Return the text files that git has, or would take."""
    try:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git and its repository")
    return [ROOT / name for name in listed if name and Path(name).suffix in TEXTS and (ROOT / name).is_file()]


@pytest.mark.parametrize("forbidden", [FOREIGN, REGISTRY], ids=["paths of one machine", "addresses of registries"])
def test_nothing_belongs_to_one_machine(forbidden: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {hit[0]}"
        for path in texts()
        if path.name != "LICENSE" and (hit := forbidden.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert not found


def generator() -> ModuleType:
    """Return docs/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_current() -> None:
    for path, content in generator().pages().items():
        assert (ROOT / path).read_text(encoding="utf-8") == content, f"run `make docs`: {path} is old"


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md", "docs/commands.md", "docs/data.md", "docs/json.md"])
def test_commands_that_pages_show_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```(?:sh|console)?\n(.*?)```", text, re.DOTALL)) + "\n".join(
        re.findall(r"`(danlu [^`]+)`", text)
    )
    shown = re.findall(r"^(?:\$ )?danlu (\w[\w-]*)", blocks, re.MULTILINE)
    assert shown
    assert not {word for word in shown if word.islower() and word not in COMMANDS}
    known = (
        {flag(field) for field in Plan.model_fields} | {"--no" + flag(f)[1:] for f in Plan.model_fields} | OWN_OPTIONS
    )
    assert not set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - known


@pytest.mark.parametrize(
    "name", ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/commands.md"]
)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
