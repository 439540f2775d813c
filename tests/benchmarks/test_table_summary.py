"""The summary, against numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from table_published import METHODS, published
from table_summary import intervals_summary, rows_of, tables_summary, uci_summary


def chosen(*results: tuple[str, int, str, dict[str, Any]]) -> dict[tuple[str, int, str], dict[str, Any]]:
    return {
        (table, split, tool): {"tool": tool, "rows": 3000, "test_rows": 100} | r for table, split, tool, r in results
    }


def rmse(score: float, seconds: float = 1) -> dict[str, Any]:
    return {"metric": "rmse", "score": score, "seconds": seconds}


def right(score: float, log_loss: float) -> dict[str, Any]:
    return {"metric": "accuracy", "score": score, "seconds": 1, "log_loss": log_loss}


TABLES = chosen(
    ("prices", 0, "danlu", rmse(108, 2)), ("prices", 1, "danlu", rmse(100, 4)),
    ("prices", 0, "catboost", rmse(90)), ("prices", 1, "catboost", rmse(110)),
    ("prices", 0, "realmlp", rmse(120, 30)), ("prices", 1, "realmlp", rmse(120, 10)),
    ("prices", 0, "lightgbm", rmse(1)),  # has not both splits
    ("yes", 0, "danlu", right(0.9, 0.25)), ("yes", 0, "catboost", right(0.88, 0.3)), ("yes", 0, "lightgbm", right(0.92, 0.2)),
    ("other", 0, "catboost", rmse(5)),
)  # fmt: skip


def test_rows_hold_means_over_the_splits_that_danlu_has() -> None:
    prices, yes = rows_of(TABLES, "danlu")
    assert prices.score == {"danlu": 104, "catboost": 100, "realmlp": 120}
    assert prices.seconds == {"danlu": 3, "catboost": 1, "realmlp": 20}
    assert (prices.best_peer(), prices.gap("danlu")) == ("catboost", pytest.approx(4))
    assert (yes.best_peer(), yes.gap("danlu")) == ("lightgbm", pytest.approx(2))
    assert yes.log_loss == {"danlu": 0.25, "catboost": 0.3, "lightgbm": 0.2}


def test_the_summary_says_gaps_bars_ranks_and_relative_errors() -> None:
    lines = tables_summary(TABLES, "danlu", "a machine").splitlines()
    assert "| prices | 2 | 104 (3.0 s) | 100 (1.0 s) | - | 120 (20.0 s) | catboost | +4.0% |" in lines
    assert "| yes | 1 | 0.9000 (1.0 s) | 0.8800 (1.0 s) | 0.9200 (1.0 s) | - | lightgbm | +2.0 points |" in lines
    assert "| better than sklearn-mlp | 87% of tables | 0 of 0: - |" in lines
    assert "| better than realmlp | 67% of tables | 1 of 1: held |" in lines
    assert "| better than catboost | 50% of tables | 1 of 2: held |" in lines
    assert "| seconds over realmlp's | at most 0.33 | 0.15: held |" in lines
    assert "| median gap to the best peer | at most 1 | +3.0: not held |" in lines
    assert "| beyond 5% of rmse or 1.5 points | at most 2 | 1 (yes): held |" in lines
    # Errors of prices are 104, 100 and 120; of yes 0.10, 0.12 and 0.08.
    assert "| danlu | 2 | 2.00 | 1.145 | 0 | 4 |" in lines
    assert "| catboost | 2 | 2.00 | 1.250 | 1 | 2 |" in lines
    assert "| lightgbm | 1 | 1.00 | 1.000 | 1 | 1 |" in lines
    assert "| yes | 0.2500 | 0.3000 | 0.2000 | - |" in lines


def test_californias_bar_is_said() -> None:
    results = chosen(("california", 0, "danlu", rmse(102.1)), ("california", 0, "catboost", rmse(100)))
    text = tables_summary(results, "danlu", "")
    assert "| california: rmse over catboost's, 1 splits | at most 1.02 on 5 | 1.021: not held |" in text


def test_published_figures_are_those_of_the_papers() -> None:
    for metric in ("rmse", "nll"):
        assert set(published(metric)) == set(METHODS)
    assert published("rmse")["MC-dropout"]["boston"] == (
        2.97,
        pytest.approx(0.19, abs=0.001),
    )  # its own paper says 0.19
    assert published("nll")["Deep Ensembles"]["protein"] == (2.83, pytest.approx(0.02 / 5**0.5))
    assert published("nll")["PBP"]["yacht"] == (1.63, 0.02)


def test_uci_counts_a_difference_within_two_standard_errors_as_equal() -> None:
    # Mean 1.7, standard error 0.1; Deep Ensembles has 1.58 +- 0.107, MC-dropout 1.11 +- 0.085.
    results = chosen(*(("yacht", i, "danlu", {"rmse": v, "nll": 1.0}) for i, v in enumerate((1.6, 1.8))))
    lines = uci_summary(results, "danlu", "").splitlines()
    row = next(line for line in lines if line.startswith("| yacht | 2 | 1.700 ± 0.100"))
    assert row.endswith("| MC-dropout, NGBoost, PBP |")
    said = "rmse at least as good as Deep Ensembles on 1 of 1; MC-dropout on 0 of 1; NGBoost on 0 of 1 (bars: all, all, two thirds)."
    assert said in lines
    assert any(
        line.startswith("nll at least as good as Deep Ensembles on 1 of 1; MC-dropout on 1 of 1") for line in lines
    )
    without = chosen(("yacht", 0, "danlu", {"rmse": 1.0}))
    assert "nll: this Danlu gives none." in uci_summary(without, "danlu", "")


def test_intervals_are_held_within_two_points_and_two_standard_errors() -> None:
    def covered(share: float) -> dict[str, Any]:
        return rmse(1) | {"intervals": {"0.9": {"coverage": share, "width": 2.0}}}

    # 100 rows: a standard error of 3 points, so 8 points are left.
    results = chosen(("near", 0, "danlu", covered(0.83)), ("far", 0, "danlu", covered(0.81)))
    few = rmse(1) | {"rows": 2000, "intervals": {"0.8": {"coverage": 0.5, "width": 2.0}}}  # has not the other level
    results |= chosen(("few", 0, "danlu", few))
    text = intervals_summary(results, "danlu", "")
    assert "| near | 3,000 | 100 | - | 0.830 (width 2.00) | held |" in text
    assert "| far | 3,000 | 100 | - | 0.810 (width 2.00) | not held |" in text
    assert "| few | 2,000 | 100 | 0.500 (width 2.00) | - | - |" in text
    assert "Mean error 8.0 points (bar: at most 1): not held." in text
    assert "gives no intervals" in intervals_summary(TABLES, "danlu", "")
