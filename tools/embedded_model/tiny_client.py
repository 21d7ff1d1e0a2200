"""Ask the embedded engine over HTTP, as any client of it would."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tiny_chats import Exchange, Setting
    from tiny_template import Message, Tool

_ANSWER_TOKENS = 128
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast one streamed reply came.

    Attributes:
        first_token_ms: from sending the request to the first content.
        prompt_tokens: evaluated, not taken from a cache.
    """

    first_token_ms: float
    prompt_tokens: int
    prompt_tokens_per_s: float
    tokens: int
    tokens_per_s: float


class Client:
    """Requests to one engine, each on its own connection.

    The engine closes a connection after every streamed reply, and after a few
    idle seconds.
    """

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc

    def chat(self, **body: object) -> dict[str, Any]:
        """Return the assistant's message."""
        reply = self.post("/v1/chat/completions", **body)
        message: dict[str, Any] = reply["choices"][0]["message"]
        return message

    def post(self, path: str, **body: object) -> dict[str, Any]:
        """Return the reply to a request.

        Raises:
            RuntimeError: the engine refused it.
        """
        with self._send(path, body) as response:
            content = response.read()
        if response.status != http.HTTPStatus.OK:
            msg = f"{path}: {response.status} {content.decode(errors='replace')}"
            raise RuntimeError(msg)
        reply: dict[str, Any] = json.loads(content)
        return reply

    def speed(self, **body: object) -> Speed | None:
        """Stream a reply that no cache helps; None where it has no content."""
        sent_s = time.perf_counter()
        first_s: float | None = None
        timings: dict[str, Any] = {}
        whole = {**body, "stream": True, "cache_prompt": False}
        with self._send("/v1/chat/completions", whole) as response:
            for chunk in _chunks(response):
                timings = chunk.get("timings", timings)
                if first_s is None and _has_content(chunk):
                    first_s = time.perf_counter() - sent_s
        if first_s is None or not timings:
            return None
        return Speed(
            first_token_ms=first_s * 1e3,
            prompt_tokens=timings["prompt_n"],
            prompt_tokens_per_s=timings["prompt_per_second"],
            tokens=timings["predicted_n"],
            tokens_per_s=timings["predicted_per_second"],
        )

    def _send(self, path: str, body: Mapping[str, object]) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self._address, timeout=_TIMEOUT_S)
        headers = {"Content-Type": "application/json", "Connection": "close"}
        connection.request("POST", path, json.dumps(body), headers)
        return connection.getresponse()


def request_for(setting: Setting, exchange: Exchange) -> dict[str, Any]:
    """Return the request that asks for an exchange's last message."""
    request = chat_request(setting.system, setting.tools, exchange.asked)
    if len(exchange.answer.calls) > 1:
        # Without it llama.cpp's grammar ends the reply after the first call.
        request["parallel_tool_calls"] = True
    return request


def chat_request(
    system: str, tools: Iterable[Tool], messages: Iterable[Message]
) -> dict[str, Any]:
    """Return the body of a chat request."""
    turns = [message.to_json() for message in messages]
    if system:
        turns.insert(0, {"role": "system", "content": system})
    request: dict[str, Any] = {"messages": turns, "max_tokens": _ANSWER_TOKENS}
    if offered := [tool.to_json() for tool in tools]:
        request["tools"] = offered
    return request


def _chunks(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    for line in response:
        if line.startswith(b"data: {"):
            yield json.loads(line.removeprefix(b"data: "))


def _has_content(chunk: Mapping[str, Any]) -> bool:
    return any(
        choice["delta"].get("content") or choice["delta"].get("tool_calls")
        for choice in chunk["choices"]
    )
