"""Written whole or not at all: full disks, limits, kills between any two steps, and what is in the way."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import torch

from danlu.artifact import check_output, load, save
from danlu.artifact.files import read_file, read_manifest
from danlu.core.errors import ArtifactError, OutputError
from danlu.core.records import Run


def big(bytes_: int) -> dict[str, torch.Tensor]:
    return {"weights": torch.arange(bytes_ // 4, dtype=torch.float32)}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_whole(folder: Path, name: str) -> None:
    """Check that the model is the one of that name, and that nothing else lies about."""
    loaded = load(folder)
    assert loaded.run.name == name
    assert loaded.arrays["which"].tolist() == [name == "new"]
    assert len(names(folder)) == 4


def put(folder: Path, run: Run, name: str, size: int, force: bool = False) -> None:
    array = {"which": np.array([name == "new"])}
    save(folder, run.model_copy(update={"name": name}), big(size), array, force=force)


def test_a_new_model_replaces_the_old_one_and_its_files(tmp_path: Path, run: Run) -> None:
    model = tmp_path / "m.danlu"
    put(model, run, "old", 100)
    put(model, run, "new", 200, force=True)
    assert_whole(model, "new")


def test_files_of_others_in_the_folder_stay(tmp_path: Path, run: Run) -> None:
    model = tmp_path / "m.danlu"
    put(model, run, "old", 100)
    (model / "notes.txt").write_text("mine")
    (model / "weights-mine.safetensors").write_text("mine")
    (model / ".weights-0123456789ab.safetensors.0123abcd.tmp").write_text("left by a kill")
    put(model, run, "new", 200, force=True)
    assert len(names(model)) == 6
    assert {"notes.txt", "weights-mine.safetensors"} < names(model)


def test_saving_the_same_again_repairs_a_damaged_file(tmp_path: Path, run: Run) -> None:
    model = tmp_path / "m.danlu"
    put(model, run, "old", 100)
    next(model.glob("weights-*")).write_bytes(b"damaged")
    put(model, run, "old", 100, force=True)
    assert_whole(model, "old")


@contextlib.contextmanager
def small_disk(folder: Path) -> Generator[None, None, None]:
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"needs the right to mount a small disk: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@contextlib.contextmanager
def small_files() -> Generator[None, None, None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a tmpfs")
def test_a_full_disk_leaves_the_old_model_whole(tmp_path: Path, run: Run) -> None:
    with small_disk(tmp_path / "disk"):
        model = tmp_path / "disk" / "m.danlu"
        put(model, run, "old", 300_000)
        with pytest.raises(OutputError, match=r"no space left on device.* Make room"):
            put(model, run, "new", 900_000, force=True)
        assert_whole(model, "old")
        with pytest.raises(OutputError, match="no space left"):
            put(tmp_path / "disk" / "other.danlu", run, "new", 900_000)
        assert names(tmp_path / "disk") == {"m.danlu"}
        put(model, run, "new", 300_000, force=True)
        assert_whole(model, "new")


def test_a_limit_on_files_leaves_the_old_model_whole(tmp_path: Path, run: Run) -> None:
    model = tmp_path / "m.danlu"
    put(model, run, "old", 300_000)
    with small_files(), pytest.raises(OutputError, match="file too large"):
        put(model, run, "new", 900_000, force=True)
    assert_whole(model, "old")
    with small_files(), pytest.raises(OutputError, match="file too large"):
        put(tmp_path / "other.danlu", run, "new", 900_000)
    assert names(tmp_path) == {"m.danlu"}


KILLED = """
import json, os, signal, sys
from pathlib import Path
import numpy as np, torch
from danlu.artifact import load, save
from danlu.core.errors import ArtifactError

torch.set_num_threads(1)
model, fresh = Path(sys.argv[1]), sys.argv[2] == "fresh"
old = load(sys.argv[3])

def put(name, force):
    run = old.run.model_copy(update={"name": name})
    save(model, run, {"weights": torch.full((9,), len(name))}, {"which": np.array([name == "new"])}, force=force)

def die_at(step):
    seen = [0]
    def hook(event, arguments):
        changes = event in ("os.rename", "os.remove", "os.mkdir") or event == "open" and arguments[2] & os.O_CREAT
        if changes and str(model) in str(arguments[0]):
            seen[0] += 1
            if seen[0] == step:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

said = []
for step in range(1, 100):
    if not fresh:
        put("old!", True)
    child = os.fork()
    if child == 0:
        die_at(step)
        put("new", not fresh)
        os._exit(0)
    killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    try:
        there = load(model)
        name = there.run.name
        assert there.arrays["which"].tolist() == [name == "new"]
        assert there.tensors["weights"][0] == len(name)
    except ArtifactError:
        name = None
    said.append(name)
    put("last", name is not None)
    assert len(list(model.iterdir())) == 4
    for path in model.iterdir():
        path.unlink()
    model.rmdir()
    if not killed:
        break
