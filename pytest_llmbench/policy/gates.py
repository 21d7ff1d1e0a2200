"""The gates: each holds one number of a summary against its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct
from msgspec.structs import asdict

from pytest_llmbench.policy.baseline import prompt_differences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmbench.analysis.summary import JobSummary
    from pytest_llmbench.policy.baseline import Baseline
    from pytest_llmbench.policy.thresholds import PolicyThresholds

GateName = Literal["evidence", "samples", "variance", "no_regression", "restraint"]
"""The gates in the order in which they decide."""

EQUAL_WITHIN: Final = 1e-12
"""Accuracies this close are equal: they differ only by how they were stored."""


class GateResult(Struct, frozen=True, kw_only=True):
    """One gate held against one summary.

    Attributes:
        observed: the number that was judged; None where there is none.
        limit: the number it was held against; None where there is none.
        comparison: how observed must stand to limit.
        margin: how far inside its limit the number is, negative if outside.
        reason: one readable line, for a pass as for a failure.
        applies: whether there was something to judge by this gate's rule. One
            that does not apply passes.
        otherwise: the decision if it fails.
    """

    name: GateName
    passed: bool
    observed: float | None
    limit: float | None
    comparison: Literal["<=", ">="]
    margin: float | None
    reason: str
    applies: bool = True
    otherwise: Literal["HOLD", "REJECT"] = "HOLD"

    def to_json(self) -> dict[str, Any]:
        """Return the gate as plain JSON."""
        return asdict(self)


def evaluate_gates(
    summary: JobSummary, thresholds: PolicyThresholds, baseline: Baseline | None
) -> tuple[GateResult, ...]:
    """Evaluate all gates, in the order in which they decide."""
    return (
        evidence_gate(summary, thresholds, baseline),
        samples_gate(summary, thresholds),
        variance_gate(summary, thresholds),
        regression_gate(summary, thresholds, baseline),
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
        reason="; ".join(faults) or _full_evidence(summary),
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
    )


def variance_gate(summary: JobSummary, thresholds: PolicyThresholds) -> GateResult:
    """Hold if the runs' accuracies scatter more than allowed."""
    observed, limit = summary.variance, thresholds.max_variance
    if observed is None:
        reason = f"no variance: it needs 2 complete runs, there are {summary.n}"
        return _absent("variance", limit, "<=", reason)
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
    )


def regression_gate(
    summary: JobSummary, thresholds: PolicyThresholds, baseline: Baseline | None
) -> GateResult:
    """Reject a median accuracy below the baseline's, less the allowed margin.

    Without a baseline any accuracy passes but 0: a model that gets nothing right is
    no baseline for others, and its perfect steadiness no merit.
    """
    observed = summary.accuracy
    limit = (
        None if baseline is None else baseline.accuracy - thresholds.regression_margin
    )
    if observed is None:
        reason = "no accuracy: no run is complete"
        return _absent("no_regression", limit, ">=", reason, otherwise="REJECT")
    is_nothing = limit is None and observed <= 0
    passed = not is_nothing and (limit is None or observed >= limit - EQUAL_WITHIN)
    return GateResult(
        name="no_regression",
        passed=passed,
        observed=observed,
        limit=limit,
        comparison=">=",
        margin=None if limit is None else observed - limit,
        reason=_regression_reason(observed, limit, baseline),
        applies=baseline is not None or is_nothing,
        otherwise="REJECT",
    )


def restraint_gate(summary: JobSummary, thresholds: PolicyThresholds) -> GateResult:
    """Reject a model that calls tools where none is wanted."""
    restraint, limit = summary.scores.restraint, thresholds.min_restraint
    if restraint is None and _knows_all_prompts(summary):
        return _no_restraint_prompts(limit)
    observed = summary.restraint_score
    if restraint is None or observed is None:
        reason = "no restraint prompt was judged"
        return _absent("restraint", limit, ">=", reason, otherwise="REJECT")
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
        otherwise="REJECT",
    )


def _absent(
    name: GateName,
    limit: float | None,
    comparison: Literal["<=", ">="],
    reason: str,
    otherwise: Literal["HOLD", "REJECT"] = "HOLD",
) -> GateResult:
    """Fail a gate that has no number to judge: nothing is green on nothing."""
    return GateResult(
        name=name,
        passed=False,
        observed=None,
        limit=limit,
        comparison=comparison,
        margin=None,
        reason=reason,
        otherwise=otherwise,
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


def _coverage_faults(summary: JobSummary) -> Iterator[str]:
    recorded, planned = summary.recorded_trials, summary.planned_trials
    if not summary.judged_trials:
        yield "nothing was judged"
    if recorded < planned:
        why = f": given up, {summary.given_up}" if summary.given_up else ""
        over = f": over budget, {summary.over_budget}" if summary.over_budget else ""
        yield f"{recorded} of {planned} trials ran{why}{over}"
    suite_ids = summary.plan.suite_prompt_ids
    chosen = sum(name in summary.plan.prompt_ids for name in suite_ids)
    if chosen < len(suite_ids) or not suite_ids:
        yield f"only {chosen} of the suite's {len(suite_ids)} prompts chosen"


def _error_faults(summary: JobSummary, limit: float) -> Iterator[str]:
    rate = summary.error_rate
    if rate is not None and rate > limit:
        errors, recorded = summary.outcomes["error"], summary.recorded_trials
        yield f"{errors} of {recorded} trials erred ({rate:.1%}, limit {limit:.1%})"


def _baseline_faults(summary: JobSummary, baseline: Baseline | None) -> Iterator[str]:
    if baseline is None:
        return
    hashes = summary.plan.prompt_hashes
    now = {name: hashes.get(name, "") for name in summary.plan.prompt_ids}
    if not all(now.values()):
        yield "baseline not comparable: prompt hashes are missing"
        return
    differences = prompt_differences(now, baseline.prompt_hashes)
    if differences:
        yield f"baseline not comparable: prompts {'; '.join(differences)}"


def _full_evidence(summary: JobSummary) -> str:
    errors, planned = summary.outcomes["error"], summary.planned_trials
    word = "error" if errors == 1 else "errors"
    return f"all {planned} trials ran, {errors} {word}"


def _regression_reason(
    observed: float, limit: float | None, baseline: Baseline | None
) -> str:
    if limit is None or baseline is None:
        nothing = ", and in the median run nothing passes" if observed <= 0 else ""
        return f"no baseline yet{nothing}"
    relation = "is below" if observed < limit - EQUAL_WITHIN else "is at least"
    allowed = f" less {baseline.accuracy - limit:.4g}" * (limit != baseline.accuracy)
    return (
        f"median accuracy {observed:.4g} {relation} the baseline's "
        f"{baseline.accuracy:.4g}{allowed}"
    )
