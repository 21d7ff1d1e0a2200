"""The events of one streamed chat completion, read as all servers write them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from pytest_llmbench.calls.assembly import decoded_call
from pytest_llmbench.calls.framing import EventData
from pytest_llmbench.calls.providers.http import decode_json, well_formed
from pytest_llmbench.checks.reply import Usage
from pytest_llmbench.errors import ProtocolFault, StreamTruncated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_llmbench.calls.assembly import ReplyBuilder
    from pytest_llmbench.errors import CallError

_SERVER_MS: Final = {"prompt_ms": "prefill_ms", "predicted_ms": "decode_ms"}
"""What llama.cpp calls its own times."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class _CallParts(Struct):
    """One tool call while its fragments come.

    Attributes:
        index: its place as the server counts; None where it doesn't.
        text: argument fragments, joined.
        whole: arguments that came decoded, as some servers send them.
    """

    index: int | None
    id: str = ""
    name: str = ""
    text: str = ""
    whole: object = None

    def take(self, call_id: str, name: str, arguments: object) -> None:
        """Add one fragment."""
        self.id = call_id or self.id
        self.name = name or self.name
        if isinstance(arguments, str):
            self.text += arguments
        elif arguments is not None:
            self.whole = arguments

    def is_ended_by(self, index: int | None, call_id: str, name: str) -> bool:
        """Whether a fragment in this call's place begins another call.

        Servers that give no index, or 0 to every call, name the function anew.
        """
        if not name or not self.name:
            return False
        if call_id and self.id:
            return call_id != self.id
        return index is None or name != self.name


class ChatStream:
    """The events of one streamed chat completion.

    Args:
        error_of: says what an error in mid-reply means.
    """

    def __init__(
        self,
        builder: ReplyBuilder,
        where: str,
        error_of: Callable[[Mapping[str, Any]], CallError],
    ) -> None:
        self._builder = builder
        self._where = where
        self._error_of = error_of
        self._events = EventData()
        self._calls: list[_CallParts] = []
        self._is_done = False
        self._seen = 0
        self._unframed: list[bytes] = []

    def line(self, data: bytes, at_ns: int) -> None:
        """Take one line of the stream."""
        data = data.removeprefix(_BYTE_ORDER_MARK)
        if not self._seen and (self._unframed or data.startswith((b"{", b"<"))):
            self._unframed.append(data)
            return
        event = self._events.feed(data)
        if event is not None:
            self._event(event, at_ns)

    def check_ended(self, at_ns: int) -> None:
        """Close the stream.

        Raises:
            StreamTruncated: neither `[DONE]` nor a finish reason came.
        CallError: what came is no stream, but one JSON object or a page.
        """
        rest = self._events.rest()
        # An event cut off in its middle is no JSON; what it lacks shows below.
        with suppress(ProtocolFault), well_formed(self._where):
            if rest:
                self._event(rest, at_ns)
        if self._unframed:
            self._whole_body()
        if not self._is_done and self._builder.finish_reason is None:
            msg = (
                f"{self._where}: the stream ended after {self._builder.deltas} deltas"
                " without a finish reason or [DONE]"
            )
            raise StreamTruncated(msg)
        for call in self._calls:
            arguments = call.whole if call.whole and not call.text else call.text
            self._builder.add_call(decoded_call(call.name, arguments, call.id))

    def _whole_body(self) -> None:
        """Say what a body means that is one JSON object instead of events."""
        value = decode_json(b"\n".join(self._unframed), self._where)
        if _is_error(value):
            raise self._error_of(value)
        msg = (
            f"{self._where} answered in one piece, though a stream was asked for: no"
            " time to the first token can be measured; have it stream"
        )
        raise ProtocolFault(msg)

    def _event(self, data: bytes, at_ns: int) -> None:
        self._seen += 1
        if data.strip() == b"[DONE]":
            self._is_done = True
            return
        value = decode_json(data, self._where)
        if not isinstance(value, dict):
            msg = f"{self._where} sent an event that is no JSON object"
            raise ProtocolFault(msg)
        if _is_error(value):
            raise self._error_of(value)
        self._usage(value)
        for choice in (value.get("choices") or ())[:1]:
            self._delta(choice.get("delta") or {}, at_ns)
            reason = _text(choice.get("finish_reason"))
            self._builder.finish_reason = reason or self._builder.finish_reason

    def _delta(self, delta: dict[str, Any], at_ns: int) -> None:
        content = delta.get("content")
        thinking = delta.get("reasoning_content") or delta.get("reasoning")
        self._builder.thinking(_text(thinking) or _parts(content, "thinking"), at_ns)
        self._builder.text(_text(content) or _parts(content, "text"), at_ns)
        self._builder.text(_text(delta.get("refusal")), at_ns)
        for fragment in delta.get("tool_calls") or ():
            self._fragment(fragment, at_ns)

    def _fragment(self, fragment: dict[str, Any], at_ns: int) -> None:
        index = fragment.get("index")
        index = index if isinstance(index, int) else None
        call_id = _text(fragment.get("id"))
        function = fragment.get("function") or {}
        name, arguments = _text(function.get("name")), function.get("arguments")
        call = self._known_call(index, call_id)
        if call is None or call.is_ended_by(index, call_id, name):
            call = _CallParts(index)
            self._calls.append(call)
        call.take(call_id, name, arguments)
        if name or arguments:
            self._builder.tool_delta(at_ns)

    def _known_call(self, index: int | None, call_id: str) -> _CallParts | None:
        """Find the call that a fragment goes on with: by index, id, or the last."""
        for call in reversed(self._calls):
            if index is not None and call.index == index:
                return call
            if index is None and call_id in {"", call.id}:
                return call
        return None

    def _usage(self, value: dict[str, Any]) -> None:
        usage = value.get("usage") or {}
        timings = value.get("timings") or {}
        if usage:
            self._builder.usage = _usage_of(usage, _count(timings.get("cache_n")))
        elif timings and self._builder.usage == Usage():
            self._builder.usage = _usage_of_timings(timings)
        for theirs, ours in _SERVER_MS.items():
            if isinstance(timings.get(theirs), int | float):
                self._builder.server_ms[ours] = float(timings[theirs])


