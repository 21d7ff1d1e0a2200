"""A fake server of any protocol over HTTP: its sockets, threads and memory."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Final, Self

from fake_ollama_steps import ClientGone
from fake_wire import RecordedRequest, Wire

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from fake_ollama_models import JsonObject
    from typing_extensions import override

    Peer = socket.socket | tuple[bytes, socket.socket]
else:

    def override(method: Callable[..., object]) -> Callable[..., object]:
        """Stand in for typing.override, so that the fake needs only Python."""
        return method


_JOIN_S: Final = 5.0
_POLL_S: Final = 0.01


class FakeServer(ABC):
    """A server on a real socket of 127.0.0.1; a protocol adds `respond`.

    Use it as a context manager, or call `start` and `stop`; after `stop` it can
    be started again on the same port.

    Attributes:
        requests: everything asked, in order of arrival.
        errors: exceptions raised by scripts or by the fake itself; leaving the
            context manager raises the first.
        tls: spoken instead of plain text.
    """

    def __init__(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.requests: list[RecordedRequest] = []
        self.errors: list[BaseException] = []
        self._port = port
        self._http: _HttpServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port; 0 before the first start if none was asked for."""
        return self._port

    @property
    def host_port(self) -> str:
        """The address without a scheme, as OLLAMA_HOST takes it."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http{'s' if self.tls else ''}://{self.host_port}"

    def requests_to(self, path: str) -> list[RecordedRequest]:
        """Return the requests to one path."""
        return [request for request in self.requests if request.path == path]

    def start(self) -> None:
        """Listen, and answer in threads of its own."""
        if self._http is not None:
            message = f"already listening on {self.url}"
            raise RuntimeError(message)
        self._http = _HttpServer(("127.0.0.1", self._port), self)
        self._port = self._http.server_address[1]
        self._thread = threading.Thread(
            target=self._http.serve_forever,
            args=(_POLL_S,),
            name="fake-server",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        """Break every connection, leave no thread or socket."""
        if self._http is None or self._thread is None:
            return
        self._http.shutdown()
        self._thread.join(_JOIN_S)
        self._http.break_connections()
        self._http.server_close()
        self._http = None

    @abstractmethod
    def respond(self, wire: Wire, body: bytes) -> None:
        """Answer one request, which `wire.record` describes.

        Raises:
            ClientGone: the client left.
        """

    def send_bug(self, wire: Wire, error: Exception) -> None:
        """Answer 500: a test's script failed."""
        wire.send_json(500, {"error": f"the fake's script failed: {error!r}"})

    def answer(self, wire: Wire, body: bytes) -> None:
        """Answer one request; a bug in a script becomes a 500 and is kept."""
        try:
            self.respond(wire, body)
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - scripts are the tests' own code
            self.errors.append(error)
            if wire.has_started:
                wire.hang_up()
            else:
                self.send_bug(wire, error)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        self.stop()
        if self.errors and kind is None:
            raise self.errors[0]


class _HttpServer(ThreadingHTTPServer):
    """Keep hold of every connection and thread, so that all can be ended."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], owner: FakeServer) -> None:
        self.owner = owner
        self.is_stopping = False
        self._lock = threading.Lock()
        self._connections: set[Peer] = set()
        self._resets: set[Peer] = set()
        self._serving: list[threading.Thread] = []
        super().__init__(address, _Handler)

    def break_connections(self) -> None:
        """Close every connection and wait for its thread."""
        self.is_stopping = True
        with self._lock:
            connections = list(self._connections)
            for connection in connections:
                _shut(connection)
        for thread in self._serving:
            thread.join(_JOIN_S)

    def reset(self, connection: socket.socket) -> None:
        """Close a connection without the polite goodbye before its reset."""
        with self._lock:
            self._resets.add(connection)

    @override
    def server_bind(self) -> None:
        # The inherited method looks its own name up in DNS, which may take seconds.
        TCPServer.server_bind(self)
        self.server_name = "localhost"
        self.server_port = self.server_address[1]

    @override
    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        if self.owner.tls is not None:  # the handshake is its own thread's work
            connection = self.owner.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    @override
    def process_request(self, request: Peer, client_address: object) -> None:
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="fake-connection",
            daemon=True,
        )
        with self._lock:
            self._connections.add(request)
            self._serving = [old for old in self._serving if old.is_alive()]
            thread.start()
            self._serving.append(thread)

    @override
    def shutdown_request(self, request: Peer) -> None:
        with self._lock:
            self._connections.discard(request)
            is_reset = request in self._resets
            self._resets.discard(request)
            if is_reset:
                self.close_request(request)
            else:
                super().shutdown_request(request)

    @override
    def handle_error(self, request: Peer, client_address: object) -> None:
        del request, client_address
        error = sys.exception()
        if error and not isinstance(error, OSError):
            self.owner.errors.append(error)


def _shut(connection: Peer) -> None:
    # An OSError means that the peer was quicker.
    with contextlib.suppress(OSError):
        if isinstance(connection, socket.socket):
            connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """Read requests off one connection and hand each to its server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _HttpServer
    _began_at_ns = 0

    @override
    def handle_one_request(self) -> None:
        with contextlib.suppress(OSError):
            self.rfile.peek(1)  # type: ignore[attr-defined]  # typeshed names no class
        self._began_at_ns = time.perf_counter_ns()
        super().handle_one_request()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        record = RecordedRequest(
            method=self.command,
            path=self.path.partition("?")[0],
            query=self.path.partition("?")[2],
            headers={name.lower(): value for name, value in self.headers.items()},
            body=_decoded(body),
            received_at_ns=time.perf_counter_ns(),
            began_at_ns=self._began_at_ns,
        )
        owner = self.server.owner
        owner.requests.append(record)
        wire = Wire(self, record)
        try:
            owner.answer(wire, body)
        except ClientGone:
            record.client_closed = not self.server.is_stopping
            self.close_connection = True
        finally:
            if wire.is_reset:
                self.server.reset(self.connection)
            record.finished.set()

    # The names are http.server's.
    do_GET = do_HEAD = do_POST = _serve  # noqa: N815 - as above
    do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815 - as above

    @override
    def log_message(
        self,
        format: str,  # noqa: A002 - the name is http.server's
        *args: object,
    ) -> None:
        """Keep test output clean."""


def _decoded(body: bytes) -> JsonObject | None:
    try:
        data = json.loads(body)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None
