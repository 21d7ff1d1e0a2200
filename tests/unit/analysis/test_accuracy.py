"""Accuracy of runs, its median and its variance."""

from __future__ import annotations

import statistics
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import MAIN_EXAMPLE, make_records

from pytest_llmbench.analysis.accuracy import (
    OverRuns,
    RunResult,
    over_runs,
    run_results,
)
from pytest_llmbench.analysis.trials import lay_out


def results(grid: dict[str, str]) -> tuple[RunResult, ...]:
    """Count a grid's outcomes."""
    runs = max(len(row) for row in grid.values())
    return run_results(lay_out(make_records(grid), tuple(grid), runs))


def made(passed: int, failed: int, errors: int = 0, missing: int = 0) -> RunResult:
    """Make one run from counts."""
    return RunResult(
        run=1,
        passed=passed,
        failed=failed,
        timed_out=0,
        errors=errors,
        skipped=0,
        missing=missing,
    )


def test_main_example() -> None:
    """Three of twelve fail in runs 1 and 2 of 7: exact median and variance."""
    runs = results(MAIN_EXAMPLE)
    assert [run.accuracy for run in runs] == [0.75, 0.75, 1, 1, 1, 1, 1]
    assert [run.passed for run in runs] == [9, 9, 12, 12, 12, 12, 12]
    found = over_runs(runs)
    assert found == OverRuns(n=7, passed=12, accuracy=1.0, variance=5 / 392)
    assert found.variance == pytest.approx(0.012755102040816327, rel=1e-15)


def test_counts_every_outcome_apart() -> None:
    """Each planned prompt of a run is counted under exactly one outcome."""
    grid = {"P1": "P", "P2": "F", "P3": "T", "P4": "E", "P5": "S", "P6": "."}
    (run,) = results(grid)
    assert run.to_json() == {
        "run": 1,
        "accuracy": 1 / 3,
        "note": "1 timed out, 1 error, 1 skipped, 1 missing",
        "passed": 1,
        "failed": 1,
        "timed_out": 1,
        "errors": 1,
        "skipped": 1,
        "missing": 1,
        "is_complete": False,
    }


def test_note_counts_errors_in_the_plural() -> None:
    """Eleven errors are not one error."""
    (run,) = results({f"P{number}": "E" for number in range(11)})
    assert run.note == "11 errors"


@pytest.mark.parametrize(
    ("row", "accuracy", "is_complete"),
    [
        ("PPPP", 1.0, True),
        ("PPPF", 0.75, True),
        ("PPPT", 0.75, True),
        ("PPPE", 1.0, True),
        ("PPPS", 1.0, False),
        ("PPP.", 1.0, False),
        ("EEEE", None, False),
        ("FEEE", 0.0, True),
        ("....", None, False),
    ],
)
def test_one_run(row: str, accuracy: float | None, is_complete: bool) -> None:  # noqa: FBT001 - a table
    """Errors count for nobody, skips and gaps make a run incomplete."""
    grid = {f"P{number}": letter for number, letter in enumerate(row)}
    (run,) = run_results(lay_out(make_records(grid), tuple(grid), 1))
    assert run.accuracy == accuracy
    assert run.is_complete is is_complete


def test_incomplete_runs_are_left_out() -> None:
    """Median, variance and n come from complete runs only."""
    found = over_runs([made(12, 0), made(6, 6), made(3, 0, missing=9)])
    assert found == OverRuns(n=2, passed=9, accuracy=0.75, variance=0.0625)


def test_median_of_even_n_is_the_mean_of_the_middle() -> None:
    """Two runs of 10 and 11 passed give 10.5, and the accuracy between them."""
    found = over_runs([made(10, 2), made(11, 1)])
    assert found.passed == 10.5
    assert found.accuracy == 0.875


def test_too_few_runs() -> None:
    """One run has no variance; none has nothing at all."""
    assert over_runs([]) == OverRuns(n=0)
    assert over_runs([made(0, 0, errors=3)]) == OverRuns(n=0)
    assert over_runs([made(2, 1)]) == OverRuns(n=1, passed=2, accuracy=2 / 3)


def test_variance_on_the_limit_is_on_it() -> None:
    """Accuracies 0.8 and 0.9 scatter by exactly 0.0025, whatever floats say."""
    found = over_runs([made(8, 2), made(9, 1)])
    assert found.variance == 0.0025
    assert statistics.pvariance([0.8, 0.9]) != 0.0025


run_counts = st.tuples(
    st.integers(0, 30), st.integers(0, 30), st.integers(0, 5)
).filter(lambda counts: counts[0] + counts[1] > 0)


@given(st.lists(run_counts, min_size=2, max_size=12), st.data())
def test_agrees_with_the_formulas(
    counts: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    """Median and population variance are the textbook's, in any order."""
    runs = [made(*count) for count in counts]
    exact = [Fraction(passed, passed + failed) for passed, failed, _ in counts]
    mean = sum(exact) / len(exact)
    variance = sum((value - mean) ** 2 for value in exact) / len(exact)
    found = over_runs(runs)
    assert found == over_runs(data.draw(st.permutations(runs)))
    assert found.n == len(runs)
    assert found.variance == float(variance)
    assert found.accuracy == pytest.approx(statistics.median(map(float, exact)))
    assert found.passed == statistics.median(run.passed for run in runs)
    assert found.accuracy is not None
    assert float(min(exact)) <= found.accuracy <= float(max(exact))
    assert 0 <= float(variance) <= 0.25
