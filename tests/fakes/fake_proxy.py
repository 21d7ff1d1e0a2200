"""A forward proxy that takes every name for this machine's: for https and for http."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import Final

from scripted_peer import ScriptedPeer, head_of, reset

BEHIND: Final = "box.internal"
"""A name that only the proxy can lead to."""

_TARGET: Final = re.compile(rb"(?:http://)?([^/: ]+):(\d+)(/\S*)?")


def fake_proxy() -> ScriptedPeer:
    """Return a proxy; what it is asked for at any host, 127.0.0.1 has to answer."""
    return ScriptedPeer(_serve)


def _serve(client: socket.socket, _number: int) -> None:
    head = head_of(client)
    method, target, rest = head.split(b" ", 2)
    found = _TARGET.fullmatch(target)
    assert found is not None
    with socket.create_connection(("127.0.0.1", int(found[2]))) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if method == b"CONNECT":
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            server.sendall(b" ".join((method, found[3], rest)))
        up = threading.Thread(target=_pass_on, args=(client, server), daemon=True)
        up.start()
        _pass_on(server, client)
        up.join()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    """Hand bytes on until either has gone; an end stays an end, a reset a reset."""
    how = socket.SHUT_WR
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
    except ConnectionResetError:
        reset(sink)
        how = socket.SHUT_RD  # only wakes the other thread: the reset comes with close
    except OSError:
        pass
    for end, half in ((sink, how), (source, socket.SHUT_RD)):
        with contextlib.suppress(OSError):
            end.shutdown(half)
