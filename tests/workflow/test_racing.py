"""Rivals race: on one fold first, on all only where they are not worse there; and what wins is what it is alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from danlu.workflow.contest import work_of
from danlu.workflow.racing import ROWS, Rival, race
from danlu.workflow.training import Trial
from support.trials import trial_of

TOLD = (None, None)


def counted(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that takes the number of folds of each training."""
    trained: list[int] = []
    train = Trial.train

    def count(self: Trial, *told: Any) -> Any:
        trained.append(len(self.folds.train))
        return train(self, *told)

    monkeypatch.setattr(Trial, "train", count)
    return trained


def test_what_is_worse_on_the_first_fold_is_trained_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = trial_of(lr=0.05), trial_of(lr=1e-6)
    trained = good.train(*TOLD)
    folds = counted(bad, monkeypatch)
    ended = race(good, trained, Rival(lambda: bad, "slow", "fast", work_of(bad)), TOLD)
    assert ended is not None
    kept, members, note = ended
    assert kept is good
    assert members is trained
    assert folds == [1]
    assert note.text.startswith("fast, rather than slow: accuracy on the first fold 0.9")


def test_what_wins_is_bit_for_bit_what_it_gives_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = trial_of(lr=0.05), trial_of(lr=1e-6)
    alone, trained = good.train(*TOLD), bad.train(*TOLD)
    folds = counted(good, monkeypatch)
    ended = race(bad, trained, Rival(lambda: good, "fast", "slow", work_of(good)), TOLD)
    assert ended is not None
    kept, members, note = ended
    assert kept is good
    assert folds == [1, 4]
    assert torch.equal(members.weights_MP, alone.weights_MP)
    assert [m.model_dump() for m in members.members] == [m.model_dump() for m in alone.members]
    assert np.array_equal(members.curves["loss_EM"], alone.curves["loss_EM"])
    assert note.text.startswith("fast, rather than slow: accuracy out of fold 0.9")


def test_few_rows_have_no_first_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = trial_of(5 * ROWS - 50, lr=0.05), trial_of(5 * ROWS - 50, lr=1e-6)
    trained = good.train(*TOLD)
    folds = counted(bad, monkeypatch)
    assert race(good, trained, Rival(lambda: bad, "slow", "fast", work_of(bad)), TOLD) is not None
    assert folds == [5]


def test_what_gains_less_than_a_standard_error_must_be_expected_to_be_better() -> None:
    trial = trial_of(noise=0.3)
    trained = trial.train(*TOLD)
    again = Rival(lambda: replace(trial), "other", "one", work_of(trial))
    plain = race(trial, trained, again, TOLD)
    expected = race(trial, trained, Rival(again.make, "other", "one", again.work, expected=True), TOLD)
    assert plain is not None
    assert expected is not None
    assert plain[0] is trial, "they are the same"
    assert expected[0] is not trial


def test_nothing_is_taken_of_a_race_that_is_stopped() -> None:
    trial = trial_of()
    trained = trial.train(*TOLD)
    assert race(trial, trained, Rival(lambda: trial, "other", "one", work_of(trial)), (None, lambda: True)) is None


def test_a_rival_that_does_not_survive_its_first_fold_has_lost() -> None:
    good, bad = trial_of(lr=0.05), trial_of(lr=1e30, optimizer="sgd")
    trained = good.train(*TOLD)
    ended = race(good, trained, Rival(lambda: bad, "wild", "tame", work_of(bad)), TOLD)
    assert ended is not None
    kept, _, note = ended
    assert kept is good
    assert note.text == "tame, rather than wild, whose network did not survive on the first fold"
