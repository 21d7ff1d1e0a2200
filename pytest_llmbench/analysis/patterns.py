"""Why a prompt fails: what its outcomes over the runs show, with the evidence."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct, to_builtins

from pytest_llmbench.analysis.evidence import chance_text, runs_text
from pytest_llmbench.analysis.residency import Residency, residency_at
from pytest_llmbench.analysis.trials import FAILED, JUDGED, Grid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmbench.runs.record import Outcome

PatternKind = Literal[
    "stable", "incapable", "cold_start", "degrading", "flaky", "infrastructure"
]
"""What the runs of one prompt show."""

CHANCE_LIMIT: Final = 0.05
"""Failures that lead with a smaller or equal chance are a cold start."""


class Pattern(Struct, frozen=True, kw_only=True):
    """What the runs of one prompt show, and on what that rests.

    Attributes:
        p_value: chance that the failures lie first (or last) by luck; None
            where they lie neither first nor last.
        pooled_prompts: the prompts whose chances were multiplied, this one
            included; empty without a chance.
        failing_runs: runs that failed or timed out, counted from 1.
        evidence: one readable line.
        residency: what was seen of the model's loading when the first failing
            run began; None where the failures do not lead.
    """

    kind: PatternKind
    p_value: float | None = None
    pooled_prompts: tuple[str, ...] = ()
    failing_runs: tuple[int, ...] = ()
    evidence: str = ""
    residency: Residency | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the pattern as plain JSON."""
        plain: dict[str, Any] = to_builtins(self)
        return plain


class _Tally(Struct, frozen=True, kw_only=True):
    """One prompt's outcomes sorted into runs."""

    planned: int
    judged: tuple[int, ...]
    failing: tuple[int, ...]
    errors: tuple[int, ...]

    @property
    def place(self) -> Literal["first", "last"] | None:
        """Where the failures lie among the judged runs, if at one end."""
        n, k = len(self.judged), len(self.failing)
        if not 0 < k < n:
            return None
        if self.failing == self.judged[:k]:
            return "first"
        return "last" if self.failing == self.judged[n - k :] else None

    @property
    def ways(self) -> int:
        """C(n, k): in how many ways k failures can lie in n judged runs."""
        return math.comb(len(self.judged), len(self.failing))


def find_patterns(grid: Grid) -> dict[str, Pattern | None]:
    """Say of every planned prompt what its runs show; None if it never ran.

    With k failures (fail or timeout) in n judged runs:

    - nothing judged but errors, or no failure but errors: `infrastructure`
    - k = 0: `stable`
    - k = n: `incapable`
    - failures first: `cold_start` if p <= 0.05 or the model was seen not
      resident when the first failing run began, else `flaky`
    - failures last: `degrading`
    - else `flaky`

    Chance p = 1 / C(n, k): of all ways to place k failures in n runs, one puts
    them all first. Prompts that fail in the same first (or last) runs are
    pooled: the product of their p. That product is right only if prompts fail
    independently of each other, and it does not pay for having looked for the
    prompts that agree; so read it as strength of evidence, not as an exact
    error rate.
    """
    tallies = {
        prompt_id: _tally(grid.outcomes(prompt_id)) for prompt_id in grid.prompt_ids
    }
    pools = _pools(tallies)
    patterns: dict[str, Pattern | None] = {}
    for prompt_id, tally in tallies.items():
        if tally.place:
            pool = pools[tally.place, tally.failing]
            patterns[prompt_id] = _placed(grid, tally, pool)
        else:
            patterns[prompt_id] = _unplaced(tally)
    return patterns


class _Pool(Struct, frozen=True, kw_only=True):
    """Prompts that fail in the same runs at the same end."""

    prompt_ids: tuple[str, ...]
    p_value: float


def _tally(outcomes: Sequence[Outcome | None]) -> _Tally:
    numbered = list(enumerate(outcomes, start=1))
    return _Tally(
        planned=len(outcomes),
        judged=tuple(run for run, outcome in numbered if outcome in JUDGED),
        failing=tuple(run for run, outcome in numbered if outcome in FAILED),
        errors=tuple(run for run, outcome in numbered if outcome == "error"),
    )


def _pools(tallies: Mapping[str, _Tally]) -> dict[tuple[str, tuple[int, ...]], _Pool]:
    members: defaultdict[tuple[str, tuple[int, ...]], list[str]] = defaultdict(list)
    for prompt_id, tally in tallies.items():
        if tally.place:
            members[tally.place, tally.failing].append(prompt_id)
    return {
        key: _Pool(
            prompt_ids=tuple(ids),
            p_value=1 / math.prod(tallies[prompt_id].ways for prompt_id in ids),
        )
        for key, ids in members.items()
    }


def _placed(grid: Grid, tally: _Tally, pool: _Pool) -> Pattern:
    leads = tally.place == "first"
    residency = residency_at(grid, tally.failing[0]) if leads else None
    kind = _placed_kind(pool.p_value, residency)
    chance = chance_text(pool.p_value, pool.prompt_ids)
    if pool.p_value > CHANCE_LIMIT and kind != "cold_start":
        chance += " is high: it may be luck"
    parts = [f"failed {_of_planned(tally.failing, tally)}, {chance}"]
    if residency is not None and residency.text:
        parts.append(residency.text)
    return Pattern(
        kind=kind,
        p_value=pool.p_value,
        pooled_prompts=pool.prompt_ids,
        failing_runs=tally.failing,
        evidence="; ".join([*parts, *_left_out(tally)]),
        residency=residency,
    )


def _placed_kind(p_value: float, residency: Residency | None) -> PatternKind:
    if residency is None:
        return "degrading"
    is_cold = p_value <= CHANCE_LIMIT or residency.was_cold
    return "cold_start" if is_cold else "flaky"


def _unplaced(tally: _Tally) -> Pattern | None:
    n, k = len(tally.judged), len(tally.failing)
    if not n and not tally.errors:
        return None
    if k == 0 and tally.errors:
        return Pattern(kind="infrastructure", evidence=_errors_text(tally))
    kind: PatternKind = "stable" if k == 0 else "incapable" if k == n else "flaky"
    text = {
        "stable": _same_text("passed", tally),
        "incapable": _same_text("failed", tally),
    }.get(kind, f"failed {_of_planned(tally.failing, tally)}")
    evidence = "; ".join([text, *_left_out(tally)])
    return Pattern(kind=kind, failing_runs=tally.failing, evidence=evidence)


def _of_planned(runs: tuple[int, ...], tally: _Tally) -> str:
    return f"{runs_text(runs)} of {tally.planned}"


def _same_text(verb: str, tally: _Tally) -> str:
    n = len(tally.judged)
    if n == 1:
        return f"{verb} in 1 run only: one run cannot show a pattern"
    return f"{verb} in all {n} judged runs"


def _errors_text(tally: _Tally) -> str:
    n = len(tally.judged)
    rest = f"passed the {n} judged" if n else "nothing judged"
    return f"errors in {_of_planned(tally.errors, tally)}; {rest}"


def _left_out(tally: _Tally) -> list[str]:
    not_run = tally.planned - len(tally.judged) - len(tally.errors)
    parts = []
    if tally.errors:
        parts.append(f"errors in {runs_text(tally.errors)} left out")
    if not_run:
        parts.append(f"{not_run} of {tally.planned} runs missing")
    return parts
