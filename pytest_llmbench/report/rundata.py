"""What a page or a picture of a run is made from."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from pytest_llmbench.analysis.latency import less_load
from pytest_llmbench.analysis.trials import is_answered, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmbench.analysis.summary import JobSummary
    from pytest_llmbench.analysis.trials import Grid
    from pytest_llmbench.report.view import JobView, RunView
    from pytest_llmbench.runs.record import Record


class RunData(Struct, frozen=True, kw_only=True):
    """One run, live or stored.

    Attributes:
        view: the same that terminal and Markdown show.
        summaries: one per job of the view, in its order.
        records: the run's records; texts are not needed.
        results: its results.jsonl, where the texts are.
        prompts: what was asked, as config.json has it; empty for older runs.
        inventory: its inventory.json.
        options: sampling options by spec, as in config.json.
        comparability: of each job in the order of the summaries.
        sequential: how `--runs auto` has ended, as summary.json has it.
        cold_start: when models were unloaded, as `--cold-start` says it.
    """

    view: RunView
    summaries: tuple[JobSummary, ...]
    records: Sequence[Record]
    results: Path
    prompts: Sequence[Mapping[str, Any]] = ()
    inventory: Mapping[str, Any]
    options: Mapping[str, Any]
    comparability: Sequence[Mapping[str, Any]] = ()
    sequential: Mapping[str, Any] | None = None
    cold_start: str = "never"

    def jobs(self) -> list[JobData]:
        """Return each job with its own trials."""
        by_job: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
        for record in self.records:
            by_job[record.spec, record.suite].append(record)
        return [
            JobData(
                run=self,
                number=number,
                view=view,
                summary=one,
                grid=_grid(by_job[one.spec, one.suite], one),
            )
            for number, (view, one) in enumerate(
                zip(self.view.jobs, self.summaries, strict=True)
            )
        ]


class JobData(Struct, frozen=True, kw_only=True):
    """One spec on one suite of one run.

    Attributes:
        number: its place in the run, from 0.
        label: its name beside the others; see `named`.
    """

    run: RunData
    number: int
    view: JobView
    summary: JobSummary
    grid: Grid
    label: str = ""

    def answered(self) -> Iterator[Record]:
        """Go over the trials that latency is taken from, run by run."""
        return (record for record in self.grid if is_answered(record))


def named(jobs: Sequence[JobData]) -> list[JobData]:
    """Give each job the shortest name that tells all apart."""
    from msgspec.structs import replace

    several = len({job.run.view.run_id for job in jobs}) > 1
    ways = [
        (
            *job.view.overview.names[:2],
            f"{job.summary.model} / {job.summary.variant}",
            job.view.overview.names[2],
            differing,
            *job.view.overview.names[3:],
            f"{job.summary.suite}: {job.summary.spec}",
        )
        for job, differing in zip(jobs, _differing(jobs), strict=True)
    ]
    if several:
        ways = [
            (*own, *(f"{name} ({job.run.view.run_id})" for name in own))
            for job, own in zip(jobs, ways, strict=True)
        ]
    chosen = next(
        (kind for kind in zip(*ways, strict=True) if len(set(kind)) == len(jobs)),
        [own[-1] for own in ways],
    )
    return [replace(job, label=label) for job, label in zip(jobs, chosen, strict=True)]


def _differing(jobs: Sequence[JobData]) -> list[str]:
    """Return each job's model with what its spec has that not all specs have."""
    parts = [
        [job.summary.variant, *job.summary.spec.rpartition(" / ")[2].split()]
        for job in jobs
    ]
    common = set(parts[0]).intersection(*parts) if parts else set()
    names = [job.view.overview.names[0] for job in jobs]
    return [
        " / ".join([name, *filter(None, [" ".join(p for p in own if p not in common)])])
        for name, own in zip(names, parts, strict=True)
    ]


def ttft_ms(record: Record) -> float | None:
    """Return a trial's TTFT less load, in ms."""
    return less_load(record.timings.ttft_ms, record.timings.load_ms)


def e2e_ms(record: Record) -> float | None:
    """Return a trial's E2E less load, in ms."""
    return less_load(record.timings.e2e_ms, record.timings.load_ms)


def _grid(records: Sequence[Record], job: JobSummary) -> Grid:
    own = [record for record in records if job.plan.has(record)]
    return lay_out(own, job.plan.prompt_ids, job.plan.runs)