def _usage_of(usage: dict[str, Any], llama_cached: int | None) -> Usage:
    prompt = usage.get("prompt_tokens_details") or {}
    output = usage.get("completion_tokens_details") or {}
    cached = prompt.get("cached_tokens")
    return Usage(
        prompt_tokens=_count(usage.get("prompt_tokens")),
        cached_tokens=llama_cached if cached is None else _count(cached),
        cache_write_tokens=_count(prompt.get("cache_write_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
        reasoning_tokens=_count(output.get("reasoning_tokens")),
    )


def _usage_of_timings(timings: dict[str, Any]) -> Usage:
    """Return llama.cpp's own counts; its `prompt_n` leaves the cached part out."""
    cached, read = _count(timings.get("cache_n")), _count(timings.get("prompt_n"))
    return Usage(
        prompt_tokens=None if read is None else read + (cached or 0),
        cached_tokens=cached,
        output_tokens=_count(timings.get("predicted_n")),
    )


def _is_error(value: object) -> bool:
    """Whether an object is an error, nested or in vLLM's flat form."""
    return isinstance(value, dict) and bool(
        value.get("error") or value.get("object") == "error"
    )


def _parts(content: object, kind: str) -> str:
    """Join the parts of one kind where content is a list, as Mistral sends it."""
    if not isinstance(content, list):
        return ""
    return "".join(_part(part, kind) for part in content if part.get("type") == kind)


def _part(part: dict[str, Any], kind: str) -> str:
    """Return a part's text; thinking is a list of parts in its turn."""
    inner = part.get(kind)
    return _text(inner) or _parts(inner, "text")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if type(value) is int else None
