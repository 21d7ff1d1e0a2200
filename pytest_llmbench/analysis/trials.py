"""Trials of one spec laid out by prompt and run, and what one trial counts as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from pytest_llmbench.runs.record import FINISHED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_llmbench.checks.verdict import Behaviour
    from pytest_llmbench.runs.record import Outcome, Record

JUDGED: Final = FINISHED
"""Outcomes that count for or against the model."""

FAILED: Final = frozenset({"fail", "timeout"})
"""Outcomes that count against the model."""


class Grid(Struct, frozen=True, kw_only=True):
    """The trials of one spec by prompt and run; a cell is empty where none is.

    Attributes:
        prompt_ids: the planned prompts, in suite order.
        runs: how many runs were planned; they count from 1.
    """

    prompt_ids: tuple[str, ...]
    runs: int
    cells: Mapping[tuple[str, int], Record]

    def __iter__(self) -> Iterator[Record]:
        """Go over all trials run by run, prompt by prompt."""
        for run in range(1, self.runs + 1):
            yield from self.in_run(run)

    def in_run(self, run: int) -> Iterator[Record]:
        """Go over the trials of one run in suite order."""
        for prompt_id in self.prompt_ids:
            record = self.cells.get((prompt_id, run))
            if record is not None:
                yield record

    def of_prompt(self, prompt_id: str) -> tuple[Record | None, ...]:
        """Return one prompt's trials by run, None where a trial is missing."""
        runs = range(1, self.runs + 1)
        return tuple(self.cells.get((prompt_id, run)) for run in runs)

    def outcomes(self, prompt_id: str) -> tuple[Outcome | None, ...]:
        """Return one prompt's outcomes by run, None where a trial is missing."""
        trials = self.of_prompt(prompt_id)
        return tuple(trial.outcome if trial else None for trial in trials)


def lay_out(records: Iterable[Record], prompt_ids: tuple[str, ...], runs: int) -> Grid:
    """Put each planned trial into its cell and leave out what was not planned.

    A trial stored twice (rerun or resumed) counts once: the later line holds,
    but a skip never hides an answer.
    """
    planned = frozenset(prompt_ids)
    cells: dict[tuple[str, int], Record] = {}
    for record in records:
        key = (record.prompt_id, record.run)
        if record.prompt_id not in planned or not 1 <= record.run <= runs:
            continue
        if record.outcome != "skipped" or key not in cells:
            cells[key] = record
    return Grid(prompt_ids=prompt_ids, runs=runs, cells=cells)


def is_judged(record: Record) -> bool:
    """Whether the trial counts for or against the model."""
    return record.outcome in JUDGED


def is_answered(record: Record) -> bool:
    """Whether a complete reply came and was timed: what latency is taken from."""
    return record.outcome in {"pass", "fail"} and record.timings.e2e_ms is not None


def behaviour_of(record: Record) -> Behaviour | None:
    """Say what the model did with its tools; None where it was offered none.

    A trial without a complete reply is `no_reply`, whatever a part of it held,
    and a tool call that the server could not read is `malformed`.
    """
    offers_tools = record.expects_tool or record.expects_no_tool
    if record.behaviour is None and not offers_tools:
        return None
    if record.outcome not in {"pass", "fail"}:
        return "no_reply"
    if record.fault is not None and record.fault.kind == "malformed_call":
        return "malformed"
    return record.behaviour or "no_reply"
