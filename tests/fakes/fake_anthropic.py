"""A fake Anthropic that speaks the Messages API over real sockets, for tests.

In a test::

    with FakeAnthropic(haiku(always_says("Hi"))) as server:
        server.faults.append(overloaded())
        ...  # talk to server.url

It follows both API versions, 2023-06-01 and 2026-10-21: which parameters each
model refuses, what a request must look like, when thinking is shown. It streams
(`message_start` at once, pings, deltas) or answers whole, counts tokens, lists its
models in pages, and keeps rate limits with their headers.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote

from fake_anthropic_faults import error_json
from fake_anthropic_models import haiku, old_haiku, opus
from fake_anthropic_replies import (
    as_blocks,
    new_id,
    plan_of,
    reply_steps,
    whole_message,
)
from fake_anthropic_rules import Refused, blocks_of, check_body, check_headers
from fake_ollama_models import FakeCall, count_tokens
from fake_service import FakeService, play, send_value, text_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping

    from fake_anthropic_models import ClaudeModel
    from fake_anthropic_replies import Plan
    from fake_limits import LimitState, RateLimits
    from fake_ollama_models import JsonObject
    from fake_sse import StreamFault
    from fake_wire import Wire
    from typing_extensions import override
else:
    from fake_http_server import override

_DEFAULT_PAGE: Final = 20


class FakeAnthropic(FakeService):
    """A fake Anthropic on a real socket of 127.0.0.1.

    Attributes:
        keys: the right keys and tokens; empty for any.
        limits: of the key; None for none.
        tells_retry_after: whether a 429 says in whole seconds when to come back.
        max_body_bytes: a larger request is refused with 413.
    """

    def __init__(
        self,
        *models: ClaudeModel,
        keys: Iterable[str] = (),
        limits: RateLimits | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(port=port, tls=tls)
        self.models = list(models or (haiku(), old_haiku(), opus()))
        self.keys = frozenset(keys)
        self.limits = limits
        self.tells_retry_after = True
        self.max_body_bytes = 32_000_000
        self._signatures: dict[str, str] = {}

    @override
    def error_body(self, status: int, kind: str, message: str) -> JsonObject:
        """Return the body of an error in the API's words."""
        del status
        return error_json(kind, message)

    @override
    def serve(self, wire: Wire, fault: StreamFault | None) -> None:
        """Answer one request."""
        wire.headers["request-id"] = new_id("req")
        try:
            self._route(wire, fault)
        except Refused as refused:
            self.send_error(wire, refused.status, refused.kind, refused.message)

    def _route(self, wire: Wire, fault: StreamFault | None) -> None:
        asked = wire.record
        if asked.path == "/":  # a client looks whether anybody is there
            send_value(wire, {})
            return
        check_headers(asked.headers, self.keys)
        if asked.method == "POST" and asked.path == "/v1/messages":
            self._answer(wire, fault)
        elif asked.method == "POST" and asked.path == "/v1/messages/count_tokens":
            send_value(wire, {"input_tokens": _input_tokens(asked.body or {})})
        elif asked.path == "/v1/models":
            send_value(wire, self._page(parse_qs(asked.query)))
        elif asked.path.startswith("/v1/models/"):
            name = unquote(asked.path.removeprefix("/v1/models/"))
            send_value(wire, self._model(name).to_json())
        else:
            raise Refused(404, "not_found_error", "Not Found")

    def _answer(self, wire: Wire, fault: StreamFault | None) -> None:
        body = wire.record.body
        if body is None:
            raise Refused(400, "invalid_request_error", "The body is not JSON")
        if int(wire.record.headers.get("content-length", 0)) > self.max_body_bytes:
            raise Refused(413, "request_too_large", "Request exceeds the maximum size")
        model = self._model(body.get("model"))
        check_body(body, model, wire.record.headers["anthropic-version"])
        self._check_thinking(body)
        input_tokens = _input_tokens(body)
        if input_tokens > model.max_input_tokens:
            raise Refused(
                400,
                "invalid_request_error",
                f"prompt is too long: {input_tokens} tokens > {model.max_input_tokens}"
                " maximum",
            )
        if not self._admit(wire, input_tokens):
            return
        plan = self._plan(model, body, input_tokens)
        if body.get("stream"):
            play(reply_steps(plan), wire, fault)
        else:
            send_value(wire, whole_message(plan))

    def _plan(self, model: ClaudeModel, body: JsonObject, input_tokens: int) -> Plan:
        asked = body.get("thinking") or {}
        kind = asked.get("type")
        is_thinking = model.thinks if kind is None else kind != "disabled"
        said = as_blocks(model.answer(_call_of(body)), is_thinking=is_thinking)
        self._remember(said.blocks)
        display = asked.get("display")
        return plan_of(
            model,
            said,
            input_tokens=input_tokens,
            max_tokens=body["max_tokens"],
            shows_thinking=(
                model.shows_thinking if display is None else display == "summarized"
            ),
        )

    def _remember(self, blocks: Iterable[JsonObject]) -> None:
        """Note which signature belongs to each call: it must come back with it."""
        signature = ""
        for block in blocks:
            signature = block.get("signature", signature)
            if block["type"] == "tool_use" and signature:
                self._signatures[block["id"]] = signature

    def _check_thinking(self, body: JsonObject) -> None:
        for at, message in enumerate(body["messages"]):
            blocks = blocks_of(message)
            given = {block.get("signature") for block in blocks}
            for block in blocks:
                wanted = self._signatures.get(block.get("id", ""))
                if wanted is not None and wanted not in given:
                    raise Refused(
                        400,
                        "invalid_request_error",
                        f"messages.{at}.content.0: Invalid `signature` in `thinking`"
                        " block",
                    )

    def _admit(self, wire: Wire, tokens: int) -> bool:
        """Take a call out of the limits, or refuse it; tell what is left."""
        if self.limits is None:
            return True
        refusing, states = self.limits.admit(tokens)
        wire.headers.update(_limit_headers(states))
        if refusing is None:
            return True
        if self.tells_retry_after:
            wire.headers["retry-after"] = str(math.ceil(refusing.wait_s))
        message = (
            "This request would exceed your organization's rate limit of"
            f" {refusing.limit} {refusing.name} per minute"
        )
        self.send_error(wire, 429, "rate_limit_error", message)
        return False

    def _model(self, name: object) -> ClaudeModel:
        for model in self.models:
            if model.is_called(name) and model.lifecycle != "retired":
                return model
        raise Refused(404, "not_found_error", f"model: {name}")

    def _page(self, asked: Mapping[str, list[str]]) -> JsonObject:
        limit = int(asked.get("limit", [str(_DEFAULT_PAGE)])[0])
        after = asked.get("after_id", [""])[0]
        names = [model.name for model in self.models]
        start = names.index(after) + 1 if after in names else 0
        page = self.models[start : start + limit]
        return {
            "data": [model.to_json() for model in page],
            "has_more": start + limit < len(names),
            "first_id": page[0].name if page else None,
            "last_id": page[-1].name if page else None,
        }


