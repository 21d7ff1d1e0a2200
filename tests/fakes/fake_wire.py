"""One HTTP exchange on a real socket, as the fake servers see it."""

from __future__ import annotations

import json
import selectors
import socket
import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fake_ollama_steps import ClientGone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from http.server import BaseHTTPRequestHandler

    from fake_ollama_models import JsonObject

_SHORT_WAIT_S: Final = 0.005
_JSON: Final = "application/json; charset=utf-8"
_NDJSON: Final = "application/x-ndjson"
_PLAIN: Final = "text/plain"


@dataclass(slots=True, kw_only=True, eq=False)
class RecordedRequest:
    """One request as the server saw it.

    Attributes:
        headers: names in lower case.
        body: decoded JSON; None where there was none or it was no JSON.
        received_at_ns: on the perf_counter clock, headers and body read.
        status: of the answer; None while nothing was sent.
        client_closed: the client left before the end of its answer.
        finished: set when the server is done with the request.
        began_at_ns: on the perf_counter clock, the request's first byte read.
        first_delta_ns: the first delta of the reply about to be written.
        last_byte_ns: the last bytes handed to the socket.
        query: what stands behind the path's question mark.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: JsonObject | None
    received_at_ns: int
    status: int | None = None
    client_closed: bool = False
    finished: threading.Event = field(default_factory=threading.Event)
    began_at_ns: int = 0
    first_delta_ns: int | None = None
    last_byte_ns: int | None = None
    query: str = ""


class Wire:
    """The server's end of one exchange.

    Attributes:
        headers: sent with the answer on top of the usual ones.
    """

    def __init__(
        self, handler: BaseHTTPRequestHandler, record: RecordedRequest
    ) -> None:
        self.record = record
        self.is_reset = False
        self.headers: dict[str, str] = {}
        self._handler = handler
        self._socket: socket.socket = handler.connection
        self._is_chunked = False

    @property
    def has_started(self) -> bool:
        """Whether a status line was sent."""
        return self.record.status is not None

    @property
    def connection(self) -> socket.socket:
        """The socket, which several requests may share."""
        return self._socket

    def is_gone(self) -> bool:
        """Whether the client closed its connection."""
        try:
            readable = self._is_readable(0.0)
            # An encrypted socket can't be peeked into, what lies under it can.
            return readable and not socket.socket.recv(self._socket, 1, socket.MSG_PEEK)
        except (OSError, ValueError):
            return True

    def wait(self, seconds: float) -> None:
        """Sleep; raise ClientGone as soon as the client is gone."""
        if seconds <= _SHORT_WAIT_S:
            time.sleep(max(0.0, seconds))
            return
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            if self.is_gone():
                raise ClientGone
            self._doze(left_s)

    def _doze(self, left_s: float) -> None:
        if self._is_readable(left_s) and not self.is_gone():
            # A pipelined request waits its turn.
            time.sleep(min(left_s, _SHORT_WAIT_S))

    def _is_readable(self, within_s: float) -> bool:
        """Wait for bytes, or the end; select() would end at 1,024 open files."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            return bool(selector.select(within_s))

    def send_json(self, status: int, body: JsonObject) -> None:
        """Send one JSON object as the whole answer."""
        self.send_whole(status, json.dumps(body).encode(), _JSON)

    def send_text(self, status: int, text: str) -> None:
        """Send plain text as the whole answer."""
        self.send_whole(status, text.encode(), _PLAIN)

    def send_whole(self, status: int, body: bytes, content_type: str) -> None:
        """Send an answer of known length."""
        self.begin(status, content_type, len(body))
        self.write(body)

    def begin(
        self, status: int = 200, content_type: str = _NDJSON, length: int | None = None
    ) -> None:
        """Send the headers; without a length the body is chunked."""
        self.record.status = status
        self._is_chunked = length is None
        handler = self._handler
        handler.send_response_only(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Date", handler.date_time_string())
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if length is None:
            handler.send_header("Transfer-Encoding", "chunked")
        else:
            handler.send_header("Content-Length", str(length))
        with _broken_pipe_is_gone():
            handler.end_headers()

    def write(self, data: bytes) -> None:
        """Send bytes in one write, as a chunk where the body is chunked."""
        if self.record.method == "HEAD":
            return
        if self._is_chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._send(data)

    def write_raw(self, data: bytes, status: int = 200) -> None:
        """Send bytes that are head and framing as well, or none of HTTP."""
        self.record.status = status
        self._send(data)

    def finish(self) -> None:
        """End a chunked body properly."""
        if self._is_chunked:
            self._send(b"0\r\n\r\n")

    def hang_up(self) -> None:
        """Leave the answer as it is and close the connection."""
        self._handler.close_connection = True

    def reset(self) -> None:
        """Have the connection end with a TCP reset."""
        no_linger = struct.pack("ii", 1, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        self.is_reset = True
        self._handler.close_connection = True

    def _send(self, data: bytes) -> None:
        if self.is_gone():
            raise ClientGone
        with _broken_pipe_is_gone():
            self._handler.wfile.write(data)
        self.record.last_byte_ns = time.perf_counter_ns()


@contextmanager
def _broken_pipe_is_gone() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ClientGone from error
