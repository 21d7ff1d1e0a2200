"""Checks that always apply; they are reported only when they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmbench.checks.called import attempt_why, text_attempt
from pytest_llmbench.checks.expectation import held
from pytest_llmbench.checks.shown import one_line, shown_calls, shown_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.checks.verdict import CheckResult
    from pytest_llmbench.prompts.suite import Prompt


def always_checks(prompt: Prompt, reply: Reply) -> Iterator[CheckResult]:
    """Yield `answered`, `complete` and `well_formed_calls` where they fail."""
    if reply.is_empty:
        yield held(
            "answered",
            _empty_why(reply),
            expected="a text or a tool call",
            got="nothing",
        )
    if reply.is_truncated:
        yield held(
            "complete",
            f"the reply was cut off at the output limit{_after_tokens(reply)}",
            expected="a reply that ends by itself",
            got=f"finish reason {shown_value(reply.finish_reason)}",
        )
    broken = [call for call in reply.tool_calls if call.arguments is None]
    if broken:
        names = one_line(", ".join(dict.fromkeys(call.name for call in broken)))
        raw = shown_value(broken[0].raw)
        yield held(
            "well_formed_calls",
            f"the arguments of {names} are no JSON object: {raw}",
            expected="arguments that are a JSON object",
            got=shown_calls(reply.tool_calls),
        )
    elif attempt := text_attempt(prompt, reply):
        yield held(
            "well_formed_calls",
            attempt_why(attempt),
            expected="calls that can be read",
            got=shown_value(reply.text),
        )


def _empty_why(reply: Reply) -> str:
    tokens = reply.usage.output_tokens or 0
    if reply.thinking.strip():
        size = f"{tokens} tokens" if tokens else f"{len(reply.thinking)} characters"
        if reply.is_truncated:
            return f"thinking used up the whole output ({size})"
        return f"the model thought ({size}) and then gave no answer"
    if tokens:
        return (
            f"{tokens} tokens were generated but nothing arrived; "
            "the server may have dropped a broken tool call"
        )
    return "the model gave no text and called no tool"


def _after_tokens(reply: Reply) -> str:
    tokens = reply.usage.output_tokens
    return "" if tokens is None else f" after {tokens} output tokens"
