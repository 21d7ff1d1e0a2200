"""One spec's results: everything that gates, reports and feedback read."""

from __future__ import annotations

from collections import Counter, defaultdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, get_args

from msgspec import Struct, field
from msgspec.structs import replace

from pytest_llmbench.analysis.accounting import Accounting, accounting
from pytest_llmbench.analysis.accuracy import (
    OverRuns,
    RunResult,
    over_runs,
    run_results,
)
from pytest_llmbench.analysis.caching import CacheNote, cache_note
from pytest_llmbench.analysis.calls import skipped_for
from pytest_llmbench.analysis.cost import JobCost, Terms, job_cost
from pytest_llmbench.analysis.drift import Drift, WarmAndCold, drift, warm_and_cold
from pytest_llmbench.analysis.failfast import given_up_reason
from pytest_llmbench.analysis.failures import failure_modes
from pytest_llmbench.analysis.fitting import Beyond, beyond_context, curves_by_length
from pytest_llmbench.analysis.latency import Latency, latency
from pytest_llmbench.analysis.prompt_summary import PromptSummary, prompt_summaries
from pytest_llmbench.analysis.retries import RetryCount, retry_count
from pytest_llmbench.analysis.scores import Scores, category_shares, scores, tool_tier
from pytest_llmbench.analysis.slowness import JobSlowness, job_slowness
from pytest_llmbench.analysis.trials import lay_out
from pytest_llmbench.runs.record import OVER_BUDGET, Outcome, Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from pytest_llmbench.analysis.context_curve import JobContext
    from pytest_llmbench.analysis.proportion import Proportion
    from pytest_llmbench.checks.verdict import Behaviour, FailureMode


_UNTOLD: Final = Terms()


class JobPlan(Struct, frozen=True, kw_only=True):
    """What one spec was meant to run on one suite.

    Attributes:
        spec: canonical spec text, as in the records.
        prompt_ids: the prompts chosen for this job, in suite order.
        runs: planned passes over them.
        suite_prompt_ids: every prompt of the suite file.
        prompt_hashes: `Prompt.hash` by prompt id.
    """

    spec: str
    model: str
    phase: str
    variant: str
    suite: str
    prompt_ids: tuple[str, ...]
    runs: int
    suite_prompt_ids: tuple[str, ...]
    prompt_hashes: Mapping[str, str] = field(default_factory=dict)

    @property
    def trials(self) -> int:
        """How many trials were planned."""
        return len(self.prompt_ids) * self.runs

    def without(self, prompt_ids: Collection[str]) -> JobPlan:
        """Return the plan of the other prompts."""
        return replace(
            self,
            prompt_ids=tuple(p for p in self.prompt_ids if p not in prompt_ids),
            prompt_hashes={
                name: text
                for name, text in self.prompt_hashes.items()
                if name not in prompt_ids
            },
        )

    def has(self, record: Record) -> bool:
        """Whether the record answers this job: spec, suite and question are its own.

        A record of another version of the prompt (by hash) answers another
        question and is left out.
        """
        planned_hash = self.prompt_hashes.get(record.prompt_id, record.prompt_hash)
        return (
            record.spec == self.spec
            and record.suite == self.suite
            and record.prompt_hash == planned_hash
        )


def plan_from_json(data: Mapping[str, Any]) -> JobPlan:
    """Rebuild a plan from what `asdict` made of it.

    Raises:
        KeyError, TypeError: it is no plan.
    """
    names = ("prompt_ids", "suite_prompt_ids")
    return JobPlan(**{**data, **{name: tuple(data[name]) for name in names}})


