"""Loops of a baseline and a candidate whose true pass rates are known.

A prompt passes always (6 of 10), never (1 of 10), or at a rate drawn from 0.5 to 1.
A candidate's rates differ from the baseline's by a given mean effect, spread over
the prompts or put on a few of them, one as often as the other.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Final

from made_records import make_summary
from msgspec import Struct
from msgspec.structs import replace

from pytest_llmbench.analysis.accuracy import RunResult, over_runs
from pytest_llmbench.analysis.prompt_summary import PromptSummary
from pytest_llmbench.analysis.proportion import Proportion
from pytest_llmbench.policy.baseline import Baseline
from pytest_llmbench.policy.decision import decide
from pytest_llmbench.policy.sequential import SequentialTest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from pytest_llmbench.analysis.summary import JobSummary
    from pytest_llmbench.policy.decision import Decision
    from pytest_llmbench.policy.thresholds import PolicyThresholds
    from pytest_llmbench.runs.record import Outcome

PROMPTS: Final = 12
COLD_RUNS: Final = 2
COLD_PROMPTS: Final = 3
MAX_RUNS: Final = 20
MIN_RUNS: Final = 3

Rates = list[float]
Grid = list[list[bool]]
"""Run by run, which prompts passed."""

_NAMES: Final = tuple(f"P{number}" for number in range(1, PROMPTS + 1))
_TEMPLATE: Final = make_summary(dict.fromkeys(_NAMES, "P"))


class Loop(Struct, frozen=True, kw_only=True):
    """One baseline and one candidate, before they have run.

    Attributes:
        cold: prompts that the baseline fails in its first two runs.
    """

    baseline: Rates
    candidate: Rates
    cold: frozenset[int] = frozenset()

    def play(self, rng: Random, run: int) -> tuple[list[bool], list[bool]]:
        """Draw both sides' outcomes of one run, counted from 1."""
        cold = self.cold if run <= COLD_RUNS else ()
        before = [
            rng.random() < rate and index not in cold
            for index, rate in enumerate(self.baseline)
        ]
        return before, [rng.random() < rate for rate in self.candidate]


def made_loop(rng: Random, effect: float, *, is_cold: bool = False) -> Loop:
    """Draw a loop in which the candidate's mean rate differs by exactly `effect`."""
    rates = [_rate(rng) for _ in range(PROMPTS)]
    while not abs(effect) <= fmean(rates) <= 1 - abs(effect):
        rates = [_rate(rng) for _ in range(PROMPTS)]
    changed = _spread if rng.random() < 0.5 else _concentrated
    cold = rng.sample(range(PROMPTS), COLD_PROMPTS) if is_cold else ()
    return Loop(
        baseline=rates, candidate=changed(rng, rates, effect), cold=frozenset(cold)
    )


def decide_after(
    grids: tuple[Grid, Grid],
    thresholds: PolicyThresholds,
    test: SequentialTest | None = None,
) -> Decision:
    """Decide on the candidate's grid against the baseline's."""
    before, now = map(summary_of, grids)
    return decide(now, thresholds, Baseline.of_summary(before, "r", {}), {}, test)


def played(rng: Random, loop: Loop, runs: int) -> tuple[Grid, Grid]:
    """Draw so many runs of both sides."""
    pairs = [loop.play(rng, run) for run in range(1, runs + 1)]
    return [before for before, _ in pairs], [now for _, now in pairs]


def decide_auto(
    rng: Random, loop: Loop, thresholds: PolicyThresholds
) -> tuple[Decision, int]:
    """Run both sides until it is certain, and decide; also return the runs made."""
    test = SequentialTest(thresholds.non_inferiority_margin, thresholds.alpha)
    grids: tuple[Grid, Grid] = ([], [])
    while test.runs < MAX_RUNS and (test.verdict is None or test.runs < MIN_RUNS):
        before, now = loop.play(rng, test.runs + 1)
        grids[0].append(before)
        grids[1].append(now)
        test.add_run([b - a for a, b in zip(before, now, strict=True)])
    return decide_after(grids, thresholds, test), test.runs


def summary_of(grid: Grid) -> JobSummary:
    """Sum up a grid as `summarise` does, without its records."""
    runs = tuple(
        RunResult(
            run=number,
            passed=sum(row),
            failed=len(row) - sum(row),
            timed_out=0,
            errors=0,
            skipped=0,
            missing=0,
        )
        for number, row in enumerate(grid, start=1)
    )
    passed = sum(run.passed for run in runs)
    trials = len(grid) * PROMPTS
    words: tuple[Outcome, Outcome] = ("fail", "pass")
    return replace(
        _TEMPLATE,
        plan=replace(_TEMPLATE.plan, runs=len(grid)),
        runs=runs,
        over_runs=over_runs(runs),
        prompts=tuple(
            PromptSummary(
                prompt_id=name,
                category="",
                outcomes=tuple(words[row[index]] for row in grid),
                pattern=None,
            )
            for index, name in enumerate(_NAMES)
        ),
        outcomes={**_TEMPLATE.outcomes, "pass": passed, "fail": trials - passed},
        scores=replace(_TEMPLATE.scores, success=Proportion(hits=passed, n=trials)),
    )


def _rate(rng: Random) -> float:
    kind = rng.random()
    if kind < 0.6:
        return 1.0
    return 0.0 if kind < 0.7 else rng.uniform(0.5, 1.0)


def _spread(_rng: Random, rates: Sequence[float], effect: float) -> Rates:
    """Take from, or add to, each prompt in proportion to what it has room for."""
    mean = fmean(rates)
    if effect < 0:
        return [rate * (1 + effect / mean) for rate in rates]
    return [
        rate + (1 - rate) * effect / (1 - mean) if effect else rate for rate in rates
    ]


def _concentrated(rng: Random, rates: Sequence[float], effect: float) -> Rates:
    """Change prompts drawn at random, each as far as it goes."""
    changed, left = list(rates), abs(effect) * len(rates)
    for index in rng.sample(range(len(rates)), len(rates)):
        room = changed[index] if effect < 0 else 1 - changed[index]
        step = min(left, room)
        changed[index] += step if effect > 0 else -step
        left -= step
    return changed
