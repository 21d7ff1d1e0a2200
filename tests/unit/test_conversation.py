"""What a reply carries goes back in the next request, and into nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from pytest_llmbench.calls.request import Answer
from pytest_llmbench.checks.reply import Reply, ToolCall
from pytest_llmbench.conversation import converse
from pytest_llmbench.prompts.suite import Prompt, Tool, ToolResult, Turn
from pytest_llmbench.prompts.variants import VARIANTS

if TYPE_CHECKING:
    from pytest_llmbench.conversation import Dialogue
    from pytest_llmbench.prompts.messages import Message

FIRST: Final = ({"type": "reasoning", "encrypted_content": "abc"},)
SECOND: Final = ({"type": "reasoning", "encrypted_content": "xyz"},)
REPLIES: Final = (
    Reply(
        tool_calls=(ToolCall(name="find", arguments={}, id="c1"),),
        carried=FIRST,
    ),
    Reply(text="Found.", carried=SECOND),
    Reply(text="Bye."),
)
PROMPT: Final = Prompt(
    id="E1",
    text="Find it.",
    tools=(Tool(name="find", description="", parameters={}),),
    turns=(
        Turn(text="Find it.", tool_results=(ToolResult(tool="find", result="here"),)),
        Turn(text="Thanks."),
    ),
)


def talk(variant: str) -> tuple[list[tuple[Message, ...]], Dialogue]:
    """Hold the conversation; return what each request said, and what came."""
    asked: list[tuple[Message, ...]] = []

    async def ask(messages: tuple[Message, ...], tools: tuple[Tool, ...]) -> Answer:
        del tools
        asked.append(messages)
        return Answer(reply=REPLIES[len(asked) - 1])

    return asked, asyncio.run(converse(ask, VARIANTS[variant], PROMPT))


@pytest.mark.parametrize("variant", ["native_api", "text"])
def test_what_a_reply_carries_goes_back(variant: str) -> None:
    """Each assistant message has what its reply carried; no other has anything."""
    asked, _ = talk(variant)
    carried = [message.carried for message in asked[2] if message.role == "assistant"]
    assert carried == [FIRST, SECOND]
    assert not any(m.carried for m in asked[2] if m.role != "assistant")


def test_a_transcript_shows_nothing_carried() -> None:
    """What only the service can read is no part of what was said."""
    _, dialogue = talk("native_api")
    assert "carried" not in str(dialogue.transcript)
    assert "abc" not in str(dialogue.transcript)
