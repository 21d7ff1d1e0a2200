"""The gate against regression, by medians, by an interval, or run by run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from pytest_llmbench.analysis.proportion import Proportion
from pytest_llmbench.analysis.stratified import mean_difference
from pytest_llmbench.policy.gate import GateResult

if TYPE_CHECKING:
    from pytest_llmbench.analysis.stratified import MeanDifference
    from pytest_llmbench.analysis.summary import JobSummary
    from pytest_llmbench.policy.baseline import Baseline
    from pytest_llmbench.policy.gate import GateCode, GateName
    from pytest_llmbench.policy.sequential import SequentialTest
    from pytest_llmbench.policy.thresholds import PolicyThresholds

EQUAL_WITHIN: Final = 1e-12
"""Accuracies this close are equal: they differ only by how they were stored."""

MAX_MORE_RUNS: Final = 100
"""More runs than these are not counted out: nobody makes them to settle a HOLD."""


def regression_gate(
    summary: JobSummary,
    thresholds: PolicyThresholds,
    baseline: Baseline | None,
    sequential: SequentialTest | None = None,
) -> GateResult:
    """Hold the candidate against the baseline by the method that is asked for.

    Without a baseline any accuracy passes but 0: a model that gets nothing right is
    no baseline for others, and its perfect steadiness no merit.

    Args:
        sequential: the test of a run with `--runs auto`; it wins over the method.
    """
    observed = summary.accuracy
    if observed is None:
        limit = None if baseline is None else _median_limit(baseline, thresholds)
        reason = "no accuracy: no run is complete"
        return absent(
            "no_regression", limit, ">=", reason, "no_accuracy", otherwise="REJECT"
        )
    if sequential is not None:
        return sequential_gate(sequential)
    if baseline is None:
        return _first_of_its_kind(observed)
    if thresholds.method == "statistical":
        return interval_gate(summary, thresholds, baseline)
    return _median_gate(observed, thresholds, baseline)


def interval_gate(
    summary: JobSummary, thresholds: PolicyThresholds, baseline: Baseline
) -> GateResult:
    """Hold the interval of the mean accuracy's difference against the margin.

    The number is the interval's lower end. All of it above the limit passes, all
    of it below rejects, and what lies on both sides holds. Each prompt of the job
    must have been judged on both sides: none is passed over.
    """
    limit = -thresholds.non_inferiority_margin
    before, now = baseline.prompts, _shares(summary)
    unjudged = [
        name
        for name in summary.plan.prompt_ids
        if not (now.get(name, (0, 0))[1] and before.get(name, (0, 0))[1])
    ]
    if unjudged or not summary.plan.prompt_ids:
        names = ", ".join(unjudged) or "there is none"
        reason = f"prompts not judged on both sides: {names}"
        return absent("no_regression", limit, ">=", reason, "prompts_not_judged")
    difference = mean_difference([
        (Proportion(hits=a[0], n=a[1]), Proportion(hits=b[0], n=b[1]))
        for a, b in ((before[name], now[name]) for name in summary.plan.prompt_ids)
    ])
    return _interval_result(difference, limit, thresholds.confidence)


def sequential_gate(test: SequentialTest) -> GateResult:
    """Pass, reject or hold as the test of `--runs auto` has come out.

    The number is the anytime-valid p value of "worse by the margin or more", its
    limit the test's alpha.
    """
    verdict, observed = test.verdict, test.p_not_worse
    runs = f"{test.runs} run{'' if test.runs == 1 else 's'}"
    seen = "none" if test.difference is None else f"{test.difference:+.4g}"
    fact = f"mean accuracy difference {seen} over {runs}"
    if verdict == "not_worse":
        told = f"{fact}: certain not to be below -{test.margin:g} (p {observed:.2g})"
    elif verdict == "worse":
        told = f"{fact}: certain to be below -{test.margin:g} (p {test.p_worse:.2g})"
    else:
        told = f"{fact}: not yet certain on which side of -{test.margin:g} it lies; "
        told += _needs(test.more_runs(MAX_MORE_RUNS))
    return GateResult(
        name="no_regression",
        passed=verdict == "not_worse",
        observed=observed,
        limit=test.alpha,
        comparison="<=",
        margin=test.alpha - observed,
        reason=told,
        code=_BY_VERDICT[verdict],
        more_runs=None if verdict else test.more_runs(MAX_MORE_RUNS),
        otherwise="REJECT" if verdict == "worse" else "HOLD",
    )


_BY_VERDICT: Final[dict[str | None, GateCode | None]] = {
    "not_worse": None,
    "worse": "below_baseline",
    None: "maybe_below_baseline",
}


def absent(  # noqa: PLR0913 - the parts of a gate that has no number
    name: GateName,
    limit: float | None,
    comparison: Literal["<=", ">="],
    reason: str,
    code: GateCode,
    *,
    more_runs: int | None = None,
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
        code=code,
        more_runs=more_runs,
        otherwise=otherwise,
    )


def _first_of_its_kind(observed: float) -> GateResult:
    is_nothing = observed <= 0
    nothing = ", and in the median run nothing passes" if is_nothing else ""
    return GateResult(
        name="no_regression",
        passed=not is_nothing,
        observed=observed,
        limit=None,
        comparison=">=",
        margin=None,
        reason=f"no baseline yet{nothing}",
        code="nothing_passes" if is_nothing else None,
        applies=is_nothing,
        otherwise="REJECT",
    )


def _median_gate(
    observed: float, thresholds: PolicyThresholds, baseline: Baseline
) -> GateResult:
    limit = _median_limit(baseline, thresholds)
    if limit is None or baseline.accuracy is None:
        reason = "the baseline has no accuracy: no run of it is complete"
        return absent("no_regression", None, ">=", reason, "baseline_not_judged")
    passed = observed >= limit - EQUAL_WITHIN
    relation = "is at least" if passed else "is below"
    allowed = f" less {thresholds.regression_margin:.4g}" * (limit != baseline.accuracy)
    return GateResult(
        name="no_regression",
        passed=passed,
        observed=observed,
        limit=limit,
        comparison=">=",
        margin=observed - limit,
        reason=f"median accuracy {observed:.4g} {relation} the baseline's "
        f"{baseline.accuracy:.4g}{allowed}",
        code=None if passed else "below_baseline",
        otherwise="REJECT",
    )


def _median_limit(baseline: Baseline, thresholds: PolicyThresholds) -> float | None:
    if baseline.accuracy is None:
        return None
    return baseline.accuracy - thresholds.regression_margin


def _shares(summary: JobSummary) -> dict[str, tuple[int, int]]:
    return {
        prompt.prompt_id: (prompt.passed, prompt.judged) for prompt in summary.prompts
    }


def _interval_result(
    difference: MeanDifference, limit: float, confidence: float
) -> GateResult:
    interval = difference.interval(confidence)
    fact = (
        f"mean accuracy less the baseline's {difference.value:+.4g}, "
        f"{confidence * 100:.4g} % interval {interval.low:+.4g} to {interval.high:+.4g}"
    )
    code: GateCode | None = None
    more_runs = None
    if interval.low >= limit:
        reason = f"{fact}: not below {limit:g}"
    elif interval.high < limit:
        code, reason = "below_baseline", f"{fact}: below {limit:g}"
    else:
        code = "maybe_below_baseline"
        more_runs = runs_to_settle(difference, limit, confidence)
        reason = f"{fact}: on both sides of {limit:g}; {_needs(more_runs)}"
    return GateResult(
        name="no_regression",
        passed=code is None,
        observed=interval.low,
        limit=limit,
        comparison=">=",
        margin=interval.low - limit,
        reason=reason,
        code=code,
        more_runs=more_runs,
        otherwise="REJECT" if code == "below_baseline" else "HOLD",
    )


def runs_to_settle(
    difference: MeanDifference, limit: float, confidence: float
) -> int | None:
    """Return about how many more runs of both leave the interval on one side.

    The shares are taken to stay what they are, so the width shrinks about with
    the root of the runs. That is a guess by its nature: the next runs may move
    the difference. None where it takes more than `MAX_MORE_RUNS`, as it always
    does where the difference is on the limit itself.
    """
    for more in range(1, MAX_MORE_RUNS + 1):
        interval = difference.interval(confidence, more)
        if interval.low >= limit or interval.high < limit:
            return more
    return None


def _needs(more_runs: int | None) -> str:
    if more_runs is None:
        return f"even {MAX_MORE_RUNS} more runs of both would hardly settle it"
    word = "run" if more_runs == 1 else "runs"
    return f"needs about {more_runs} more {word} of both"
