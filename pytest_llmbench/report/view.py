"""The view model: what is shown, as text cells; faces only lay it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from pytest_llmbench.report import numbers
from pytest_llmbench.report.calls import cost_facts, pace_facts, success_facts
from pytest_llmbench.report.context import (
    ContextView,
    beyond_facts,
    context_facts,
    context_view,
    course_facts,
)
from pytest_llmbench.report.overview import OverviewRow, overview_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmbench.analysis.percentiles import Percentiles
    from pytest_llmbench.analysis.prompt_summary import PromptSummary
    from pytest_llmbench.analysis.proportion import Proportion
    from pytest_llmbench.analysis.summary import JobSummary
    from pytest_llmbench.calls.request import WarmupResult
    from pytest_llmbench.checks.verdict import FailureMode
    from pytest_llmbench.policy.decision import Decision
    from pytest_llmbench.policy.gate import GateResult

LETTERS: Final[Mapping[str | None, str]] = {
    "pass": "P",
    "fail": "F",
    "timeout": "T",
    "error": "E",
    "skipped": "s",
    None: "-",
}
"""One letter per outcome in the grid; `-` where a planned trial has no record."""

BASELINE: Final = "baseline"
"""Stands in a decision's place where a spec is what others are held against."""

_AS_BASELINE: Final = "this run's candidates are held against it"
_QUEUE_MS: Final = 5.0
"""A wait for a slot up to this is the client's own work and says nothing."""


class GridRow(Struct, frozen=True, kw_only=True):
    """One prompt of the grid.

    Attributes:
        cells: one letter per run.
        failures: its failed trials by failure mode, the commonest first.
    """

    prompt_id: str
    category: str
    cells: tuple[str, ...]
    passed: str
    interval: str
    pattern: str
    failures: str = ""

    @property
    def is_stable(self) -> bool:
        """Whether there is nothing to look at."""
        return self.pattern in {"", "stable"}


class PatternView(Struct, frozen=True, kw_only=True):
    """One pattern, its prompts, and the evidence they share."""

    kind: str
    prompt_ids: tuple[str, ...]
    evidence: str


class GateView(Struct, frozen=True, kw_only=True):
    """One gate as a row.

    Attributes:
        reason: why it passes or fails, in a line.
        code: why it fails, in a word for programs; empty if it passes.
    """

    name: str
    observed: str
    limit: str
    margin: str
    verdict: str
    reason: str = ""
    code: str = ""


class JobView(Struct, frozen=True, kw_only=True):
    """One spec on one suite.

    Attributes:
        facts: label and text, in reading order.
        overview: the spec's row in the table over all of them.
        decision: the word `baseline` for what the run's candidates are held against.
        differences: what differs from the baseline's run, besides prompts.
        context: latency and adherence by length; None where no prompt has lengths.
        code: the reason in a word for programs; empty where nothing is decided.
        ttft_ms, e2e_ms: medians less load, for drawing.
    """

    spec: str
    suite: str
    decision: str
    reason: str
    rows: tuple[GridRow, ...]
    run_accuracies: tuple[str, ...]
    patterns: tuple[PatternView, ...]
    facts: tuple[tuple[str, str], ...]
    gates: tuple[GateView, ...]
    overview: OverviewRow
    baseline: str = ""
    differences: tuple[str, ...] = ()
    context: ContextView | None = None
    code: str = ""
    ttft_ms: float | None = None
    e2e_ms: float | None = None


class RunView(Struct, frozen=True, kw_only=True):
    """Everything a face of the report shows of one run.

    Attributes:
        gate: what `--gate` asked for and whether it is met; empty if nothing.
        files: label and path.
    """

    run_id: str
    jobs: tuple[JobView, ...]
    gate: str = ""
    gate_is_met: bool | None = None
    files: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def gate_text(gate: str, met: bool | None) -> str:  # noqa: FBT001 - one fact
    """Say whether `--gate` is met; nothing where it asks for nothing.

    >>> gate_text("promote", False)
    '--gate promote: FAILED'
    """
    if met is None:
        return ""
    return f"--gate {gate}: {'met' if met else 'FAILED'}"


