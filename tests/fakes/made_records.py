"""Records and summaries made from grids of letters: `FFPPP` is five runs.

P pass, F fail, T timeout, E error, S skipped, `.` no record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.analysis.summary import JobPlan, JobSummary, summarise
from pytest_llmbench.checks.reply import Reply, Timings, Usage
from pytest_llmbench.runs.record import Fault, Outcome, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

SPEC: Final = "m:1b / atomic / native_api / t60 r0 i0 w0"
OUTCOMES: Final[Mapping[str, Outcome]] = {
    "P": "pass",
    "F": "fail",
    "T": "timeout",
    "E": "error",
    "S": "skipped",
}
MAIN_EXAMPLE: Final = {
    f"P{number}": "FFPPPPP" if number in {6, 7, 9} else "PPPPPPP"
    for number in range(1, 13)
}
"""Twelve prompts, seven runs; P6, P7 and P9 fail while the model is cold."""


def make_reply(
    *,
    output_tokens: int | None = 11,
    cached_tokens: int | None = None,
    deltas: int = 5,
    **timings: float | None,
) -> Reply:
    """Make a complete reply; timings by their field name."""
    given = {"ttft_ms": 200.0, "ttfc_ms": 300.0, "e2e_ms": 1000.0, **timings}
    usage = Usage(output_tokens=output_tokens, cached_tokens=cached_tokens)
    return Reply(text="ok", usage=usage, timings=Timings(**given), deltas=deltas)


def make_record(
    prompt_id: str = "P1", run: int = 1, letter: str = "P", **changes: object
) -> Record:
    """Make one record; a reply is there where the outcome has one."""
    outcome = OUTCOMES[letter]
    fields: dict[str, Any] = {
        "trial_id": f"s.bench.yaml::{prompt_id}[{run}]",
        "suite": "atomic",
        "phase": "atomic",
        "model": "m:1b",
        "variant": "native_api",
        "spec": SPEC,
        "run": run,
        "prompt_id": prompt_id,
        "prompt_hash": f"hash-{prompt_id}",
        "outcome": outcome,
        "reply": make_reply() if letter in "PF" else None,
        "fault": Fault(kind="timeout", message="slow") if letter in "TE" else None,
    }
    fields.update(changes)
    return Record(**fields)


def make_records(grid: Mapping[str, str], **changes: object) -> list[Record]:
    """Make the records of a grid, run by run, prompt by prompt."""
    runs = max((len(row) for row in grid.values()), default=0)
    return [
        make_record(prompt_id, run, row[run - 1], **changes)
        for run in range(1, runs + 1)
        for prompt_id, row in grid.items()
        if row[run - 1] != "."
    ]


def make_plan(grid: Mapping[str, str], **changes: object) -> JobPlan:
    """Make the plan that the grid fulfils."""
    fields: dict[str, Any] = {
        "spec": SPEC,
        "model": "m:1b",
        "phase": "atomic",
        "variant": "native_api",
        "suite": "atomic",
        "prompt_ids": tuple(grid),
        "runs": max((len(row) for row in grid.values()), default=0),
        "suite_prompt_ids": tuple(grid),
        "prompt_hashes": {prompt_id: f"hash-{prompt_id}" for prompt_id in grid},
    }
    fields.update(changes)
    return JobPlan(**fields)


def make_summary(grid: Mapping[str, str], **changes: object) -> JobSummary:
    """Sum up the records of a grid; changes are the records' fields."""
    return summarise(make_records(grid, **changes), make_plan(grid))
