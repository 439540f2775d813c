"""What a page and a summary say of classes and of probabilities."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from danlu.core.classes import Calibration, Decision
from danlu.report import words
from danlu.report.guesses import guessed, reliability_chart
from danlu.report.page import page


def test_the_class_predicted_is_that_of_the_decision(examples: ModuleType) -> None:
    run = examples.classification()[0]
    said = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    assert guessed(run, said).tolist() == [0, 0, 1]
    assert words.decision_words(run) == ""
    decided = run.model_copy(update={"decision": Decision(weights=(0.35, 0.65), threshold=0.35, positive="yes")})
    assert guessed(decided, said).tolist() == [0, 1, 1]
    # Rows of the score were decided by other rows.
    assert guessed(decided, said, {"guessed_N": np.array([1, 1, 0])}).tolist() == [1, 1, 0]
    assert words.decision_words(decided) == "yes from a probability of 0.35 on, by the class weights"
    chosen = Decision(metric="f1", weights=(0.35, 0.65), threshold=0.35, positive="yes", value_before=0.59, value=0.63)
    said_so = words.decision_words(run.model_copy(update={"decision": chosen}))
    assert said_so == "yes from a probability of 0.35 on, chosen for F1: 0.630, with the likeliest class 0.590"


@pytest.mark.parametrize(
    ("calibration", "said"),
    [
        (Calibration(), ""),
        (Calibration(shift=(0.1, -0.1)), "class weights taken out again"),
        (
            Calibration(kept=True, temperature=1.2, judged_temperature=1.3, log_loss_before=0.5, log_loss=0.45),
            "made less sure by temperature 1.20 (judged rows: 1.30): log-loss 0.4500 instead of 0.5000",
        ),
        (
            Calibration(kept=True, temperature=1.0, judged_temperature=1.3, log_loss_before=0.5, log_loss=0.45),
            "of judged rows made less sure by temperature 1.30: log-loss 0.4500 instead of 0.5000, "
            "those that predict are more networks, and need none",
        ),
    ],
)
def test_what_was_done_to_probabilities_is_said(examples: ModuleType, calibration: Calibration, said: str) -> None:
    run = examples.classification()[0].model_copy(update={"calibration": calibration})
    assert words.calibration_words(run) == said


def test_the_reliability_diagram_shows_how_often_what_was_said_came_true() -> None:
    sure = np.array([0.12, 0.18, 0.71, 0.79, 0.75, 0.73])
    hit = np.array([0, 1, 1, 1, 1, 0], bool)
    chart = reliability_chart(sure, hit, two=True)
    assert chart.data["bins"] == {
        "x": pytest.approx([0.15, 0.745]),
        "y": pytest.approx([0.5, 0.75]),
        "rows": [2, 4],
    }
    # 2 of 6 rows are off by 0.35, 4 by 0.005.
    assert chart.caption.startswith("Off by 12%")


@pytest.mark.parametrize("classes", [2, 4])
def test_the_page_has_the_diagram(examples: ModuleType, classes: int) -> None:
    run, arrays = examples.classification(classes)[:2]
    text = page(run, arrays)
    assert 'id="chart-calibration"' in text
