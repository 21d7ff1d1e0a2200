"""The typed events of one streamed response, put together into a reply."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from pytest_llmbench.calls.assembly import decoded_call
from pytest_llmbench.calls.framing import EventData
from pytest_llmbench.calls.providers.http import decode_json, well_formed
from pytest_llmbench.calls.providers.openai_faults import error_of_event
from pytest_llmbench.checks.reply import Usage
from pytest_llmbench.errors import ProtocolFault, StreamTruncated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_llmbench.calls.assembly import ReplyBuilder
    from pytest_llmbench.calls.clock import Clock

_PART_KEYS: Final = ("output_index", "summary_index", "content_index")
_MADE_BY_SERVICE: Final = frozenset({"id", "status"})
"""Keys of an item that name what a service has stored; with `store: false`, nothing."""

_SERVER_MS: Final = {"prompt_ms": "prefill_ms", "predicted_ms": "decode_ms"}
"""What llama.cpp calls its own times."""

_NO_REASON: Final = {"message": "it does not say why"}


class _Item(Struct, kw_only=True):
    """One output item while its events come.

    Attributes:
        final: as `response.output_item.done` tells it; empty until then.
        has_text: some of its text came as a delta.
        arguments: of a function call, joined.
    """

    kind: str = ""
    name: str = ""
    call_id: str = ""
    arguments: str = ""
    has_text: bool = False
    final: dict[str, Any] = field(default_factory=dict)

    def take(self, item: Mapping[str, Any]) -> None:
        """Take what an event tells of the item as a whole."""
        self.kind = _text(item.get("type")) or self.kind
        self.name = _text(item.get("name")) or self.name
        self.call_id = _text(item.get("call_id")) or self.call_id
        self.arguments = _text(item.get("arguments")) or self.arguments


class ResponseStream:
    """The events of one streamed response.

    What is no event of text, thinking, calls, an end or an error is passed over.
    """

    def __init__(self, builder: ReplyBuilder, where: str, clock: Clock) -> None:
        self._builder = builder
        self._where = where
        self._clock = clock
        self._events = EventData()
        self._items: dict[object, _Item] = {}
        self._thought: object = None
        self._is_done = False
        self._takes: Mapping[str, Callable[[dict[str, Any], int], None]] = {
            "response.output_item.added": self._item_added,
            "response.output_item.done": self._item_done,
            "response.output_text.delta": self._text_delta,
            "response.refusal.delta": self._text_delta,
            "response.reasoning_summary_text.delta": self._thinking_delta,
            "response.reasoning_text.delta": self._thinking_delta,
            "response.function_call_arguments.delta": self._arguments_delta,
            "response.function_call_arguments.done": self._arguments_done,
            "response.completed": self._end,
            "response.incomplete": self._end,
            "response.failed": self._end,
            "error": self._error,
        }

    def line(self, data: bytes, at_ns: int) -> None:
        """Take one line of the stream.

        Raises:
            CallError: the service tells of a failure, or sent what is no event.
        """
        event = self._events.feed(data.removeprefix(b"\xef\xbb\xbf"))
        if event is not None:
            self._event(event, at_ns)

    def check_ended(self, at_ns: int) -> None:
        """Close the stream.

        Raises:
            StreamTruncated: none of the events that end a response has come.
        """
        rest = self._events.rest()
        # An event cut off in its middle is no JSON; what it lacks shows below.
        with suppress(ProtocolFault), well_formed(self._where):
            if rest:
                self._event(rest, at_ns)
        self._put_together()
        if not self._is_done:
            msg = (
                f"{self._where}: the stream ended after {self._builder.deltas} deltas"
                " without response.completed, .incomplete or .failed"
            )
            raise StreamTruncated(msg)
        self._builder.carried = _carried([item.final for item in self._items.values()])

    def _put_together(self) -> None:
        """Hand over the calls, also those that were not finished."""
        for item in self._items.values():
            if item.kind == "function_call":
                call = decoded_call(item.name, item.arguments, item.call_id)
                self._builder.add_call(call)

    def _event(self, data: bytes, at_ns: int) -> None:
        if data.strip() == b"[DONE]":  # of servers that end every stream so
            return
        value = decode_json(data, self._where)
        if not isinstance(value, dict):
            msg = f"{self._where} sent an event that is no JSON object"
            raise ProtocolFault(msg)
        kind = value.get("type")
        if kind is None and value.get("error"):
            kind = "error"
        take = self._takes.get(_text(kind))
        if take is not None:
            take(value, at_ns)

    def _item(self, value: dict[str, Any], kind: str = "") -> _Item:
        """Find an event's item by its place, or by id where no place is told."""
        place = value.get("output_index")
        if not isinstance(place, int):
            place = _text((value.get("item") or {}).get("id") or value.get("item_id"))
        return self._items.setdefault(place, _Item(kind=kind))

    def _item_added(self, value: dict[str, Any], at_ns: int) -> None:
        item = self._item(value)
        had_name = bool(item.name)
        item.take(value.get("item") or {})
        if item.kind == "function_call" and item.name and not had_name:
            self._builder.tool_delta(at_ns)

    def _item_done(self, value: dict[str, Any], at_ns: int) -> None:
        """Take an item as it stands at its end; what no delta told is told now."""
        told = value.get("item") or {}
        item = self._item(value)
        is_new = not item.name
        item.take(told)
        item.final = dict(told)
        if item.kind == "function_call" and is_new:
            self._builder.tool_delta(at_ns)
        if item.kind == "message" and not item.has_text:
            self._builder.text(text_of_item(told), at_ns)

    def _text_delta(self, value: dict[str, Any], at_ns: int) -> None:
        self._item(value, "message").has_text = True
        self._builder.text(_text(value.get("delta")), at_ns)

    def _thinking_delta(self, value: dict[str, Any], at_ns: int) -> None:
        self._item(value, "reasoning")
        delta = _text(value.get("delta"))
        if not delta:
            return
        part = [value.get(key) for key in _PART_KEYS]
        if self._thought not in {None, tuple(part)}:
            delta = f"\n\n{delta}"
        self._thought = tuple(part)
        self._builder.thinking(delta, at_ns)

    def _arguments_delta(self, value: dict[str, Any], at_ns: int) -> None:
        delta = _text(value.get("delta"))
        if delta:
            self._item(value, "function_call").arguments += delta
            self._builder.tool_delta(at_ns)

    def _arguments_done(self, value: dict[str, Any], at_ns: int) -> None:
        item = self._item(value, "function_call")
        is_new = not item.arguments
        item.take({key: value.get(key) for key in ("name", "arguments")})
        if is_new and item.arguments:
            self._builder.tool_delta(at_ns)

    def _end(self, value: dict[str, Any], at_ns: int) -> None:
        response = value.get("response") or {}
        self._is_done = True
        self._builder.usage = _usage(response.get("usage") or {})
        timings = value.get("timings") or {}
        self._builder.server_ms = {
            ours: float(timings[theirs])
            for theirs, ours in _SERVER_MS.items()
            if isinstance(timings.get(theirs), int | float)
        }
        reason = (response.get("incomplete_details") or {}).get("reason")
        said = value["type"].removeprefix("response.")
        self._builder.finish_reason = (
            _text(reason) or _text(response.get("status")) or said
        )
        if said == "failed":
            told = response.get("error") or _NO_REASON
            raise error_of_event({"error": told}, self._where, self._clock.utc())
        if not self._items:
            for place, item in enumerate(response.get("output") or ()):
                self._item_done({"output_index": place, "item": item}, at_ns)

    def _error(self, value: dict[str, Any], at_ns: int) -> None:
        del at_ns
        raise error_of_event(value, self._where, self._clock.utc())


