"""Losses against torch.nn.functional and scikit-learn, values and gradients, in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss
from torch import Tensor
from torch.nn import functional as F

from danlu.core.errors import PlanError
from danlu.networks import Program
from danlu.population.losses import hits, make_loss, note_hits, row_sum, weighted_mean

MEMBERS, ROWS, OUTPUTS = 3, 64, 4


def outputs() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(MEMBERS, ROWS, OUTPUTS, dtype=torch.float64, generator=generator).requires_grad_()


def numbers() -> Tensor:
    return torch.randn(MEMBERS, ROWS, OUTPUTS, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def classes() -> Tensor:
    return torch.randint(0, OUTPUTS, (MEMBERS, ROWS), generator=torch.Generator().manual_seed(3))


ORACLES: dict[str, tuple[Callable[[], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "mse": (numbers, F.mse_loss),
    "l1": (numbers, F.l1_loss),
    "huber": (numbers, F.huber_loss),
    "huber:0.4": (numbers, lambda out, y: F.huber_loss(out, y, delta=0.4)),
    "cross-entropy": (classes, F.cross_entropy),
    "binary-cross-entropy": (lambda: numbers().sigmoid(), F.binary_cross_entropy_with_logits),
    "kl": (lambda: numbers().softmax(2), lambda out, y: F.kl_div(out.log_softmax(1), y, reduction="batchmean")),
    "poisson": (lambda: numbers().abs().round(), F.poisson_nll_loss),
}


@pytest.mark.parametrize("name", ORACLES)
def test_losses_equal_torch(name: str) -> None:
    make_target, oracle = ORACLES[name]
    out, target = outputs(), make_target()
    share = torch.full((MEMBERS, ROWS), 1 / ROWS, dtype=torch.float64)
    loss_MB, slope = make_loss(name).of(out, target, None)
    loss_M = weighted_mean(loss_MB, share)
    expected_M = torch.stack([oracle(out[m], target[m]) for m in range(MEMBERS)])
    torch.testing.assert_close(loss_M, expected_M, rtol=1e-13, atol=0)
    ours, theirs = (torch.autograd.grad(loss.sum(), out, retain_graph=True)[0] for loss in (loss_M, expected_M))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-16)
    torch.testing.assert_close(slope() * share.unsqueeze(2), theirs, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("name", ["cross-entropy", "binary-cross-entropy"])
def test_slopes_with_smoothing_equal_autograd(name: str) -> None:
    out, smoothing = outputs(), torch.tensor([0.0, 0.1, 0.4], dtype=torch.float64)
    target = classes() if name == "cross-entropy" else numbers().sigmoid()
    loss_MB, slope = make_loss(name).of(out, target, smoothing)
    torch.testing.assert_close(slope(), torch.autograd.grad(loss_MB.sum(), out)[0], rtol=1e-12, atol=1e-15)


def test_label_smoothing_is_each_members_own_and_equals_torch() -> None:
    out, target, smoothing = outputs(), classes(), torch.tensor([0.0, 0.1, 0.4], dtype=torch.float64)
    ours = make_loss("cross-entropy").rows(out, target, smoothing).mean(1)
    for m, amount in enumerate(smoothing.tolist()):
        torch.testing.assert_close(ours[m], F.cross_entropy(out[m], target[m], label_smoothing=amount))


def test_two_classes_with_one_output_equal_two_outputs() -> None:
    """The logit z is the difference of two logits (0, z); smoothing is the same too."""
    logit, target = outputs()[..., :1], classes() % 2
    two = torch.cat([torch.zeros_like(logit), logit], 2)
    for smoothing in (None, torch.tensor([0.0, 0.1, 0.3], dtype=torch.float64)):
        one = make_loss("binary-cross-entropy").rows(logit, target, smoothing)
        torch.testing.assert_close(one, make_loss("cross-entropy").rows(two, target, smoothing))


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_pinball_equals_scikit_learn(quantile: float) -> None:
    out, target = outputs().detach(), numbers()
    ours = make_loss(f"pinball:{quantile}").rows(out, target, None).mean(1)
    for m in range(MEMBERS):
        expected = mean_pinball_loss(target[m].numpy(), out[m].numpy(), alpha=quantile)
        assert ours[m].item() == pytest.approx(expected, rel=1e-12)
    slope = make_loss(f"pinball:{quantile}").of(out, target, None)[1]()
    assert slope.unique().tolist() == pytest.approx([-quantile / OUTPUTS, (1 - quantile) / OUTPUTS])


def test_a_true_class_given_088_costs_0128() -> None:
    """SEEDS.md B."""
    logits = torch.log(torch.tensor([[[0.88, 0.12]]], dtype=torch.float64))
    assert make_loss("cross-entropy").rows(logits, torch.tensor([[0]]), None).item() == pytest.approx(0.128, abs=5e-4)


def test_weights_are_shares_of_the_batch() -> None:
    loss = torch.tensor([[1.0, 5.0, 100.0]])
    assert weighted_mean(loss, torch.tensor([[0.75, 0.25, 0.0]])).item() == 2.0


@pytest.mark.parametrize(("text", "rule"), [("huber:0", "above 0"), ("pinball:1", "between 0 and 1")])
def test_numbers_out_of_range_are_refused(text: str, rule: str) -> None:
    with pytest.raises(PlanError, match=rule):
        make_loss(text)


def test_sums_of_long_rows_are_right() -> None:
    value = torch.arange(2 * 4096, dtype=torch.float64).view(2, 4096)
    np.testing.assert_array_equal(row_sum(value).numpy(), value.numpy().sum(1))


@pytest.mark.parametrize("outputs", [1, 2, 7, 150])
def test_a_row_is_right_where_torchs_argmax_is_its_class(outputs: int) -> None:
    """Outputs in whole numbers are often equal: the first of the greatest counts."""
    generator = torch.Generator().manual_seed(5)
    logits = torch.randint(-2, 3, (3, 2048, outputs), generator=generator).float()
    truth = torch.randint(0, max(2, outputs), (3, 2048), generator=generator)
    guess = logits.argmax(2) if outputs > 1 else (logits[..., 0] > 0).long()
    assert torch.equal(hits(logits, truth), guess == truth)
    share = torch.rand(3, 2048, generator=generator)
    share[:, -31:] = 0
    found, program = torch.empty(3), Program()
    note_hits(logits, truth, share, found, program)
    torch.testing.assert_close(found, ((guess == truth) * share).sum(1), rtol=1e-5, atol=0)
    logits.neg_()
    program.run()
    now = logits.argmax(2) if outputs > 1 else (logits[..., 0] > 0).long()
    torch.testing.assert_close(found, ((now == truth) * share).sum(1), rtol=1e-5, atol=0)
