"""A user's own class of networks: found in a file or given in Python, known by its hash, and called.

A file is executed only where the user names it. A saved model holds a name for the eye and
hashes, never what to import.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from danlu.core.errors import PlanError, nearest
from danlu.core.nets import IN_PYTHON, check_net, is_own
from danlu.core.records import ModuleSpec

_OURS = str(Path(__file__).resolve().parents[1])
_TORCH = str(Path(torch.__file__).parent)


@dataclass(frozen=True)
class Custom:
    """A class or function that makes networks.

    Arguments:
        name: as shown, e.g. "my_net.py:MyNet" or "MyNet".
        make: called for each network; see `build`.
        hashes: SHA-256 of the file and of the class's own source, the one that a model keeps first; none where
            there is no source.
    """

    name: str
    make: Callable[..., Any]
    hashes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The last part of the name: that of the class."""
        return self.name.rpartition(":")[2]

    def spec(self, *, own_dropout: bool = True) -> ModuleSpec:
        """Return what a model keeps of the class."""
        return ModuleSpec(name=self.name, sha256=next(iter(self.hashes), None), own_dropout=own_dropout)

    def arguments(self, inputs: int, outputs: int) -> tuple[tuple[int, ...], dict[str, int]]:
        """Return what the class is called with: `inputs` and `outputs` by these names where it has them, else its two
        required arguments in this order, else nothing.

        Raises:
            PlanError: it needs other arguments.
        """
        try:
            parameters = inspect.signature(self.make).parameters.values()
        except (TypeError, ValueError):
            return (inputs, outputs), {}
        by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        named = [p.name for p in parameters if p.name in ("inputs", "outputs") and p.kind is not p.POSITIONAL_ONLY]
        needed = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        rest = [p.name for p in needed if p.name not in named]
        if named and not rest:
            return (), {name: inputs if name == "inputs" else outputs for name in named}
        if not named and not rest:
            return (), {}
        if not named and len(rest) == 2 and all(p.kind in by_position for p in needed):
            return (inputs, outputs), {}
        raise PlanError(
            f"{self.name} must take two arguments, `inputs` and `outputs`, or none",
            f"it needs {', '.join(rest)}",
            "Give the others default values.",
        )

    def call(self, inputs: int, outputs: int) -> str:
        """Return the call in words.

        >>> Custom("nets.py:Wide", lambda inputs, outputs: None).call(13, 1)
        'Wide(inputs=13, outputs=1)'
        """
        given, named = self.arguments(inputs, outputs)
        shown = [*map(str, given), *(f"{name}={value}" for name, value in named.items())]
        return f"{self.title}({', '.join(shown)})"

    def build(self, inputs: int, outputs: int) -> nn.Module:
        """Make one network.

        Raises:
            PlanError: it cannot be called, or returns something else than a module.
        """
        given, named = self.arguments(inputs, outputs)
        call = self.call(inputs, outputs)
        try:
            module = self.make(*given, **named)
        except PlanError:
            raise  # of Danlu's own convolutions: said already
        except Exception as error:
            raise PlanError(f"{self.name} must make a network when called", f"{call} raised {said(error)}") from None
        if isinstance(module, nn.Module):
            return module
        raise PlanError(
            f"{self.name} must make a torch.nn.Module",
            f"{call} returned {type(module).__name__}",
            "Name a class that inherits from torch.nn.Module, or a function that returns one.",
        )


@contextmanager
def drawn_from(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Let torch's generators of the CPU and of a device begin at a seed, and then go on as if nothing was drawn."""
    cuda = device is not None and device.type == "cuda"
    with torch.random.fork_rng([device] if cuda else []):
        torch.default_generator.manual_seed(seed)
        if cuda:
            torch.cuda.manual_seed(seed)
        yield


def said(error: BaseException) -> str:
    """Return an error of the user's code in one line, with the place in it."""
    first = next(iter(str(error).splitlines()), "")
    first = first if len(first) <= 200 else first[:199] + "…"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith((_OURS, _TORCH, "<"))]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {first}{place}" if first else f"{type(error).__name__}{place}"


