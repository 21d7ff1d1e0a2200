"""What a candidate shows of the knob it turns, and what that lets expect."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, to_builtins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_llmbench.analysis.comparison import Comparison
    from pytest_llmbench.policy.discovery import Candidate
    from pytest_llmbench.prompts.spec import Spec

PRIOR_SD: Final = 0.05
"""Before anything is known, two of three knobs gain or cost at most 5 points."""

_MIN_SD: Final = 0.005
_Z_95: Final = 1.959963984540054
_LEADS: Final[Mapping[tuple[str | None, str], str]] = {
    ("warm_up", "1"): "warm-up",
    ("warm_up", "0"): "no warm-up",
    ("isolation", "1"): "isolation",
    ("isolation", "0"): "no isolation",
}
_POINTS: Final = 100.0


class Effect(Struct, frozen=True, kw_only=True):
    """One candidate held against the baseline of its session.

    Attributes:
        difference: mean over the prompts of candidate - baseline, -1 to 1.
        low, high: its 95 % interval; None where there is none.
        prompts: how many prompts both were judged on.
        runs: complete runs of the side that has fewer.
        p50_ms: the candidate's median E2E, load set apart.
        baseline_p50_ms: the baseline's.
    """

    candidate: Candidate
    difference: float
    low: float | None
    high: float | None
    interval_method: str | None
    prompts: int
    runs: int
    p50_ms: float | None = None
    baseline_p50_ms: float | None = None

    @property
    def text(self) -> str:
        """What was learned, in one sentence."""
        evidence = (
            f"n = {_counted(self.prompts, 'prompt')}, {_counted(self.runs, 'run')}"
        )
        if self.low is not None and self.high is not None:
            ends = f"{_signed(self.low)} to {_signed(self.high)}"
            evidence = f"95 % interval {ends}, {evidence}"
        sentence = f"{_lead(self.candidate)} {self._change()} ({evidence})"
        return f"{sentence}{self._doubt()}{self._latency()}"

    def to_json(self) -> dict[str, Any]:
        """Return the entry of a cycle's `learned`; shares from -1 to 1."""
        candidate = self.candidate
        return {
            "kind": "effect",
            "spec": candidate.spec,
            "knob": candidate.knob,
            "from": candidate.before,
            "to": candidate.to,
            "difference": self.difference,
            "low": self.low,
            "high": self.high,
            "interval_method": self.interval_method,
            "prompts": self.prompts,
            "runs": self.runs,
            "latency_p50_ms": self.p50_ms,
            "baseline_latency_p50_ms": self.baseline_p50_ms,
            "text": self.text,
        }

    def _change(self) -> str:
        size = f"{abs(self.difference) * _POINTS:.1f}".removesuffix(".0")
        if size == "0":
            return "left accuracy as it was"
        verb = "improved" if self.difference > 0 else "lowered"
        return f"{verb} accuracy by {size} points"

    def _doubt(self) -> str:
        if self.low is None or self.high is None or not self.difference:
            return ""
        includes_0 = self.low <= 0 <= self.high
        return "; the interval includes 0" if includes_0 else ""

    def _latency(self) -> str:
        before, now = self.baseline_p50_ms, self.p50_ms
        if before is None or now is None:
            return ""
        return f"; p50 {before:.0f} -> {now:.0f} ms"


def effect(
    candidate: Candidate,
    found: Comparison,
    runs: int,
    p50s_ms: tuple[float | None, float | None],
) -> Effect | None:
    """Take a candidate's effect from its comparison with the baseline.

    Args:
        found: B is the candidate.
        p50s_ms: the baseline's and the candidate's median E2E.

    Returns:
        None where no prompt was judged on both sides.
    """
    if found.difference is None:
        return None
    interval = found.interval
    return Effect(
        candidate=candidate,
        difference=found.difference,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        interval_method=found.interval_method,
        prompts=len(found.prompts),
        runs=runs,
        baseline_p50_ms=p50s_ms[0],
        p50_ms=p50s_ms[1],
    )


