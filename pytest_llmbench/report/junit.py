"""What JUnit XML carries beyond pytest's own: properties of trials and suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llmbench.report.view import RunView
    from pytest_llmbench.runs.record import Record


def trial_properties(record: Record) -> list[tuple[str, str | int | float]]:
    """Return a testcase's properties; what was not measured is left out."""
    timings = record.timings
    usage = record.reply.usage if record.reply else None
    found: list[tuple[str, str | int | float | None]] = [
        ("model", record.model),
        ("spec", record.spec),
        ("run", record.run),
        ("prompt_id", record.prompt_id),
        ("outcome", record.outcome),
        ("failure_mode", record.failure_mode),
        ("error", record.fault.kind if record.fault else None),
        ("attempts", record.attempts if record.attempts > 1 else None),
        ("ttft_ms", timings.ttft_ms),
        ("e2e_ms", timings.e2e_ms),
        ("load_ms", timings.load_ms),
        ("prompt_tokens", usage.prompt_tokens if usage else None),
        ("output_tokens", usage.output_tokens if usage else None),
    ]
    return [(name, value) for name, value in found if value is not None]


def suite_properties(view: RunView) -> list[tuple[str, str]]:
    """Return the testsuite's properties: decisions, and each prompt's pattern."""
    found = [("run_id", view.run_id)]
    for job in view.jobs:
        found.append((f"decision {job.spec}", f"{job.decision}: {job.reason}"))
        found += [
            (f"pattern {job.spec} {row.prompt_id}", row.pattern)
            for row in job.rows
            if row.pattern
        ]
    return found
