"""What a failed trial prints: a few lines, never a traceback of ours."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_llmbench.prompts.suite import Prompt
    from pytest_llmbench.runs.record import Record

_WIDTH: Final = 72


def failure_lines(record: Record, prompt: Prompt, is_repeat: bool) -> list[str]:  # noqa: FBT001 - one fact
    """Return prompt, expected, got and why of a failed or timed-out trial.

    Args:
        is_repeat: an earlier run failed the same way; one line is enough then.
    """
    if record.outcome == "timeout" or record.fault is not None:
        message = record.fault.message if record.fault else "too slow"
        return [_prompt_line(prompt), f"why      {message}"]
    failed = [check for check in record.checks if not check.passed]
    if is_repeat:
        reasons = "; ".join(f"{check.name}: {check.why}" for check in failed)
        return [f"as in an earlier run: {shorten(reasons, 160, placeholder=' …')}"]
    lines = [_prompt_line(prompt)]
    for check in failed:
        lines.append(f"check    {check.name}")
        if check.expected:
            lines.append(f"expected {check.expected}")
        if check.got:
            lines.append(f"got      {check.got}")
        lines.append(f"why      {check.why}")
    return lines


def error_lines(error: Exception, seen: set[str]) -> list[str]:
    """Return an error in full the first time, in its first line afterwards."""
    text = str(error)
    if text in seen:
        return [f"{text.splitlines()[0]} (as before)"]
    seen.add(text)
    return [*text.splitlines(), "This counts for nobody: the model was not judged."]


def _prompt_line(prompt: Prompt) -> str:
    return f"prompt   {shorten(prompt.text, _WIDTH, placeholder=' …')}"
