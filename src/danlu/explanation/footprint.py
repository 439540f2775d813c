"""What a network needs of memory, layer by layer: to train, and to predict.

Of any `nn.Module` one pass is really taken, and what autograd keeps for the way back is caught by torch's own
`saved_tensors_hooks`: every storage counted once, at the layer that kept it first, parameters told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import finalize

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from danlu.core.errors import PlanError
from danlu.core.plan import make_plan
from danlu.networks.custom import drawn_from, said
from danlu.population import Members
from danlu.population.optimizers import make_optimizer

WHOLE = "(between layers)"
"""What operations that belong to no layer are listed under."""


@dataclass(frozen=True)
class LayerBytes:
    """Bytes of one layer, of one network.

    Arguments:
        name: as in the network; `kind` is its class.
        parameters: what it stores: weights, biases, and buffers such as running moments.
        activations: values kept for the way back, one batch of them.
        prediction: values that it makes anew where nothing is kept for a way back.
        gradients: of its parameters, and of values where the way back has tensors of its own.
        optimizer: what the optimizer remembers of its parameters.
    """

    name: str
    kind: str = ""
    parameters: int = 0
    activations: int = 0
    prediction: int = 0
    gradients: int = 0
    optimizer: int = 0

    @property
    def empty(self) -> bool:
        """Whether it takes nothing at all."""
        return not any((self.parameters, self.activations, self.prediction, self.gradients, self.optimizer))


@dataclass(frozen=True)
class Footprint:
    """Bytes that a network takes to train and to predict.

    Arguments:
        network: its name.
        rows: of a batch.
        optimizer: its name.
        layers: in the order of computation.
        inputs: bytes of the batch itself.
        kept: bytes kept for the way back, counted once more without looking at layers: batch and activations.
        at_once: bytes of values at the worst moment of a prediction, where layers let go of what they took.
        networks: how many there are; all other numbers are of one.
        by: what keeps values for the way back: autograd, or the passes that Danlu's engine has recorded.
        padding: of the rows of a batch, how many only fill it up.
    """

    network: str
    rows: int
    optimizer: str
    layers: tuple[LayerBytes, ...]
    inputs: int
    kept: int
    at_once: int
    networks: int = 1
    by: str = "autograd"
    padding: int = 0

    def total(self, part: str) -> int:
        """Return the sum of a part over all layers."""
        return sum(getattr(layer, part) for layer in self.layers)

    @property
    def training(self) -> dict[str, int]:
        """Bytes of a training step by what they are for, and `total`."""
        parts = {name: self.total(name) for name in ("parameters", "activations", "gradients", "optimizer")}
        parts = {"parameters": parts.pop("parameters"), "inputs": self.inputs, **parts}
        return parts | {"total": sum(parts.values())}

    @property
    def prediction(self) -> dict[str, int]:
        """Bytes of a prediction of the same rows, and `total`."""
        stored = sum(layer.parameters for layer in self.layers if layer.name != COPIES)
        parts = {"parameters": stored, "inputs": self.inputs, "activations": self.at_once}
        return parts | {"total": sum(parts.values())}

    @property
    def words(self) -> str:
        """Why training needs more, in a sentence."""
        training, prediction = self.training, self.prediction
        times = training["total"] / max(1, prediction["total"])
        largest = max(("activations", "gradients", "optimizer"), key=lambda name: training[name])
        most = {
            "activations": "most of it for the values of every layer",
            "gradients": "most of it for gradients",
            "optimizer": f"most of it for what {self.optimizer} remembers of each parameter",
        }[largest]
        remembers = f"; {self.optimizer} remembers more of each" if training["optimizer"] else ""
        return (
            f"Training takes {times:.1f} times the memory of predicting, {most}. The values that layers compute on the "
            f"way forward are kept until the way back has used them, and each parameter gets a gradient{remembers}."
        )

    def record(self) -> dict[str, Any]:
        """Return all of it as plain values: `layers`, `training`, `prediction`, and for several networks `all`."""
        names = ("name", "kind", "parameters", "activations", "prediction", "gradients", "optimizer")
        content: dict[str, Any] = {
            "network": self.network,
            "rows": self.rows,
            "padding": self.padding,
            "optimizer": self.optimizer,
            "layers": [{name: getattr(layer, name) for name in names} for layer in self.layers],
            "training": self.training,
            "prediction": self.prediction,
            "kept": self.kept,
            "kept_by": self.by,
            "networks": self.networks,
            "words": self.words,
        }
        if self.networks > 1:
            each = {"training": self.training["total"], "prediction": self.prediction["total"]}
            content["all"] = {name: self.networks * value for name, value in each.items()}
        return content


COPIES = "(copies)"
"""What Danlu's engine keeps of weights and optimizer besides those that it works on."""


def slots(optimizer: str, momentum: float = 0.0) -> int:
    """Return how many numbers an optimizer remembers of each parameter.

    Torch's keep a counter of 4 bytes for each tensor as well, which is not counted.

    Raises:
        PlanError: there is no such optimizer.

    >>> slots("sgd"), slots("sgd", momentum=0.9), slots("adam")
    (0, 1, 2)
    """
    plan = make_plan(optimizer=optimizer, momentum=momentum, lr=0.1)
    return len(make_optimizer(plan, Members.make(plan, 1)).slots)


