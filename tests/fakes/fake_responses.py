"""A fake of OpenAI's responses API that streams over real sockets.

In a test::

    def script(asked: Asked) -> Said:
        return Said(text="Hi", thinking=["Hm."], silence_s=0.1)

    with FakeResponses(script) as server:
        server.faults.append(failed("server_error"))
        ...  # talk to server.base_url with the key `server.key`

It follows the documented protocol: every event has its name, its type and a sequence
number; exactly one of `response.completed`, `.incomplete` and `.failed` ends a
response; nothing is stored, so thinking comes back encrypted or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fake_ollama_models import count_tokens, split_tokens
from fake_responses_checks import (
    FakeReasoner,
    Refused,
    check_body,
    content_text,
    error_body,
    prompt_tokens,
)
from fake_responses_events import Playing, Said
from fake_service import FakeService, play, send_value
from fake_sse import Event, StreamFault, ends_with, refuse, sends

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fake_limits import LimitState, RateLimits
    from fake_ollama_models import JsonObject
    from fake_wire import Wire
    from typing_extensions import override
else:
    from fake_http_server import override

KEY: Final = "sk-fake-0123456789"
PATH: Final = "/v1/responses"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a script is told about one request.

    Attributes:
        items: the input items.
        effort: None where none was asked for.
    """

    model: str
    items: tuple[JsonObject, ...]
    instructions: str = ""
    tool_names: tuple[str, ...] = ()
    effort: str | None = None

    @property
    def last_user_text(self) -> str:
        """The newest user message."""
        texts = [content_text(i) for i in self.items if i.get("role") == "user"]
        return texts[-1] if texts else ""

    @property
    def last_result(self) -> str:
        """The result of the call asked last, if it is the newest item; else ""."""
        return str(self.items[-1].get("output", ""))


class FakeResponses(FakeService):
    """A fake of OpenAI's responses API on 127.0.0.1.

    Args:
        script: says what a model answers.
        models: by name; any name is known if there are none.
        limits: of the key; None for no limits.
    """

    def __init__(
        self,
        script: Callable[[Asked], Said] = lambda _asked: Said(text="Hello, I am fake."),
        *,
        models: Mapping[str, FakeReasoner] | None = None,
        limits: RateLimits | None = None,
        key: str = KEY,
        port: int = 0,
    ) -> None:
        super().__init__(port=port)
        self.script = script
        self.models = dict(models or {})
        self.limits = limits
        self.key = key
        self._seals: set[str] = set()
        self._count = 0

    @property
    def base_url(self) -> str:
        """The address as clients take it."""
        return f"{self.url}/v1"

    @override
    def error_body(self, status: int, kind: str, message: str) -> JsonObject:
        """Return an error in OpenAI's words."""
        del status
        return error_body(message, kind=kind)

    @override
    def serve(self, wire: Wire, fault: StreamFault | None) -> None:
        """Answer one request, or refuse it."""
        asked = wire.record
        wire.headers["x-request-id"] = f"req_{len(self.requests)}"
        try:
            self._check_key(asked.headers.get("authorization", ""))
            if (asked.method, asked.path) == ("GET", "/v1/models"):
                send_value(wire, _listed(self.models))
            elif (asked.method, asked.path) == ("POST", PATH):
                self._respond(wire, asked.body or {}, fault)
            else:
                message = f"Invalid URL ({asked.method} {asked.path})"
                raise Refused(404, message)  # noqa: TRY301 - answered like any other
        except Refused as refused:
            send_value(wire, refused.body, refused.status)

    def _check_key(self, authorization: str) -> None:
        if authorization == f"Bearer {self.key}":
            return
        shown = authorization.removeprefix("Bearer ")[:4]
        message = f"Incorrect API key provided: {shown}***."
        raise Refused(401, message, code="invalid_api_key")

    def _respond(self, wire: Wire, body: JsonObject, fault: StreamFault | None) -> None:
        name = str(body.get("model", ""))
        model = self.models.get(name) if self.models else FakeReasoner()
        if model is None:
            message = (
                f"The model `{name}` does not exist or you do not have access to it."
            )
            raise Refused(404, message, code="model_not_found")
        if not self._is_admitted(wire, body):
            return
        items = check_body(body, model, self._seals)
        playing = self._playing(body, items)
        if body.get("stream"):
            play(playing.steps(), wire, fault)
            return
        list(playing.steps())
        send_value(wire, playing.response(playing.status))

    def _is_admitted(self, wire: Wire, body: JsonObject) -> bool:
        if self.limits is None:
            return True
        refusal, states = self.limits.admit(count_tokens(str(body.get("input"))))
        wire.headers.update(_limit_headers(states))
        if refusal is None:
            return True
        message = (
            f"Rate limit reached for {body.get('model')} on {refusal.name} per min:"
            f" Limit {refusal.limit}. Please try again in {refusal.wait_s:.3f}s."
        )
        told = error_body(message, kind=refusal.name, code="rate_limit_exceeded")
        send_value(wire, told, 429)
        return False

    def _playing(self, body: JsonObject, items: list[JsonObject]) -> Playing:
        reasoning = body.get("reasoning") or {}
        asked = Asked(
            model=str(body["model"]),
            items=tuple(items),
            instructions=str(body.get("instructions") or ""),
            tool_names=tuple(tool["name"] for tool in body.get("tools") or ()),
            effort=reasoning.get("effort"),
        )
        said = _within(self.script(asked), body.get("max_output_tokens"))
        with self.lock:
            self._count += 1
            number = self._count
            seal = f"gAAAA-{number}"
            self._seals.add(seal)
        stream_options = body.get("stream_options") or {}
        return Playing(
            said=said,
            base=_base(body, number),
            number=number,
            prompt_tokens=prompt_tokens(body, items),
            seal=seal,
            tells_summary=bool(reasoning.get("summary")),
            is_padded=stream_options.get("include_obfuscation", True),
        )


