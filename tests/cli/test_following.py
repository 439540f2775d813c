"""What is shown while networks train."""

from __future__ import annotations

import io
import os
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
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    with following(quiet=False) as (_, stop):
        signal.raise_signal(number)
        assert stop()
        assert "the best so far is kept" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def test_what_does_not_fit_the_line_loses_its_spread_first() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with moving(console) as show:
        show(AT.model_copy(update={"stage": "train setting 2 of 3"}))
    assert isinstance(console.file, io.StringIO)
    assert "train setting 2 of 3 epoch 12/40, 1:15 left, loss 0.21, rmse 48,300" in console.file.getvalue()


def test_wide_characters_count_twice() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with moving(console) as show:
        show(AT.model_copy(update={"stage": "第二种设置的训练"}))
    assert isinstance(console.file, io.StringIO)
    assert "第二种设置的训练 epoch 12/40, 1:15 left, loss 0.21, rmse 48,300" in console.file.getvalue()


class Terminal(io.StringIO):
    """A terminal that is none."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("facts", "moves"), [({"TERM": "xterm"}, True), ({"TERM": "xterm", "CI": "true"}, False), ({"TERM": "dumb"}, False)]
)
def test_lines_stay_lines_in_ci_and_where_the_cursor_cannot_move(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, str], moves: bool
) -> None:
    monkeypatch.delenv("CI", raising=False)
    for name, value in facts.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr(
        module, "err", lambda: Console(file=terminal, width=80, color_system="standard", highlight=False)
    )
    with following(quiet=False) as (show, _):
        show(AT)
    assert ("\x1b[2K" in terminal.getvalue()) is moves
    assert (terminal.getvalue() == f"training: {in_words(AT)}\n") is not moves


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    console = Console(file=io.StringIO(), force_terminal=True, width=80, _environ=dict(os.environ))
    console.print("a warning", style="yellow")
    assert isinstance(console.file, io.StringIO)
    assert "\x1b[33m" not in console.file.getvalue()


def test_forced_colours_do_not_make_a_pipe_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with following(quiet=False) as (show, _):
        show(AT)
    assert capsys.readouterr().err == f"training: {in_words(AT)}\n"