def find(net: Any) -> Custom | None:
    """Return the class that the setting `net` asks for: "FILE.py:CLASS", or the class itself; None for Danlu's own.

    Raises:
        PlanError: there is none, or it cannot be had.
    """
    if not isinstance(net, str):
        return net if net is None or isinstance(net, Custom) else from_python(net)
    if net.endswith(IN_PYTHON):
        rule = f"`net` must be given again: {net.removesuffix(IN_PYTHON)} was a class in Python"
        raise PlanError(rule, "got its name alone", "Give the class itself, or FILE.py:CLASS.")
    return from_file(str(check_net(net))) if is_own(net) else None


def from_file(net: str) -> Custom:
    """Execute "FILE.py:CLASS", and return the class. Its folder can be imported from meanwhile.

    Raises:
        PlanError: there is no such file or class, or the file raises an error.
    """
    place, _, name = net.rpartition(":")
    path = Path(place)
    try:
        source = path.read_bytes()
    except OSError as error:
        fact = f"there is no {place}" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise PlanError("`net` FILE.py:CLASS must name a file", fact, "Check its path.") from None
    content = _execute(path, source)
    made = content.get(name)
    if made is None:
        own = [key for key, value in content.items() if inspect.isclass(value) and issubclass(value, nn.Module)]
        remedy = nearest(name, own) if own else "Define it there, as a class that inherits from torch.nn.Module."
        raise PlanError("`net` FILE.py:CLASS must name a class in the file", f"{place} has no {name}", remedy)
    found = from_python(made)
    digest = hashlib.sha256(source).hexdigest()
    return Custom(f"{path.name}:{name}", found.make, (digest, *(h for h in found.hashes if h != digest)))


def _execute(path: Path, source: bytes) -> Mapping[str, Any]:
    """Return the names in a file, executed from the very bytes that are hashed."""
    name = f"danlu_net_{hashlib.sha256(source).hexdigest()[:12]}"
    module = sys.modules[name] = ModuleType(name)  # inspect and dataclasses look for it there
    module.__file__ = str(path)
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        exec(SourceFileLoader(name, str(path)).source_to_code(source, str(path)), module.__dict__)
    except (Exception, SystemExit) as error:
        fact = said(error)
        if isinstance(error, SyntaxError):
            fact = f"SyntaxError: {error.msg} (line {error.lineno})"
        raise PlanError(f"{path.name} must run without an error", f"it raised {fact}") from None
    finally:
        sys.path.remove(folder)
    return vars(module)


def from_python(made: Any) -> Custom:
    """Return a class or function given in Python.

    Raises:
        PlanError: it is a network already, or nothing that can be called.
    """
    if isinstance(made, nn.Module) or not callable(made):
        fact = f"got a {type(made).__name__} that was made already" if isinstance(made, nn.Module) else f"got {made!r}"
        remedy = (
            "Give the class itself, or net=lambda inputs, outputs: ...: each network starts from numbers of its own."
        )
        raise PlanError("`net` must be a class or a function that makes networks", fact, remedy)
    name = getattr(made, "__name__", type(made).__name__)
    return Custom("a function" if name == "<lambda>" else name, made, _hashes(made))


def _hashes(made: Callable[..., Any]) -> tuple[str, ...]:
    """Return SHA-256 of the source of a class or function, and of its file, as far as they can be had."""
    hashes: list[str] = []
    try:
        hashes.append(hashlib.sha256(inspect.getsource(made).encode()).hexdigest())
        file = inspect.getsourcefile(made)
        hashes.append(hashlib.sha256(Path(file or "").read_bytes()).hexdigest())
    except (OSError, TypeError):
        pass
    return tuple(hashes)
