"""A linear model of pixels: what the networks of images must beat.

scikit-learn's solver takes 14 s for 40 iterations on 60,000 images of 784 pixels, and is not done (0.834 of
Fashion-MNIST, 0.922 of MNIST); two passes of Adam over small batches take 0.25 s of one core and reach 0.843 and 0.925.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from danlu.core.records import TargetSchema
from danlu.core.seeds import stream
from danlu.judging.baselines import Baseline

MOST_VALUES = 800_000_000
"""Pixels seen in training at most, over all baselines of a run: about 2 s of one core."""
BATCH = 128
LEAST_STEPS, MOST_PASSES, PASSES = 1000, 60, 2
RATE, DECAYS = 0.01, (0.9, 0.99)
"""Of Adam (Kingma and Ba 2015); the rate falls to 0 along a line."""
CLASS_PENALTY, NUMBER_PENALTY = 0.05, 0.3
"""Half the square of the weights counts so much, times pixels over images: what a linear model of few images needs (500
images: 0.778 and 0.842, as scikit-learn's logistic regression; rmse within 2% of ridge regression with alpha 100)."""
CHUNK = 4096


def pixel_baseline(
    images_NP: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    judged: np.ndarray,
    target: TargetSchema,
    *,
    seed: int = 0,
    parts: int = 1,
) -> Baseline:
    """Predict with a linear model of pixels: multinomial logistic regression for classes, ridge regression for numbers.

    Two passes over the training images, more where they are few, of Adam on batches of 128. Where that is more than 800
    million pixels in all, a part of the images is drawn by the seed. A class without training images gets share 0.

    Arguments:
        images_NP: [N, P] pixels, uint8 or floats.
        y: [N] class codes, or [N, C] numbers.
        train: numbers of the rows to learn from.
        judged: numbers of the rows to predict.
        target: the schema of the target.
        seed: of the run.
        parts: how many such baselines there are; they share the time.

    >>> images = np.array([[0, 200], [200, 0]] * 20, np.uint8)
    >>> target = TargetSchema(names=("side",), task="classification", classes=("right", "left"), outputs=2)
    >>> every = np.arange(40)
    >>> pixel_baseline(images, every % 2, every, every[:2], target).predicted_NC.argmax(1)
    array([0, 1])
    """
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  time that only a fit pays

    random = np.random.default_rng(stream(seed, "linear baseline"))
    width, rows = images_NP.shape[1], len(train)
    seen = max(BATCH, MOST_VALUES // (max(1, width) * parts))
    if rows > seen:
        train = np.sort(random.choice(train, seen, replace=False))
    centre_P, scale = _scale(images_NP, train)
    classes = target.task == "classification"
    aims_NC, back = _aims(y[train], len(target.classes), classes=classes)
    inputs = _Inputs(images_NP, centre_P, scale)
    steps = min(max(PASSES * len(train) // BATCH, LEAST_STEPS), MOST_PASSES * -(-len(train) // BATCH))
    steps = max(1, min(steps, seen // BATCH))
    # Such small products take longer on several threads, and many times as long beside other work.
    with threadpool_limits(1, "blas"):
        weights_PC = _learn(inputs, train, aims_NC, steps, random, classes=classes)
    chunks = [judged[start : start + CHUNK] for start in range(0, len(judged), CHUNK)]
    outputs_JC = np.concatenate([inputs.take(rows) @ weights_PC for rows in chunks]).astype(np.float64)
    return Baseline(back(outputs_JC), len(train), rows > seen)


class _Inputs:
    """Pixels as inputs: centred, all divided by one number, and a 1 behind them."""

    def __init__(self, images_NP: np.ndarray, centre_P: np.ndarray, scale: float) -> None:
        self.images_NP, self.centre_P, self.factor = images_NP, centre_P, np.float32(1 / scale)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Return `[R, P + 1]` float32."""
        x_RP = np.ones((len(rows), self.images_NP.shape[1] + 1), np.float32)
        inner = x_RP[:, :-1]
        inner[:] = self.images_NP[rows]
        inner -= self.centre_P
        inner *= self.factor
        return x_RP


def _scale(images_NP: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, float]:
    """Return each pixel's mean, and one deviation of all: single pixels at an edge must not be blown up."""
    total, square = np.zeros(images_NP.shape[1]), 0.0
    for start in range(0, len(train), CHUNK):
        part = images_NP[train[start : start + CHUNK]].astype(np.float32)
        total += part.sum(axis=0, dtype=np.float64)
        square += float(np.vdot(part, part))
    centre_P = total / len(train)
    variance = square / len(train) - float(centre_P @ centre_P)
    return centre_P.astype(np.float32), float(np.sqrt(max(variance, 0.0) / max(1, len(centre_P)))) or 1.0


def _aims(y: np.ndarray, width: int, *, classes: bool) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Return what outputs aim at, `[N, C]`, and what turns outputs into predictions."""
    if not classes:
        numbers_NC = np.asarray(y, np.float64).reshape(len(y), -1)
        mean_C, sd_C = numbers_NC.mean(axis=0), numbers_NC.std(axis=0)
        sd_C = np.where(sd_C > 0, sd_C, 1.0)
        return ((numbers_NC - mean_C) / sd_C).astype(np.float32), lambda outputs: outputs * sd_C + mean_C
    unseen = np.bincount(y, minlength=width) == 0

    def shares(outputs: np.ndarray) -> np.ndarray:
        return _softmax(np.where(unseen, -np.inf, outputs))

    return np.eye(width, dtype=np.float32)[y], shares


def _softmax(z: np.ndarray) -> np.ndarray:
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


def _learn(
    inputs: _Inputs, train: np.ndarray, aims_NC: np.ndarray, steps: int, random: np.random.Generator, *, classes: bool
) -> np.ndarray:
    """Return weights `[P + 1, C]`, after so many steps of Adam."""
    weights = np.zeros((len(inputs.centre_P) + 1, aims_NC.shape[1]), np.float32)
    penalty = CLASS_PENALTY if classes else NUMBER_PENALTY
    decay = np.full((len(weights), 1), penalty * len(inputs.centre_P) / len(train), np.float32)
    decay[-1] = 0  # the mean is free
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    each, order = -(-len(train) // BATCH), np.arange(0)
    for step in range(steps):
        if step % each == 0:
            order = random.permutation(len(train))
        rows = order[step % each * BATCH :][:BATCH]
        x = inputs.take(train[rows])
        outputs = x @ weights
        slope = (_softmax(outputs) if classes else outputs) - aims_NC[rows]
        gradient = x.T @ slope / np.float32(len(rows)) + decay * weights
        mean += np.float32(1 - DECAYS[0]) * (gradient - mean)
        square += np.float32(1 - DECAYS[1]) * (gradient * gradient - square)
        root = np.sqrt(square / np.float32(1 - DECAYS[1] ** (step + 1))) + np.float32(1e-8)
        weights -= np.float32(RATE * (1 - step / steps) / (1 - DECAYS[0] ** (step + 1))) * mean / root
    return weights
