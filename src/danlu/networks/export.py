"""A trained ensemble as a plain `torch.nn.Module`: ordinary layers, ordinary names, loadable anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from danlu.core.records import FeatureLayout, NetworkSpec
from danlu.networks import layers as ours
from danlu.networks.activations import ACTIVATIONS
from danlu.networks.copies import Copies, Heads, pool_copies
from danlu.networks.inputs import spread_over_bins
from danlu.networks.modules import ModuleNetwork
from danlu.networks.network import Network
from danlu.networks.predict import link, mirror
from danlu.networks.preparation import Preparation, Prepared, prepared_width


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
        self.link, self.mirrored, self.bins = spec.link, spec.mirrored, spec.layout.bins
        self.plain = network_inputs(spec.layout)

    def forward(self, x_NF: Tensor, codes_NQ: Tensor) -> Tensor:
        """Predict rows, `[N, C]`, in user units or as probabilities."""
        prepared = self.preparation(x_NF, codes_NQ)
        x = side_by_side(prepared, self.embeddings, self.plain, self.bins)
        plain = self.preparation.current()
        said = link(self.network(x).unsqueeze(0), self.link, plain)[0]
        if not self.mirrored:
            return said
        return (said + link(self.network(mirror(x, plain.layout)).unsqueeze(0), self.link, plain)[0]) / 2


def network_inputs(layout: FeatureLayout) -> int:
    """Return how many prepared numbers are inputs as they are; behind them come the places among bins."""
    return prepared_width(layout) - (2 * len(layout.numbers) if layout.bins else 0)


def side_by_side(prepared: Prepared, embeddings: Iterable[nn.Module], plain: int, bins: int) -> Tensor:
    """Return a network's inputs: numbers, the same spread over their bins, and embedded categories."""
    x_ND, slots_NE = prepared
    looked_up = [table(slots_NE[:, i]) for i, table in enumerate(embeddings)]
    if not bins:
        return torch.cat([x_ND, *looked_up], 1)
    return torch.cat([x_ND[:, :plain], spread_over_bins(x_ND[:, plain:], bins), *looked_up], 1)


class CopiesModule(nn.Module):
    """Makes k copies of every row, `[N, H] -> [k, N, H]`: units times `scale`, plus `bias`, both `[k, H]`."""

    def __init__(self, copies: int, width: int) -> None:
        super().__init__()
        self.scale, self.bias = nn.Parameter(torch.ones(copies, width)), nn.Parameter(torch.zeros(copies, width))

    def forward(self, x_NH: Tensor) -> Tensor:
        """Copy the rows."""
        return x_NH * self.scale[:, None] + self.bias[:, None]


class HeadsModule(nn.Module):
    """The outputs `[N, C]` that predict what k copies predict in the mean; weights `[k, in, out]`."""

    def __init__(self, copies: int, inputs: int, outputs: int, link: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(copies, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(copies, outputs))
        self.link = link

    def forward(self, x_KNH: Tensor) -> Tensor:
        """Compute each copy's outputs, and their mean."""
        return pool_copies((torch.bmm(x_KNH, self.weight) + self.bias[:, None])[None], self.link)[0]


class EnsembleModule(nn.Module):
    """The mean of the predictions of several members; of probabilities calibrated, where `calibrated` was called."""

    temperature: Tensor
    shift: Tensor

    def __init__(self, members: Sequence[MemberModule]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def calibrated(self, temperature: float, shift: Sequence[float]) -> EnsembleModule:
        """Calibrate probabilities from now on: softmax(log p / temperature + shift); return the module itself.

        Arguments:
            temperature: above 0; 1 leaves them as they are.
            shift: one number a class, or none.
        """
        if temperature != 1 or shift:
            like = next(self.parameters())
            self.register_buffer("temperature", like.new_tensor(temperature).detach())
            self.register_buffer("shift", like.new_tensor(list(shift) or [0.0]).detach())
        return self

    def forward(self, x_NF: Tensor, codes_NQ: Tensor) -> Tensor:
        """Predict encoded rows `x_NF` and `codes_NQ`: `[N, C]`."""
        mean_NC = torch.stack([member(x_NF, codes_NQ) for member in self.members]).mean(0)
        if "temperature" not in self._buffers:
            return mean_NC
        one = mean_NC.shape[1] == 1  # the second of two classes alone
        both_NC = torch.cat([1 - mean_NC, mean_NC], 1) if one else mean_NC
        logits_NC = both_NC.clamp(min=torch.finfo(torch.float32).tiny).log() / self.temperature + self.shift
        said_NC = torch.softmax(logits_NC, 1)
        return said_NC[:, 1:] if one else said_NC


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
    if isinstance(layer, Copies | Heads):
        module = (
            CopiesModule(layer.copies, layer.width)
            if isinstance(layer, Copies)
            else HeadsModule(layer.copies, layer.each.inputs, layer.each.outputs, layer.link)
        )
        for shape in layer.parameters:
            module.get_parameter(shape.name).data = own[f"{layer.name}.{shape.name}"].clone()
        return [module]
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