def job_view(
    job: JobSummary,
    decision: Decision | None,
    warmup: WarmupResult | None,
    *,
    calls_at_once: int = 1,
) -> JobView:
    """Turn a summary and its decision into text cells.

    Args:
        decision: None for what the run's candidates are held against.
        calls_at_once: how many the model's servers may have in flight together.
    """
    return JobView(
        spec=job.spec,
        suite=job.suite,
        decision=BASELINE if decision is None else decision.decision,
        reason=_AS_BASELINE if decision is None else decision.reason,
        rows=tuple(_row(prompt) for prompt in job.prompts),
        run_accuracies=tuple(numbers.bare_percent(run.accuracy) for run in job.runs),
        patterns=tuple(_patterns(job.prompts)),
        facts=tuple(_facts(job, warmup, calls_at_once)),
        gates=tuple(map(_gate, decision.gates)) if decision else (),
        overview=overview_row(job, decision.decision if decision else BASELINE),
        baseline=(decision.baseline_spec or "") if decision else "",
        differences=decision.differences if decision else (),
        context=context_view(job.context),
        code=decision.code if decision else "",
        ttft_ms=job.latency.ttft_ms.p50,
        e2e_ms=job.latency.e2e_ms.p50,
    )


def _row(prompt: PromptSummary) -> GridRow:
    return GridRow(
        prompt_id=prompt.prompt_id,
        category=prompt.category,
        cells=tuple(LETTERS[outcome] for outcome in prompt.outcomes),
        passed=f"{prompt.passed}/{prompt.judged}",
        interval=numbers.interval(prompt.wilson_low, prompt.wilson_high),
        pattern=prompt.pattern.kind if prompt.pattern else "",
        failures=failures_text(prompt.failure_modes),
    )


def _patterns(prompts: Sequence[PromptSummary]) -> Iterator[PatternView]:
    """Group prompts that show the same pattern with the same evidence."""
    groups: dict[tuple[str, str], list[str]] = {}
    for prompt in prompts:
        if prompt.pattern and prompt.pattern.kind != "stable":
            key = (prompt.pattern.kind, prompt.pattern.evidence)
            groups.setdefault(key, []).append(prompt.prompt_id)
    for (kind, evidence), ids in groups.items():
        yield PatternView(kind=kind, prompt_ids=tuple(ids), evidence=evidence)


def _facts(
    job: JobSummary, warmup: WarmupResult | None, calls_at_once: int
) -> Iterator[tuple[str, str]]:
    yield "accuracy", _accuracy(job)
    yield from beyond_facts(job.fit, job.beyond_context)
    yield from _score_facts(job)
    if job.categories:
        shares = (f"{name} {_share(share)}" for name, share in job.categories.items())
        yield "by category", ", ".join(shares)
    if job.failure_modes:
        yield "failures", failures_text(job.failure_modes)
    if job.judged_trials:
        yield "TTFT", _series(job.latency.ttft_ms)
        yield "E2E", _series(job.latency.e2e_ms) + _timed_out(job)
        yield "load", _load(job.latency.load_ms)
        yield from _isolation(job.latency.isolation_ms)
        if calls_at_once > 1:
            yield from _queue(job.latency.queue_ms)
        yield from _rate(job)
        yield from pace_facts(job.latency, job.slowness.whole)
        yield from course_facts(job.drift, job.warmth)
    yield from context_facts(job.context)
    yield from success_facts(job)
    if job.outcomes["error"]:
        share = numbers.percent(job.error_rate)
        erred = numbers.counted(job.outcomes["error"], "trial")
        yield "errors", f"{erred} ({share}), judged for nobody"
    yield from _retries(job)
    yield from cost_facts(job)
    yield from _cache(job)
    if warmup is not None:
        yield "warm-up", warmup_text(warmup)


def _accuracy(job: JobSummary) -> str:
    if job.accuracy is None:
        return "none: no run is complete"
    return (
        f"{numbers.percent(job.accuracy)} median of {numbers.counted(job.n, 'run')}"
        f" ({numbers.count(job.passed)} of {numbers.counted(job.total, 'prompt')}),"
        f" variance {numbers.small(job.variance)}"
    )


def _score_facts(job: JobSummary) -> Iterator[tuple[str, str]]:
    named: tuple[tuple[str, Proportion | None], ...] = (
        ("action", job.scores.action),
        ("restraint", job.scores.restraint),
        ("avoidance", job.scores.wrong_tool_avoidance),
    )
    shown = [f"{word} {_share(share)}" for word, share in named if share is not None]
    if shown:
        yield "tool use", ", ".join(shown)
    behaviours = job.behaviours
    if any(behaviours.values()):
        parts = (f"{n} {word.replace('_', ' ')}" for word, n in behaviours.items() if n)
        yield "", ", ".join(parts)
    ends = job.scores.agent_interval
    if job.agent_score is not None and ends is not None:
        yield "agent score", f"{job.agent_score:.3f} ({ends.low:.3f}-{ends.high:.3f})"
    if job.tier is not None:
        yield "tier", f"{job.tier}: success {_share(job.scores.success)}"


def failures_text(modes: Mapping[FailureMode, int]) -> str:
    """Show failure modes with their counts.

    >>> failures_text({"wrong_tool": 12, "empty": 1})
    '12 wrong_tool, 1 empty'
    """
    return ", ".join(f"{count} {mode}" for mode, count in modes.items())


