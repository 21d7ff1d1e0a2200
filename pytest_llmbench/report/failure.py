"""What a failed trial prints: a few lines, never a traceback of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.checks.shown import one_line
from pytest_llmbench.report.plain import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmbench.prompts.suite import Prompt
    from pytest_llmbench.runs.record import Attempt, Record

_WIDTH: Final = 60
_REASONS: Final = 160


def failure_lines(record: Record, prompt: Prompt, is_repeat: bool) -> list[str]:  # noqa: FBT001 - one fact
    """Return why a trial failed, its prompt, and expected and got of each check.

    The first line is failure mode and reason: pytest's short summary shows it too.

    Args:
        is_repeat: an earlier run failed the same way; one line is enough then.
    """
    if record.outcome == "timeout" or record.fault is not None:
        message = record.fault.message if record.fault else "too slow"
        return [*_lines(_named(record, message)), _prompt_line(prompt)]
    failed = [check for check in record.checks if not check.passed]
    reasons = _named(record, "; ".join(f"{c.name}: {c.why}" for c in failed))
    if is_repeat:
        return [f"{one_line(reasons, _REASONS)} (as in an earlier run)"]
    lines = [reasons, _prompt_line(prompt)]
    for check in failed:
        name = f"  ({check.name})" if len(failed) > 1 else ""
        if check.expected:
            lines.append(f"expected {check.expected}{name}")
        if check.got:
            lines.append(f"got      {check.got}{name}")
    return lines


def error_lines(error: Exception, seen: set[str]) -> list[str]:
    """Return an error in full the first time, in its first line afterwards."""
    text = str(error)
    lines = _lines(text) or [type(error).__name__]
    if text in seen:
        return [f"{lines[0]} (as before)"]
    seen.add(text)
    return [*lines, "This counts for nobody: the model was not judged."]


def attempt_lines(earlier: Sequence[Attempt]) -> list[str]:
    """Say what the attempts before this one came to; nothing without any.

    >>> from pytest_llmbench.runs.record import Attempt
    >>> attempt_lines([Attempt(outcome="error", kind="unreachable", message="")] * 2)
    ['attempt 3; before: unreachable, unreachable']
    """
    if not earlier:
        return []
    kinds = ", ".join(attempt.kind for attempt in earlier)
    return [f"attempt {len(earlier) + 1}; before: {kinds}"]


def _named(record: Record, reason: str) -> str:
    """Put the failure mode first, where the record has one."""
    return f"{record.failure_mode}: {reason}" if record.failure_mode else reason


def _lines(message: str) -> list[str]:
    """Keep a message's lines and their indents, and escape what does not print."""
    return [
        line[: len(line) - len(line.lstrip(" "))] + plain(line)
        for line in message.splitlines()
        if line.strip()
    ]


def _prompt_line(prompt: Prompt) -> str:
    words = " ".join(prompt.text.split())
    return f"prompt   {one_line(words, _WIDTH)}"
