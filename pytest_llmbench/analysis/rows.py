"""One run as a few rows: all that totals over many runs are taken from."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmbench.analysis.latency import less_load
from pytest_llmbench.analysis.scores import restraint
from pytest_llmbench.analysis.trials import is_answered, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_llmbench.runs.record import Record

_DIGITS: Final = 4
"""Significant digits of a kept latency: it is off by 0.05 % at most."""

_CALL_LIMIT: Final = re.compile(r" t([0-9.]+) ")

_Interval = tuple[datetime, datetime]


class JobRow(Struct, frozen=True, kw_only=True):
    """What one spec came to on one suite in one run.

    Attributes:
        passed: trials by outcome, as `failed`, `timed_out`, `errors`, `skipped`.
        abstained: of `restraint_n` judged trials that expect no tool; both None
            where the suite has no such prompt.
        e2e_ms: of each complete reply, less load, to four significant digits and in
            rising order, so that percentiles can be taken over runs.
        ttft_ms: the same.
        wall_s: seconds in which at least one of its calls was in flight.
        prompt_set: the key under which its prompts' hashes are stored.
        digest: of the model, as its server told; empty if it did not, as are
            `server_version` and `server`.
        decision: the policy's; None where none was made.
    """

    model: str
    suite: str
    phase: str
    variant: str
    spec: str
    passed: int = 0
    failed: int = 0
    timed_out: int = 0
    errors: int = 0
    skipped: int = 0
    abstained: int | None = None
    restraint_n: int | None = None
    e2e_ms: tuple[float, ...] = ()
    ttft_ms: tuple[float, ...] = ()
    wall_s: float = 0.0
    prompt_set: str = ""
    server: str = ""
    server_version: str = ""
    digest: str = ""
    decision: str | None = None

    @property
    def judged(self) -> int:
        """Trials that count for or against the model."""
        return self.passed + self.failed + self.timed_out

    @property
    def trials(self) -> int:
        """Trials that were tried: all but the skipped."""
        return self.judged + self.errors


class RunRow(Struct, frozen=True, kw_only=True):
    """One run: where it ran, and its jobs.

    Attributes:
        at: the first trial's start, ISO 8601 UTC; empty if none was sent.
        content: identifies the whole lines of results.jsonl.
        size: how many bytes these are.
        stamps: sizes and times of its files when they were read, of every copy.
        rivals: `content` of other copies that lost against this one.
        is_replay: replies were judged again; nothing was asked, so it has no jobs.
    """

    run_id: str
    at: str = ""
    machine: str = ""
    content: str = ""
    size: int = 0
    stamps: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()
    is_replay: bool = False
    jobs: tuple[JobRow, ...] = ()

    @property
    def finished(self) -> int:
        """Trials that are judged and won't be asked again."""
        return sum(job.judged for job in self.jobs)


def continued(before: RunRow, now: RunRow) -> RunRow:
    """Return a run that has gone on since it was read, with its copies' stamps."""
    rivals = (rival for rival in before.rivals if rival != now.content)
    return replace(now, stamps=_union(now.stamps, before.stamps), rivals=_union(rivals))


def merge_copies(first: RunRow, second: RunRow) -> RunRow:
    """Return the one of two copies of a run that has more finished trials.

    Of equal ones the first. That another had different contents is kept in it.
    """
    best, other = first, second
    if second.finished > first.finished:
        best, other = second, first
    contents = _union(best.rivals, other.rivals, (other.content,))
    return replace(
        best,
        stamps=_union(best.stamps, other.stamps),
        rivals=tuple(content for content in contents if content != best.content),
    )


def _union(*parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain(*parts)))


def job_rows(records: Iterable[Record]) -> Iterator[tuple[JobRow, tuple[Record, ...]]]:
    """Yield the row of each spec and suite with the trials behind it.

    A trial stored twice (rerun or resumed) counts once.
    """
    by_job: defaultdict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in records:
        by_job[record.model, record.suite, record.spec].append(record)
    for own in by_job.values():
        ids = tuple(dict.fromkeys(record.prompt_id for record in own))
        trials = tuple(lay_out(own, ids, max(record.run for record in own)))
        yield _row(trials), trials


def _row(trials: Sequence[Record]) -> JobRow:
    newest = trials[-1]
    outcomes = [trial.outcome for trial in trials]
    abstained = restraint(trials)
    timings = [trial.timings for trial in trials if is_answered(trial)]
    return JobRow(
        model=newest.model,
        suite=newest.suite,
        phase=newest.phase,
        variant=newest.variant,
        spec=newest.spec,
        passed=outcomes.count("pass"),
        failed=outcomes.count("fail"),
        timed_out=outcomes.count("timeout"),
        errors=outcomes.count("error"),
        skipped=outcomes.count("skipped"),
        abstained=None if abstained is None else abstained.hits,
        restraint_n=None if abstained is None else abstained.n,
        e2e_ms=_kept(less_load(t.e2e_ms, t.load_ms) for t in timings),
        ttft_ms=_kept(less_load(t.ttft_ms, t.load_ms) for t in timings),
        wall_s=round(_wall_s(trials), 3),
        server=", ".join(dict.fromkeys(t.server for t in trials if t.server)),
    )


def _kept(values_ms: Iterable[float | None]) -> tuple[float, ...]:
    given = (value for value in values_ms if value is not None)
    return tuple(sorted(float(f"{value:.{_DIGITS}g}") for value in given))


def _wall_s(trials: Iterable[Record]) -> float:
    """Return the length of the union of all calls' intervals in seconds.

    Calls that overlap count once, and the pause before a run was resumed not at
    all.
    """
    spans = sorted(span for trial in trials for span in _spans(trial))
    if not spans:
        return 0.0
    total, until = timedelta(), spans[0][0]
    for start, end in spans:
        if end > until:
            total += end - max(start, until)
            until = end
    return total.total_seconds()


def _spans(trial: Record) -> Iterator[_Interval]:
    """Yield when each attempt was in flight, as far as the record tells.

    A time-out without an end is taken to have lasted as long as a call may take;
    an error without one, no time.
    """
    limit_ms = _limit_ms(trial.spec)
    for attempt in trial.earlier_attempts:
        took_ms = limit_ms if attempt.outcome == "timeout" else 0.0
        yield from _span(attempt.started_at, took_ms)
    untold_ms = limit_ms if trial.outcome == "timeout" else 0.0
    e2e_ms = trial.timings.e2e_ms
    yield from _span(trial.started_at, untold_ms if e2e_ms is None else e2e_ms)


def _span(started_at: str, took_ms: float) -> Iterator[_Interval]:
    try:
        start = datetime.fromisoformat(started_at)
    except ValueError:  # never sent
        return
    yield start, start + timedelta(milliseconds=took_ms)


def _limit_ms(spec: str) -> float:
    """Read the seconds that a call may take from the text of a spec.

    >>> _limit_ms("m:1b / atomic / text / t2.5 r0 i0 w1")
    2500.0
    """
    found = _CALL_LIMIT.search(spec)
    return float(found[1]) * 1000.0 if found else 0.0