class JobSummary(Struct, frozen=True, kw_only=True):
    """What one spec showed on one suite.

    Attributes:
        plan: without what the model has no room for.
        beyond_context: that: the prompts that were skipped in each run because
            they are longer than the model's context.
        over_runs: median and variance over the complete runs.
        outcomes: trials per outcome.
        prompts: in suite order.
        categories: passed of judged trials, by the prompts' category.
        failure_modes: failed trials by mode, the commonest first.
        given_up: why its last trials were skipped; None where they were not.
        over_budget: why `--max-cost` kept trials from being asked; None where it
            did not.
        context: latency and adherence by length; None where no prompt has lengths.
    """

    plan: JobPlan
    runs: tuple[RunResult, ...]
    over_runs: OverRuns
    prompts: tuple[PromptSummary, ...]
    outcomes: Mapping[Outcome, int]
    scores: Scores
    latency: Latency
    cache: CacheNote
    retries: RetryCount
    cost: JobCost
    accounting: Accounting
    slowness: JobSlowness
    drift: Drift
    warmth: WarmAndCold
    context: JobContext | None = None
    is_online: bool = False
    beyond_context: Mapping[str, Beyond] = field(default_factory=dict)
    categories: Mapping[str, Proportion] = field(default_factory=dict)
    failure_modes: Mapping[FailureMode, int] = field(default_factory=dict)
    given_up: str | None = None
    over_budget: str | None = None

    @property
    def spec(self) -> str:
        """The canonical spec text."""
        return self.plan.spec

    @property
    def model(self) -> str:
        """The model as it was named."""
        return self.plan.model

    @property
    def phase(self) -> str:
        """The suite's phase."""
        return self.plan.phase

    @property
    def variant(self) -> str:
        """How the prompts were put."""
        return self.plan.variant

    @property
    def suite(self) -> str:
        """The suite's name."""
        return self.plan.suite

    @property
    def fit(self) -> str:
        """How much of the suite the model has room for; empty if for all."""
        of = len(self.plan.suite_prompt_ids)
        fit = of - len(self.beyond_context)
        told = f"{fit} of the suite's {of} prompts fit this model's context"
        return told if self.beyond_context else ""

    @property
    def total(self) -> int:
        """Prompts per run."""
        return len(self.plan.prompt_ids)

    @property
    def n(self) -> int:
        """How many runs are complete; median and variance are over these."""
        return self.over_runs.n

    @property
    def passed(self) -> float | None:
        """Median count of passed prompts over complete runs, so 10.5 can be."""
        return self.over_runs.passed

    @property
    def accuracy(self) -> float | None:
        """Median of the complete runs' accuracies."""
        return self.over_runs.accuracy

    @property
    def variance(self) -> float | None:
        """Population variance of the complete runs' accuracies."""
        return self.over_runs.variance

    @property
    def failed_prompts(self) -> tuple[str, ...]:
        """Every prompt that failed or timed out in at least one run."""
        return tuple(prompt.prompt_id for prompt in self.prompts if prompt.failed)

    @property
    def planned_trials(self) -> int:
        """Prompts times runs."""
        return self.plan.trials

    @property
    def recorded_trials(self) -> int:
        """Trials that were tried: all outcomes but `skipped`."""
        return sum(self.outcomes.values()) - self.outcomes["skipped"]

    @property
    def judged_trials(self) -> int:
        """Trials that count for or against the model."""
        return self.scores.success.n

    @property
    def timed_out(self) -> int:
        """Trials in which the model was too slow."""
        return self.outcomes["timeout"]

    @property
    def error_rate(self) -> float | None:
        """Errors of all recorded trials; None if there is none."""
        recorded = self.recorded_trials
        return self.outcomes["error"] / recorded if recorded else None

    @property
    def behaviours(self) -> Mapping[Behaviour, int]:
        """Trials per behaviour towards the offered tools."""
        return self.scores.behaviours

    @property
    def action_score(self) -> float | None:
        """Called right, of trials that expect a tool."""
        return _value(self.scores.action)

    @property
    def restraint_score(self) -> float | None:
        """Abstained, of trials that expect no tool."""
        return _value(self.scores.restraint)

    @property
    def wrong_tool_avoidance(self) -> float | None:
        """Kept off the unexpected tools, of trials in that category."""
        return _value(self.scores.wrong_tool_avoidance)

    @property
    def agent_score(self) -> float | None:
        """0.4 action + 0.3 restraint + 0.3 avoidance."""
        return self.scores.agent

    @property
    def tier(self) -> int | None:
        """The tool-use tier; None for other phases."""
        return tool_tier(self.phase, self.scores.success)

    def to_json(self) -> dict[str, Any]:
        """Return the entry of `job_summaries` in summary.json."""
        return {
            "model": self.model,
            "phase": self.phase,
            "variant": self.variant,
            "spec": self.spec,
            "suite": self.suite,
            "passed": self.passed,
            "total": self.total,
            "accuracy": self.accuracy,
            "variance": self.variance,
            "n": self.n,
            "failed_prompts": list(self.failed_prompts),
            "latency_p50_ms": self.latency.e2e_ms.p50,
            "restraint_score": self.restraint_score,
            "action_score": self.action_score,
            "wrong_tool_avoidance": self.wrong_tool_avoidance,
            "agent_score": self.agent_score,
            "tier": self.tier,
            "error_rate": self.error_rate,
            "timed_out": self.timed_out,
            "planned_trials": self.planned_trials,
            "recorded_trials": self.recorded_trials,
            "judged_trials": self.judged_trials,
            "outcomes": dict(self.outcomes),
            "behaviours": dict(self.behaviours),
            "failure_modes": dict(self.failure_modes),
            "given_up": self.given_up,
            "over_budget": self.over_budget,
            "beyond_context": {
                name: one.reason for name, one in self.beyond_context.items()
            },
            "categories": {
                name: share.to_json() for name, share in self.categories.items()
            },
            "scores": self.scores.to_json(),
            "latency": self.latency.to_json(),
            "cache": self.cache.to_json(),
            "retries": self.retries.to_json(),
            "cost": self.cost.to_json(),
            "accounting": self.accounting.to_json(),
            "slowness": self.slowness.to_json(),
            "drift": self.drift.to_json(),
            "warmth": self.warmth.to_json(),
            "context": self.context and self.context.to_json(),
            "runs": [run.to_json() for run in self.runs],
            "prompts": [prompt.to_json() for prompt in self.prompts],
        }


