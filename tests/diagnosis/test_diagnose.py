from __future__ import annotations

import numpy as np
import pytest

from danlu.core.checks import Checks
from danlu.core.plan import Plan
from danlu.core.records import Breakdown, MemberRecord, Score
from danlu.diagnosis import diagnose


def member(index, ended="finished", breakdown=None, epochs=100):
    return MemberRecord(
        index=index,
        fold=index,
        repeat=0,
        train_rows=80,
        judged_rows=20,
        epochs=epochs,
        best_epoch=epochs,
        ended=ended,
        breakdown=breakdown,
    )


def breakdown(index=0, epoch=3, step=7, norm=2e8, lr=0.5):
    return Breakdown(member=index, epoch=epoch, step=step, layer="hidden 2", value="nan", gradient_norm=norm, lr=lr)


def score(value, low, high):
    return {"rmse": Score(value=value, low=low, high=high, rows=500, kind="out-of-fold")}


MEMBERS = tuple(member(m) for m in range(5))
BASELINES = {"mean": {"rmse": 10.0}, "linear": {"rmse": 5.0}}
GOOD = score(3.0, 2.8, 3.2)


def power_law(exponent, epochs=100, members=5, floor=0.0):
    """Return an error that falls as a power of the epoch: [E, M]."""
    return np.repeat((floor + np.arange(1, epochs + 1.0) ** -exponent)[:, None], members, axis=1)


def curves(values, lr=None):
    epochs = np.arange(1, len(values) + 1)
    return {"judged_JM": values, "judged_epochs_J": epochs, "lr_E": np.ones(len(values)) if lr is None else lr}


def names(found):
    return [finding.name for finding in found]


def test_is_silent_on_a_healthy_run():
    settled = power_law(1.0, floor=3.0)
    assert diagnose(MEMBERS, curves(settled) | {"loss_EM": settled}, GOOD, BASELINES, "rmse") == ()
    assert diagnose((), {}, {}, {}, "rmse") == ()


def test_names_layer_epoch_step_rate_and_cause():
    broken = (member(0, "non-finite", breakdown()), *MEMBERS[1:])
    (finding,) = diagnose(broken, {}, GOOD, BASELINES, "rmse")
    assert finding.name == "non-finite-loss"
    assert finding.members == (0,)
    assert finding.severity == "warning"
    for word in ("hidden 2", "1 of 5", "exploding gradients"):
        assert word in finding.fault
    for word in ("epoch 3", "step 7", "learning rate 0.5", "gradient norm 2e+08"):
        assert word in finding.evidence
    assert "--lr 0.05" in finding.cure
    assert "--clip 1" in finding.cure


@pytest.mark.parametrize(
    ("where", "cause"),
    [
        ({"epoch": 1, "step": 1}, "scale of inputs or target"),
        ({"norm": None}, "exploding gradients"),
        ({"norm": float("inf")}, "exploding gradients"),
        ({"norm": 2.0}, "steps too large"),
    ],
)
def test_tells_causes_apart(where, cause):
    (finding,) = diagnose((member(0, "non-finite", breakdown(**where)), member(1)), {}, {}, {}, "rmse")
    assert cause in finding.fault


def test_breakdowns_of_one_kind_are_one_finding_and_an_error_when_none_is_left():
    broken = tuple(member(m, "non-finite", breakdown(m)) for m in range(6))
    (finding,) = diagnose(broken, {}, {}, {}, "rmse")
    assert finding.members == tuple(range(6))
    assert finding.severity == "error"
    assert "and 2 more" in finding.evidence


def test_says_how_the_loss_had_risen():
    loss = np.array([[1.0], [0.5], [80.0], [np.nan]])
    (finding,) = diagnose((member(0, "non-finite", breakdown()),), {"loss_EM": loss}, {}, {}, "rmse")
    assert "risen from 0.5 to 80" in finding.evidence