print(json.dumps(said))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("start", ["fresh", "replace"])
def test_a_kill_before_any_change_leaves_the_old_model_or_the_new_one(
    tmp_path: Path, run: Run, tensors: dict, start: str
) -> None:
    save(tmp_path / "seed.danlu", run, tensors, {})
    command = [sys.executable, "-c", KILLED, tmp_path / "m.danlu", start, tmp_path / "seed.danlu"]
    said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    before = None if start == "fresh" else "old!"
    # The folder; a temporary file and its rename for each of three files and the manifest; three removals.
    assert len(said) == 1 + 8 + (1 if start == "fresh" else 3)
    commit = said.index("new")
    assert set(said[:commit]) == {before}
    assert set(said[commit:]) == {"new"}


def test_nothing_in_the_way_is_overwritten(tmp_path: Path, run: Run) -> None:
    model = tmp_path / "m.danlu"
    put(model, run, "old", 100)
    with pytest.raises(OutputError, match=r"m.danlu` exists. Use --force"):
        check_output(model)
    check_output(model, force=True)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("mine")
    (tmp_path / "table.csv").write_text("mine")
    for force in (False, True):
        with pytest.raises(OutputError, match="folder of other things"):
            check_output(tmp_path / "work", force)
        with pytest.raises(OutputError, match="is a file"):
            check_output(tmp_path / "table.csv", force)
    assert (tmp_path / "table.csv").read_text() == "mine"


def test_a_folder_with_a_manifest_of_something_else_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "extension").mkdir()
    (tmp_path / "extension" / "manifest.json").write_text('{"manifest_version": 3}')
    with pytest.raises(OutputError, match="folder of other things"):
        check_output(tmp_path / "extension", force=True)


def test_a_damaged_model_can_be_replaced(tmp_path: Path, run: Run) -> None:
    model = tmp_path / "m.danlu"
    put(model, run, "old", 100)
    (model / "manifest.json").write_text("damaged")
    put(model, run, "new", 100, force=True)
    assert_whole(model, "new")


def test_an_empty_folder_and_what_a_kill_left_can_be_written_into(tmp_path: Path, run: Run) -> None:
    model = tmp_path / "m.danlu"
    model.mkdir()
    check_output(model)
    (model / ".run-0123456789ab.json.0123abcd.tmp").write_text("")
    put(model, run, "new", 100)
    assert_whole(model, "new")


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"models` is not there. Create it first"):
        check_output(tmp_path / "models" / "m.danlu")
    assert names(tmp_path) == set()


@pytest.mark.parametrize("name", ["a\0b", "x" * 300])
def test_impossible_names_are_refused(tmp_path: Path, run: Run, name: str) -> None:
    with pytest.raises(OutputError):
        check_output(tmp_path / name)
    for force in (False, True):
        with pytest.raises(OutputError):
            put(tmp_path / name, run, "new", 10, force)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a tmpfs")
def test_a_read_only_folder_is_refused_before_training(tmp_path: Path, run: Run) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk):
        put(disk / "m.danlu", run, "old", 100)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for name, force in (("m.danlu", True), ("other.danlu", False)):
            with pytest.raises(OutputError, match=r"` is read-only. Choose another place"):
                check_output(disk / name, force)
        assert_whole(disk / "m.danlu", "old")


SAVES = """
import sys
from pathlib import Path
from danlu.artifact.files import write_folder
name, folder = sys.argv[1], Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for turn in range(25):
    each = f"{name} {turn % 3} ".encode()
    write_folder(folder, {role: each * size for role, size in (("run", 9), ("weights", 999), ("arrays", 99))}, name)
"""


def test_of_two_processes_that_save_to_one_folder_one_waits(tmp_path: Path) -> None:
    model = tmp_path / "m.danlu"
    command = [sys.executable, "-c", SAVES]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [subprocess.Popen([*command, name, str(model)], **pipes) for name in ("one", "two")]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    read = 0
    while any(process.poll() is None for process in both):
        if (model / "manifest.json").exists():
            read += whole(model)
    assert [process.communicate() for process in both] == [(b"", b"")] * 2
    assert [process.returncode for process in both] == [0, 0]
    assert read > 0
    assert whole(model)
    assert len(names(model)) == 4


def whole(model: Path) -> bool:
    """Return whether the files that a manifest names are those of one process; False where it was replaced since."""
    manifest = read_manifest(model)
    try:
        parts = {read_file(model, entry)[:5] for entry in manifest.files.values()}
    except ArtifactError:
        assert read_manifest(model) != manifest
        return False
    assert len(parts) == 1
    return True
