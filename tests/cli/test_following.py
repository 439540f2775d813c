"""What is shown while networks train."""

from __future__ import annotations

import io
import signal

import pytest
from rich.console import Console

from danlu.cli import following as module
from danlu.cli.following import following, in_words, moving, occasional
from danlu.core.records import Progress

AT = Progress(
    stage="training",
    epoch=12,
    epochs=40,
    members=5,
    active=5,
    loss=0.213,
    loss_low=0.201,
    loss_high=0.231,
    metric_name="rmse",
    metric=48_300.4,
    metric_low=47_100.0,
    metric_high=49_900.0,
    seconds_left=75.0,
)


def test_the_line_has_epoch_time_left_loss_and_metric_with_their_spread() -> None:
    assert in_words(AT) == "epoch 12/40, 1:15 left, loss 0.21 (0.20-0.23), rmse 48,300 (47,100-49,900)"


def test_waves_are_counted_where_memory_cannot_hold_all() -> None:
    assert in_words(AT.model_copy(update={"wave": 2, "waves": 3})).startswith("wave 2/3, epoch 12/40, 1:15 left")


def test_the_line_fits_80_columns() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with moving(console) as show:
        show(AT.model_copy(update={"stage": "train"}))
    assert isinstance(console.file, io.StringIO)
    assert f"train {in_words(AT)}" in console.file.getvalue()


def test_members_that_agree_have_no_spread() -> None:
    same = Progress(stage="training", loss=0.5, loss_low=0.5, loss_high=0.5)
    assert in_words(same) == "loss 0.50"


def test_elsewhere_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 14.9, 15.1, 15.2])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    console = Console(file=io.StringIO(), width=80)
    show = occasional(console)
    for epoch in (1, 2, 3, 4):
        show(Progress(stage="training", epoch=epoch, epochs=9))
    show(Progress(stage="judging"))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "training: epoch 1/9\ntraining: epoch 4/9\njudging ...\n"


def test_in_a_terminal_one_line_that_goes_away() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with moving(console) as show:
        show(AT)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "epoch 12/40" in text
    assert text.endswith("\x1b[2K")  # the line is erased at the end


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with following(quiet=True) as (show, stop):
        show(AT)
        assert not stop()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_the_second_leaves(number: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    with following(quiet=False) as (_, stop):
        signal.raise_signal(number)
        assert stop()
        assert "the best so far is kept" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
