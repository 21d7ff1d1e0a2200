"""The mean difference of two specs over the same prompts, with its interval."""

from __future__ import annotations

import math
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING, Final, Self

from msgspec import Struct

from pytest_llmbench.analysis.proportion import Interval, score_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmbench.analysis.proportion import Proportion

_MIN_N_SPREAD: Final = 2


class StratifiedMean(Struct, frozen=True, kw_only=True):
    """The mean share over a fixed set of prompts, each counted once.

    Attributes:
        value: the mean of the prompts' shares, from 0 to 1.
        prompts: how many there are.
        trials: prompts squared over the sum of 1 / n; all trials where each
            prompt has as many.
        spread: mean of the prompts' own variances, p(1 - p) with n - 1, of one
            trial; None where a prompt has a single trial and shows none.
    """

    value: float
    prompts: int
    trials: float
    spread: float | None

    @classmethod
    def of(cls, shares: Sequence[Proportion]) -> Self:
        """Take the mean of one or more shares, each with n > 0.

        Raises:
            ValueError: there is none, or one has n = 0.
        """
        if not shares or not all(share.n for share in shares):
            msg = "a mean needs one share or more, each of some trials"
            raise ValueError(msg)
        total = math.fsum(1 / share.n for share in shares)
        spread = None
        if all(share.n >= _MIN_N_SPREAD for share in shares):
            spread = math.fsum(_spread(share) / share.n for share in shares) / total
        return cls(
            value=fmean(share.hits / share.n for share in shares),
            prompts=len(shares),
            trials=len(shares) ** 2 / total,
            spread=spread,
        )

    def interval(self, confidence: float, more_runs: int = 0) -> Interval:
        """Return the Wilson interval at the effective number of trials.

        N trials of prompts that differ are worth N / D trials of one share p:
        D = (N * spread + a) / (N * p(1 - p)), at most 1. D = 1 is the pooled
        interval, which is never too narrow, for trials of unequal probability
        scatter less than those of an equal one. a = -ln((1 - confidence) / 2) is
        the count of events that may go unseen where none was seen (Poisson), so
        that prompts which always did the same do not claim to be certain.

        Sources: C. Franco, R. J. A. Little, T. A. Louis and E. V. Slud,
        "Comparative study of confidence intervals for proportions in complex
        sample surveys", J. Surv. Stat. Methodol. 7 (2019), 334-364 (Wilson with
        the effective sample size); W. Hoeffding, "On the distribution of the
        number of successes in independent trials", Ann. Math. Stat. 27 (1956),
        713-721 (D = 1 is safe); a is our own choice, by simulation.

        Args:
            confidence: of both sides together, as 0.95.
            more_runs: as many more trials of each prompt, the shares staying.
        """
        trials = self.trials + more_runs * self.prompts
        effect = self._effect(trials, -math.log((1 - confidence) / 2))
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        return score_interval(self.value, trials / effect, z)

    def _effect(self, trials: float, unseen: float) -> float:
        pooled = self.value * (1 - self.value)
        if self.spread is None or pooled <= 0:
            return 1.0
        return min(1.0, (trials * self.spread + unseen) / (trials * pooled))


class MeanDifference(Struct, frozen=True, kw_only=True):
    """B less A, the mean over the same fixed prompts."""

    a: StratifiedMean
    b: StratifiedMean

    @property
    def value(self) -> float:
        """The mean of b - a: from -1 to 1, above 0 where B is better."""
        return self.b.value - self.a.value

    def interval(self, confidence: float, more_runs: int = 0) -> Interval:
        """Return the interval of b - a from both means' own.

        With d = b - a and each mean's interval (low, high):
        d - √((b - b.low)² + (a.high - a)²) to d + √((b.high - b)² + (a - a.low)²).

        The prompts are fixed and paired: what one is harder than another is in
        neither interval, and only the scatter over runs is, which more runs
        narrow. Simulated in 414 cases (4, 12 and 30 prompts, 3 to 20 runs, as many
        on both sides and not, pass rates from 0 to 1), each end missed in at most
        3.8 % of 20,000 draws, of 2.5 % asked for, and in 0.6 % on average. The
        prompts' own Newcombe intervals combined (`combined_interval`) missed in
        up to 8 %, and are twice as wide where all prompts pass; Student's t over
        the prompts' differences, which has no runs in it, missed in up to 74 %.
        benchmarks/decisions.py shows a part of it.

        Source: R. G. Newcombe, "Interval estimation for the difference between
        independent proportions: comparison of eleven methods", Statistics in
        Medicine 17 (1998), 873-890, method 10, with the means in place of shares.

        Args:
            confidence: of both sides together, as 0.95.
            more_runs: as many more trials of each prompt on both sides, the
                shares staying.
        """
        a, b = self.a.value, self.b.value
        of_a = self.a.interval(confidence, more_runs)
        of_b = self.b.interval(confidence, more_runs)
        return Interval(
            low=b - a - math.hypot(b - of_b.low, of_a.high - a),
            high=b - a + math.hypot(of_b.high - b, a - of_a.low),
        )


def mean_difference(
    pairs: Sequence[tuple[Proportion, Proportion]],
) -> MeanDifference:
    """Hold B against A over prompts that both were judged on.

    Args:
        pairs: A's and B's share of each prompt; one or more, each with n > 0.

    Raises:
        ValueError: there is no pair, or a share has n = 0.

    >>> from pytest_llmbench.analysis.proportion import Proportion
    >>> all_of_three = Proportion(hits=3, n=3)
    >>> same = mean_difference([(all_of_three, all_of_three)] * 12)
    >>> round(same.interval(0.95).low, 4), round(same.interval(0.95, 4).low, 4)
    (-0.0964, -0.0437)
    """
    return MeanDifference(
        a=StratifiedMean.of([a for a, _ in pairs]),
        b=StratifiedMean.of([b for _, b in pairs]),
    )


def _spread(share: Proportion) -> float:
    """Return the unbiased variance of one trial."""
    value = share.hits / share.n
    return value * (1 - value) * share.n / (share.n - 1)