def error_event(
    code: str = "server_error",
    message: str = "The server had an error.",
    *,
    after_events: int = 4,
) -> StreamFault:
    """End the stream with an `error` event."""
    told = {"code": code, "message": message, "param": None}
    data = {"type": "error", **told, "sequence_number": after_events}
    return ends_with(Event(data, name="error"), after_events=after_events)


def failed(
    code: str = "server_error",
    message: str = "The model failed.",
    *,
    after_events: int = 4,
) -> StreamFault:
    """End the stream with `response.failed`."""
    error = {"code": code, "message": message}
    response = {"id": "resp_1", "object": "response", "status": "failed"}
    data = {
        "type": "response.failed",
        "sequence_number": after_events,
        "response": {**response, "error": error, "output": [], "usage": None},
    }
    return ends_with(Event(data, name="response.failed"), after_events=after_events)


def unknown_events(after_events: int = 3) -> StreamFault:
    """Put events into the stream that no client knows yet."""
    strange = {"type": "response.telepathy.delta", "delta": "!", "output_index": 0}
    nameless = {"sequence_number": 99}
    return sends(
        Event(strange, name="response.telepathy.delta"),
        Event(nameless),
        after_events=after_events,
    )


def refused(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    code: str = "",
    headers: Mapping[str, str] | None = None,
) -> StreamFault:
    """Refuse the call with an error in OpenAI's words."""
    return refuse(status, error_body(message, kind=kind, code=code), headers)


def _within(said: Said, max_tokens: Any) -> Said:  # noqa: ANN401 - whatever was sent
    """Cut what is said at the limit of output tokens, which thinking counts for."""
    left = None if max_tokens is None else max_tokens - said.hidden_tokens
    if left is None or count_tokens(said.text) <= left:
        return said
    text = "".join(split_tokens(said.text)[: max(0, left)])
    return replace(said, text=text, reason="max_output_tokens")


def _limit_headers(states: list[LimitState]) -> dict[str, str]:
    headers = {}
    for state in states:
        headers[f"x-ratelimit-limit-{state.name}"] = str(state.limit)
        headers[f"x-ratelimit-remaining-{state.name}"] = str(state.remaining)
        headers[f"x-ratelimit-reset-{state.name}"] = f"{state.reset_s:.3f}s"
    return headers


def _base(body: JsonObject, number: int) -> JsonObject:
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1_795_000_000,
        "model": f"{body['model']}-2026-11-01",
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "metadata": {},
    }


def _listed(models: Mapping[str, FakeReasoner]) -> JsonObject:
    common = {"object": "model", "created": 1_795_000_000, "owned_by": "fake"}
    return {"object": "list", "data": [{"id": name, **common} for name in models]}