def cold_starts(jobs: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield an entry of `learned` for each cold start in stored job summaries."""
    for job in jobs:
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for prompt in job["prompts"]:
            pattern = prompt["pattern"] or {}
            if pattern.get("kind") == "cold_start":
                groups[pattern["evidence"]].append(prompt["prompt_id"])
        for evidence, names in groups.items():
            yield {
                "kind": "cold_start",
                "spec": job["spec"],
                "suite": job["suite"],
                "prompt_ids": names,
                "text": f"cold start in {', '.join(names)}: {evidence}",
            }


class Gains(Struct, frozen=True, kw_only=True):
    """What each knob is expected to gain, as past cycles showed.

    Attributes:
        by_move: expected gain by knob, from and to.
        by_knob: by knob alone, for moves that were never made.
    """

    by_move: Mapping[tuple[str, str, str], float]
    by_knob: Mapping[str, float]

    def of(self, candidate: Candidate) -> float:
        """Return the expected gain, -1 to 1; 0 where nothing was learned."""
        if candidate.knob is None:
            return 0.0
        move = (candidate.knob, candidate.before, candidate.to)
        return self.by_move.get(move, self.by_knob.get(candidate.knob, 0.0))


def gains(cycles: Iterable[Mapping[str, Any]], baseline: Spec) -> Gains:
    """Sum up the effects of past cycles, each with the weight of its certainty.

    Args:
        baseline: cycles of its model and phase count, whatever their flags.
    """
    own = f"{baseline.model} / {baseline.phase} / "
    by_move: defaultdict[tuple[str, str, str], list[Mapping[str, Any]]]
    by_move, by_knob = defaultdict(list), defaultdict(list)
    for cycle in cycles:
        if not cycle["baseline"].startswith(own):
            continue
        for entry in cycle["learned"]:
            if entry.get("kind") == "effect" and entry["knob"] is not None:
                by_move[entry["knob"], entry["from"], entry["to"]].append(entry)
                by_knob[entry["knob"]].append(entry)
    return Gains(
        by_move={move: expected(effects) for move, effects in by_move.items()},
        by_knob={knob: expected(effects) for knob, effects in by_knob.items()},
    )


def expected(effects: Sequence[Mapping[str, Any]]) -> float:
    """Return the mean gain that is to be expected after some measured ones.

    The mean of a normal distribution that starts at 0 with `PRIOR_SD` and takes in
    each effect with the standard error that its interval tells: Σ(d/s²) / (Σ(1/s²) +
    1/PRIOR_SD²). A wide interval moves it little; one without an interval, not at all.

    Source: A. Gelman et al., "Bayesian Data Analysis" (3rd ed., 2013), section 2.5.
    """
    weights, total = 1 / PRIOR_SD**2, 0.0
    for entry in effects:
        if entry["low"] is None or entry["high"] is None:
            continue
        error = max(_MIN_SD, (entry["high"] - entry["low"]) / (2 * _Z_95))
        weights += 1 / error**2
        total += entry["difference"] / error**2
    return total / weights


def ranked(candidates: Iterable[Candidate], learned: Gains) -> list[Candidate]:
    """Put the candidates in the order in which they are tried.

    The cure of a cold start that was seen comes first, then those the user gave, then
    the others by expected gain; equals stay in the order of discovery.
    """

    def key(candidate: Candidate) -> tuple[bool, bool, float]:
        gain = 0.0 if candidate.is_given else learned.of(candidate)
        return not candidate.is_cure, not candidate.is_given, -gain

    return sorted(candidates, key=key)


def candidate_json(candidate: Candidate) -> dict[str, Any]:
    """Return a candidate as plain JSON."""
    plain: dict[str, Any] = to_builtins(candidate)
    return plain


def _lead(candidate: Candidate) -> str:
    knob, before, to = candidate.knob, candidate.before, candidate.to
    if knob is None:
        return candidate.spec
    if knob == "variant":
        return f"{to} instead of {before}"
    word = _LEADS.get((knob, to))
    unit = " s" if knob == "timeout" else ""
    return word or f"{knob} {before} -> {to}{unit}"


def _signed(share: float) -> str:
    shown = f"{share * _POINTS:+.1f}".removesuffix(".0")
    return "+0" if shown == "-0" else shown


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