def _limit_headers(states: Iterable[LimitState]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for state in states:
        reset = datetime.now(UTC) + timedelta(seconds=state.reset_s)
        names = [state.name]
        if state.name == "tokens":
            names += ["input-tokens", "output-tokens"]
        for name in names:
            prefix = f"anthropic-ratelimit-{name}"
            headers[f"{prefix}-limit"] = str(state.limit)
            headers[f"{prefix}-remaining"] = str(state.remaining)
            headers[f"{prefix}-reset"] = f"{reset:%Y-%m-%dT%H:%M:%S}Z"
    return headers


def _call_of(body: JsonObject) -> FakeCall:
    """Return a request as scripts know it, in the words of the fake Ollama."""
    messages = [said for message in body["messages"] for said in _said(message)]
    system = text_of({"content": body.get("system")})
    opening = [{"role": "system", "content": system}] if system else []
    return FakeCall(
        model=body["model"],
        messages=(*opening, *messages),
        tools=tuple({"function": tool} for tool in body.get("tools") or ()),
        options=body,
    )


def _said(message: Mapping[str, Any]) -> list[JsonObject]:
    said: list[JsonObject] = []
    blocks = blocks_of(message)
    for block in blocks:
        if block.get("type") == "tool_result":
            said += [{"role": "tool", "content": text_of(block)}]
    text = "".join(b["text"] for b in blocks if b.get("type") == "text")
    calls = [
        {"function": {"name": block["name"], "arguments": block["input"]}}
        for block in blocks
        if block.get("type") == "tool_use"
    ]
    if text or calls:
        role = {"role": message["role"], "content": text}
        said += [{**role, **({"tool_calls": calls} if calls else {})}]
    return said


def _input_tokens(body: JsonObject) -> int:
    """Count the prompt: texts as they are, calls, results and tools as JSON."""
    total = count_tokens(text_of({"content": body.get("system")}))
    for tool in body.get("tools") or ():
        total += count_tokens(json.dumps(tool))
    for message in body.get("messages") or ():
        for block in blocks_of(message):
            text = block.get("text")
            total += count_tokens(json.dumps(block) if text is None else text)
    return total
