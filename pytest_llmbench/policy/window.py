"""The last judged runs of each model and phase, taken from stored job summaries."""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from pytest_llmbench.analysis.proportion import Proportion
from pytest_llmbench.analysis.trials import FAILED, JUDGED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_llmbench.analysis.patterns import PatternKind
    from pytest_llmbench.runs.record import Outcome

WINDOW: Final = 8
"""How many runs of one model and phase are looked at."""


class RunEvidence(Struct, frozen=True, kw_only=True):
    """One stored run of one spec.

    Attributes:
        run: counted from 1 within `run_id`.
        total: judged trials of the run.
        prompts: outcome by prompt id.
        patterns: pattern by prompt id, as found when `run_id` was summed up.
        judged_runs: by prompt id, in how many runs of that session it was judged.
        digest: the model's build, as its server told; empty if it did not.
        at: when `run_id` began, ISO 8601 in UTC; empty if not known.
        latency_p50_ms: median E2E of the spec's trials in `run_id`.
        usd_per_pass: what a passed trial of them cost; None where not known.
    """

    model: str
    phase: str
    run_id: str
    run: int
    passed: int
    total: int
    prompts: Mapping[str, Outcome] = field(default_factory=dict)
    patterns: Mapping[str, PatternKind] = field(default_factory=dict)
    judged_runs: Mapping[str, int] = field(default_factory=dict)
    suite: str = ""
    spec: str = ""
    digest: str = ""
    at: str = ""
    latency_p50_ms: float | None = None
    usd_per_pass: float | None = None


class PromptHistory(Struct, frozen=True, kw_only=True):
    """One prompt over the runs of a window.

    Attributes:
        failed_in: runs in which it failed or timed out.
        of: runs in which it was judged.
        pattern: that of its newest failure; None if none was stored.
        session_runs: judged runs on which that pattern rests; 0 if not known.
    """

    suite: str
    prompt_id: str
    failed_in: int
    of: int
    pattern: PatternKind | None
    session_runs: int


class PhaseWindow(Struct, frozen=True, kw_only=True):
    """The last judged runs of one model and phase, newest last."""

    model: str
    phase: str
    runs: tuple[RunEvidence, ...]

    @property
    def target(self) -> str:
        """The key of this window in the feedback: `model::phase`."""
        return f"{self.model}::{self.phase}"

    @property
    def share(self) -> Proportion:
        """Passed of judged trials of all its runs."""
        passed = sum(run.passed for run in self.runs)
        return Proportion(hits=passed, n=sum(run.total for run in self.runs))

    @property
    def accuracy(self) -> float | None:
        """Passed of judged trials; None if nothing was judged."""
        return self.share.value

    @property
    def has_cold_start(self) -> bool:
        """Whether a cold start was seen in one of its runs."""
        return any("cold_start" in run.patterns.values() for run in self.runs)

    @property
    def latency_p50_ms(self) -> float | None:
        """The median over its runs of their specs' median E2E."""
        return _median(run.latency_p50_ms for run in self.runs)

    @property
    def usd_per_pass(self) -> float | None:
        """The median over its runs of what a passed trial cost."""
        return _median(run.usd_per_pass for run in self.runs)

    @property
    def digests(self) -> Mapping[str, int]:
        """How many of its runs each build of the model made, newest build first."""
        return Counter(run.digest for run in reversed(self.runs) if run.digest)

    def prompts(self) -> tuple[PromptHistory, ...]:
        """Return every prompt of its runs, in order of first sight."""
        seen = (
            (run.suite, prompt_id) for run in self.runs for prompt_id in run.prompts
        )
        return tuple(self._prompt(*key) for key in dict.fromkeys(seen))

    def _prompt(self, suite: str, prompt_id: str) -> PromptHistory:
        judged = [
            run
            for run in self.runs
            if run.suite == suite and run.prompts.get(prompt_id) in JUDGED
        ]
        failed = [run for run in judged if run.prompts[prompt_id] in FAILED]
        newest = failed[-1] if failed else None
        return PromptHistory(
            suite=suite,
            prompt_id=prompt_id,
            failed_in=len(failed),
            of=len(judged),
            pattern=newest.patterns.get(prompt_id) if newest else None,
            session_runs=newest.judged_runs.get(prompt_id, 0) if newest else 0,
        )


