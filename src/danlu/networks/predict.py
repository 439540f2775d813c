"""Predictions of many members: in evaluation mode, in user units or as probabilities, in chunks of bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from danlu.core.records import FeatureLayout
from danlu.networks.network import Network
from danlu.networks.preparation import Preparation, Prepared, as_tensor

CHUNK_VALUES = 1 << 22
"""Values of the widest layer computed at once: 16 MiB of float32, which stays near the caches."""


def link(outputs_MBC: Tensor, name: str, preparation: Preparation | None = None) -> Tensor:
    """Turn a network's outputs into predictions, always finite for finite outputs.

    Arguments:
        outputs_MBC: the last layer's outputs.
        name: identity, softmax, sigmoid or exp.
        preparation: where given, identity outputs are unscaled to user units, in float64.

    >>> link(torch.tensor([[[0.0, 0.0]]]), "softmax")
    tensor([[[0.5000, 0.5000]]])
    """
    if name == "softmax":
        return torch.softmax(outputs_MBC, 2)
    if name == "sigmoid":
        return torch.sigmoid(outputs_MBC)
    if name == "exp":
        return outputs_MBC.clamp(max=87.0 if outputs_MBC.dtype == torch.float32 else 700.0).exp()
    return outputs_MBC if preparation is None else preparation.unscaled(outputs_MBC)


def mirror(x: Tensor, layout: FeatureLayout) -> Tensor:
    """Return images with left and right exchanged, `[..., K * H * W]`.

    >>> mirror(torch.arange(4.0), FeatureLayout(numbers=(), image=(1, 2, 2)))
    tensor([1., 0., 3., 2.])
    """
    assert layout.image is not None
    return x.unflatten(-1, layout.image).flip(-1).flatten(-3)


@torch.no_grad()
def predict(  # noqa: PLR0913  the members, the rows and how much at once: nothing to leave out
    network: Network,
    preparation: Preparation,
    weights_MP: Tensor,
    state_MS: Tensor,
    fold_M: Tensor | Sequence[int],
    x_NF: np.ndarray | Tensor,
    codes_NQ: np.ndarray | Tensor,
    *,
    rows_per_member: Sequence[np.ndarray | Tensor] | None = None,
    chunk: int | None = None,
) -> Tensor | list[Tensor]:
    """Predict rows with every member, or each member's own rows.

    Arguments:
        network: the architecture.
        preparation: statistics of the K folds.
        weights_MP: weights of M members.
        state_MS: their running moments.
        fold_M: fold of each member.
        x_NF: encoded numbers.
        codes_NQ: encoded codes.
        rows_per_member: for each member the rows to predict; None: all rows with all members.
        chunk: rows at once; by default as many as keep the widest layer within 4 million values.

    Returns:
        `[M, N, C]`, or a list of M tensors `[rows, C]`: probabilities for softmax and sigmoid, else user units (for
        identity in float64). On the device of the weights.
    """
    device = weights_MP.device
    x, codes = as_tensor(x_NF, device), as_tensor(codes_NQ, device)
    own = preparation.pick(fold_M)
    members = len(weights_MP)
    width = network.widest
    chunk = chunk or min(65536, max(256, CHUNK_VALUES // (width * members)))
    group = max(1, CHUNK_VALUES // (width * chunk))
    results: list[Tensor] = []
    for start in range(0, members, group):
        part = slice(start, start + group)
        few = own.pick(torch.arange(members)[part])
        wanted = None if rows_per_member is None else [as_tensor(r, device).long() for r in rows_per_member[part]]
        results += _predict_group(network, few, (weights_MP[part], state_MS[part]), (x, codes), wanted, chunk)
    return results if rows_per_member is not None else torch.stack(results)


def _predict_group(
    network: Network,
    preparation: Preparation,
    member: tuple[Tensor, Tensor],
    matrices: tuple[Tensor, Tensor],
    wanted: list[Tensor] | None,
    chunk: int,
) -> list[Tensor]:
    """Predict with a few members; members with fewer rows than others repeat row 0, which is cut off again."""
    x_NF, codes_NQ = matrices
    lengths = [len(x_NF)] * len(member[0]) if wanted is None else [len(rows) for rows in wanted]
    most = max(lengths)
    everyone = torch.arange(most, device=x_NF.device).unsqueeze(0)
    rows_MR = everyone if wanted is None else torch.nn.utils.rnn.pad_sequence(wanted, batch_first=True)
    outputs: list[Tensor] = []
    for start in range(0, most, chunk):
        stop = min(start + chunk, most)
        # Batches are multiples of 32 rows: ENGINE.md's condition for the same bits whatever the number of members.
        rows_KB = torch.nn.functional.pad(rows_MR[:, start:stop], (0, -(stop - start) % 32))
        prepared = preparation.prepare(x_NF[rows_KB], codes_NQ[rows_KB])
        said = link(network(*member, prepared), network.spec.link, preparation)
        if network.spec.mirrored:
            other = Prepared(mirror(prepared.x_KBD, network.spec.layout), prepared.slots_KBE)
            said = (said + link(network(*member, other), network.spec.link, preparation)) / 2
        outputs.append(said[:, : stop - start])
    if not outputs:
        empty = torch.zeros(1, 0, network.spec.outputs, dtype=member[0].dtype, device=x_NF.device)
        outputs = [link(empty, network.spec.link, preparation).expand(len(lengths), -1, -1)]
    whole = torch.cat(outputs, 1)
    return [values[:length] for values, length in zip(whole, lengths, strict=True)]
