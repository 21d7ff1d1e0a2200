"""A server that sends fixed bytes per path: for replies no real Ollama would send."""

from __future__ import annotations

import contextlib
import json
import threading
from http import HTTPStatus
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING, Self

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def http(
    body: bytes = b"", status: int = 200, headers: Mapping[str, str] | None = None
) -> list[bytes]:
    """Return a whole answer of known length."""
    given = {"Content-Length": str(len(body)), **(headers or {})}
    return [_head(status, given), body]


def http_json(value: object, status: int = 200) -> list[bytes]:
    """Return a whole answer that holds one JSON value."""
    return http(json.dumps(value).encode(), status)


def http_until_closed(pieces: Iterable[bytes], status: int = 200) -> Iterable[bytes]:
    """Yield an answer that ends, if ever, with its connection."""
    yield _head(status, {})
    yield from pieces


def ndjson(*lines: object) -> list[bytes]:
    """Return a whole answer of one JSON value per line."""
    return http(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["Connection: close"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class CannedServer:
    """Answers each path with its bytes, then closes; other paths get a plain 404.

    Attributes:
        asked: the paths asked, in order.
    """

    def __init__(self, answers: Mapping[str, Iterable[bytes]]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self._tcp = _Tcp(("127.0.0.1", 0), _Handler)
        self._tcp.owner = self
        self._thread = threading.Thread(
            target=self._tcp.serve_forever, args=(0.01,), name="canned", daemon=True
        )

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self._tcp.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._tcp.shutdown()
        self._tcp.server_close()
        self._thread.join()


class _Tcp(ThreadingTCPServer):
    daemon_threads = True
    owner: CannedServer


class _Handler(StreamRequestHandler):
    server: _Tcp

    @override
    def handle(self) -> None:
        """Read one request and send what is set for its path."""
        path = self.rfile.readline().decode().split(" ")[1]
        length = 0
        while (line := self.rfile.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self.rfile.read(length)
        owner = self.server.owner
        owner.asked.append(path)
        missing = http(b"404 page not found", 404)
        with contextlib.suppress(OSError):  # a client that has had enough
            for piece in owner.answers.get(path, missing):
                self.wfile.write(piece)
