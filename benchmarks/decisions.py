"""How often each policy decides right, by loops whose true effect is known.

Run with `PYTHONPATH=tests/fakes python benchmarks/decisions.py [LOOPS] [DRAWS]`.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Final

from made_loops import decide_after, decide_auto, made_loop, played
from tables import print_table

from pytest_llmbench.analysis.difference import combined_interval, t_interval
from pytest_llmbench.analysis.proportion import Proportion
from pytest_llmbench.analysis.stratified import mean_difference
from pytest_llmbench.policy.thresholds import PolicyThresholds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from made_loops import Loop

    from pytest_llmbench.analysis.proportion import Interval
    from pytest_llmbench.policy.decision import Decision

    Ends = Sequence[tuple[Decision, int]]
    Pairs = Sequence[tuple[Proportion, Proportion]]

LOOPS: Final = 2000
DRAWS: Final = 2000
EFFECTS: Final = (-0.10, -0.05, 0.0, 0.05, 0.10)
RUNS: Final = (3, 5, 7)
_HEAD: Final = (
    "policy", "runs", *(f"{100 * e:+.0f} points" if e else "equal" for e in EFFECTS)
)  # fmt: skip
_NOTE: Final = (
    "Cells: PROMOTE / HOLD / REJECT in % of the loops of an effect (in brackets the"
    " HOLDs by the gate for variance), and the mean of the runs made."
)
_HALF: Final = [1.0] * 6
RATES: Final = {
    "always on both sides": ([1.0] * 12, [1.0] * 12),
    "0.97 on both sides": ([0.97] * 12, [0.97] * 12),
    "0.5 on both sides": ([0.5] * 12, [0.5] * 12),
    "half always, half never": ([*_HALF, *[0.0] * 6], [*_HALF, *[0.0] * 6]),
    "half always, half 0.5": ([*_HALF, *[0.5] * 6], [*_HALF, *[0.5] * 6]),
    "0.9, then 0.8": ([0.9] * 12, [0.8] * 12),
    "always, then one at 0.85": ([1.0] * 12, [*[1.0] * 11, 0.85]),
    "half at 0.9, half never": ([*_HALF, *[0.0] * 6], [*[0.9] * 6, *[0.0] * 6]),
}


def main() -> None:
    """Print the coverage of the interval, then what the policies decide."""
    given = [int(text) for text in sys.argv[1:]]
    loops, draws = (*given, *(LOOPS, DRAWS)[len(given) :])
    started_s = time.monotonic()
    _print_coverage(draws)
    for title, max_variance in (("as shipped", 0.0025), ("variance not gated", 0.25)):
        for is_cold in (False, True):
            start = "cold" if is_cold else "warm"
            print_table(
                f"{title}, {start} baseline, {loops:,} loops a row",
                _HEAD,
                _decisions(loops, max_variance, is_cold=is_cold),
                _NOTE,
            )
    print(f"\n{time.monotonic() - started_s:.0f} s.")


def _decisions(loops: int, max_variance: float, *, is_cold: bool) -> list[list[str]]:
    rows: dict[tuple[str, str], list[str]] = {}
    for effect in EFFECTS:
        rng = Random(f"{effect} {is_cold}")  # noqa: S311 - seeded
        drawn = [made_loop(rng, effect, is_cold=is_cold) for _ in range(loops)]
        for name, runs, ends in _ends(rng, drawn, max_variance):
            rows.setdefault((name, runs), [name, runs]).append(_cell(ends))
    return list(rows.values())


def _ends(
    rng: Random, drawn: Sequence[Loop], max_variance: float
) -> Iterator[tuple[str, str, Ends]]:
    medians = PolicyThresholds(max_variance=max_variance)
    interval = PolicyThresholds(max_variance=max_variance, method="statistical")
    for runs in RUNS:
        grids = [played(rng, loop, runs) for loop in drawn]
        for name, policy in (("default", medians), ("statistical", interval)):
            yield (
                name,
                f"{runs}",
                [(decide_after(pair, policy), runs) for pair in grids],
            )
    ends = [decide_auto(rng, loop, medians) for loop in drawn]
    yield "`--runs auto`", "to 20", ends


def _cell(ends: Ends) -> str:
    words = Counter(one.decision for one, _ in ends)
    scattered = sum(one.code == "variance_too_high" for one, _ in ends)
    held = f" ({100 * scattered / len(ends):.0f})" if scattered else ""
    promoted, hold, rejected = (
        f"{100 * words[word] / len(ends):.1f}" for word in ("PROMOTE", "HOLD", "REJECT")
    )
    runs = fmean(made for _, made in ends)
    return f"{promoted} / {hold}{held} / {rejected}, {runs:.1f}"


def _print_coverage(draws: int) -> None:
    head = [
        "pass rates of 12 prompts", "runs",
        "interval: low misses", "high misses", "width",
        "combined: low misses", "high misses", "width",
        "Student's t: low misses", "high misses", "width",
    ]  # fmt: skip
    rows = [
        [title, f"{runs}", *_coverage(*rates, runs, draws)]
        for title, rates in RATES.items()
        for runs in (3, 7)
    ]
    print_table(f"Coverage of the 95 % interval, {draws:,} draws a row", head, rows)


def _coverage(
    before: Sequence[float], now: Sequence[float], runs: int, draws: int
) -> Iterator[str]:
    rng = Random(f"{before} {now} {runs}")  # noqa: S311 - seeded
    drawn = [
        [
            (_share(rng, a, runs), _share(rng, b, runs))
            for a, b in zip(before, now, strict=True)
        ]
        for _ in range(draws)
    ]
    truth = fmean(now) - fmean(before)
    for interval in (_ours, combined_interval, _student):
        found = [interval(pairs) for pairs in drawn]
        yield f"{fmean(one.low > truth + 1e-9 for one in found):.1%}"
        yield f"{fmean(one.high < truth - 1e-9 for one in found):.1%}"
        yield f"{fmean(one.high - one.low for one in found):.3f}"


def _ours(pairs: Pairs) -> Interval:
    return mean_difference(pairs).interval(0.95)


def _student(pairs: Pairs) -> Interval:
    """Take the combined one where t has none, as `llmbench compare` does."""
    exact = [b.hits / b.n - a.hits / a.n for a, b in pairs]
    return t_interval(exact) or combined_interval(pairs)


def _share(rng: Random, rate: float, runs: int) -> Proportion:
    return Proportion(hits=sum(rng.random() < rate for _ in range(runs)), n=runs)


if __name__ == "__main__":
    main()
