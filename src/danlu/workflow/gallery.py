"""What a page shows of images: some with their predictions, the worst mistakes, first weights, and saliency."""

from __future__ import annotations

import numpy as np
import torch

from danlu.core.seeds import stream
from danlu.networks import Network, to_torch
from danlu.networks.export import MemberModule
from danlu.networks.modules import ModuleNetwork
from danlu.workflow.judge import Judged, Tested
from danlu.workflow.training import Shipped, Trial

SAMPLE = 40
"""Images drawn at random for the gallery."""
MISTAKES = 24
"""Images shown of those that were predicted wrong with the greatest probability, or farthest from the truth."""
UNITS = 32
"""First-layer units whose weights are shown: those of the largest norm."""
LARGEST = 96
"""Images with more rows or columns than this are thinned for the page."""

Arrays = dict[str, np.ndarray]


def images_shown(trial: Trial, shipped: Shipped, judged: Judged, tested: Tested) -> Arrays:
    """Return what the page draws of images that the networks did not learn from; nothing of a table.

    They are of the test part where there is one, else of those judged.

    Returns:
        `shown_GKHW` uint8, `shown_rows_G`, `shown_truth_GC`, `shown_predicted_GC`, `shown_mistake_G` (whether it is one
        of the worst mistakes), `first_UKHW` weights, and `saliency_GHW`, how strongly each pixel moves the network's
        answer, 0 to 1 for each image.
    """
    image = trial.network.spec.layout.image
    if image is None:
        return {}
    rows_N = judged.rows_N if trial.test_rows is None else trial.test_rows
    if not len(rows_N):
        return {}
    predicted_NC = judged.mean_NC if tested.predicted_MNC is None else tested.predicted_MNC.mean(0)
    chosen, mistake_G = _chosen(trial, rows_N, predicted_NC)
    rows_G = rows_N[chosen]
    x_GP = trial.matrices.x_NF[torch.from_numpy(rows_G)]
    thin = -(-max(image[1:]) // LARGEST)
    truth = trial.matrices.y[torch.from_numpy(rows_G)].cpu().numpy()
    return {
        "shown_GKHW": _bytes(x_GP.view(-1, *image))[:, :, ::thin, ::thin],
        "shown_rows_G": rows_G,
        "shown_truth_GC": truth if truth.ndim > 1 else truth[:, None],
        "shown_predicted_GC": predicted_NC[chosen].astype(np.float32),
        "shown_mistake_G": mistake_G,
        "first_UKHW": first_weights(trial.network, shipped.weights_MP[0]),
        "saliency_GHW": saliency(trial, shipped, x_GP)[:, ::thin, ::thin],
    }


def _chosen(trial: Trial, rows_N: np.ndarray, predicted_NC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return places of a random sample, and behind them of the worst mistakes, and which are those."""
    random = np.random.Generator(np.random.PCG64(stream(trial.plan.seed, "gallery")))
    sample = np.sort(random.permutation(len(rows_N))[:SAMPLE])
    truth = trial.matrices.y[torch.from_numpy(rows_N)].cpu().numpy()
    if trial.examined.target.schema.task == "classification":
        guessed_N = predicted_NC.argmax(1)
        badness_N = np.where(guessed_N != truth, predicted_NC.max(1), -1.0)
    else:
        spread_C = np.where((deviation := truth.std(0)) > 0, deviation, 1.0)
        badness_N = np.abs((predicted_NC - truth) / spread_C).mean(1)
    worst = np.argsort(-badness_N, kind="stable")[:MISTAKES]
    worst = worst[badness_N[worst] > 0]
    mistake_G = np.concatenate([np.zeros(len(sample), bool), np.ones(len(worst), bool)])
    return np.concatenate([sample, worst]), mistake_G


def _bytes(pixels_GKHW: torch.Tensor) -> np.ndarray:
    """Return pixels as uint8; floats are spread from their least to their greatest value."""
    pixels = pixels_GKHW.cpu()
    if pixels.dtype != torch.uint8:
        low, high = pixels.amin(), pixels.amax()
        pixels = ((pixels - low) / (high - low).clamp(min=1e-12) * 255).round().to(torch.uint8)
    return pixels.numpy()


def first_weights(network: Network, weights_P: torch.Tensor) -> np.ndarray:
    """Return weights of first-layer units as pictures, `[U, K, H, W]`: of a convolution its kernels."""
    image = network.spec.layout.image
    assert image is not None
    slot = network.parameters[0]
    weight = weights_P[slot.offset : slot.offset + slot.numel].view(slot.shape).cpu()
    if not isinstance(network, ModuleNetwork):
        weight = weight.T.reshape(-1, *image)
    elif weight.ndim != 4:
        return np.zeros((0, 1, 1, 1), np.float32)
    norms = weight.flatten(1).norm(dim=1)
    return weight[norms.argsort(descending=True, stable=True)[:UNITS]].float().numpy()


def saliency(trial: Trial, shipped: Shipped, x_GP: torch.Tensor) -> np.ndarray:
    """Return the size of the gradient of a network's answer by each pixel (Simonyan et al. 2014), `[G, H, W]`.

    The answer is the output of the likeliest class, or the sum of a regression's outputs. The greatest of the channels
    is taken, the mean over networks, and 1 is the greatest of an image.
    """
    image = trial.network.spec.layout.image
    assert image is not None
    whole = to_torch(trial.network, shipped.preparation, shipped.weights_MP, shipped.state_MS, shipped.fold_M)
    codes = torch.zeros(len(x_GP), 0, dtype=torch.int32, device=x_GP.device)
    total = torch.zeros(len(x_GP), *image[1:])
    for member in whole.to(x_GP.device).members:
        assert isinstance(member, MemberModule)
        x = member.preparation(x_GP, codes).x_KBD.detach().requires_grad_()
        with torch.enable_grad():
            outputs = member.network(x)
            answer = outputs.amax(1) if trial.network.spec.link == "softmax" else outputs.sum(1)
            (slope,) = torch.autograd.grad(answer.sum(), x)
        total += slope.view(-1, *image).abs().amax(1).cpu()
    greatest = total.flatten(1).amax(1).clamp(min=1e-30)
    return (total / greatest[:, None, None]).numpy().astype(np.float32)
