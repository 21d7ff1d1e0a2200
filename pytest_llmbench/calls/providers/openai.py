"""OpenAI's chat completions as server-sent events, and servers compatible with it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from pytest_llmbench.calls.assembly import ReplyBuilder, decoded_call
from pytest_llmbench.calls.framing import EventData
from pytest_llmbench.calls.providers.http import (
    HttpStatusError,
    decode_json,
    well_formed,
)
from pytest_llmbench.checks.reply import Usage
from pytest_llmbench.checks.shown import one_line
from pytest_llmbench.errors import (
    Busy,
    CallError,
    ContextOverflow,
    ModelMissing,
    ProtocolFault,
    ServerFault,
    StreamTruncated,
    Unauthorised,
    Unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.calls.providers.http import HttpTransport
    from pytest_llmbench.calls.request import CallRequest
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.prompts.messages import Message, SentCall

_RENAMED: Final = {"num_predict": "max_tokens"}
_NOT_SENT: Final = frozenset({"num_ctx", "effort"})
_SERVER_MS: Final = {"prompt_ms": "prefill_ms", "predicted_ms": "decode_ms"}
"""What llama.cpp calls its own times."""
_BY_STATUS: Final[dict[int, type[CallError]]] = {
    400: Unsupported,
    401: Unauthorised,
    403: Unauthorised,
    404: ModelMissing,
    429: Busy,
    503: Busy,
    529: Busy,
}


async def ask_chat(
    transport: HttpTransport,
    request: CallRequest,
    *,
    path: str = "/v1/chat/completions",
    extra: Mapping[str, Any] | None = None,
) -> Reply:
    """Send one streamed chat completion and return its complete reply.

    Args:
        extra: fields of this server's own, put into the body.

    Raises:
        CallError: whatever the server or network does.
    """
    builder = ReplyBuilder(transport.clock.now_ns())
    stream = ChatStream(builder, transport.where)
    body = {**_chat_body(request), **(extra or {})}
    try:
        end_ns = await transport.stream(path, body, request.limits, stream.line)
        stream.check_ended(end_ns)
    except HttpStatusError as error:
        raise error_of_status(error, transport.where) from None
    except CallError as error:
        error.partial = builder.reply()
        raise
    builder.end(end_ns)
    return builder.reply()


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
    """The events of one streamed chat completion."""

    def __init__(self, builder: ReplyBuilder, where: str) -> None:
        self._builder = builder
        self._where = where
        self._events = EventData()
        self._calls: list[_CallParts] = []
        self._is_done = False

    def line(self, data: bytes, at_ns: int) -> None:
        """Take one line of the stream."""
        event = self._events.feed(data.removeprefix(b"\xef\xbb\xbf"))
        if event is not None:
            self._event(event, at_ns)

    def check_ended(self, at_ns: int) -> None:
        """Close the stream.

        Raises:
            StreamTruncated: neither `[DONE]` nor a finish reason came.
        """
        rest = self._events.rest()
        # An event cut off in its middle is no JSON; what it lacks shows below.
        with suppress(ProtocolFault), well_formed(self._where):
            if rest:
                self._event(rest, at_ns)
        if not self._is_done and self._builder.finish_reason is None:
            msg = (
                f"{self._where}: the stream ended after {self._builder.deltas} deltas"
                " without a finish reason or [DONE]"
            )
            raise StreamTruncated(msg)
        for call in self._calls:
            arguments = call.whole if call.whole and not call.text else call.text
            self._builder.add_call(decoded_call(call.name, arguments, call.id))

    def _event(self, data: bytes, at_ns: int) -> None:
        if data.strip() == b"[DONE]":
            self._is_done = True
            return
        value = decode_json(data, self._where)
        if not isinstance(value, dict):
            msg = f"{self._where} sent an event that is no JSON object"
            raise ProtocolFault(msg)
        if value.get("error"):
            msg_0 = f"{self._where} in mid-reply: {_message(value)}"
            raise ServerFault(msg_0)
        self._usage(value)
        for choice in (value.get("choices") or ())[:1]:
            self._delta(choice.get("delta") or {}, at_ns)
            reason = _text(choice.get("finish_reason"))
            self._builder.finish_reason = reason or self._builder.finish_reason

    def _delta(self, delta: dict[str, Any], at_ns: int) -> None:
        thinking = delta.get("reasoning_content") or delta.get("reasoning")
        self._builder.thinking(_text(thinking), at_ns)
        self._builder.text(_text(delta.get("content")), at_ns)
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
        details = usage.get("prompt_tokens_details") or {}
        if usage:
            cached = details.get("cached_tokens")
            self._builder.usage = Usage(
                prompt_tokens=_count(usage.get("prompt_tokens")),
                cached_tokens=_count(
                    timings.get("cache_n") if cached is None else cached
                ),
                output_tokens=_count(usage.get("completion_tokens")),
            )
        for theirs, ours in _SERVER_MS.items():
            if isinstance(timings.get(theirs), int | float):
                self._builder.server_ms[ours] = float(timings[theirs])


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if type(value) is int else None


def _chat_body(request: CallRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [_sent_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    for key, value in request.options.items():
        if key not in _NOT_SENT:
            body[_RENAMED.get(key, key)] = value
    if request.seed is not None:
        body["seed"] = request.seed
    if request.tools:
        body["tools"] = [
            {"type": "function", "function": tool.to_json()} for tool in request.tools
        ]
    return body


def _sent_message(message: Message) -> dict[str, Any]:
    """Put a message as OpenAI reads it: arguments as JSON text, results by call id."""
    sent: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        sent["tool_calls"] = [_sent_call(call) for call in message.tool_calls]
    if message.call_id:
        sent["tool_call_id"] = message.call_id
    return sent


def _sent_call(call: SentCall) -> dict[str, Any]:
    arguments = json.dumps(dict(call.arguments), ensure_ascii=False)
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function}


def error_of_status(error: HttpStatusError, where: str) -> CallError:
    """Return the error that an HTTP status with its body means."""
    body = error.json()
    message = one_line(_message(body) if isinstance(body, dict) else error.body.strip())
    if "exceed_context_size" in error.body or "context_length" in error.body:
        return ContextOverflow(f"{where}: {message}; shorten the prompt")
    kind = _BY_STATUS.get(error.status, ServerFault)
    return error.as_error(kind, f"{where}: HTTP {error.status} {message}".rstrip())


def _message(body: dict[str, Any]) -> str:
    error = body.get("error", body)
    if isinstance(error, dict):
        return str(error.get("message") or error)
    return str(error)
