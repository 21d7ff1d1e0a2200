"""When `--runs auto` may stop: an anytime-valid test of candidate against baseline."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

SequentialVerdict = Literal["not_worse", "worse"]
"""What the runs have shown of the candidate, beside the margin."""

BETS: Final = (0.1, 0.2, 0.35, 0.55, 0.75, 0.95)
"""The fixed grid of lambdas, as parts of the greatest that is allowed.

Small bets win where prompts are noisy, great ones where nothing scatters.
"""


class SequentialTest:
    """Two one-sided e-processes on mu, the mean difference over prompts and runs.

    With d = candidate passed less baseline passed (-1, 0 or 1) for each prompt of
    each run, and m the margin, two wealths start at 1. Each is the mean over a
    fixed grid of lambda of a product over all pairs so far:

    - against mu <= -m: the product of 1 + lambda * (d + m), with lambda in
      (0, 1 / (1 - m)); at 1 / alpha the candidate is `not_worse`;
    - against mu >= -m: the product of 1 - lambda * (d + m), with lambda in
      (0, 1 / (1 + m)); at 1 / alpha it is `worse`.

    The wealths are looked at after whole runs only, as often as one likes: by
    Ville's inequality each reaches 1 / alpha with probability at most alpha where
    its hypothesis is true. Only one of the two can be true, so a wrong verdict
    has at most probability alpha, whenever one stops.

    Prompts may differ as they like. Lambda is fixed within a run, so that with
    independent outcomes the run's factor is expected to be the product over the
    prompts of 1 + lambda * (mean of d + m), which is at most
    (1 + lambda * (mu + m)) ** prompts, the means of a product's factors being
    greater if they are equal (arithmetic and geometric mean).

    Assumed: within a run the prompts' outcomes are independent, given the runs
    before; mu of each run is on the same side of -m (no model that gets worse
    while it is measured); and a pair that is not judged on both sides is left out
    for reasons that have nothing to do with the answer. A cause that strikes many
    prompts of one run at once, as a cold start of one side, breaks the first.

    Sources: I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random
    variables by betting", J. R. Stat. Soc. B 86 (2024), 1-27; J. Ville, "Etude
    critique de la notion de collectif" (1939).

    >>> test = SequentialTest(margin=0.05, alpha=0.05)
    >>> for _ in range(3):
    ...     test.add_run([1] * 6 + [0] * 6)
    >>> test.verdict, test.runs
    ('not_worse', 3)
    """

    def __init__(self, margin: float, alpha: float) -> None:
        """Start both wealths at 1.

        Args:
            margin: how much lower the mean accuracy may be, 0 to below 1.
            alpha: the probability of a wrong verdict, above 0 and below 1.

        Raises:
            ValueError: margin or alpha is out of its range.
        """
        if not 0 <= margin < 1:
            msg = f"margin must be from 0 to below 1, not {margin!r}"
            raise ValueError(msg)
        if not 0 < alpha < 1:
            msg = f"alpha must be above 0 and below 1, not {alpha!r}"
            raise ValueError(msg)
        self.margin: Final = margin
        self.alpha: Final = alpha
        self._runs = 0
        self._pairs = 0
        self._sum = 0
        self._verdict: SequentialVerdict | None = None
        self._for = _Wealth(1 / (1 - margin))
        self._against = _Wealth(-1 / (1 + margin))

    @property
    def verdict(self) -> SequentialVerdict | None:
        """What is certain, from the run on in which it first was; else None."""
        return self._verdict

    @property
    def runs(self) -> int:
        """Whole runs that were added."""
        return self._runs

    @property
    def pairs(self) -> int:
        """Prompts judged on both sides, over all runs."""
        return self._pairs

    @property
    def difference(self) -> float | None:
        """Mean difference over all pairs, -1 to 1; None without a pair."""
        return self._sum / self._pairs if self._pairs else None

    @property
    def p_not_worse(self) -> float:
        """The anytime-valid p value of mu <= -margin: 1 / the greatest wealth."""
        return self._for.p_value

    @property
    def p_worse(self) -> float:
        """The anytime-valid p value of mu >= -margin."""
        return self._against.p_value

    def add_run(self, differences: Sequence[int]) -> None:
        """Add one whole run, and look.

        Args:
            differences: candidate passed less baseline passed, -1, 0 or 1, one for
                each prompt that was judged on both sides.

        Raises:
            ValueError: a difference is none of the three.
        """
        if not {-1, 0, 1}.issuperset(differences):
            msg = f"differences must be -1, 0 or 1: {list(differences)!r}"
            raise ValueError(msg)
        self._runs += 1
        self._pairs += len(differences)
        self._sum += sum(differences)
        gains = [difference + self.margin for difference in differences]
        self._for.add(gains)
        self._against.add(gains)
        if self._verdict is None:
            self._verdict = self._look()

    def more_runs(self, most: int) -> int | None:
        """Return about how many more runs make a verdict certain, if all goes on so.

        The greater wealth is taken to keep the rate at which it grew per run.
        None where it takes more than `most`, and where neither has grown.
        """
        log, needed = max(self._for.log, self._against.log), -math.log(self.alpha)
        if not self._runs or log <= 0:
            return None
        more = max(1, math.ceil((needed - log) * self._runs / log))
        return more if more <= most else None

    def to_json(self) -> dict[str, Any]:
        """Return verdict, evidence and limits as plain JSON."""
        return {
            "verdict": self.verdict,
            "runs": self.runs,
            "pairs": self.pairs,
            "difference": self.difference,
            "margin": self.margin,
            "alpha": self.alpha,
            "wealth_not_worse": self._for.now,
            "wealth_worse": self._against.now,
            "p_not_worse": self.p_not_worse,
            "p_worse": self.p_worse,
        }

    def _look(self) -> SequentialVerdict | None:
        if self._for.p_value <= self.alpha:
            return "not_worse"
        return "worse" if self._against.p_value <= self.alpha else None


class _Wealth:
    """The mean over the grid of what each lambda has made of 1; logs inside."""

    def __init__(self, greatest: float) -> None:
        self._lambdas = [part * greatest for part in BETS]
        self._logs = [0.0] * len(BETS)
        self._most = 0.0

    def add(self, gains: Sequence[float]) -> None:
        """Bet on one whole run."""
        kinds = [(gain, gains.count(gain)) for gain in dict.fromkeys(gains)]
        for index, bet in enumerate(self._lambdas):
            self._logs[index] += math.fsum(
                count * math.log1p(bet * gain) for gain, count in kinds
            )
        self._most = max(self._most, self.log)

    @property
    def now(self) -> float:
        """The wealth; the greatest float where it is beyond all floats."""
        return math.exp(min(self.log, _GREATEST_LOG))

    @property
    def p_value(self) -> float:
        """1 / the greatest wealth so far, at most 1."""
        return math.exp(-self._most)

    @property
    def log(self) -> float:
        """The wealth's natural logarithm."""
        top = max(self._logs)
        return top + math.log(fmean(math.exp(log - top) for log in self._logs))


_GREATEST_LOG: Final = 700.0
