"""A peer on a bare socket that does what a test says: for what no server would do."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    Play = Callable[[socket.socket, int], None]

_JOIN_S = 5.0


class ScriptedPeer:
    """Plays one script per connection, each in a thread, then closes it.

    Attributes:
        connections: how many were accepted, failed handshakes included.
        protocols: what each handshake agreed on (ALPN); None for nothing.
    """

    def __init__(self, play: Play, tls: ssl.SSLContext | None = None) -> None:
        """Listen; `play` gets the connection and its number, from 0."""
        self.connections = 0
        self.protocols: list[str | None] = []
        self._play = play
        self._tls = tls
        self._is_over = False
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server(("127.0.0.1", 0))

    @property
    def port(self) -> int:
        """The port."""
        return int(self._listening.getsockname()[1])

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over = True
        socket.create_connection(self._listening.getsockname()).close()  # wakes it
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_JOIN_S)

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with self._listening:
            while True:
                connection, _address = self._listening.accept()
                if self._is_over:
                    connection.close()
                    return
                self._open.append(connection)
                self._start(self._serve, connection, self.connections)
                self.connections += 1

    def _serve(self, connection: socket.socket, number: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError), contextlib.ExitStack() as closed:
            closed.enter_context(connection)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                closed.enter_context(connection)
                self._open.append(connection)
                self.protocols.append(connection.selected_alpn_protocol())
            self._play(connection, number)


def head_of(connection: socket.socket) -> bytes:
    """Read one request's head, byte by byte, so that nothing behind it is taken.

    Raises:
        ConnectionError: the client has gone.
    """
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise ConnectionError
        head += byte
    return head


def answer(body: bytes, *, has_length: bool = True) -> bytes:
    """Return a whole answer; without a length its end is the connection's."""
    length = b"Content-Length: %d\r\n" % len(body) if has_length else b""
    return b"HTTP/1.1 200 OK\r\n%s\r\n%s" % (length, body)


def reset(connection: socket.socket) -> None:
    """Have a connection end with a TCP reset when it is closed."""
    no_linger = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