def summarise(
    records: Iterable[Record], plan: JobPlan, terms: Terms = _UNTOLD
) -> JobSummary:
    """Sum up one job; records of other jobs are left out.

    What the model has no room for is left out too, and stands only in
    `beyond_context` and in the curves by length.

    Args:
        terms: what asking its model costs.
    """
    own = [record for record in records if plan.has(record)]
    planned = lay_out(own, plan.prompt_ids, plan.runs)
    beyond = beyond_context(planned)
    context = curves_by_length(planned)
    plan = plan.without(beyond)
    grid = replace(planned, prompt_ids=plan.prompt_ids)
    trials = list(grid)
    counts = Counter(trial.outcome for trial in trials)
    words: tuple[Outcome, ...] = get_args(Outcome)
    runs = run_results(grid)
    return JobSummary(
        plan=plan,
        runs=runs,
        over_runs=over_runs(runs),
        prompts=prompt_summaries(grid),
        outcomes={word: counts[word] for word in words},
        scores=scores(trials),
        latency=latency(trials),
        cache=cache_note(grid),
        retries=retry_count(trials),
        cost=job_cost(trials, plan.prompt_ids, plan.runs, terms.prices),
        accounting=accounting(trials),
        slowness=job_slowness(trials, plan.prompt_ids),
        drift=drift(trials),
        warmth=warm_and_cold(trials),
        context=context,
        is_online=terms.is_online,
        beyond_context=beyond,
        categories=category_shares(trials),
        failure_modes=failure_modes(trials),
        given_up=given_up_reason(trials),
        over_budget=skipped_for(trials, OVER_BUDGET),
    )


def summarise_all(
    records: Iterable[Record],
    plans: Sequence[JobPlan],
    terms: Mapping[str, Terms] = MappingProxyType({}),
) -> tuple[JobSummary, ...]:
    """Sum up every planned job, in plan order, even one without a record.

    Args:
        terms: what asking costs, by the models' names.
    """
    by_job: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        by_job[record.spec, record.suite].append(record)
    return tuple(
        summarise(by_job[plan.spec, plan.suite], plan, terms.get(plan.model, _UNTOLD))
        for plan in plans
    )


def variance_report(summaries: Iterable[JobSummary]) -> dict[str, Any]:
    """Return `variance` of summary.json: every prompt that is not stable.

    A prompt that never ran shows nothing and is not in it.
    """
    return {
        "inconsistent_prompts": [
            {"spec": job.spec, "suite": job.suite, **prompt.inconsistency()}
            for job in summaries
            for prompt in job.prompts
            if prompt.pattern is not None and prompt.pattern.kind != "stable"
        ]
    }


def _value(share: Proportion | None) -> float | None:
    return None if share is None else share.value
