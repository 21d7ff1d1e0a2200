"""The page's tables of specs side by side: candidates, `--runs auto`, the past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.analysis.comparison import compare, job_evidence
from pytest_llmbench.report import numbers
from pytest_llmbench.report.html.tables import Cell, Table, gain
from pytest_llmbench.report.trend import NAMES, drift_text
from pytest_llmbench.report.view import BASELINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmbench.analysis.trend import Trend
    from pytest_llmbench.report.rundata import JobData, RunData
    from pytest_llmbench.report.view import GateView

_VERDICTS: Final = {"not_worse": "not worse", "worse": "worse", None: "not certain"}


def side_by_side(jobs: Sequence[JobData]) -> Iterator[Table]:
    """Yield a table for each baseline that ran beside its candidates."""
    for base in jobs:
        if base.view.decision == BASELINE:
            beside = [job for job in jobs if _is_candidate(job, base)]
            yield _against(base, beside)


def _is_candidate(job: JobData, base: JobData) -> bool:
    """Whether a job was held against a baseline of its own run."""
    mine = (job.run.view.run_id, job.summary.suite, job.view.baseline)
    return mine == (base.run.view.run_id, base.summary.suite, base.summary.spec)


def _against(base: JobData, candidates: Sequence[JobData]) -> Table:
    gates = list(dict.fromkeys(g.name for job in candidates for g in job.view.gates))
    own = (Cell("", "", "n") for _ in range(2 + len(gates)))
    rows = [(Cell(base.label), _decision(base), _accuracy(base), *own)]
    before = job_evidence(base.label, list(base.grid))
    for job in candidates:
        found = compare(before, job_evidence(job.label, list(job.grid)))
        prompts, _, _, difference = list(gain(found))[:4]
        by_name = {gate.name: gate for gate in job.view.gates}
        cells = (_gate(by_name.get(name)) for name in gates)
        shown = (_decision(job), _accuracy(job), prompts, difference, *cells)
        rows.append((Cell(job.label, "", "", f"decision-{job.number}"), *shown))
    suite = base.summary.suite
    return Table(
        caption=f"Candidates beside their baseline, suite {suite}",
        head=("spec", "decision", "accuracy", "prompts", "gain", *gates),
        rows=tuple(rows),
        note="Gain: mean pass rate less the baseline's over the prompts that both"
        " ran, in points. Of each gate: what was observed, and its limit.",
    )


def _decision(job: JobData) -> Cell:
    return Cell(job.view.decision, "", job.view.decision)


def _accuracy(job: JobData) -> Cell:
    return Cell(numbers.percent(job.summary.accuracy), "", "n")


def _gate(gate: GateView | None) -> Cell:
    if gate is None:
        return Cell(numbers.NONE)
    limit = f" ({gate.limit})" if gate.limit != numbers.NONE else ""
    return Cell(f"{gate.verdict}: {gate.observed}{limit}")


def auto_runs(runs: Sequence[RunData]) -> Iterator[Table]:
    """Yield how `--runs auto` has ended, run by run."""
    for run in runs:
        if run.sequential is not None:
            yield _auto_runs(run.sequential)


def _auto_runs(told: Mapping[str, Any]) -> Table:
    saved = numbers.counted(told.get("calls_saved") or 0, "call")
    rows = tuple(
        (Cell(spec), *_verdict(one)) for spec, one in told["candidates"].items()
    )
    return Table(
        caption=f"--runs auto: {told.get('runs')} runs of {told.get('max_runs')} at"
        f" most, {saved} saved",
        head=("candidate", "verdict", "certain after", "pairs", "difference", "margin"),
        rows=rows,
        note="Trials in pairs with the baseline's; difference: mean of passed less the"
        " baseline's, in points.",
    )


def _verdict(one: Mapping[str, Any]) -> Iterator[Cell]:
    after, why = one.get("after_runs"), one.get("given_up")
    yield Cell(_VERDICTS.get(one.get("verdict"), "") + (f" ({why})" if why else ""))
    yield Cell(numbers.NONE if after is None else numbers.counted(after, "run"))
    yield Cell(str(one.get("pairs", numbers.NONE)), "", "n")
    yield Cell(numbers.points(one.get("difference")), "", "n")
    yield Cell(numbers.points(one.get("margin")), "", "n")


def drifts(
    jobs: Sequence[JobData], past: Mapping[tuple[str, str], Trend]
) -> Table | None:
    """Say of each spec with a past whether it drifts; two stored runs at least."""
    keys = {(job.summary.spec, job.summary.suite): job.label for job in jobs}
    rows = [
        (
            Cell(label),
            *(Cell(drift_text(one), "", "wide") for one in past[key].drifts),
        )
        for key, label in keys.items()
        if key in past and len(past[key].points) > 1
    ]
    if not rows:
        return None
    return Table(
        caption="Whether a spec drifts over its stored runs",
        head=("spec", *NAMES.values()),
        rows=tuple(rows),
        note="Mann and Kendall's test and older against newer half, by Bonferroni;"
        " p of both together, drift at 0.05. One steady spec in seven shows some"
        " drift by chance.",
    )