def _carried(items: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return the items to send back as they came; none where nothing was thought.

    Thinking that is not encrypted can't be sent back, nor any behind which nothing
    came.
    """
    kept = [_sendable(item) for item in items if not _is_lost(item)]
    while kept and kept[-1].get("type") == "reasoning":
        kept.pop()
    has_thought = any(item.get("type") == "reasoning" for item in kept)
    return tuple(kept) if has_thought else ()


def _is_lost(item: Mapping[str, Any]) -> bool:
    is_thought = item.get("type") == "reasoning"
    return not item or (is_thought and not item.get("encrypted_content"))


def _sendable(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in item.items()
        if key not in _MADE_BY_SERVICE and value is not None
    }


def text_of_item(item: Mapping[str, Any]) -> str:
    """Return a message item's text, a refusal's words included; "" of any other."""
    parts = (item.get("type") == "message" and item.get("content")) or ()
    return "".join(_text(part.get("text") or part.get("refusal")) for part in parts)


def _usage(usage: Mapping[str, Any]) -> Usage:
    of_input = usage.get("input_tokens_details") or {}
    of_output = usage.get("output_tokens_details") or {}
    return Usage(
        prompt_tokens=_count(usage.get("input_tokens")),
        cached_tokens=_count(of_input.get("cached_tokens")),
        cache_write_tokens=_count(of_input.get("cache_write_tokens")),
        output_tokens=_count(usage.get("output_tokens")),
        reasoning_tokens=_count(of_output.get("reasoning_tokens")),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None
