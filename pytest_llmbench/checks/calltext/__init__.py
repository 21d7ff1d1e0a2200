"""Tool calls that a model wrote into its text. Pure.

The parsers are loaded when the first reply to an offer of tools is read: a run
without tools does not pay for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmbench.checks.calltext.reading import TextCalls
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.prompts.suite import Tool


def read_calls(text: str, tools: Sequence[Tool]) -> TextCalls:
    """Read the tool calls that a model wrote as text; see `reading.read_calls`."""
    from pytest_llmbench.checks.calltext import reading

    return reading.read_calls(text, tools)


def with_text_calls(reply: Reply, tools: Sequence[Tool]) -> Reply:
    """Return the reply with the calls in its text; see `reading.with_text_calls`.

    Where no tools are offered, words about calls are only words.
    """
    if not tools and not reply.tool_calls:
        return reply
    from pytest_llmbench.checks.calltext import reading

    return reading.with_text_calls(reply, tools)
