"""Rows of many runs, added up per model and suite."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from msgspec import Struct

from pytest_llmbench.analysis.percentiles import Percentiles, percentiles
from pytest_llmbench.analysis.proportion import Proportion
from pytest_llmbench.analysis.scores import tool_tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_llmbench.analysis.rows import JobRow, RunRow

Dimension = Literal[
    "spec", "variant", "digest", "server", "server_version", "machine", "prompts"
]
"""What runs of one model and suite may differ in, and can be told apart by."""

DIMENSIONS: Final[tuple[Dimension, ...]] = get_args(Dimension)

PromptSets = dict[str, dict[str, str]]
"""Prompt id -> `Prompt.hash`, by the key that rows name."""

_Member = tuple["RunRow", "JobRow"]


class Newest(Struct, frozen=True, kw_only=True):
    """The newest run of a group, and the decision on each of its specs there."""

    run_id: str
    at: str
    decisions: Mapping[str, str | None]

    def to_json(self) -> dict[str, Any]:
        """Return run, start and decisions as plain JSON."""
        decisions = [{"spec": s, "decision": d} for s, d in self.decisions.items()]
        return {"run_id": self.run_id, "at": self.at or None, "decisions": decisions}


class Group(Struct, frozen=True, kw_only=True):
    """All runs of one model and suite, or of a part of them.

    Attributes:
        split: what else tells the group from others, by dimension.
        phase: of the newest run.
        runs: how many run folders.
        judged: passed, failed and timed out.
        e2e_ms: over all complete replies of all runs, less load; `ttft_ms` too.
        wall_s: seconds with a call in flight, added over runs and specs.
        tier: by success, where the phase has tiers.
        mixed: of each dimension in which its runs differ, trials by value.
        changed_prompts: ids that were asked in more than one version.
    """

    model: str
    suite: str
    split: Mapping[Dimension, str]
    phase: str
    runs: int
    trials: int
    skipped: int
    errors: int
    timed_out: int
    success: Proportion
    restraint: Proportion | None
    e2e_ms: Percentiles
    ttft_ms: Percentiles
    wall_s: float
    newest: Newest
    mixed: Mapping[Dimension, Mapping[str, int]]
    changed_prompts: tuple[str, ...]

    @property
    def judged(self) -> int:
        """Trials that count for or against the model."""
        return self.success.n

    @property
    def ok(self) -> Proportion:
        """Judged of all that were tried: the harness's part, not the model's."""
        return Proportion(hits=self.judged, n=self.trials)

    @property
    def tier(self) -> int | None:
        """The tool-use tier; None for other phases."""
        return tool_tier(self.phase, self.success)

    def to_json(self) -> dict[str, Any]:
        """Return the entry of `groups` in AGGREGATE_SUMMARY.json."""
        return {
            "model": self.model,
            "suite": self.suite,
            "split": dict(self.split),
            "phase": self.phase,
            "runs": self.runs,
            "trials": self.trials,
            "judged": self.judged,
            "errors": self.errors,
            "timed_out": self.timed_out,
            "skipped": self.skipped,
            "ok_rate": self.ok.value,
            "success": self.success.to_json(),
            "restraint": self.restraint and self.restraint.to_json(),
            "tier": self.tier,
            "e2e_ms": self.e2e_ms.to_json(),
            "ttft_ms": self.ttft_ms.to_json(),
            "wall_s": self.wall_s,
            "newest": self.newest.to_json(),
            "mixed": {name: dict(values) for name, values in self.mixed.items()},
            "changed_prompts": list(self.changed_prompts),
        }


def aggregate(
    runs: Iterable[RunRow], prompt_sets: PromptSets, by: Sequence[Dimension] = ()
) -> tuple[Group, ...]:
    """Add up all rows per model and suite, in the order of their names.

    Args:
        runs: each run once.
        by: what else tells groups apart.
    """
    groups: defaultdict[tuple[str, ...], list[_Member]] = defaultdict(list)
    for run in runs:
        for job in run.jobs:
            split = (dimension_value(name, run, job) for name in by)
            groups[job.model, job.suite, *split].append((run, job))
    return tuple(
        _group(groups[key], dict(zip(by, key[2:], strict=True)), prompt_sets)
        for key in sorted(groups)
    )


def dimension_value(name: Dimension, run: RunRow, job: JobRow) -> str:
    """Return what a row is in one dimension; empty where it is not told."""
    if name == "machine":
        return run.machine
    return str(getattr(job, "prompt_set" if name == "prompts" else name))


def _group(
    members: Sequence[_Member], split: Mapping[Dimension, str], sets: PromptSets
) -> Group:
    jobs = [job for _, job in members]
    _, last = max(members, key=_age)
    success = Proportion(
        hits=sum(job.passed for job in jobs), n=sum(job.judged for job in jobs)
    )
    return Group(
        model=last.model,
        suite=last.suite,
        split=split,
        phase=last.phase,
        runs=len({run.run_id for run, _ in members}),
        trials=sum(job.trials for job in jobs),
        skipped=sum(job.skipped for job in jobs),
        errors=sum(job.errors for job in jobs),
        timed_out=sum(job.timed_out for job in jobs),
        success=success,
        restraint=_restraint(jobs),
        e2e_ms=percentiles(chain.from_iterable(job.e2e_ms for job in jobs)),
        ttft_ms=percentiles(chain.from_iterable(job.ttft_ms for job in jobs)),
        wall_s=round(sum(job.wall_s for job in jobs), 3),
        newest=_newest(members),
        mixed=_mixed(members),
        changed_prompts=_changed_prompts({job.prompt_set for job in jobs}, sets),
    )


def _age(member: _Member) -> tuple[str, str]:
    return member[0].at, member[0].run_id


def _newest(members: Sequence[_Member]) -> Newest:
    newest, _ = max(members, key=_age)
    own = (job for run, job in members if run.run_id == newest.run_id)
    decisions = {job.spec: job.decision for job in own}
    return Newest(run_id=newest.run_id, at=newest.at, decisions=decisions)


def _restraint(jobs: Iterable[JobRow]) -> Proportion | None:
    told = [(j.abstained, j.restraint_n) for j in jobs if j.restraint_n is not None]
    if not told:
        return None
    return Proportion(hits=sum(a or 0 for a, _ in told), n=sum(n for _, n in told))


def _mixed(members: Sequence[_Member]) -> dict[Dimension, dict[str, int]]:
    """Return each dimension with two known values or more; unknown is not another."""
    found: dict[Dimension, dict[str, int]] = {}
    for name in DIMENSIONS:
        trials: Counter[str] = Counter()
        for run, job in members:
            trials[dimension_value(name, run, job)] += job.trials
        if len([value for value in trials if value]) > 1:
            found[name] = dict(trials.most_common())
    return found


def _changed_prompts(keys: Iterable[str], sets: PromptSets) -> tuple[str, ...]:
    versions: defaultdict[str, set[str]] = defaultdict(set)
    for key in keys:
        for prompt_id, prompt_hash in sets.get(key, {}).items():
            versions[prompt_id].add(prompt_hash)
    return tuple(sorted(name for name, own in versions.items() if len(own) > 1))
