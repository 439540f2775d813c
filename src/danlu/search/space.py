"""The space of a search: which settings of the plan vary, and over what."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from danlu.core.errors import PlanError, nearest
from danlu.core.plan import Plan, make_plan
from danlu.core.searched import shown

SEARCHED = (
    *("hidden", "activation", "batch_norm", "layer_norm", "dropout", "init", "init_bias"),
    *("label_smoothing", "optimizer", "lr", "momentum", "weight_decay", "l1", "clip", "schedule", "warmup"),
    *("epochs", "batch_size"),
)
"""Settings that may vary: all but those that change the rows, what is judged, or what a network is told of a row."""
WHOLE = ("epochs", "batch_size")

Value = Any
Setting = Mapping[str, Value]
"""Names of settings and their values."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, evenly or (`log`) evenly in their logarithm; whole ones where the setting is.

    >>> Range(1.0, 100.0, log=True).at(0.5)
    10.0
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def at(self, u: float) -> float | int:
        """Return the value at a place between 0 and 1."""
        if self.log:
            value = math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + u * (self.high - self.low)
        value = min(max(value, self.low), self.high)
        return round(value) if self.whole else float(f"{value:.4g}")

    def place(self, value: Any) -> float:
        """Return where a value lies, between 0 and 1; the nearest end where it is outside."""
        low, high, v = self.low, self.high, float(value)
        if self.log:
            low, high, v = math.log(low), math.log(high), math.log(max(v, low))
        return min(max((v - low) / (high - low), 0.0), 1.0)

    def words(self) -> str:
        """Return the range in words."""
        return f"{self.low:g} to {self.high:g}{', log' if self.log else ''}"


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple[Value, ...]

    def at(self, u: float) -> Value:
        """Return the value at a place between 0 and 1."""
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]

    def place(self, value: Any) -> float:
        """Return the middle of a value's part between 0 and 1; 0.5 of one that is not there."""
        return (self.values.index(value) + 0.5) / len(self.values) if value in self.values else 0.5

    def words(self) -> str:
        """Return the choices in words."""
        return " | ".join(map(shown, self.values))


