"""What the policies do to candidates whose true effect is known, by seeded draws."""

from __future__ import annotations

from collections import Counter
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING

import pytest
from made_loops import (
    MAX_RUNS,
    decide_after,
    decide_auto,
    made_loop,
    played,
    summary_of,
)
from made_records import make_summary

from pytest_llmbench.analysis.proportion import Proportion
from pytest_llmbench.analysis.stratified import mean_difference
from pytest_llmbench.policy.sequential import SequentialTest
from pytest_llmbench.policy.thresholds import PolicyThresholds

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOPS = 400
# The gate for variance looks at one side only and stops most noisy loops before the
# comparison, which is what is under test here.
OPEN = PolicyThresholds(max_variance=0.25)
BY_INTERVAL = PolicyThresholds(max_variance=0.25, method="statistical")
HALF = [1.0] * 6


def decided(
    thresholds: PolicyThresholds, effect: float, runs: int, *, is_cold: bool = False
) -> Counter[str]:
    """Count the decisions of many loops."""
    rng = Random(f"{effect} {runs}")  # noqa: S311 - seeded
    loops = (made_loop(rng, effect, is_cold=is_cold) for _ in range(LOOPS))
    grids = (played(rng, loop, runs) for loop in loops)
    return Counter(decide_after(pair, thresholds).decision for pair in grids)


def auto(effect: float, loops: int = LOOPS) -> tuple[Counter[str], list[int]]:
    """Count the decisions of many loops with `--runs auto`, and their runs."""
    rng = Random(f"auto {effect}")  # noqa: S311 - seeded
    ends = [decide_auto(rng, made_loop(rng, effect), OPEN) for _ in range(loops)]
    return Counter(one.decision for one, _ in ends), [runs for _, runs in ends]


def test_the_made_summary_is_the_real_one() -> None:
    """A simulated grid sums up to the numbers that real records give."""
    rng = Random(1)  # noqa: S311 - seeded
    grid, _ = played(rng, made_loop(rng, -0.1), 5)
    letters = {
        f"P{index + 1}": "".join("FP"[row[index]] for row in grid)
        for index in range(12)
    }
    real, made = make_summary(letters), summary_of(grid)
    assert made.over_runs == real.over_runs
    assert (made.outcomes, made.judged_trials) == (real.outcomes, real.judged_trials)
    assert [one.share for one in made.prompts] == [one.share for one in real.prompts]


@pytest.mark.parametrize("runs", [3, 5, 7])
def test_by_interval_worse_candidates_are_not_promoted(runs: int) -> None:
    """Worse by more than the margin is promoted in at most 5 % of loops."""
    assert decided(BY_INTERVAL, -0.10, runs)["PROMOTE"] <= 0.05 * LOOPS


@pytest.mark.parametrize("runs", [3, 7])
def test_by_interval_good_candidates_are_not_rejected(runs: int) -> None:
    """Equal or better is rejected in at most 5 % of loops."""
    assert decided(BY_INTERVAL, 0.0, runs)["REJECT"] <= 0.05 * LOOPS
    assert decided(BY_INTERVAL, 0.05, runs)["REJECT"] <= 0.05 * LOOPS


def test_by_interval_clear_candidates_are_settled() -> None:
    """With 20 runs a candidate that is better by 10 points is mostly promoted."""
    assert decided(BY_INTERVAL, 0.10, 20)["PROMOTE"] >= 0.9 * LOOPS


def test_medians_mistake_noise_for_effects() -> None:
    """The default policy, with 3 runs, rejects many equal candidates.

    That is what the interval is for: it holds them instead.
    """
    by_median = decided(OPEN, 0.0, 3)
    assert by_median["REJECT"] >= 0.2 * LOOPS
    assert decided(BY_INTERVAL, 0.0, 3)["HOLD"] >= 0.8 * LOOPS


def test_a_cold_baseline_is_a_low_bar_for_medians() -> None:
    """Cold in 2 of 3 runs, the baseline's median lets worse candidates through."""
    warm = decided(OPEN, -0.10, 3)["PROMOTE"]
    cold = decided(OPEN, -0.10, 3, is_cold=True)["PROMOTE"]
    assert cold >= warm + 0.2 * LOOPS


def test_auto_makes_no_more_errors_than_it_says() -> None:
    """Worse beyond the margin: promoted in 5 % at most; better: rejected in 5 %."""
    assert auto(-0.10)[0]["PROMOTE"] <= 0.05 * LOOPS
    assert auto(0.10)[0]["REJECT"] <= 0.05 * LOOPS


def test_auto_stops_early_where_it_is_clear() -> None:
    """Better by 10 points takes less than half of the runs, and is promoted."""
    decisions, runs = auto(0.10)
    assert decisions["PROMOTE"] >= 0.95 * LOOPS
    assert fmean(runs) <= MAX_RUNS / 2


def steps(rng: Random, before: Sequence[float], now: Sequence[float]) -> list[int]:
    """Draw one run's differences."""
    return [
        (rng.random() < b) - (rng.random() < a)
        for a, b in zip(before, now, strict=True)
    ]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([1.0] * 12, [0.95] * 12),
        ([*HALF, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [*HALF, 0.9, 0.8, 0.7, 0.6, 0.2, 0.1]),
        ([0.8] * 12, [0.75] * 12),
        ([1.0] * 12, [1.0] * 11 + [0.4]),
        ([0.5, 0.5], [0.9, 0.0]),
    ],
)
@pytest.mark.parametrize("wrong", ["not_worse", "worse"])
def test_errors_at_the_margin_with_optional_stopping(
    before: list[float], now: list[float], wrong: str
) -> None:
    """On the margin either verdict may come in at most alpha of tests, ever.

    The test is looked at after each of 60 runs, whatever the prompts are like.
    """
    rng = Random(f"{before} {now} {wrong}")  # noqa: S311 - seeded
    tests = 250
    hits = 0
    for _ in range(tests):
        test = SequentialTest(0.05, 0.1)
        while test.verdict is None and test.runs < 60:
            test.add_run(steps(rng, before, now))
        hits += test.verdict == wrong
    assert hits <= 0.1 * tests


@pytest.mark.parametrize("runs", [3, 7])
@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([1.0] * 12, [1.0] * 12),
        ([0.97] * 12, [0.97] * 12),
        ([0.9] * 12, [0.8] * 12),
        ([0.5] * 12, [0.5] * 12),
        ([*HALF, *[0.5] * 6], [*HALF, *[0.5] * 6]),
        ([*HALF, *[0.0] * 6], [*[0.9] * 6, *[0.0] * 6]),
        ([1.0] * 12, [*[1.0] * 11, 0.4]),
    ],
)
def test_each_end_of_the_interval_covers(
    before: list[float], now: list[float], runs: int
) -> None:
    """Each end misses the true difference in 5 % of draws at most, of 2.5 % meant."""
    rng = Random(f"{before} {now} {runs}")  # noqa: S311 - seeded
    truth, draws = fmean(now) - fmean(before), 1000
    low = high = 0
    for _ in range(draws):
        pairs = [
            (share(rng, a, runs), share(rng, b, runs))
            for a, b in zip(before, now, strict=True)
        ]
        interval = mean_difference(pairs).interval(0.95)
        low += interval.low > truth + 1e-9
        high += interval.high < truth - 1e-9
    assert low <= 0.05 * draws
    assert high <= 0.05 * draws


def share(rng: Random, rate: float, runs: int) -> Proportion:
    """Draw one prompt's share."""
    return Proportion(hits=sum(rng.random() < rate for _ in range(runs)), n=runs)
