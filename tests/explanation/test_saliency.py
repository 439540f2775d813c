"""Saliency is the gradient of the answer, as autograd gives it for the exported networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import danlu
from danlu.explanation.saliency import saliency


def colours(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, 6, 5, 3), dtype=np.uint8), np.arange(count) % 3


@pytest.mark.parametrize(
    "settings", [{"hidden": (8,)}, {"net": "cnn", "conv": (4,), "hidden": (6,)}], ids=["perceptron", "convolution"]
)
def test_it_is_the_gradient_of_the_classs_logit(settings: dict[str, Any]) -> None:
    images, labels = colours()
    model = danlu.fit((images, labels), activation="tanh", epochs=2, **settings)
    x, codes = model.encode(images[:7])
    whole, classes = model.to_torch(), np.array([0, 1, 2, 0, 1, 2, 2])
    found = saliency(whole, (3, 6, 5), x, classes)
    total = torch.zeros(7, 6, 5)
    for member in whole.members:
        own = member.preparation(x, codes).x_KBD.detach().clone()
        for i, c in enumerate(classes):
            one = own[i : i + 1].clone().requires_grad_()
            member.network(one)[0, c].backward()
            total[i] += one.grad.view(3, 6, 5).abs().amax(0)
    expected = (total / total.flatten(1).amax(1)[:, None, None]).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert (found.reshape(7, -1).max(1) == 1).all()


def test_numbers_are_answered_by_the_sum_of_the_outputs() -> None:
    images, _ = colours()
    numbers = images.reshape(60, -1)[:, :2].astype(float)
    model = danlu.fit((images, numbers), task="regression", hidden=(), activation="identity", epochs=2, repeats=1)
    x, _ = model.encode(images[:4])
    found = saliency(model.to_torch(), (3, 6, 5), x)
    # A linear model has one slope everywhere: the sum of both outputs' weights.
    weight = model.to_torch().members[0].network[0].weight.sum(0).view(3, 6, 5).abs().amax(0).detach()
    np.testing.assert_allclose(found, np.tile((weight / weight.max()).numpy(), (4, 1, 1)), rtol=1e-5)


def test_an_image_that_moves_nothing_has_no_saliency() -> None:
    images, labels = colours()
    model = danlu.fit((images, labels), hidden=(4,), init="constant:0", epochs=1)
    x, _ = model.encode(images[:3])
    assert (saliency(model.to_torch(), (3, 6, 5), x, np.zeros(3)) == 0).all()
