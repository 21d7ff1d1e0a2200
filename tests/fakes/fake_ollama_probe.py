"""A small client that tests use to look at a fake Ollama from outside."""

from __future__ import annotations

import json
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fake_ollama_models import JsonObject
    from fake_ollama_server import FakeOllama

# Loading certificates takes longer than a whole exchange, and none is used.
_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

WEATHER_TOOL: JsonObject = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One answer as it came.

    Attributes:
        writes: the pieces in which the body was read.
        error: the transport's failure, where the answer broke off.
    """

    status: int = 0
    content_type: str = ""
    body: bytes = b""
    writes: tuple[bytes, ...] = ()
    error: httpx.TransportError | None = None
    seconds: float = 0.0

    @property
    def json(self) -> JsonObject:
        """The body as one JSON object."""
        return dict(json.loads(self.body))

    @property
    def lines(self) -> list[JsonObject]:
        """The body as one JSON object per line."""
        return [json.loads(line) for line in self.body.split(b"\n") if line]

    @property
    def done(self) -> JsonObject:
        """The line that ends the reply."""
        return self.lines[-1]

    @property
    def text(self) -> str:
        """All content put together."""
        return "".join(line["message"]["content"] for line in self.lines)

    @property
    def problem(self) -> str:
        """The error text of a refusal."""
        return str(self.json["error"])


def ask(
    server: FakeOllama, text: str = "Hi", *, timeout_s: float = 5.0, **fields: object
) -> Heard:
    """Send one user message to /api/chat; `fields` add to the request."""
    return ask_with(server, fields, text, timeout_s=timeout_s)


def ask_with(
    server: FakeOllama,
    fields: Mapping[str, object],
    text: str = "Hi",
    *,
    timeout_s: float = 5.0,
) -> Heard:
    """Do the same with the fields in one mapping."""
    body = {"messages": [{"role": "user", "content": text}], **fields}
    return send(server, "/api/chat", body, timeout_s=timeout_s)


def preload(server: FakeOllama, **fields: object) -> Heard:
    """Ask nothing, so that the model is loaded, or with keep_alive 0 unloaded."""
    return send(server, "/api/chat", {"messages": [], **fields})


def send(
    server: FakeOllama, path: str, fields: JsonObject, *, timeout_s: float = 5.0
) -> Heard:
    """Post JSON, the first model named where none is, and read the answer."""
    body = {"model": "fake:1b", **fields}
    started_s = time.perf_counter()
    pieces: list[bytes] = []
    status, content_type, error = 0, "", None
    try:
        with (
            httpx.Client(trust_env=False, timeout=timeout_s, verify=_TLS) as client,
            client.stream("POST", server.url + path, json=body) as response,
        ):
            status = response.status_code
            content_type = response.headers.get("content-type", "")
            pieces.extend(response.iter_raw())
    except httpx.TransportError as caught:
        error = caught
    return Heard(
        status=status,
        content_type=content_type,
        body=b"".join(pieces),
        writes=tuple(pieces),
        error=error,
        seconds=time.perf_counter() - started_s,
    )


def get(server: FakeOllama, path: str, method: str = "GET") -> Heard:
    """Ask without a body."""
    url = server.url + path
    response = httpx.request(method, url, trust_env=False, verify=_TLS)
    return Heard(
        status=response.status_code,
        content_type=response.headers.get("content-type", ""),
        body=response.content,
    )


def raw_call(server: FakeOllama) -> socket.socket:
    """Send a chat request over a bare socket, for the caller to read and close."""
    messages = [{"role": "user", "content": "Hi"}]
    body = json.dumps({"model": "fake:1b", "messages": messages})
    head = f"POST /api/chat HTTP/1.1\r\nHost: {server.host_port}\r\n"
    client = socket.create_connection(("127.0.0.1", server.port), timeout=2)
    client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    return client


def loaded(server: FakeOllama) -> list[JsonObject]:
    """Return the rows of /api/ps."""
    return list(get(server, "/api/ps").json["models"])


def wait_until(is_so: Callable[[], bool], timeout_s: float = 2.0) -> bool:
    """Wait for something to become true; return whether it did."""
    until_s = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.002)
    return True
