"""Plan files: the settings of a fit in TOML, read and written."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from danlu.cli.options import LISTS, PANELS
from danlu.core.addresses import SQLITE, is_address
from danlu.core.errors import PlanError, nearest
from danlu.core.plan import Plan

NAMES = ("sheet", "fold_column", "group", "time", "weight")
"""Settings that are a column's or sheet's name; a bare number stands for its place."""
PATHS = ("data", "test")


def read_plan(path: Path) -> dict[str, Any]:
    """Return the settings of a plan file: flat, or under [data], [rows], [network], [training] and [machine].

    Paths in it are relative to its folder.

    Raises:
        PlanError: no such file, not TOML, an unknown key (with the nearest), or a key given twice.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise PlanError("the plan file must exist", f"there is no {path}", "Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"the plan file {path} must be readable text", str(error)) from None
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"the plan file {path} must be TOML", str(error), "Texts stand in double quotes.") from None
    settings: dict[str, Any] = {}
    for key, value in content.items():
        if key in PANELS and isinstance(value, dict):
            for inner, inner_value in value.items():
                _take(settings, inner, inner_value, path)
        else:
            _take(settings, key, value, path)
    for name in PATHS:
        if isinstance(settings.get(name), str) and settings[name] != "-":
            settings[name] = _beside(path, settings[name])
    if isinstance(settings.get("net"), str) and ".py:" in settings["net"]:
        settings["net"] = _beside(path, settings["net"])
    return settings


def _take(settings: dict[str, Any], key: str, value: Any, path: Path) -> None:
    """Put one key of the file among the settings."""
    name = key.replace("-", "_")
    name = "kinds" if name == "kind" else name
    if name not in Plan.model_fields:
        remedy = nearest(name, Plan.model_fields).replace("`", "'")  # quoted as in the file, not as an option
        raise PlanError(f"'{key}' in {path} must be a setting of the plan", "there is none of that name", remedy)
    if name in settings:
        raise PlanError(f"'{key}' in {path} must be given once", "got it twice", "Leave one of them out.")
    settings[name] = _as_text(name, value)


def _as_text(name: str, value: Any) -> Any:
    """Write columns and sheets given by number as the texts that the plan expects."""
    if isinstance(value, bool):
        return value
    if name in NAMES and isinstance(value, int):
        return str(value)
    if name in LISTS and isinstance(value, int | str):
        return (str(value),)
    if name in LISTS and isinstance(value, list):
        return tuple(str(item) for item in value)
    return value


def _beside(path: Path, other: str) -> str:
    """Return a path in a plan file as seen from here; a name that is no file there is left as it is."""
    if other.startswith(SQLITE):
        return SQLITE + str(path.parent / other.removeprefix(SQLITE))
    if is_address(other):
        return other
    there = path.parent / other
    is_name = not there.exists() and not Path(other).suffix
    return other if is_name else str(there)


def write_plan(plan: Plan, resolved: Plan | None = None, source: str = "") -> str:
    """Return a plan as TOML; what Danlu chose by itself (in `resolved`) stands beside it as comments.

    >>> from danlu.core.plan import make_plan
    >>> print(write_plan(make_plan(target="price", hidden="64,32"), source="houses.csv"), end="")
    data = "houses.csv"
    target = ["price"]
    <BLANKLINE>
    [network]
    hidden = [64, 32]
    """
    asked = plan.model_dump(mode="json", exclude_defaults=True)
    chosen = {} if resolved is None else resolved.model_dump(mode="json", exclude_none=True)
    if source:
        asked["data"] = source
    blocks = []
    for group in PANELS:
        lines = []
        for name, field in Plan.model_fields.items():
            extra = field.json_schema_extra
            if not isinstance(extra, dict) or extra.get("group") != group:
                continue
            if name in asked:
                lines.append(f"{name} = {_toml(asked[name])}")
            elif name in chosen and chosen[name] not in ((), [], {}) and name != "data":
                lines.append(f"# {name} = {_toml(chosen[name])}")
        if lines:
            # A table called [data] could not stand beside the key `data`, so these keys stand at the top.
            heading = [] if group == "data" else [f"[{group}]"]
            blocks.append("\n".join(heading + lines) + "\n")
    return "\n".join(blocks)


def _toml(value: Any) -> str:
    """Write one value; JSON's texts, numbers, booleans and lists are TOML's."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k, ensure_ascii=False)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
