"""The gates: each holds one number of a summary against its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmbench.policy.baseline import asked_prompts, prompt_differences
from pytest_llmbench.policy.gate import GateResult
from pytest_llmbench.policy.regression import absent, regression_gate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmbench.analysis.summary import JobSummary
    from pytest_llmbench.policy.baseline import Baseline
    from pytest_llmbench.policy.gate import GateCode
    from pytest_llmbench.policy.sequential import SequentialTest
    from pytest_llmbench.policy.thresholds import PolicyThresholds

_Fault = tuple["GateCode", str]
_MIN_N_VARIANCE = 2


def evaluate_gates(
    summary: JobSummary,
    thresholds: PolicyThresholds,
    baseline: Baseline | None,
    sequential: SequentialTest | None = None,
) -> tuple[GateResult, ...]:
    """Evaluate all gates, in the order in which they decide.

    Args:
        sequential: the test of a run with `--runs auto`.
    """
    return (
        evidence_gate(summary, thresholds, baseline),
        samples_gate(summary, thresholds),
        variance_gate(summary, thresholds),
        regression_gate(summary, thresholds, baseline, sequential),
        restraint_gate(summary, thresholds),
    )


def evidence_gate(
    summary: JobSummary, thresholds: PolicyThresholds, baseline: Baseline | None
) -> GateResult:
    """Hold unless all of the suite ran, few trials erred, and baselines compare."""
    observed, limit = summary.error_rate, thresholds.max_error_rate
    faults = [
        *_coverage_faults(summary),
        *_error_faults(summary, limit),
        *_baseline_faults(summary, baseline),
    ]
    return GateResult(
        name="evidence",
        passed=not faults,
        observed=observed,
        limit=limit,
        comparison="<=",
        margin=None if observed is None else limit - observed,
        reason="; ".join(told for _, told in faults) or _full_evidence(summary),
        code=faults[0][0] if faults else None,
    )


def samples_gate(summary: JobSummary, thresholds: PolicyThresholds) -> GateResult:
    """Hold below the least number of complete runs."""
    n, limit = summary.n, thresholds.min_runs
    relation = "of at least" if n >= limit else "of the needed"
    return GateResult(
        name="samples",
        passed=n >= limit,
        observed=n,
        limit=limit,
        comparison=">=",
        margin=n - limit,
        reason=f"{n} complete run{'' if n == 1 else 's'} {relation} {limit}",
        code=None if n >= limit else "too_few_runs",
        more_runs=None if n >= limit else limit - n,
    )


def variance_gate(summary: JobSummary, thresholds: PolicyThresholds) -> GateResult:
    """Hold if the runs' accuracies scatter more than allowed."""
    observed, limit = summary.variance, thresholds.max_variance
    if observed is None:
        reason = f"no variance: it needs 2 complete runs, there are {summary.n}"
        missing = _MIN_N_VARIANCE - summary.n
        return absent("variance", limit, "<=", reason, "no_variance", more_runs=missing)
    passed = observed <= limit
    relation = "is at most" if passed else "is above"
    return GateResult(
        name="variance",
        passed=passed,
        observed=observed,
        limit=limit,
        comparison="<=",
        margin=limit - observed,
        reason=f"variance {observed:.4g} {relation} {limit:g} over {summary.n} runs",
        code=None if passed else "variance_too_high",
    )


def restraint_gate(summary: JobSummary, thresholds: PolicyThresholds) -> GateResult:
    """Reject a model that calls tools where none is wanted."""
    restraint, limit = summary.scores.restraint, thresholds.min_restraint
    if restraint is None and _knows_all_prompts(summary):
        return _no_restraint_prompts(limit)
    observed = summary.restraint_score
    if restraint is None or observed is None:
        reason = "no restraint prompt was judged"
        return absent(
            "restraint",
            limit,
            ">=",
            reason,
            "restraint_not_judged",
            otherwise="REJECT",
        )
    passed = observed >= limit
    relation = "is at least" if passed else "is below"
    return GateResult(
        name="restraint",
        passed=passed,
        observed=observed,
        limit=limit,
        comparison=">=",
        margin=observed - limit,
        reason=f"restraint {observed:.4g} {relation} {limit:g} (n={restraint.n})",
        code=None if passed else "restraint_too_low",
        otherwise="REJECT",
    )


def _knows_all_prompts(summary: JobSummary) -> bool:
    """Whether something was judged and each prompt left a record of its kind."""
    return summary.judged_trials > 0 and all(
        any(prompt.outcomes) for prompt in summary.prompts
    )


def _no_restraint_prompts(limit: float) -> GateResult:
    return GateResult(
        name="restraint",
        passed=True,
        observed=None,
        limit=limit,
        comparison=">=",
        margin=None,
        reason="no prompt asks for restraint",
        applies=False,
        otherwise="REJECT",
    )


def _coverage_faults(summary: JobSummary) -> Iterator[_Fault]:
    recorded, planned = summary.recorded_trials, summary.planned_trials
    if not summary.judged_trials:
        fit = f": {summary.fit}" if summary.fit else ""
        yield "nothing_judged", f"nothing was judged{fit}"
    if recorded < planned:
        why = f": given up, {summary.given_up}" if summary.given_up else ""
        over = f": over budget, {summary.over_budget}" if summary.over_budget else ""
        yield "incomplete", f"{recorded} of {planned} trials ran{why}{over}"
    suite_ids = summary.plan.suite_prompt_ids
    planned_ids = {*summary.plan.prompt_ids, *summary.beyond_context}
    chosen = sum(name in planned_ids for name in suite_ids)
    if chosen < len(suite_ids) or not suite_ids:
        told = f"only {chosen} of the suite's {len(suite_ids)} prompts chosen"
        yield "part_of_suite", told


def _error_faults(summary: JobSummary, limit: float) -> Iterator[_Fault]:
    rate = summary.error_rate
    if rate is not None and rate > limit:
        errors, recorded = summary.outcomes["error"], summary.recorded_trials
        told = f"{errors} of {recorded} trials erred ({rate:.1%}, limit {limit:.1%})"
        yield "too_many_errors", told


def _baseline_faults(
    summary: JobSummary, baseline: Baseline | None
) -> Iterator[_Fault]:
    if baseline is None:
        return
    if baseline.accuracy is None:
        yield "baseline_not_judged", "the baseline has no complete run"
    hashes = summary.plan.prompt_hashes
    now = {name: hashes.get(name, "") for name in summary.plan.prompt_ids}
    code: GateCode = "baseline_not_comparable"
    if not all(now.values()):
        yield code, "baseline not comparable: prompt hashes are missing"
        return
    differences = prompt_differences(now, baseline.prompt_hashes)
    meant = asked_prompts(baseline.comparability) or baseline.prompt_hashes
    if differences and not prompt_differences(now, meant):
        added = ", ".join(name for name in now if name not in baseline.prompt_hashes)
        told = f"its model had no room for {added}; docs/context.md says what compares"
        yield code, f"baseline not comparable: {told}"
    elif differences:
        yield code, f"baseline not comparable: prompts {'; '.join(differences)}"


def _full_evidence(summary: JobSummary) -> str:
    errors, planned = summary.outcomes["error"], summary.planned_trials
    word = "error" if errors == 1 else "errors"
    told = f"all {planned} trials ran, {errors} {word}"
    return f"{told}; {summary.fit}" if summary.fit else told
