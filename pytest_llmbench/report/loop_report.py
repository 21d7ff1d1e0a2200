"""SELF_OPTIMIZING_REPORT.md: what a loop tried, decided and learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.report import numbers
from pytest_llmbench.report.markdown import escaped, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmbench.policy.discovery import Candidate
    from pytest_llmbench.runs.loop_state import LoopState

REPORT: Final = "SELF_OPTIMIZING_REPORT.md"

_KNOBS: Final[Mapping[str | None, str]] = {
    "warm_up": "warm-up",
    None: "several",
}
_RESULTS: Final = (
    *("spec", "role", "samples", "success", "median accuracy", "variance"),
    *("restraint", "p50", "p95"),
)


def loop_report(
    state: LoopState,
    cycles: Sequence[Mapping[str, Any]],
    following: Sequence[Candidate],
) -> str:
    """Return the report as Markdown, the newest cycle first.

    Args:
        cycles: those of this loop, oldest first, as the history stores them.
        following: what the next cycle would try.
    """
    lines = ["# Self-optimizing report", "", *_outcome(state, cycles)]
    for cycle in reversed(cycles):
        lines += _cycle(cycle, state.cycles)
    lines += ["## Next candidates", ""]
    if following:
        plans = (_plan(one.knob, one.before, one.to, one) for one in following)
        lines += table(("spec", "knob", "from", "to", "why"), list(plans))
    else:
        lines += [f"Nothing is left to try against {escaped(state.baseline)}."]
    return "\n".join(lines).rstrip() + "\n"


def _outcome(state: LoopState, cycles: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    is_same = state.baseline == state.first_baseline
    rows = [
        ("loop", f"{state.loop_id}, begun {state.at}"),
        ("outcome", f"{state.status}: {state.outcome}" if state.outcome else "running"),
        ("cycles", f"{state.done} of {state.cycles}"),
        ("began with", state.first_baseline),
        ("best now", "the same: no candidate was promoted" * is_same or state.baseline),
    ]
    yield "## Outcome"
    yield ""
    yield from table(("", ""), rows)
    learned = [entry for cycle in cycles for entry in cycle["learned"]]
    yield from _learned([entry for entry in learned if entry["kind"] == "effect"])


def _cycle(cycle: Mapping[str, Any], of: int) -> Iterator[str]:
    yield f"## Cycle {cycle['position']} of {of}"
    yield ""
    also = ", interrupted and finished later" if cycle["interrupted"] else ""
    yield (
        f"Run {cycle['run_id']}, {cycle['at']}{also}; cycle {cycle['cycle_index']}"
        " of the history."
    )
    yield ""
    yield f"Baseline: {escaped(cycle['baseline'])}"
    yield ""
    yield from _candidates(cycle)
    yield "### Results"
    yield ""
    results = [*cycle["baseline_results"], *cycle["candidate_results"]]
    yield from table(_RESULTS, [_result(job, cycle["baseline"]) for job in results])
    yield from _decisions(cycle)
    if cycle["learned"]:
        yield "### Learned"
        yield ""
        yield from _learned(cycle["learned"])


def _decisions(cycle: Mapping[str, Any]) -> Iterator[str]:
    if not cycle["policy_decisions"]:
        return
    yield "### Decisions"
    yield ""
    rows = [
        (spec, one["decision"], one["code"] or "", one["reason"])
        for spec, one in cycle["policy_decisions"].items()
    ]
    yield from table(("spec", "decision", "code", "why"), rows)
    winner = cycle["new_canonical"]
    yield f"New canonical: {escaped(winner)}" if winner else "The baseline stays."
    yield ""


def _candidates(cycle: Mapping[str, Any]) -> Iterator[str]:
    yield "### Candidates"
    yield ""
    if not cycle["candidates"]:
        yield "None: no stored run showed how the baseline does, so it ran alone."
        yield ""
        return
    rows = [
        (
            *(one["spec"], _KNOBS.get(one["knob"], one["knob"])),
            *(one["from"], one["to"], one["reason"]),
        )
        for one in cycle["candidates"]
    ]
    yield from table(("spec", "knob", "from", "to", "why"), rows)


def _plan(
    knob: str | None, before: str, to: str, one: Candidate
) -> tuple[str, str, str, str, str]:
    return one.spec, _KNOBS.get(knob, knob or ""), before, to, one.reason


def _result(job: Mapping[str, Any], baseline: str) -> tuple[str, ...]:
    success = job["success"]
    spread = numbers.interval(success["low"], success["high"])
    return (
        job["spec"],
        "baseline" if job["spec"] == baseline else "candidate",
        f"{numbers.counted(job['n'], 'run')}, {job['judged_trials']} trials",
        f"{numbers.percent(success['value'])} ({spread})",
        numbers.percent(job["accuracy"]),
        numbers.small(job["variance"]),
        numbers.percent(job["restraint_score"]),
        numbers.milliseconds(job["latency_p50_ms"]),
        numbers.milliseconds(job["latency_p95_ms"]),
    )


def _learned(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for entry in entries:
        yield f"- {escaped(entry['text'])}"
    if entries:
        yield ""
