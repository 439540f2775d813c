"""A trained ensemble as a plain `torch.nn.Module`: ordinary layers, ordinary names, loadable anywhere."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from danlu.core.records import NetworkSpec
from danlu.networks import layers as ours
from danlu.networks.activations import ACTIVATIONS
from danlu.networks.modules import ModuleNetwork
from danlu.networks.network import Network
from danlu.networks.predict import link, mirror
from danlu.networks.preparation import Preparation, Prepared


class PreparationModule(nn.Module):
    """The preparation of one member: `(x_NF, codes_NQ)` to numbers and slots, its statistics as buffers."""

    def __init__(self, preparation: Preparation) -> None:
        super().__init__()
        self.plain = preparation
        for name, buffer in preparation.tensors().items():
            self.register_buffer(name, buffer.clone())

    def current(self) -> Preparation:
        """Return the preparation with the module's own buffers, which `load_state_dict` may have changed."""
        plain = self.plain
        buffers = dict(self.named_buffers())
        return Preparation.from_tensors(plain.layout, plain.scale, plain.scale_target, buffers)

    def forward(self, x_NF: Tensor, codes_NQ: Tensor) -> Prepared:
        """Prepare rows: numbers `[N, D]` and slots of embedded columns `[N, E]`."""
        prepared = self.current().prepare(x_NF.unsqueeze(0), codes_NQ.unsqueeze(0))
        return Prepared(prepared.x_KBD[0], prepared.slots_KBE[0])


class MemberModule(nn.Module):
    """One member: its preparation, its embeddings, and its network as an `nn.Sequential` or the user's own class."""

    def __init__(
        self, preparation: Preparation, embeddings: nn.ModuleList, network: nn.Module, spec: NetworkSpec
    ) -> None:
        super().__init__()
        self.preparation = PreparationModule(preparation)
        self.embeddings = embeddings
        self.network = network
        self.link, self.mirrored = spec.link, spec.mirrored

    def forward(self, x_NF: Tensor, codes_NQ: Tensor) -> Tensor:
        """Predict rows, `[N, C]`, in user units or as probabilities."""
        prepared = self.preparation(x_NF, codes_NQ)
        looked_up = [table(prepared.slots_KBE[:, i]) for i, table in enumerate(self.embeddings)]
        x = torch.cat([prepared.x_KBD, *looked_up], 1)
        plain = self.preparation.current()
        said = link(self.network(x).unsqueeze(0), self.link, plain)[0]
        if not self.mirrored:
            return said
        return (said + link(self.network(mirror(x, plain.layout)).unsqueeze(0), self.link, plain)[0]) / 2


class EnsembleModule(nn.Module):
    """The mean of the predictions of several members."""

    def __init__(self, members: Sequence[MemberModule]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x_NF: Tensor, codes_NQ: Tensor) -> Tensor:
        """Predict encoded rows `x_NF` and `codes_NQ`: `[N, C]`."""
        return torch.stack([member(x_NF, codes_NQ) for member in self.members]).mean(0)


@torch.no_grad()
def to_torch(
    network: Network, preparation: Preparation, weights_MP: Tensor, state_MS: Tensor, fold_M: Tensor | Sequence[int]
) -> EnsembleModule:
    """Return members as one plain `torch.nn.Module` in evaluation mode, with weights of its own.

    `forward(x_NF, codes_NQ)` takes encoded rows and gives the mean prediction `[N, C]`. Each `members.I.network` is
    an `nn.Sequential` of `torch.nn` layers whose keys in `state_dict` are torch's (weights `[out, in]`); after
    `train()` its dropout draws torch's own random numbers. A module of the same architecture loads its `state_dict`.
    Of a user's own class, each `members.I.network` is one, as it was written.

    Arguments:
        network: the architecture.
        preparation: statistics of the K folds.
        weights_MP: weights of M members.
        state_MS: their running moments.
        fold_M: fold of each member.
    """
    picked = preparation.pick(fold_M)
    named, moments = network.named(weights_MP), network.named_state(state_MS)
    members = []
    for m in range(len(weights_MP)):
        own = {name: view[m] for name, view in (named | moments).items()}
        if isinstance(network, ModuleNetwork):
            inner = network.member(weights_MP[m], state_MS[m])
        else:
            inner = nn.Sequential(*(module for layer in network.layers for module in _modules(layer, own, network)))
        tables = nn.ModuleList(nn.Embedding.from_pretrained(own[s.name].clone(), freeze=False) for s in network.tables)
        members.append(MemberModule(picked.pick([m]), tables, inner, network.spec))
    return EnsembleModule(members).eval()


def _modules(layer: ours.Layer, own: dict[str, Tensor], network: Network) -> list[nn.Module]:
    """Return the `torch.nn` twin of a layer, filled with one member's numbers; nothing for a dropout of rate 0."""
    if isinstance(layer, ours.Activate):
        return [ACTIVATIONS[layer.activation].module()]
    if isinstance(layer, ours.Dropout):
        return [nn.Dropout(network.spec.dropout)] if network.spec.dropout else []
    module: nn.Module
    if isinstance(layer, ours.Linear):
        module = nn.Linear(layer.inputs, layer.outputs, layer.bias)
    elif isinstance(layer, ours.BatchNorm):
        module = nn.BatchNorm1d(layer.width, ours.EPSILON, layer.momentum)
    else:
        assert isinstance(layer, ours.LayerNorm)
        module = nn.LayerNorm(layer.width, ours.EPSILON)
    for shape in (*layer.parameters, *layer.state):
        values = own[f"{layer.name}.{shape.name}"]
        target = module.get_parameter(shape.name) if shape in layer.parameters else module.get_buffer(shape.name)
        target.data = (values.T if shape.role == "weight" else values).clone(memory_format=torch.contiguous_format)
    return [module]
