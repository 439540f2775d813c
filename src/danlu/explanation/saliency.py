"""Which pixels move a network's answer: the size of its gradient by each of them."""

from __future__ import annotations

import numpy as np
import torch

from danlu.networks.export import EnsembleModule, MemberModule

AT_ONCE = 64
"""Images whose gradient is computed at once."""


def saliency(
    whole: EnsembleModule, image: tuple[int, int, int], x_GP: torch.Tensor, class_G: np.ndarray | None = None
) -> np.ndarray:
    """Return how strongly each pixel moves the answer, from 0 to 1, which is the greatest of its image.

    It is the size of the gradient of the answer by the pixel (Simonyan, Vedaldi & Zisserman 2014, "Deep inside
    convolutional networks"), the greatest over channels, the mean over networks. The answer is the last layer's output
    for a class, or the sum of its outputs.

    Shape:
        x_GP [G, K * H * W] to [G, H, W].

    Arguments:
        whole: the networks, as `to_torch` gives them.
        image: channels K, height H and width W.
        x_GP: pixels as they were encoded, one channel behind the other.
        class_G: the class of each image whose output is the answer; None for the sum.

    >>> from danlu.core.records import FeatureLayout, NetworkSpec
    >>> from danlu.networks import Network, Preparation, to_torch
    >>> layout = FeatureLayout(numbers=(), image=(1, 1, 3))
    >>> x_GP, codes = torch.zeros(1, 3), torch.zeros(1, 0, dtype=torch.int32)
    >>> own = Preparation.fit(x_GP, codes, None, [[0]], layout, "none")
    >>> weights_MP = torch.tensor([[2.0, -4.0, 1.0, 0.0]])  # three weights and a bias
    >>> network = Network(NetworkSpec(layout=layout, outputs=1, link="sigmoid"))
    >>> linear = to_torch(network, own, torch.nn.functional.pad(weights_MP, (0, 12)), torch.zeros(1, 0), [0])
    >>> saliency(linear, (1, 1, 3), x_GP).tolist()
    [[[0.5, 1.0, 0.25]]]
    """
    total_GHW = torch.zeros(len(x_GP), *image[1:], dtype=torch.float64)
    wanted = None if class_G is None else torch.as_tensor(np.asarray(class_G, np.int64), device=x_GP.device)
    for start in range(0, len(x_GP), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        few = None if wanted is None else wanted[part]
        for member in whole.members:
            assert isinstance(member, MemberModule)
            slope_GP = _slope(member, x_GP[part], few)
            total_GHW[part] += slope_GP.view(-1, *image).abs().amax(1).cpu()
    greatest = total_GHW.flatten(1).amax(1).clamp(min=1e-30)
    return (total_GHW / greatest[:, None, None]).numpy().astype(np.float32)


def _slope(member: MemberModule, x_GP: torch.Tensor, class_G: torch.Tensor | None) -> torch.Tensor:
    """Return the gradient of the answer of one network by its prepared pixels, `[G, P]`."""
    codes = torch.zeros(len(x_GP), 0, dtype=torch.int32, device=x_GP.device)
    with torch.no_grad():
        x = member.preparation(x_GP, codes).x_KBD
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        outputs = member.network(x)
        one = class_G is not None and outputs.shape[1] > 1
        answer = outputs.gather(1, class_G[:, None]) if one and class_G is not None else outputs
        return torch.autograd.grad(answer.sum(), x)[0]
