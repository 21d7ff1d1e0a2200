"""What one session asks: jobs, and their trials in the order of measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from pytest_llmbench.analysis.summary import JobPlan
from pytest_llmbench.units import label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmbench.prompts.spec import Spec
    from pytest_llmbench.prompts.suite import Prompt, Suite
    from pytest_llmbench.settings import Settings


class Job:
    """One spec on one suite; what its trials share is worked out once.

    Attributes:
        nodeid: the suite file's pytest node id.
        spec_text: the spec as it is stored.
        label: the part of an id that names the spec; see `units.label`.
    """

    __slots__ = ("_seeds", "label", "model", "nodeid", "spec", "spec_text", "suite")

    def __init__(
        self, nodeid: str, spec: Spec, suite: Suite, *, has_flags: bool = False
    ) -> None:
        self.nodeid = nodeid
        self.spec = spec
        self.suite = suite
        self.spec_text = str(spec)
        self.model = str(spec.model)
        self.label = label(spec, has_flags=has_flags)
        self._seeds: dict[int, int] = {}

    def seed(self, run: int) -> int:
        """Return the sampling seed of one run."""
        if run not in self._seeds:
            self._seeds[run] = self.spec.seed(run)
        return self._seeds[run]


class Trial(Struct, frozen=True):
    """One prompt in one run of one spec.

    Attributes:
        run: counted from 1.
    """

    job: Job
    prompt: Prompt
    run: int

    @property
    def name(self) -> str:
        """The item's name within its suite file."""
        return f"{self.prompt.id}[{self.job.label}-run{self.run}]"

    @property
    def trial_id(self) -> str:
        """The pytest node id, without anything xdist puts behind it."""
        return f"{self.job.nodeid}::{self.name}"

    @property
    def spec(self) -> Spec:
        """The configuration under test."""
        return self.job.spec

    @property
    def suite(self) -> Suite:
        """The suite the prompt stands in."""
        return self.job.suite

    @property
    def seed(self) -> int:
        """The sampling seed sent with every call of this trial."""
        return self.job.seed(self.run)


def jobs_of(nodeid: str, suite: Suite, settings: Settings) -> list[Job]:
    """Return what runs on a suite: specs of its phase, the baseline first."""
    has_flags = bool(settings.axis)
    specs = settings.specs(suite.phase)
    return [Job(nodeid, spec, suite, has_flags=has_flags) for spec in specs]


def job_plans(trials: Sequence[Trial]) -> list[JobPlan]:
    """Return what is meant to run of each job, in the order of the first trials."""
    jobs: dict[Job, list[Trial]] = {}
    for trial in trials:
        jobs.setdefault(trial.job, []).append(trial)
    return [_job_plan(job, group) for job, group in jobs.items()]


def _job_plan(job: Job, trials: Sequence[Trial]) -> JobPlan:
    chosen = {trial.prompt.id for trial in trials}
    prompts = [p for p in job.suite.prompts if p.id in chosen]
    return JobPlan(
        spec=job.spec_text,
        model=job.model,
        phase=job.spec.phase,
        variant=job.spec.variant,
        suite=job.suite.name,
        prompt_ids=tuple(prompt.id for prompt in prompts),
        runs=max(trial.run for trial in trials),
        suite_prompt_ids=job.suite.prompt_ids(),
        prompt_hashes={prompt.id: prompt.hash for prompt in prompts},
    )
