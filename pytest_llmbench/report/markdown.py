"""The view as summary.md: decision first, then tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_llmbench.report.context import HEAD as CONTEXT_HEAD
from pytest_llmbench.report.overview import HEAD
from pytest_llmbench.report.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmbench.report.view import JobView, RunView

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#&~])")


def markdown(view: RunView) -> str:
    """Return the run's summary as Markdown."""
    lines = [f"# llmbench run {view.run_id}", ""]
    if view.gate:
        lines += [f"**{escaped(view.gate)}**", ""]
    lines += table(
        ("spec", "suite", "decision", "why"),
        [(job.spec, job.suite, job.decision, job.reason) for job in view.jobs],
    )
    if len(view.jobs) > 1:
        rows = [(job.spec, *job.overview.cells) for job in view.jobs]
        lines += table(HEAD, rows)
    for job in view.jobs:
        lines += _job(job)
    lines += [f"- {escaped(note)}" for note in view.notes]
    return "\n".join(lines).rstrip() + "\n"


def escaped(text: str) -> str:
    r"""Return text that Markdown and HTML show as it is.

    >>> escaped("a|b <script>")
    'a\\|b \\<script\\>'
    """
    return _SPECIAL.sub(r"\\\1", plain(text))


def _job(job: JobView) -> Iterator[str]:
    yield f"## {escaped(job.spec)}"
    yield ""
    yield f"**{job.decision}**: {escaped(job.reason)}"
    yield ""
    if job.gates:
        yield from table(
            ("gate", "observed", "limit", "margin", "verdict"),
            [(g.name, g.observed, g.limit, g.margin, g.verdict) for g in job.gates],
        )
    yield from table(
        (
            *("prompt", "category", "runs", "passed", "95 % interval"),
            *("pattern", "failures"),
        ),
        [
            (
                *(r.prompt_id, r.category, "".join(r.cells), r.passed, r.interval),
                *(r.pattern, r.failures),
            )
            for r in job.rows
        ],
    )
    for pattern in job.patterns:
        who = ", ".join(pattern.prompt_ids)
        yield f"- **{pattern.kind}** {escaped(who)}: {escaped(pattern.evidence)}"
    if job.patterns:
        yield ""
    if job.context is not None:
        yield from table(CONTEXT_HEAD, job.context.rows)
    yield from table(("measure", "value"), job.facts)
    if job.baseline:
        yield f"Baseline: {escaped(job.baseline)}"
        yield ""
    for difference in job.differences:
        yield f"- differs from the baseline's run: {escaped(difference)}"
    if job.differences:
        yield ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lay out a table, its cells escaped, with an empty line behind it."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(escaped(cell) for cell in row) + " |"
    yield ""
