"""What a page or a picture shows of images: some with predictions, the worst mistakes, first weights, saliency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from danlu.core.seeds import stream
from danlu.explanation.saliency import saliency
from danlu.judging.scores import decided
from danlu.networks import Network, to_torch
from danlu.networks.modules import ModuleNetwork

if TYPE_CHECKING:
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

    They are of the test part where there is one, else of those judged. Where there are neither, the first weights are
    all.

    Returns:
        what `pictured` gives, `shown_mistake_G` (whether an image is one of the worst mistakes), and `first_UKHW`
        weights.
    """
    image = trial.network.spec.layout.image
    if image is None:
        return {}
    first = {"first_UKHW": first_weights(trial.network, shipped.weights_MP[0])}
    rows_N = judged.rows_N if trial.test_rows is None else trial.test_rows
    if not len(rows_N):
        return first
    predicted_NC = judged.said_NC if tested.together_NC is None else tested.together_NC
    target, decision = trial.examined.target.schema, judged.settled.decision
    known = Known(
        trial.matrices.y[torch.from_numpy(rows_N)].cpu().numpy(),
        predicted_NC,
        guesses(predicted_NC, target.task, None if decision is None else np.array(decision.weights)),
    )
    sample, worst = some(len(rows_N), SAMPLE, trial.plan.seed), known.worst(MISTAKES)
    chosen = np.concatenate([sample, worst])
    whole = to_torch(trial.network, shipped.preparation, shipped.weights_MP, shipped.state_MS, shipped.fold_M)
    x_GP = trial.matrices.x_NF[torch.from_numpy(rows_N[chosen])]
    known = known.take(chosen)
    numbers = rows_N[chosen] - (0 if trial.test_rows is None else trial.test_rows[0])
    heat = saliency(whole.to(x_GP.device), image, x_GP, known.guess_N)
    mistake_G = np.concatenate([np.zeros(len(sample), bool), np.ones(len(worst), bool)])
    return pictured(x_GP.cpu().numpy(), image, numbers, known, heat) | first | {"shown_mistake_G": mistake_G}


@dataclass(frozen=True)
class Known:
    """What is known of images: truth `[N]` or `[N, C]`, predictions, and of classes the one that is predicted."""

    truth: np.ndarray
    predicted_NC: np.ndarray
    guess_N: np.ndarray | None

    def take(self, chosen: np.ndarray) -> Known:
        """Return the same of some images."""
        return Known(
            self.truth[chosen], self.predicted_NC[chosen], None if self.guess_N is None else self.guess_N[chosen]
        )

    def worst(self, most: int) -> np.ndarray:
        """Return the places of the worst mistakes, the worst first: of classes those with the greatest probability, of
        numbers the farthest from the truth, each target by its own spread."""
        if self.guess_N is not None:
            sure_N = self.predicted_NC[np.arange(len(self.guess_N)), self.guess_N]
            badness_N = np.where(self.guess_N != self.truth.reshape(-1), sure_N, -1.0)
        else:
            truth_NC = self.truth.reshape(len(self.truth), -1)
            spread_C = np.where((deviation := truth_NC.std(0)) > 0, deviation, 1.0)
            badness_N = np.abs((self.predicted_NC - truth_NC) / spread_C).mean(1)
        places = np.argsort(-badness_N, kind="stable")[:most]
        return places[badness_N[places] > 0]


def guesses(predicted_NC: np.ndarray, task: str, decision: np.ndarray | None) -> np.ndarray | None:
    """Return the code of the class that is predicted of each row; None of numbers."""
    if task != "classification":
        return None
    guess_N = decided(predicted_NC, decision)
    return predicted_NC.argmax(axis=1) if guess_N is None else guess_N


def some(count: int, most: int, seed: int) -> np.ndarray:
    """Return at most so many places, drawn, in order."""
    random = np.random.Generator(np.random.PCG64(stream(seed, "gallery")))
    return np.sort(random.permutation(count)[:most])


def pictured(
    x_GP: np.ndarray, image: tuple[int, int, int], numbers_G: np.ndarray, known: Known, heat_GHW: np.ndarray | None
) -> Arrays:
    """Return images as they are drawn.

    Returns:
        `shown_GKHW` uint8, `shown_rows_G` (their numbers in their set, from 0), `shown_truth_GC`,
        `shown_predicted_GC`, of classes `shown_guessed_G`, and `saliency_GHW`, from 0 to 1, where it is given.
    """
    thin = -(-max(image[1:]) // LARGEST)
    truth = known.truth if known.truth.ndim > 1 else known.truth[:, None]
    arrays = {
        "shown_GKHW": _bytes(x_GP.reshape(-1, *image))[:, :, ::thin, ::thin],
        "shown_rows_G": np.asarray(numbers_G, np.int64),
        "shown_truth_GC": truth,
        "shown_predicted_GC": known.predicted_NC.astype(np.float32),
    }
    if known.guess_N is not None:
        arrays["shown_guessed_G"] = known.guess_N
    return arrays if heat_GHW is None else arrays | {"saliency_GHW": heat_GHW[:, ::thin, ::thin]}


def _bytes(pixels_GKHW: np.ndarray) -> np.ndarray:
    """Return pixels as uint8; floats are spread from their least to their greatest value."""
    if pixels_GKHW.dtype == np.uint8:
        return pixels_GKHW
    low, high = pixels_GKHW.min(initial=0), pixels_GKHW.max(initial=0)
    return np.round((pixels_GKHW - low) / max(high - low, 1e-12) * 255).astype(np.uint8)


def first_weights(network: Network, weights_P: torch.Tensor) -> np.ndarray:
    """Return weights of first-layer units as pictures, `[U, K, H, W]`: of a convolution its kernels.

    Of a class of one's own they are the first parameters; none where these do not have the shape of pixels.
    """
    image = network.spec.layout.image
    assert image is not None
    pixels, own = image[0] * image[1] * image[2], isinstance(network, ModuleNetwork)
    # Danlu's first Linear may stand behind norms; of a class of one's own nothing is known but its first parameters.
    slot = next((s for s in network.parameters if own or (len(s.shape) == 2 and s.shape[0] == pixels)), None)
    if slot is None:
        return np.zeros((0, 1, 1, 1), np.float32)
    weight = weights_P[slot.offset : slot.offset + slot.numel].view(slot.shape).cpu()
    weight = weight if own else weight.T
    if weight.ndim == 2 and weight.shape[1] == pixels:
        weight = weight.reshape(-1, *image)
    if weight.ndim != 4:
        return np.zeros((0, 1, 1, 1), np.float32)
    norms = weight.flatten(1).norm(dim=1)
    return weight[norms.argsort(descending=True, stable=True)[:UNITS]].float().numpy()
