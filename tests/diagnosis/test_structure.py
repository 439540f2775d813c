"""Units that stay equal, and activations that a loss does not want, from records alone."""

from __future__ import annotations

import math
from typing import Any

import pytest

from danlu.core.checks import Checks, Ending, EqualUnits
from danlu.core.plan import make_plan
from danlu.core.records import Finding
from danlu.diagnosis import diagnose


def findings(loss: str = "mse", plan: dict[str, Any] | None = None, **checks: Any) -> tuple[Finding, ...]:
    asked = make_plan(loss=loss, **(plan or {}))
    return diagnose((), {}, {}, {}, "rmse", checks=Checks(**checks), plan=asked)


def said(loss: str, **ending: Any) -> str:
    """Return the evidence of the finding, "" without one."""
    found = findings(loss, ending=Ending(**{"activation": "ReLU", "rows": 100, **ending}))
    return found[0].evidence if found else ""


def test_symmetric_weights_name_layer_units_and_cure() -> None:
    units = EqualUnits(layer="hidden.0", units=64, distinct=1, members=(0, 2))
    (finding,) = findings(plan={"init": "constant:0.5"}, equal_units=(units,))
    assert finding.name == "symmetric-weights"
    assert "hidden.0: 64 units, 1 of them different" in finding.evidence
    assert finding.members == (0, 2)
    assert "--init default" in finding.cure
    (own,) = findings(equal_units=(units,))
    assert "torch.nn.init" in own.cure


def test_a_relu_before_cross_entropy() -> None:
    (finding,) = findings("cross-entropy", ending=Ending(activation="ReLU", low=0.0, zeros=0.5, rows=200, outputs=10))
    assert finding.name == "activation-after-last-layer"
    assert finding.severity == "warning"
    assert "ReLU, which cross-entropy does not want" in finding.fault
    assert "50% of the outputs on 200 rows are exactly 0" in finding.evidence
    assert "cross-entropy applies a softmax itself" in finding.cure


def test_a_softmax_before_cross_entropy_limits_every_probability() -> None:
    """Logits between 0 and 1: the best of 10 classes gets e / (e + 9) = 23.2%, and that of 2 e / (e + 1) = 73.1%."""
    assert "above 23.2%" in said("cross-entropy", activation="softmax", low=0.0, high=1.0, outputs=10)
    assert "above 73.1%" in said("cross-entropy", activation="softmax", low=0.0, high=1.0, outputs=2)
    assert math.e / (math.e + 9) == pytest.approx(0.232, abs=5e-4)


def test_a_sigmoid_before_binary_cross_entropy() -> None:
    evidence = said("binary-cross-entropy", activation="sigmoid", low=0.0, high=1.0)
    assert "no probability can be below 0.5 or above 0.731" in evidence
    assert "below 0.5" in said("binary-cross-entropy", low=0.0)
    assert "no rate can be below 1" in said("poisson", low=0.0)


@pytest.mark.parametrize(
    ("loss", "ending"),
    [
        ("cross-entropy", {"activation": "log-softmax", "high": 0.0}),  # a second one changes nothing
        ("cross-entropy", {"activation": "clamp", "low": -20.0, "high": 20.0}),
        ("cross-entropy", {"activation": "leaky ReLU", "slope": 0.3}),
        ("binary-cross-entropy", {"activation": "clamp", "low": -10.0, "high": 10.0}),
        ("mse", {"low": 0.0, "missed": 0.0}),  # counts: none is below 0
        ("mse", {"activation": "leaky ReLU", "slope": 0.01}),
        ("l1", {"activation": "tanh", "low": -1.0, "high": 1.0, "missed": 0.005}),
    ],
)
def test_what_does_no_harm_is_not_said(loss: str, ending: dict[str, Any]) -> None:
    assert said(loss, **ending) == ""


def test_targets_out_of_reach() -> None:
    (finding,) = findings(
        "mse", plan={"scale_target": "standard"}, ending=Ending(activation="ReLU", low=0.0, missed=0.5)
    )
    assert "from 0 upwards, but 50% of the targets" in finding.evidence
    assert "--scale-target none" in finding.cure
    assert "between -1 and 1" in said("mse", activation="tanh", low=-1.0, high=1.0, missed=0.3)


def test_a_leaky_relu_is_a_note_and_one_pass_alone_is_named() -> None:
    (note,) = findings("cross-entropy", ending=Ending(activation="leaky ReLU", slope=0.01))
    assert note.severity == "note"
    assert "shrunk to 0.01" in note.evidence
    soft = Ending(activation="softmax", low=0.0, high=1.0, outputs=3, only="prediction")
    (finding,) = findings("cross-entropy", ending=soft)
    assert "in prediction alone" in finding.fault


def test_one_fault_is_one_finding() -> None:
    """Networks that cannot learn underfit as well: the cause is said, not what follows from it."""
    ending = Ending(activation="ReLU", low=0.0, missed=0.5)
    found = findings(ending=ending, train={"rmse": 1.0}, judged=1.0, left_over=0.9)
    assert [finding.name for finding in found] == ["activation-after-last-layer"]