def module_footprint(
    module: nn.Module, x: Tensor, *, optimizer: str = "adam", momentum: float = 0.0, name: str = ""
) -> Footprint:
    """Return what a module takes, by one forward pass in training and one in prediction on a batch.

    The module is left as it was: buffers that a pass moves are put back. The loss takes some more, about the outputs.

    Arguments:
        module: any; its training mode and that of its parts do not matter.
        x: a batch as it takes it.
        optimizer: sgd, adam, adamw, rmsprop or adagrad.
        momentum: of sgd and rmsprop; above 0 they remember one number more.
        name: of the network.

    Raises:
        PlanError: the module cannot take the batch, or there is no such optimizer.

    >>> found = module_footprint(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)), torch.zeros(32, 4))
    >>> [(layer.name, layer.kind, layer.parameters, layer.activations) for layer in found.layers]
    [('0', 'Linear', 160, 0), ('1', 'ReLU', 0, 1024), ('2', 'Linear', 36, 0)]
    """
    each = slots(optimizer, momentum)
    with _as_before(module):
        kept = Kept(module, x)
        _run(module.train(), x, kept.watching())
        again = Kept(module, x)
        _run(module, x, again.saving())
        alive = Alive(module, x)
        with torch.no_grad():
            _run(module.eval(), x, alive.watching())
    layers = []
    for place, part in module.named_modules():
        own = [*part.parameters(recurse=False), *part.buffers(recurse=False)]
        trained = sum(_bytes(p) for p in part.parameters(recurse=False) if p.requires_grad)
        layer = LayerBytes(
            name=place or WHOLE,
            kind=type(part).__name__ if place else "",
            parameters=sum(map(_bytes, own)),
            activations=kept.of.get(place, 0),
            prediction=alive.of.get(place, 0),
            gradients=trained,
            optimizer=each * trained,
        )
        if not layer.empty or (place and not list(part.children())):
            layers.append(layer)
    # A network that is one layer has its name.
    if len(layers) == 1 and layers[0].name == WHOLE:
        only = layers[0]
        values = (only.parameters, only.activations, only.prediction, only.gradients, only.optimizer)
        layers = [LayerBytes(type(module).__name__, type(module).__name__, *values)]
    return Footprint(
        network=name or type(module).__name__,
        rows=len(x),
        optimizer=optimizer,
        layers=tuple(layers),
        inputs=_storage(x),
        kept=sum(again.of.values()) + _storage(x),
        at_once=alive.most,
    )


class Watch:
    """Follows which layer runs; the innermost one answers for what happens.

    Arguments:
        module: whose layers are followed.
        x: the batch; it and the module's own tensors are known, and counted elsewhere.
    """

    def __init__(self, module: nn.Module, x: Tensor) -> None:
        self.module, self.running = module, [""]
        self.of: dict[str, int] = {}
        own = [*module.parameters(), *module.buffers(), x]
        # Kept alive, so that no new storage gets the place of one that is gone.
        self.held: list[Tensor] = []
        self.known = {_place(tensor) for tensor in own}

    @contextmanager
    def following(self) -> Iterator[None]:
        """Know which layer runs, as long as this lasts."""
        handles = []
        for place, part in self.module.named_modules():
            handles.append(part.register_forward_pre_hook(lambda _m, _i, place=place: self.running.append(place)))
            handles.append(part.register_forward_hook(self._leave, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _leave(self, *_: Any) -> None:
        self.running.pop()

    def count(self, tensor: Tensor) -> None:
        """Count a storage at the layer that runs, unless it is known."""
        if (place := _place(tensor)) not in self.known:
            self.known.add(place)
            self.of[self.running[-1]] = self.of.get(self.running[-1], 0) + _storage(tensor)


class Kept(Watch):
    """Counts what autograd keeps for the way back."""

    def _keep(self, tensor: Tensor) -> Tensor:
        self.held.append(tensor)
        self.count(tensor)
        return tensor

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count at the layer that runs."""
        with self.following(), self.saving():
            yield

    def saving(self) -> AbstractContextManager[Any]:
        """Count whatever layer runs."""
        return torch.autograd.graph.saved_tensors_hooks(self._keep, lambda tensor: tensor)


class Alive(Watch, TorchDispatchMode):
    """Counts the values that are there at once: made by an operation, and not yet let go."""

    def __init__(self, module: nn.Module, x: Tensor) -> None:
        Watch.__init__(self, module, x)
        TorchDispatchMode.__init__(self)
        self.now = self.most = 0
        self.there: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Carry out an operation, and count the storages that it made."""
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and (place := _place(tensor)) not in self.known and place not in self.there:
                storage, size = tensor.untyped_storage(), _storage(tensor)
                self.there[place] = size
                self.now += size
                self.most = max(self.most, self.now)
                self.of[self.running[-1]] = self.of.get(self.running[-1], 0) + size
                finalize(storage, self._gone, place)
        return made

    def _gone(self, place: int) -> None:
        self.now -= self.there.pop(place, 0)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count at the layer that runs."""
        with self.following(), self:
            yield


def _run(module: nn.Module, x: Tensor, watching: AbstractContextManager[Any]) -> None:
    """Take one forward pass.

    Raises:
        PlanError: the module cannot take the batch.
    """
    name = type(module).__name__
    try:
        with drawn_from(0), watching:
            module(x)
    except Exception as error:
        raise PlanError(
            f"{name} must take a batch of the input's shape",
            f"given {list(x.shape)} it raised {said(error)}",
            "Name the shape of a batch, rows first: input_shape=256,784.",
        ) from None


@contextmanager
def _as_before(module: nn.Module) -> Iterator[None]:
    """Put modes and buffers back at the end."""
    modes = {part: part.training for part in module.modules()}
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with ExitStack() as last:

        @last.callback
        def _restore() -> None:
            for part, training in modes.items():
                part.training = training
            with torch.no_grad():
                for name, buffer in module.named_buffers():
                    buffer.copy_(buffers[name])

        yield


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes()


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
