"""What is said in a conversation, before any wire dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.prompts.suite import Json, Tool


class SentCall(Struct, frozen=True, kw_only=True):
    """A tool call of the model, sent back as part of the conversation."""

    name: str
    arguments: Mapping[str, Json]
    id: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return name and arguments as plain JSON."""
        return {"name": self.name, "arguments": dict(self.arguments)}


class Message(Struct, frozen=True, kw_only=True):
    """One message of a conversation.

    Attributes:
        role: `system`, `user`, `assistant` or `tool`.
        tool_calls: calls of an assistant's message, for the API's own field.
        tool: whose result a `tool` message is.
        call_id: which call a `tool` message answers.
        carried: an assistant's `Reply.carried`, for the dialect that made it; any
            other takes no notice. Part of no transcript.
    """

    role: str
    content: str
    tool_calls: tuple[SentCall, ...] = ()
    tool: str = ""
    call_id: str = ""
    carried: tuple[Mapping[str, Json], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the message as a transcript holds it."""
        return {
            "role": self.role,
            "content": self.content,
            "tool_calls": [call.to_json() for call in self.tool_calls],
            "tool": self.tool,
        }


class Rendered(Struct, frozen=True, kw_only=True):
    """A prompt as it is sent: messages, and tools for the API's own field."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
