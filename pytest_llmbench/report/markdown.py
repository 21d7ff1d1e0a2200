"""The view as summary.md: decision first, then tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from pytest_llmbench.report.context import HEAD as CONTEXT_HEAD
from pytest_llmbench.report.overview import HEAD
from pytest_llmbench.report.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_llmbench.report.view import JobView, RunView

COMMENT_CHARACTERS: Final = 65_536
"""What GitHub takes as the text of a comment."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#&~])")
_CALLING = re.compile(r"@(?=\w)|(?<=\\#)(?=\d)")
_APART: Final = r"\g<0><!-- -->"
_NOTE_ROOM = 200
"""Characters kept for the line that says what was left out."""


def markdown(view: RunView) -> str:
    """Return the run's summary as Markdown."""
    return _joined(section.text for section in _sections(view))


def pr_comment(views: Sequence[RunView], limit: int = COMMENT_CHARACTERS) -> str:
    """Return the summaries of runs as Markdown of at most `limit` characters.

    It is cut by whole sections: figures go first, then grids, then gates; a last line
    says how many are missing. The table of decisions stays, or its first lines.
    """
    sections = [section for view in views for section in _sections(view)]
    whole = _joined(section.text for section in sections)
    if len(whole) <= limit:
        return whole
    room = limit - _NOTE_ROOM
    kept: dict[int, str] = {}
    for number, section in sorted(enumerate(sections), key=lambda one: one[1].rank):
        text = section.text if section.rank else _first_lines(section.text, room)
        if len(text) < room:
            kept[number] = text
            room -= len(text) + 1
    left_out = len(sections) - len(kept)
    note = (
        f"*Not all is here ({left_out} of {len(sections)} parts are left out): a"
        f" comment may have {limit:,} characters. summary.md and report.html have all.*"
    )
    return _joined([*(kept[number] for number in sorted(kept)), note])


class _Section(Struct, frozen=True):
    """What stays together.

    Attributes:
        rank: 0 is kept at any rate, at least its first lines; the higher, the sooner
            it is left out.
    """

    rank: int
    text: str


def _joined(texts: Iterable[str]) -> str:
    return "\n".join(texts).rstrip() + "\n"


def _first_lines(text: str, room: int) -> str:
    return text if len(text) < room else text[:room].rpartition("\n")[0]


def _sections(view: RunView) -> Iterator[_Section]:
    """Yield what is read first, then each job, then notes; a blank line ends each."""
    lines = [f"# llmbench run {view.run_id}", ""]
    if view.gate:
        lines += [f"**{escaped(view.gate)}**", ""]
    lines += table(
        ("spec", "suite", "decision", "why"),
        [(job.spec, job.suite, job.decision, job.reason) for job in view.jobs],
    )
    yield _Section(0, "\n".join(lines))
    if len(view.jobs) > 1:
        rows = [(job.spec, *job.overview.cells) for job in view.jobs]
        yield _Section(1, "\n".join(table(HEAD, rows)))
    for job in view.jobs:
        yield _Section(2, "\n".join(_gates(job)))
        yield _Section(3, "\n".join(_grid(job)))
        if job.context is not None:
            yield _Section(3, "\n".join(table(CONTEXT_HEAD, job.context.rows)))
        yield _Section(4, "\n".join(_figures(job)))
    if view.notes:
        notes = [f"- {escaped(note)}" for note in view.notes]
        yield _Section(1, "\n".join([*notes, ""]))


def escaped(text: str) -> str:
    r"""Return text that Markdown and HTML show as it is.

    No name in it is told of it, and no issue linked: behind `@`, and before a number,
    GitHub finds an empty comment.

    >>> escaped("a|b <script>")
    'a\\|b \\<script\\>'
    """
    return _CALLING.sub(_APART, _SPECIAL.sub(r"\\\1", plain(text)))


def _gates(job: JobView) -> Iterator[str]:
    yield f"## {escaped(job.spec)}"
    yield ""
    yield f"**{job.decision}**: {escaped(job.reason)}"
    yield ""
    if job.gates:
        yield from table(
            ("gate", "observed", "limit", "margin", "verdict"),
            [(g.name, g.observed, g.limit, g.margin, g.verdict) for g in job.gates],
        )


def _grid(job: JobView) -> Iterator[str]:
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


def _figures(job: JobView) -> Iterator[str]:
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