def _share(share: Proportion) -> str:
    counts = f"{share.hits}/{share.n}"
    if not share.n:
        return f"{numbers.NONE} ({counts})"
    ends = numbers.interval(share.low, share.high)
    return f"{numbers.percent(share.value)} ({counts}, {ends})"


def _series(series: Percentiles) -> str:
    p95 = numbers.milliseconds(series.p95) if series.p95 is not None else "p95 at n>=20"
    label = "" if series.p95 is None else "p95 "
    return f"p50 {numbers.milliseconds(series.p50)}, {label}{p95} (n={series.n})"


def _load(series: Percentiles) -> str:
    if not series.n:
        return "not told by the server"
    return f"{_series(series)}, in neither of the above"


def _isolation(series: Percentiles) -> Iterator[tuple[str, str]]:
    if series.n:
        yield "isolation", f"{_series(series)}, in none of the above"


def _queue(series: Percentiles) -> Iterator[tuple[str, str]]:
    if max(series.p50 or 0.0, series.p95 or 0.0) > _QUEUE_MS:
        yield "queue", f"{_series(series)}, in none of the above"


def _timed_out(job: JobSummary) -> str:
    return f"; {job.timed_out} timed out, in no percentile" if job.timed_out else ""


def _rate(job: JobSummary) -> Iterator[tuple[str, str]]:
    rate = job.latency.output_tokens_per_s
    if rate.p50 is not None:
        clock = job.latency.rate_source
        yield (
            "decode",
            f"p50 {rate.p50:.1f} tokens/s by the {clock}'s clock (n={rate.n})",
        )


def _retries(job: JobSummary) -> Iterator[tuple[str, str]]:
    retries = job.retries
    if retries.trials:
        needed = numbers.counted(retries.trials, "trial")
        more = numbers.counted(retries.attempts, "more attempt")
        reasons = ", ".join(f"{n} {word}" for word, n in retries.reasons.items())
        yield "retries", f"{needed} needed {more} ({reasons})"


def _cache(job: JobSummary) -> Iterator[tuple[str, str]]:
    cache = job.cache
    effect = "so their TTFT is not that of a fresh prompt"
    if cache.reported:
        told = "prompts came partly from the server's prompt cache"
        yield "cache", f"{cache.reported} of {cache.trials} {told}, {effect}"
    if cache.suspected:
        seen = "prefills took less than half of run 1's (a prompt cache)"
        yield "cache", f"{cache.suspected} of {cache.trials} {seen}, {effect}"


def warmup_text(warmup: WarmupResult) -> str:
    """Say how warming went, in one line."""
    before = _UNLOADED.get(warmup.unloaded, "")
    if warmup.status in {"failed", "skipped"}:
        return f"{before}{warmup.status}: {warmup.detail}"
    parts = [f"{warmup.status.replace('_', ' ')} in {warmup.wall_s:.2f} s"]
    if warmup.load_s is not None:
        parts.append(f"load {warmup.load_s:.2f} s")
    if warmup.gpu_share is not None:
        parts.append(f"{numbers.percent(warmup.gpu_share)} in VRAM")
    if warmup.context_length is not None:
        parts.append(f"context {warmup.context_length:,}")
    return before + ", ".join(parts)


_UNLOADED: Final[Mapping[bool | None, str]] = {
    True: "unloaded before; ",
    False: "could not be unloaded before; ",
}


def _gate(gate: GateResult) -> GateView:
    verdict = "pass" if gate.passed else f"fail -> {gate.otherwise}"
    return GateView(
        name=gate.name.replace("_", " "),
        observed=_gate_number(gate.name, gate.observed),
        limit=f"{gate.comparison} {_gate_number(gate.name, gate.limit)}"
        if gate.limit is not None
        else numbers.NONE,
        margin=_gate_margin(gate),
        verdict=verdict if gate.applies else "does not apply",
        reason=gate.reason,
        code=gate.code or "",
    )


def _gate_margin(gate: GateResult) -> str:
    if not gate.passed and (gate.margin or 0) > 0:
        return "not the cause"  # the gate asks for more; the reason names it
    if gate.margin is None or gate.name in {"samples", "variance"}:
        return numbers.signed(gate.margin)
    return f"{numbers.signed(gate.margin * 100)} points"


def _gate_number(name: str, value: float | None) -> str:
    if value is None:
        return numbers.NONE
    if name == "samples":
        return numbers.counted(round(value), "run")
    if name == "variance":
        return numbers.small(value)
    unit = " errors" if name == "evidence" else ""
    return numbers.percent(value) + unit
