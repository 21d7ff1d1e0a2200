"""From a prompt to its replies: turn by turn, with scripted tool results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from pytest_llmbench.checks.arguments import values_why
from pytest_llmbench.checks.calltext import with_text_calls
from pytest_llmbench.checks.merging import merged
from pytest_llmbench.checks.thinking import without_thinking
from pytest_llmbench.prompts.messages import Message, SentCall
from pytest_llmbench.prompts.suite import Turn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pytest_llmbench.calls.request import Answer
    from pytest_llmbench.checks.reply import Backoff, Reply, ToolCall
    from pytest_llmbench.errors import CallError
    from pytest_llmbench.prompts.context import SentContext
    from pytest_llmbench.prompts.suite import Prompt, Tool
    from pytest_llmbench.prompts.variants import Variant

    Ask = Callable[[tuple[Message, ...], tuple[Tool, ...]], Awaitable[Answer]]
    """Sends messages and native tools; never raises a `CallError`."""

MAX_STEPS: Final = 8
"""Replies of one turn; a model that still calls then is going in circles."""


class TurnReply(Struct, frozen=True, kw_only=True):
    """What came of one turn.

    Attributes:
        reply: its replies as one: all calls, the last text, times added up.
        unscripted: calls without a scripted result, as they are shown.
        is_endless: the model still called after `MAX_STEPS` replies.
    """

    reply: Reply
    unscripted: tuple[ToolCall, ...] = ()
    is_endless: bool = False


class Dialogue(Struct, kw_only=True):
    """A prompt's conversation as far as it came.

    Attributes:
        error: what ended it early; None where every turn has its reply.
        transcript: every message, `turn` counted from 1.
        started_at: ISO 8601 UTC, of the first request.
        is_resident: seen just before the first request.
        server: who was asked, as messages name it.
        skip_reason: why nothing was asked; empty where something was.
        skip_kind: the fault kind of that.
        backoffs: refusals by a busy server, of all turns, with the waits behind.
        unfinished: the replies of the turn that was ended early.
        context: how long the prompt was made; None for one of its own length.
    """

    turns: list[TurnReply] = field(default_factory=list)
    unfinished: list[Reply] = field(default_factory=list)
    transcript: list[dict[str, Any]] = field(default_factory=list)
    error: CallError | None = None
    started_at: str = ""
    is_resident: bool | None = None
    server: str = ""
    skip_reason: str = ""
    skip_kind: str = "skipped"
    backoffs: list[Backoff] = field(default_factory=list)
    context: SentContext | None = None

    @property
    def reply(self) -> Reply | None:
        """All replies as one, a partial last one included; None if there is none."""
        replies = [*(turn.reply for turn in self.turns), *self.unfinished]
        if self.error is not None and self.error.partial is not None:
            replies.append(self.error.partial)
        return merged(replies) if replies else None


async def converse(ask: Ask, variant: Variant, prompt: Prompt) -> Dialogue:
    """Put a prompt to a model, all its turns, and return what came."""
    talk = _Talk(ask=ask, variant=variant, prompt=prompt)
    turns = prompt.turns or (Turn(text=prompt.text, expect=prompt.expect),)
    for index, turn in enumerate(turns):
        if not await talk.take_turn(index, turn, is_last=index == len(turns) - 1):
            break
    return talk.dialogue


class _Talk:
    """One conversation in progress."""

    def __init__(self, *, ask: Ask, variant: Variant, prompt: Prompt) -> None:
        self.dialogue = Dialogue()
        self._ask = ask
        self._variant = variant
        self._prompt = prompt
        opening = variant.render(prompt)
        self._tools = opening.tools
        self._messages: list[Message] = []
        self._turn = 1
        self._say(*opening.messages)

    async def take_turn(self, index: int, turn: Turn, *, is_last: bool) -> bool:
        """Go through one turn; return whether the conversation can go on."""
        self._turn = index + 1
        if index:
            self._say(Message(role="user", content=turn.text))
        replies: list[Reply] = []
        unscripted: list[ToolCall] = []
        goes_on = True
        while goes_on and len(replies) < MAX_STEPS:
            reply = await self._next_reply()
            if reply is None:
                self.dialogue.unfinished = replies
                return False
            replies.append(reply)
            goes_on = bool(reply.tool_calls) and bool(turn.tool_results)
            if goes_on or not is_last:
                unscripted += self._answer(reply, turn, needs_result=goes_on)
            else:
                self._say(_said(reply))
        done = TurnReply(
            reply=merged(replies), unscripted=tuple(unscripted), is_endless=goes_on
        )
        self.dialogue.turns.append(done)
        return True

    async def _next_reply(self) -> Reply | None:
        answer = await self._ask(tuple(self._messages), self._tools)
        dialogue = self.dialogue
        dialogue.backoffs += answer.backoffs
        if not dialogue.started_at:
            dialogue.started_at = answer.started_at
            dialogue.is_resident = answer.is_resident
            dialogue.server = answer.server
        if answer.reply is None:
            dialogue.error = answer.error
            return None
        reply = answer.reply
        if self._variant.asks_to_think:
            reply = without_thinking(reply)
        return with_text_calls(reply, self._prompt.tools)

    def _answer(
        self, reply: Reply, turn: Turn, *, needs_result: bool
    ) -> list[ToolCall]:
        """Say the reply and its calls' results; return the calls without one."""
        if not reply.tool_calls:
            self._say(_said(reply))
            return []
        found = [_scripted(call, turn) for call in reply.tool_calls]
        calls = [
            SentCall(
                name=call.name,
                arguments=call.arguments or {},
                id=call.id or f"call_{number}",
            )
            for number, call in enumerate(reply.tool_calls, len(self._messages))
        ]
        results = [_NO_RESULT if text is None else text for text in found]
        messages = self._variant.go_on(reply.text, calls, results)
        self._say(*_carrying(reply, messages))
        if not needs_result:
            return []
        pairs = zip(reply.tool_calls, found, strict=True)
        return [call for call, text in pairs if text is None]

    def _say(self, *messages: Message) -> None:
        self._messages += messages
        if self._prompt.turns:  # a single question's messages stand in its suite
            self.dialogue.transcript += (
                {"turn": self._turn, **message.to_json()} for message in messages
            )


