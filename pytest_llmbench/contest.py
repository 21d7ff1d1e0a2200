"""Which spec is held against which, and which becomes canonical."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmbench.policy.baseline import Baseline
from pytest_llmbench.policy.decision import Decision, decide
from pytest_llmbench.policy.gates import evidence_gate
from pytest_llmbench.runs.stored import newest_job, read_canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmbench.analysis.summary import JobSummary
    from pytest_llmbench.policy.gate import GateCode
    from pytest_llmbench.policy.sequential import SequentialTest
    from pytest_llmbench.settings import Settings


class Contender(Struct, frozen=True, kw_only=True):
    """One job of a run, with what it is and what was decided of it.

    Attributes:
        comparability: what it was measured under.
        role: `baseline` or `candidate`; None where models are the axis.
        decision: None for the session's own baseline.
    """

    job: JobSummary
    comparability: Mapping[str, Any]
    role: str | None
    decision: Decision | None


def contenders(
    jobs: Sequence[JobSummary],
    comparability: Sequence[Mapping[str, Any]],
    settings: Settings,
    run_id: str,
    tests: Mapping[str, SequentialTest],
) -> tuple[Contender, ...]:
    """Decide of each job but the session's own baselines.

    Args:
        tests: those of `--runs auto`, by the candidates' canonical text.
    """
    session = {
        (job.phase, job.suite): (job, key)
        for job, key in zip(jobs, comparability, strict=True)
        if settings.axis.role(job.spec) == "baseline"
    }
    found = []
    for job, key in zip(jobs, comparability, strict=True):
        role = settings.axis.role(job.spec)
        decision = None
        if role == "candidate":
            beside = session.get((job.phase, job.suite))
            decision = _against_session(
                job, key, beside, settings, run_id, tests.get(job.spec)
            )
        elif role is None:
            limits = settings.thresholds(job.phase)
            decision = decide(job, limits, _stored_baseline(job, settings), key)
        one = Contender(job=job, comparability=key, role=role, decision=decision)
        found.append(one)
    return tuple(found)


def baseline_of_spec(settings: Settings) -> dict[str, Any] | None:
    """Return the newest stored job of `--baseline`; None if it is stored nowhere."""
    return newest_job(settings.reports, str(settings.baseline))


def _stored_baseline(job: JobSummary, settings: Settings) -> Baseline | None:
    """Take `--baseline` where it is of this phase, else the canonical spec."""
    chosen = settings.baseline
    stored: dict[str, Any] | None
    if chosen is not None and chosen.phase == job.phase:
        stored = baseline_of_spec(settings)
    else:
        stored = read_canonical(settings.reports).get(job.phase)
    return None if stored is None else Baseline.of_stored(stored)


def _against_session(
    job: JobSummary,
    key: Mapping[str, Any],
    beside: tuple[JobSummary, Mapping[str, Any]] | None,
    settings: Settings,
    run_id: str,
    test: SequentialTest | None,
) -> Decision:
    """Hold a candidate against the baseline that ran beside it.

    Where that baseline's own evidence is bad, the candidate is on HOLD: what it
    would be held against is not known.
    """
    limits = settings.thresholds(job.phase)
    if beside is None:
        return decide(job, limits, None, key)
    other, other_key = beside
    evidence = evidence_gate(other, limits, None)
    baseline = Baseline.of_summary(other, run_id, other_key)
    decision = decide(job, limits, baseline, key, test)
    if evidence.passed or decision.decided_by == "evidence":
        return decision
    return _held(decision, f"the baseline's own evidence: {evidence.reason}")


def _held(decision: Decision, reason: str) -> Decision:
    """Return a decision whose evidence gate fails for a reason."""
    code: GateCode = "baseline_not_comparable"
    failed = {"passed": False, "reason": reason, "code": code}
    return replace(
        decision,
        decision="HOLD",
        reason=reason,
        code=code,
        decided_by="evidence",
        more_runs=None,
        gates=tuple(
            replace(gate, **failed) if gate.name == "evidence" else gate
            for gate in decision.gates
        ),
    )


class Canonical(Struct, frozen=True, kw_only=True):
    """What a run changes in canonical.json.

    Attributes:
        jobs: the best promoted contender of each phase whose baseline changes.
        notes: why another one's does not.
    """

    jobs: Mapping[str, Contender]
    notes: tuple[str, ...] = ()


def new_canonical(found: Sequence[Contender], settings: Settings) -> Canonical:
    """Say which promoted specs become their phase's canonical baseline.

    A spec promoted against a `--baseline` of the user's choice has not beaten the
    canonical one, and leaves it. So does a replay, and a run that was cold each time:
    it measures what a cold start costs, not how the model works.
    """
    is_chosen = settings.baseline is not None and not settings.axis
    is_experiment = settings.cold_start == "run"
    if is_chosen or is_experiment or settings.replay is not None:
        return Canonical(jobs={})
    stored = read_canonical(settings.reports) if settings.axis else {}
    jobs, notes = {}, []
    for phase, one in _best(found).items():
        canonical = str((stored.get(phase) or {}).get("spec", ""))
        if canonical in {"", str(settings.axis.baseline(phase))}:
            jobs[phase] = one
        else:
            notes.append(
                f"'{one.job.spec}' was not held against the canonical spec of phase"
                f" {phase}, '{canonical}', which stays"
            )
    return Canonical(jobs=jobs, notes=tuple(notes))


def _best(found: Sequence[Contender]) -> dict[str, Contender]:
    """Return the best promoted contender of each phase.

    First comes who has room for most of the suite, since others can't be held against
    one who has seen less; then accuracy, then E2E.
    """
    best: dict[str, tuple[tuple[float, ...], Contender]] = {}
    for one in _promoted(found):
        job = one.job
        e2e_ms = job.latency.e2e_ms.p50 or 0.0
        rank = (-len(job.beyond_context), job.accuracy or 0.0, -e2e_ms)
        if job.phase not in best or rank > best[job.phase][0]:
            best[job.phase] = (rank, one)
    return {phase: one for phase, (_, one) in best.items()}


def _promoted(found: Sequence[Contender]) -> Iterator[Contender]:
    for one in found:
        if one.decision is not None and one.decision.becomes_canonical:
            yield one
