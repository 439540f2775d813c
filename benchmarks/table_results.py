"""Results as lines of JSON: each is written as soon as it is there, so that a run that was killed goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Result = dict[str, Any]
Key = tuple[str, str, int, str, str]


def key_of(result: Result) -> Key:
    """Return what a result is kept under: mode, table, split, tool and version."""
    return result["mode"], result["table"], result["split"], result["tool"], result["version"]


def is_danlu(tool: str) -> bool:
    """Return whether a tool is Danlu, with whatever settings: "danlu" or "danlu lr=0.01"."""
    return tool.split(" ")[0] == "danlu"


def source_version(package: Path, version: str) -> str:
    """Return a version that changes with the source: "0.1.0+1a2b3c4d".

    Arguments:
        package: folder of the package.
        version: the one that it says it has.
    """
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{version}+{digest.hexdigest()[:8]}"


def read_results(path: Path) -> list[Result]:
    """Read results; the last line is left out where writing it was broken off."""
    if not path.is_file():
        return []
    *lines, last = path.read_text(encoding="utf-8").split("\n")
    results = [json.loads(line) for line in lines if line]
    try:
        return [*results, json.loads(last)] if last else results
    except json.JSONDecodeError:
        return results


def add_result(path: Path, result: Result) -> None:
    """Write one more line to the file, all of it or nothing that will be read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        broken = file.tell() > 0 and _last_byte(path) != b"\n"
        # What was broken off is cut off: behind it the new line could not be read either.
        if broken:
            whole = path.read_bytes()
            kept = whole.rfind(b"\n") + 1
            ended = _is_json(whole[kept:])
            file.truncate(len(whole) if ended else kept)
            file.write(b"\n" if ended else b"")
        file.write(json.dumps(result).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def newest(results: Iterable[Result], mode: str, version: str) -> dict[tuple[str, int, str], Result]:
    """Return the result to be shown of each table, split and tool: the last one without an error.

    Arguments:
        results: in the order in which they were measured.
        mode: tables or uci.
        version: Danlu's own; of Danlu's results others are left out.
    """
    chosen = {}
    for result in results:
        of_now = result["version"] == version or not is_danlu(result["tool"])
        if result["mode"] == mode and of_now and "error" not in result:
            chosen[result["table"], result["split"], result["tool"]] = result
    return chosen
