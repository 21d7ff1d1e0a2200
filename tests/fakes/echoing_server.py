"""An Ollama that tells everybody's secrets, in every way a server can."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME: Final = "echo:1b"


FOREIGN: Final = "sk-somebody-elses-26457513"
"""A key that is told beside those that a request brings."""

_CREDENTIALS: Final = ("authorization", "x-api-key", "x-org")


class EchoingServer:
    """Answers `/api/chat` by the prompt's first word, a key of `WAYS`.

    Args:
        is_locked: every path is refused, with all secrets in the refusal.

    Attributes:
        credentials: the values of all headers of credentials that came.
    """

    def __init__(self, *, is_locked: bool = False) -> None:
        self.is_locked = is_locked
        self.credentials: set[str] = set()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    @property
    def port(self) -> int:
        """The port on the loopback address."""
        return int(self._server.server_address[1])

    def told(self, brought: list[str]) -> str:
        """Return what a request has brought, in every notation."""
        self.credentials.update(brought)
        found = [*brought, FOREIGN, f"{FOREIGN[:6]}****{FOREIGN[-4:]}"]
        for secret in _secrets(brought):
            code = base64.b64encode(f"user:{secret}".encode()).decode()
            short = f"{secret[:4]}****{secret[-4:]}"
            found += [secret, code, quote(secret, safe=""), short]
        return " ".join(found)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _secrets(brought: list[str]) -> Iterator[str]:
    for value in brought:
        scheme, _, code = value.rpartition(" ")
        is_basic = scheme == "Basic"
        yield base64.b64decode(code).decode().partition(":")[2] if is_basic else code


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: EchoingServer


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on stderr."""

    def do_GET(self) -> None:
        """Answer what is asked before a call."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a call."""
        self._answer()

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Send one whole answer."""
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        asked = json.loads(self.rfile.read(length) or b"{}")
        found = [self.headers.get(name) for name in _CREDENTIALS]
        owner = self.server.owner
        told = owner.told([value for value in found if value])
        if owner.is_locked:
            refused = {"error": f"unauthorized: {told}"}
            self.send(json.dumps(refused).encode(), 401)
        elif self.path == "/api/chat":
            words = "".join(message["content"] for message in asked["messages"][-1:])
            WAYS.get(words.partition(" ")[0], _text)(self, told)
        else:
            self.send(json.dumps(_FACTS[self.path]).encode())


_FACTS: Final[dict[str, dict[str, Any]]] = {
    "/api/version": {"version": "0.33.0"},
    "/api/tags": {
        "models": [
            {"name": name, "model": name, "digest": "d" * 64}
            for name in (NAME, f"{FOREIGN}:1b")
        ]
    },
    "/api/show": {"details": {}, "capabilities": ["completion", "tools"]},
    "/api/ps": {"models": [{"name": NAME, "model": NAME, "size": 1, "size_vram": 0}]},
}

_DONE: Final = {"done": True, "done_reason": "stop", "eval_count": 3}


def _chat(*parts: dict[str, Any]) -> bytes:
    lines = [{"message": {"role": "assistant", **part}} for part in parts]
    whole = [*lines, {"message": {"role": "assistant", "content": ""}, **_DONE}]
    return b"".join(json.dumps(line).encode() + b"\n" for line in whole)


def _body(handler: _Handler, told: str) -> None:
    error = {"message": f"Incorrect API key provided: {told}", "key": told}
    handler.send(json.dumps({"error": json.dumps({"error": error})}).encode(), 401)


def _stack(handler: _Handler, told: str) -> None:
    frames = "".join(f'\n  File "app.py", line {at}, in {told}' for at in range(9))
    handler.send(f"Traceback:{frames}\nValueError: {told!r}".encode(), 500)


def _header(handler: _Handler, told: str) -> None:
    extra = {"x_echo": told, "www_authenticate": f"Bearer {told}"}
    handler.send(b"", 403, content_encoding=told, **extra)


def _redirect(handler: _Handler, told: str) -> None:
    handler.send(b"", 302, location=f"https://me:{told[:30]}@host/?key={told}")


def _page(handler: _Handler, told: str) -> None:
    handler.send(f"<html>{told}".encode() + b"\n")


def _error(handler: _Handler, told: str) -> None:
    handler.send(_chat({"content": "a"}) + json.dumps({"error": told}).encode() + b"\n")


def _text(handler: _Handler, told: str) -> None:
    handler.send(_chat({"thinking": told}, {"content": f"It is\n{told}"}))


def _pieces(handler: _Handler, told: str) -> None:
    handler.send(_chat(*({"content": told[at : at + 3]} for at in range(0, 900, 3))))


def _tool(handler: _Handler, told: str) -> None:
    call = {"function": {"name": "get_weather", "arguments": {"city": told, told: 1}}}
    handler.send(_chat({"content": "", "tool_calls": [call]}))


WAYS: Final[dict[str, Callable[[_Handler, str], None]]] = {
    "body": _body,
    "stack": _stack,
    "header": _header,
    "redirect": _redirect,
    "page": _page,
    "error": _error,
    "text": _text,
    "pieces": _pieces,
    "tool": _tool,
}