_NO_RESULT: Final = json.dumps({"error": "no such tool, or wrong arguments"})


def _carrying(reply: Reply, messages: Sequence[Message]) -> list[Message]:
    """Give the first assistant's message what the reply carries."""
    carrying = list(messages)
    for index, message in enumerate(carrying):
        if message.role == "assistant":
            carrying[index] = replace(message, carried=reply.carried)
            break
    return carrying


def _said(reply: Reply) -> Message:
    calls = tuple(
        SentCall(name=call.name, arguments=call.arguments or {}, id=call.id)
        for call in reply.tool_calls
        if call.channel == "native"
    )
    return Message(
        role="assistant",
        content=reply.text,
        tool_calls=calls,
        carried=reply.carried,
    )


def _scripted(call: ToolCall, turn: Turn) -> str | None:
    """Return the first scripted result that fits a call, as text."""
    for entry in turn.tool_results:
        fits = call.arguments is not None and not values_why(
            entry.when, call.arguments, {}
        )
        if entry.tool == call.name and fits:
            result = entry.result
            return result if isinstance(result, str) else json.dumps(result)
    return None


def replies_of_transcript(
    transcript: Sequence[dict[str, Any]], tools: Sequence[Tool]
) -> list[Reply]:
    """Return each turn's replies as one, from a stored transcript.

    Times and token counts are not in it; the record's reply has their sums.
    """
    from pytest_llmbench.checks.reply import Reply, ToolCall

    turns: dict[int, list[Reply]] = {}
    for entry in transcript:
        if entry["role"] == "assistant":
            calls = tuple(
                ToolCall(name=call["name"], arguments=call["arguments"])
                for call in entry["tool_calls"]
            )
            reply = Reply(text=entry["content"], tool_calls=calls)
            turns.setdefault(entry["turn"], []).append(with_text_calls(reply, tools))
    return [merged(replies) for _, replies in sorted(turns.items())]