@pytest.mark.parametrize(
    ("low", "high", "severity", "word"),
    [(4.5, 5.5, "note", "not surely better"), (6.0, 7.0, "warning", "worse")],
)
def test_compares_the_interval_with_the_baselines(low, high, severity, word):
    (finding,) = diagnose(MEMBERS, {}, score((low + high) / 2, low, high), BASELINES, "rmse")
    assert finding.name == "no-better-than-baseline"
    assert finding.severity == severity
    assert word in finding.fault
    assert "linear" in finding.evidence
    assert "mean" not in finding.evidence


def test_of_images_it_speaks_of_images():
    history = MEMBERS, {}, {"accuracy": Score(value=0.7, low=0.6, high=0.8, rows=90, kind="holdout")}
    low = {"linear": {"accuracy": 0.75}}
    (finding,) = diagnose(*history, low, "accuracy", checks=Checks(images=True))
    assert "on 90 images" in finding.evidence
    assert finding.cure.endswith("give more images, or try --net cnn.")
    known = Checks(images=True, metric="accuracy", train={"accuracy": 0.71}, judged=0.7)
    (finding,) = diagnose(*history, {"linear": {"accuracy": 0.9}}, "accuracy", checks=known, plan=Plan(net="auto"))
    assert finding.name == "underfitting"
    assert "on images learnt from" in finding.evidence
    assert "convolutions (--net cnn)" in finding.cure


def test_compares_the_right_way_round_where_more_is_better():
    def found(low, high):
        accuracy = {"accuracy": Score(value=(low + high) / 2, low=low, high=high, rows=9, kind="holdout")}
        return names(diagnose(MEMBERS, {}, accuracy, {"majority": {"accuracy": 0.7}}, "accuracy"))

    assert found(0.75, 0.8) == []
    assert found(0.65, 0.8) == ["no-better-than-baseline"]
    assert found(0.5, 0.6) == ["no-better-than-baseline"]


def test_says_that_training_was_interrupted():
    cut = (
        member(0, "interrupted", epochs=12),
        member(1, "interrupted", epochs=12),
        member(2, "stopped early", epochs=9),
    )
    (finding,) = diagnose(cut, curves(power_law(0.5)), GOOD, BASELINES, "rmse", interrupted=True)
    assert finding.name == "interrupted"
    assert "2 of 3 networks had not finished, at epoch 12." in finding.evidence


def test_says_that_more_epochs_would_help():
    # An error that falls as epoch ** -0.5 loses 1 - (95.5 / 85.5) ** -0.5 = 5.4% between the last two tenths.
    (finding,) = diagnose(MEMBERS, curves(power_law(0.5)), GOOD, BASELINES, "rmse")
    assert finding.name == "still-improving"
    assert "5.4%" in finding.evidence
    assert "--epochs 200" in finding.cure


def test_a_falling_training_loss_says_so_where_nothing_is_judged():
    (finding,) = diagnose(MEMBERS, {"loss_EM": power_law(0.5)}, {}, {}, "rmse")
    assert "training loss" in finding.evidence


def test_accuracy_improves_upwards():
    rising = curves(1 - power_law(0.5))
    assert names(diagnose(MEMBERS, rising, {}, {}, "accuracy")) == ["still-improving"]
    assert diagnose(MEMBERS, curves(power_law(0.5)), {}, {}, "accuracy") == ()


@pytest.mark.parametrize("ending", ["stopped early", "non-finite", "interrupted"])
def test_networks_that_did_not_run_to_the_end_are_not_asked(ending):
    ended = tuple(member(m, ending) for m in range(5))
    assert diagnose(ended, curves(power_law(0.5)), GOOD, BASELINES, "rmse") == ()


def test_a_rate_that_was_annealed_ends_falling_by_design():
    cosine = 0.5 * (1 + np.cos(np.linspace(0, np.pi, 100)))
    assert diagnose(MEMBERS, curves(power_law(0.5), cosine), GOOD, BASELINES, "rmse") == ()


def test_noise_and_short_runs_say_nothing():
    noise = 3 + np.random.default_rng(0).standard_normal((100, 5)) * 0.2
    assert diagnose(MEMBERS, curves(noise), GOOD, BASELINES, "rmse") == ()
    assert diagnose(MEMBERS, curves(power_law(0.5, epochs=10)), GOOD, BASELINES, "rmse") == ()
