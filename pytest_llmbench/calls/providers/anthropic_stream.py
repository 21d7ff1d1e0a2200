"""The events of one streamed message."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from pytest_llmbench.calls.assembly import decoded_call
from pytest_llmbench.calls.framing import EventData
from pytest_llmbench.calls.providers.anthropic_errors import error_of_event
from pytest_llmbench.calls.providers.http import decode_json, well_formed
from pytest_llmbench.checks.reply import Usage
from pytest_llmbench.errors import ProtocolFault, StreamTruncated

if TYPE_CHECKING:
    from pytest_llmbench.calls.assembly import ReplyBuilder

_TEXTS: Final = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
}
"""Kinds of deltas that go on with a text, and the text's key."""


class _Block(Struct):
    """One block of a message while its deltas come.

    Attributes:
        fields: as they came with its start.
        parts: what its deltas add, by the text's key.
    """

    fields: dict[str, Any]
    parts: dict[str, list[str]] = field(default_factory=dict)
    is_done: bool = False

    @property
    def kind(self) -> str:
        """What the block is: `text`, `thinking`, `tool_use` or another."""
        return str(self.fields.get("type"))

    def joined(self, key: str) -> str:
        """Return what came of a text."""
        return "".join(self.parts.get(key, ()))

    def add(self, key: str, text: str) -> None:
        """Add to a text."""
        self.parts.setdefault(key, []).append(text)


class MessageStream:
    """The events of one streamed message.

    `message_start` comes before the model has begun, so it is no first token; nor
    are pings. A tool call begins with its name, which is.
    """

    def __init__(self, builder: ReplyBuilder, where: str) -> None:
        self._builder = builder
        self._where = where
        self._events = EventData()
        self._blocks: dict[int, _Block] = {}
        self._counts: dict[str, int] = {}
        self._is_done = False

    def line(self, data: bytes, at_ns: int) -> None:
        """Take one line of the stream."""
        event = self._events.feed(data.removeprefix(b"\xef\xbb\xbf"))
        if event is not None:
            self._event(event, at_ns)

    def check_ended(self, at_ns: int) -> None:
        """Close the stream.

        Raises:
            StreamTruncated: no `message_stop` came.
        """
        rest = self._events.rest()
        # An event cut off in its middle is no JSON; what it lacks shows below.
        with suppress(ProtocolFault), well_formed(self._where):
            if rest:
                self._event(rest, at_ns)
        if not self._is_done:
            msg = (
                f"{self._where}: the stream ended after {self._builder.deltas} deltas"
                " without its `message_stop`"
            )
            raise StreamTruncated(msg)

    def _event(self, data: bytes, at_ns: int) -> None:
        if self._is_done or data.strip() == b"[DONE]":
            return
        value = decode_json(data, self._where)
        if not isinstance(value, dict):
            msg = f"{self._where} sent an event that is no JSON object"
            raise ProtocolFault(msg)
        self.take(value, at_ns)

    def take(self, value: dict[str, Any], at_ns: int) -> None:
        """Take one event, decoded.

        Raises:
            CallError: the event is an error.
        """
        match value.get("type"):
            case "error":
                raise error_of_event(value, self._where)
            case "message_start":
                self._note_usage(value["message"].get("usage"))
            case "content_block_start":
                self._start(value, at_ns)
            case "content_block_delta":
                self._delta(self._blocks[value["index"]], value["delta"], at_ns)
            case "content_block_stop":
                self._finish(self._blocks[value["index"]])
            case "message_delta":
                self._note_end(value)
            case "message_stop":
                self._stop()
        # Pings, and events yet to be invented, say nothing of the reply.

    def _start(self, value: dict[str, Any], at_ns: int) -> None:
        block = _Block(dict(value["content_block"]))
        self._blocks[value["index"]] = block
        for key in ("text", "thinking"):
            text = block.fields.get(key)
            if isinstance(text, str) and block.kind == key:
                self._say(block, key, text, at_ns)
        if block.kind == "tool_use":
            self._builder.tool_delta(at_ns)

    def _delta(self, block: _Block, delta: dict[str, Any], at_ns: int) -> None:
        key = _TEXTS.get(delta["type"])
        if key is not None:
            self._say(block, key, delta[key], at_ns)
        elif delta["type"] == "signature_delta":
            block.fields["signature"] = delta["signature"]
        elif delta["type"] == "citations_delta":
            known = block.fields.get("citations") or []
            block.fields["citations"] = [*known, delta["citation"]]

    def _say(self, block: _Block, key: str, text: str, at_ns: int) -> None:
        block.add(key, text)
        if key == "text":
            self._builder.text(text, at_ns)
        elif key == "thinking":
            self._builder.thinking(text, at_ns)
        elif text and block.kind == "tool_use":
            self._builder.tool_delta(at_ns)

    def _finish(self, block: _Block) -> None:
        """Put a block together as a request will carry it back."""
        if block.is_done:
            return
        block.is_done = True
        fields = block.fields
        fields.update({
            key: block.joined(key) for key in ("text", "thinking") if key in block.parts
        })
        written = block.joined("partial_json")
        if block.kind == "tool_use":
            arguments = written or fields.get("input") or {}
            call_id = str(fields.get("id") or "")
            call = decoded_call(str(fields.get("name") or ""), arguments, call_id)
            fields["input"] = dict(call.arguments or {})
            self._builder.add_call(call)
        elif written:
            fields["input"] = decoded_call("", written).arguments or {}

    def _note_usage(self, usage: object) -> None:
        """Keep the newest count of each kind: they are cumulative."""
        if isinstance(usage, dict):
            details = usage.get("output_tokens_details") or {}
            told = {**usage, "thinking_tokens": details.get("thinking_tokens")}
            self._counts |= {
                key: value for key, value in told.items() if type(value) is int
            }

    def _note_end(self, value: dict[str, Any]) -> None:
        reason = value["delta"].get("stop_reason")
        if isinstance(reason, str):
            self._builder.finish_reason = reason
        self._note_usage(value.get("usage"))
        self._builder.usage = usage_of(self._counts)

    def _stop(self) -> None:
        self._is_done = True
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        for block in blocks:
            self._finish(block)
        # The API takes no empty text back.
        self._builder.carried = tuple(
            block.fields
            for block in blocks
            if block.kind != "text" or block.fields.get("text")
        )


def usage_of(counts: dict[str, int]) -> Usage:
    """Return our counts from the API's, whose input has no cached part in it.

    >>> usage = usage_of({"input_tokens": 5, "cache_read_input_tokens": 20})
    >>> (usage.prompt_tokens, usage.cached_tokens, usage.output_tokens)
    (25, 20, None)
    """
    plain = counts.get("input_tokens")
    written = counts.get("cache_creation_input_tokens")
    read = counts.get("cache_read_input_tokens")
    whole = None if plain is None else plain + (written or 0) + (read or 0)
    return Usage(
        prompt_tokens=whole,
        cached_tokens=read,
        cache_write_tokens=written,
        output_tokens=counts.get("output_tokens"),
        reasoning_tokens=counts.get("thinking_tokens"),
    )