@dataclass(frozen=True)
class Space:
    """What a search varies, by the name of the setting.

    Arguments:
        parameters: what each setting may be.
        when: a setting that varies only where others have one of some values; else it is what the plan says.

    >>> space = Space.read({"lr": {"low": 0.001, "high": 0.1, "log": True}, "hidden": ["64", "64,64"]})
    >>> space.at([0.5, 0.9])
    {'lr': 0.01, 'hidden': (64, 64)}
    """

    parameters: Mapping[str, Range | Choice]
    when: Mapping[str, Mapping[str, tuple[Value, ...]]] = field(default_factory=dict)

    @classmethod
    def read(cls, given: Any) -> Space:
        """Return the space of a TOML file, or of a mapping from Python.

        Raises:
            PlanError: the file cannot be read, or what it says is not a space.
        """
        if isinstance(given, str | Path):
            content = _read_toml(Path(given))
            try:
                return cls.read(content)
            except PlanError as error:
                raise _in_file(error, Path(given)) from None
        if isinstance(given, Space):
            return given
        if not isinstance(given, Mapping) or not given:
            raise PlanError("a space must name settings", f"got {given!r}", "Use e.g. [lr] low = 0.001, high = 0.1.")
        parameters: dict[str, Range | Choice] = {}
        when: dict[str, dict[str, tuple[Value, ...]]] = {}
        for name, said in given.items():
            if name not in SEARCHED:
                known = "it is no setting that can be searched"
                raise PlanError(f"`{name}` must be a setting to search", known, nearest(name, SEARCHED))
            parameters[name] = _parameter(name, said)
            if isinstance(said, Mapping) and "when" in said:
                when[name] = _conditions(name, said["when"])
        return cls(parameters, when)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the settings that vary."""
        return tuple(self.parameters)

    def at(self, u_D: Sequence[float]) -> dict[str, Value]:
        """Return the setting at a place of the unit cube; without those whose condition does not hold."""
        drawn = {name: p.at(float(u)) for (name, p), u in zip(self.parameters.items(), u_D, strict=True)}
        return {name: value for name, value in drawn.items() if self._holds(name, drawn)}

    def place(self, setting: Setting) -> np.ndarray:
        """Return where a setting lies in the unit cube, `[D]`; the middle where it says nothing."""
        return np.array(
            [p.place(setting[name]) if setting.get(name) is not None else 0.5 for name, p in self.parameters.items()]
        )

    def words(self) -> tuple[str, ...]:
        """Return a line for each setting that varies."""
        width = max(map(len, self.parameters), default=0)
        return tuple(f"{name:<{width}}  {p.words()}{self._if(name)}" for name, p in self.parameters.items())

    def without(self, names: Sequence[str]) -> Space:
        """Return the space without some settings: those that the user has named."""
        kept = {name: p for name, p in self.parameters.items() if name not in names}
        return Space(kept, {name: condition for name, condition in self.when.items() if name in kept})

    def _holds(self, name: str, drawn: Mapping[str, Value]) -> bool:
        return all(drawn.get(other) in values for other, values in self.when.get(name, {}).items())

    def _if(self, name: str) -> str:
        said = [f"{other} {' or '.join(map(shown, values))}" for other, values in self.when.get(name, {}).items()]
        return f"  (with {' and '.join(said)})" if said else ""


def _read_toml(file: Path) -> Any:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError("a space must be a file that can be read", f"{file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlanError("a space must be a TOML file", f"{file}: {error}", "Use e.g. [lr] low = 0.001.") from None


_NAMED, _ASSIGNED = re.compile(r"(?<!mean )`([a-z][a-z0-9_]*)`"), re.compile(r"\b([a-z][a-z0-9_]*)=(?=\S)")


def _in_file(error: PlanError, file: Path) -> PlanError:
    """Return an error about a space as one about its file: settings are named as they stand there, not as options.

    >>> print(_in_file(PlanError("`lr` must be above 0.0", "got -1", "Use lr=0.001."), Path("space.toml")))
    space.toml: lr must be above 0.0, got -1. Use lr = 0.001.
    """
    rule, fact, remedy = (_ASSIGNED.sub(r"\1 = ", _NAMED.sub(r"\1", t)) for t in (error.rule, error.fact, error.remedy))
    return PlanError(f"{file}: {rule}", fact, remedy)


def _parameter(name: str, said: Any) -> Range | Choice:
    """Return one parameter, whose values the plan takes."""
    if isinstance(said, Mapping):
        unknown = [key for key in said if key not in ("low", "high", "log", "choices", "when")]
        if unknown:
            raise PlanError(
                f"`{name}` must have low and high, or choices", f"got {unknown[0]}", "Also known: log, when."
            )
        if "choices" not in said:
            return _range(name, said)
        said = said["choices"]
    if isinstance(said, str) or not isinstance(said, Sequence) or not said:
        raise PlanError(f"`{name}` must have low and high, or choices", f"got {said!r}", 'Use e.g. ["64", "128,128"].')
    return Choice(tuple(dict.fromkeys(_taken(name, value) for value in said)))


def _range(name: str, said: Mapping[str, Any]) -> Range:
    low, high = said.get("low"), said.get("high")
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in (low, high)) or not low < high:  # type: ignore[operator]
        raise PlanError(
            f"`{name}` must have low below high", f"got {low!r} and {high!r}", "Use low = 0.001, high = 0.1."
        )
    log = bool(said.get("log", False))
    if log and low <= 0:  # type: ignore[operator]
        raise PlanError(f"`{name}` must have low above 0 for log", f"got {low:g}", "Use low = 0.0001, or log = false.")
    if isinstance(_taken(name, low), str | tuple) or isinstance(_taken(name, high), bool):
        raise PlanError(f"`{name}` must have choices", "its values are not numbers", 'Use e.g. ["64", "128,128"].')
    return Range(float(low), float(high), log, name in WHOLE)  # type: ignore[arg-type]


def _conditions(name: str, said: Any) -> dict[str, tuple[Value, ...]]:
    if not isinstance(said, Mapping):
        raise PlanError(f"`when` of {name} must name a setting and its values", f"got {said!r}")
    return {
        other: tuple(_taken(other, v) for v in (values if isinstance(values, list | tuple) else [values]))
        for other, values in said.items()
    }


def _taken(name: str, value: Any) -> Value:
    """Return a value as the plan takes it.

    Raises:
        PlanError: it does not.
    """
    if name not in Plan.model_fields:
        raise PlanError(f"`{name}` must be a setting of the plan", "there is none", nearest(name, Plan.model_fields))
    own = {"optimizer": "sgd"} if name == "momentum" and value else {}
    return getattr(make_plan(**{name: value} | own), name)
