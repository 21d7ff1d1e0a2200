"""When a spec is given up before its end: `--fail-fast`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.analysis.calls import skipped_for
from pytest_llmbench.analysis.trials import FAILED, JUDGED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_llmbench.runs.record import Record

FIRST_RUNS: Final = 3
"""A prompt that failed this many first runs ends its spec."""

GIVEN_UP: Final = "given_up"
"""The fault kind of a trial that was skipped because its spec was given up."""

_MAX_NAMED: Final = 5


class FailFast:
    """Watches trials in the order in which they end, each spec for itself.

    A spec is given up after N trials in a row that are error or timeout, and after a
    prompt that failed (or timed out in) its first three judged runs. Once given up it
    stays so. Of a trial that is run again the first judged attempt counts, as
    everywhere; an error makes way for the next attempt.

    Args:
        streak: N; 0 gives nothing up.
    """

    def __init__(self, streak: int) -> None:
        self._streak = streak
        self._last: dict[str, Record] = {}
        self._rows: dict[str, list[Record]] = {}
        self._firsts: dict[tuple[str, str, str], list[Record]] = {}
        self._reasons: dict[str, str] = {}
        self._open: dict[str, Record] = {}

    def note(self, record: Record, *, is_to_retry: bool = False) -> None:
        """Take the next trial that has ended; a skipped one shows nothing.

        Args:
            is_to_retry: a retry is meant to replace this attempt; it counts only if
                another trial comes next.
        """
        if not self._streak or record.outcome == "skipped":
            return
        waiting = self._open.pop(record.spec, None)
        if waiting is not None and waiting.trial_id != record.trial_id:
            self._count(waiting)
        if is_to_retry:
            self._open[record.spec] = record
        else:
            self._count(record)

    def _count(self, record: Record) -> None:
        last = self._last.get(record.spec)
        is_rerun = last is not None and last.trial_id == record.trial_id
        if last is not None and is_rerun and last.outcome in JUDGED:
            return
        self._last[record.spec] = record
        reason = self._row_reason(record) or self._prompt_reason(record)
        if reason:
            self._reasons.setdefault(record.spec, reason)

    def reason(self, spec: str) -> str:
        """Return why a spec, as canonical text, is given up; empty while it is not."""
        return self._reasons.get(spec, "")

    def _row_reason(self, record: Record) -> str:
        row = self._rows.setdefault(record.spec, [])
        if row and row[-1].trial_id == record.trial_id:
            row.pop()
        if record.outcome not in {"error", "timeout"}:
            row.clear()
            return ""
        row.append(record)
        if len(row) < self._streak:
            return ""
        return (
            f"{len(row)} trials in a row ended in error or time-out:"
            f" {', '.join(map(_named, row[:_MAX_NAMED]))}{_more(row)}"
        )

    def _prompt_reason(self, record: Record) -> str:
        key = (record.spec, record.suite, record.prompt_id)
        firsts = self._firsts.setdefault(key, [])
        if record.outcome not in JUDGED or len(firsts) == FIRST_RUNS:
            return ""
        firsts.append(record)
        failed = sum(one.outcome in FAILED for one in firsts)
        if failed < FIRST_RUNS:
            return ""
        runs = ", ".join(f"run {one.run}: {_why(one)}" for one in firsts)
        return f"{record.prompt_id} failed its first {FIRST_RUNS} runs ({runs})"


def given_up_reason(records: Iterable[Record]) -> str | None:
    """Return why the trials of a spec end early; None where they don't."""
    return skipped_for(records, GIVEN_UP)


def _named(record: Record) -> str:
    return f"{record.prompt_id} run {record.run} ({_why(record)})"


def _why(record: Record) -> str:
    """Say in a word what a trial came to."""
    return record.failure_mode or (record.fault.kind if record.fault else "failed")


def _more(row: list[Record]) -> str:
    return f", and {len(row) - _MAX_NAMED} more" if len(row) > _MAX_NAMED else ""