def summary_jobs(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a summary's jobs as the history keeps them: with run id and time."""
    run_id = str(summary.get("run_id", ""))
    own = {"run_id": run_id, "at": _begun(run_id)}
    return [{**job, **own} for job in summary["job_summaries"]]


def job_runs(job: Mapping[str, Any]) -> tuple[RunEvidence, ...]:
    """Read the runs of one stored job summary; none if it is of another version.

    None either of an experiment in which the model was unloaded before every run: it
    shows what a cold start costs, and would make a cold model look incapable.

    Args:
        job: an entry of `job_summaries` with `run_id`, and `at` where it is known.
    """
    try:
        return tuple(_job_runs(job))
    except (KeyError, TypeError, IndexError, AttributeError):
        return ()


def is_experiment(job: Mapping[str, Any]) -> bool:
    """Whether a stored job was measured with the model unloaded before every run."""
    return job.get("cold_start") == "run"


def last_runs(history: Iterable[RunEvidence]) -> tuple[PhaseWindow, ...]:
    """Take the last runs of each model and phase, by their names.

    A run in which nothing was judged is no evidence and pushes none out. The specs
    of one session count in turn, run by run: its last spec alone does not fill the
    window.

    Args:
        history: newest last, for each model and phase.
    """
    groups: defaultdict[tuple[str, str], list[RunEvidence]] = defaultdict(list)
    for run in history:
        groups[run.model, run.phase].append(run)
    return tuple(
        PhaseWindow(model=model, phase=phase, runs=_newest(runs))
        for (model, phase), runs in sorted(groups.items())
    )


def _newest(runs: Sequence[RunEvidence]) -> tuple[RunEvidence, ...]:
    """Take the last judged runs; of one pass over several specs, by their names."""
    ids = dict.fromkeys(run.run_id for run in runs)
    session = {run_id: number for number, run_id in enumerate(ids)}
    in_turn = sorted(
        (run for run in runs if run.total),
        key=lambda run: (session[run.run_id], run.run, run.suite, run.spec),
    )
    return tuple(in_turn[-WINDOW:])


def _job_runs(job: Mapping[str, Any]) -> Iterator[RunEvidence]:
    if is_experiment(job):
        return
    prompts = job["prompts"]
    patterns = {p["prompt_id"]: p["pattern"]["kind"] for p in prompts if p["pattern"]}
    comparability = job.get("comparability") or {}
    cost = job.get("cost") or {}
    for index, run in enumerate(job["runs"]):
        outcomes = {p["prompt_id"]: p["outcomes"][index] for p in prompts}
        yield RunEvidence(
            model=job["model"],
            phase=job["phase"],
            run_id=job["run_id"],
            run=run["run"],
            passed=run["passed"],
            total=run["passed"] + run["failed"] + run["timed_out"],
            prompts={key: word for key, word in outcomes.items() if word},
            patterns=patterns,
            judged_runs={p["prompt_id"]: p["judged"] for p in prompts},
            suite=job.get("suite", ""),
            spec=job.get("spec", ""),
            digest=comparability.get("model_digest") or "",
            at=job.get("at") or "",
            latency_p50_ms=job.get("latency_p50_ms"),
            usd_per_pass=cost.get("per_passed_usd"),
        )


def _begun(run_id: str) -> str:
    """Read when a run began from its id; empty where it does not say.

    >>> _begun("20261121T095724000Z-c8e9bb"), _begun("mine")
    ('2026-11-21T09:57:24+00:00', '')
    """
    day, _, rest = run_id.partition("T")
    clock = rest.partition("Z")[0]
    if len(day) != len("20261121") or not (day + clock).isdecimal():
        return ""
    date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    return f"{date}T{clock[:2]}:{clock[2:4]}:{clock[4:6]}+00:00"


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
