"""The mean difference over fixed prompts, and its interval."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.analysis.difference import difference_interval
from pytest_llmbench.analysis.proportion import Proportion, wilson_interval
from pytest_llmbench.analysis.stratified import StratifiedMean, mean_difference


def share(hits: int, n: int) -> Proportion:
    """Make a share."""
    return Proportion(hits=hits, n=n)


shares = st.integers(1, 30).flatmap(
    lambda n: st.integers(0, n).map(lambda hits: share(hits, n))
)
HALF = [share(4, 4), share(0, 4)] * 3


@given(shares, shares)
def test_of_one_prompt_it_is_newcombes_interval(a: Proportion, b: Proportion) -> None:
    """One prompt has nothing to be paired with: both ends are those of two shares."""
    found = mean_difference([(a, b)]).interval(0.95)
    known = difference_interval(a, b)
    assert known is not None
    assert (found.low, found.high) == pytest.approx((known.low, known.high))


@given(st.integers(2, 12), st.integers(1, 9), st.data())
def test_equal_shares_are_pooled(prompts: int, n: int, data: st.DataObject) -> None:
    """Prompts that are all alike make one share of all trials."""
    hits = data.draw(st.integers(0, n))
    found = StratifiedMean.of([share(hits, n)] * prompts).interval(0.95)
    pooled = wilson_interval(hits * prompts, n * prompts)
    assert pooled is not None
    assert (found.low, found.high) == pytest.approx((pooled.low, pooled.high))


def test_the_spread_is_that_of_each_prompt() -> None:
    """Prompts at 1/4 and 4/4: the mean of 3/16 · 4/3 and 0, over eight trials."""
    mean = StratifiedMean.of([share(1, 4), share(4, 4)])
    assert mean.spread == pytest.approx(0.125)
    assert (mean.value, mean.trials) == (0.625, 8)


def test_different_prompts_are_worth_more_trials() -> None:
    """D = (N · spread + a) / (N · p(1 - p)): prompts at 1 and 0 leave only a."""
    unseen = -math.log(0.025)
    found = StratifiedMean.of(HALF).interval(0.95)
    trials = 24 / (unseen / (24 * 0.25))
    half = 1.959963984540054 * math.sqrt(
        0.25 / trials + 1.9599639845**2 / 4 / trials**2
    )
    half /= 1 + 1.9599639845**2 / trials
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half))


def test_a_prompt_of_one_trial_shows_no_spread() -> None:
    """Where a prompt ran once, the pooled interval is taken: it is never too narrow."""
    mean = StratifiedMean.of([share(1, 1), *HALF[:5], share(0, 4)])
    assert mean.spread is None
    several = StratifiedMean.of([share(2, 2), *HALF[:5], share(0, 4)])
    wide, narrow = mean.interval(0.95), several.interval(0.95)
    assert wide.high - wide.low > narrow.high - narrow.low


def test_prompts_weigh_alike_whatever_their_trials() -> None:
    """The mean is over prompts; the trials are prompts² over the sum of 1 / n."""
    mean = StratifiedMean.of([share(2, 2), share(0, 6)])
    assert mean.value == 0.5
    assert mean.trials == pytest.approx(4 / (1 / 2 + 1 / 6))


@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=6))
def test_it_holds_the_difference_and_narrows_with_runs(
    pairs: list[tuple[Proportion, Proportion]],
) -> None:
    """The difference lies inside, within -1 and 1; runs narrow, confidence widens."""
    found = mean_difference(pairs)
    now, later = found.interval(0.95), found.interval(0.95, 5)
    sure = found.interval(0.99)
    for low, high in ((now.low, later.low), (sure.low, now.low)):
        assert low <= high + 1e-12
    for low, high in ((later.high, now.high), (now.high, sure.high)):
        assert low <= high + 1e-12
    assert -1 - 1e-9 <= now.low <= found.value + 1e-12
    assert found.value - 1e-12 <= now.high <= 1 + 1e-9


def test_sides_swapped_are_mirrored() -> None:
    """B less A is A less B with the other sign, end by end."""
    pairs = [(share(4, 4), share(3, 4)), (share(1, 3), share(3, 3))]
    one = mean_difference(pairs)
    other = mean_difference([(b, a) for a, b in pairs])
    here, there = one.interval(0.95), other.interval(0.95)
    assert one.value == -other.value
    assert (here.low, here.high) == pytest.approx((-there.high, -there.low))


@pytest.mark.parametrize("pairs", [[], [(share(0, 0), share(1, 1))]])
def test_nothing_has_no_mean(pairs: list[tuple[Proportion, Proportion]]) -> None:
    """Without a pair, or with a share of no trial, there is no difference."""
    with pytest.raises(ValueError, match="one share or more"):
        mean_difference(pairs)
