"""Whatever httpx raises becomes one of our errors; silence and excess do too."""

from __future__ import annotations

import asyncio
import itertools
import socket
import sys
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import httpx
import pytest
from asking import LIMITS
from canned_server import CannedServer, http_until_closed
from msgspec.structs import replace
from typing_extensions import override

from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.calls.providers.http import HttpTransport
from pytest_llmbench.errors import (
    CallError,
    ProtocolFault,
    StreamTruncated,
    Unreachable,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

T = TypeVar("T")
URL: Final = "http://127.0.0.1:1"
PROXIED: Final = "http://box.invalid:1"


def tree(kind: type[Exception]) -> set[type[Exception]]:
    """Return a class with all that derive from it."""
    return {kind}.union(*(tree(derived) for derived in kind.__subclasses__()))


TRANSPORT: Final = sorted(tree(httpx.TransportError), key=lambda kind: kind.__name__)
UNREACHABLE: Final = [kind for kind in TRANSPORT if kind != httpx.RemoteProtocolError]
OTHERS: Final = sorted(
    tree(httpx.RequestError) - tree(httpx.TransportError) | {httpx.InvalidURL},
    key=lambda kind: kind.__name__,
)


class Breaking(httpx.AsyncByteStream):
    """A body that breaks after its first line."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"a": 1}\n'
        raise self.error


def breaks(
    monkeypatch: pytest.MonkeyPatch, error: Exception, *, has_begun: bool
) -> None:
    """Have a proxy, where httpx connects, and every request raise an error there."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    async def handle(_transport: object, _request: httpx.Request) -> httpx.Response:
        if has_begun:
            return httpx.Response(200, stream=Breaking(error))
        raise error

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle)


def served(work: Callable[[HttpTransport], Awaitable[T]], url: str = URL) -> T:
    """Do some work with a transport of its own."""

    async def run() -> T:
        transport = HttpTransport(url, SystemClock(), hint="switch it on")
        try:
            return await work(transport)
        finally:
            await transport.close()

    return asyncio.run(run())


def streamed(url: str = URL, connect_s: float = 1.0) -> list[bytes]:
    """Post one streamed request; return its lines."""
    lines: list[bytes] = []
    limits = replace(LIMITS, connect_s=connect_s)

    def on_line(line: bytes, _at_ns: int) -> None:
        lines.append(line)

    served(lambda transport: transport.stream("/x", {}, limits, on_line), url)
    return lines


def fetched(url: str = URL, timeout_s: float = 1.0) -> object:
    """Get one JSON value."""
    return served(
        lambda transport: transport.json("GET", "/x", timeout_s=timeout_s), url
    )


@contextmanager
def greeter(greeting: bytes) -> Iterator[str]:
    """Listen, say the same to everyone whatever they ask, and wait for them to go."""

    def greet() -> None:
        connection, _address = listening.accept()
        with connection:
            connection.sendall(greeting)
            while connection.recv(65_536):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        thread.join(2.0)


def test_the_tree_is_known() -> None:
    """The walk over httpx's errors finds the ones everyone meets."""
    assert {httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError} <= set(
        TRANSPORT
    )
    assert httpx.DecodingError in OTHERS


@pytest.mark.parametrize("kind", UNREACHABLE)
def test_before_the_first_byte_it_is_unreachable(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """An error before any answer: the server can't be reached, why, and what to do."""
    for reason in ("the reason", ""):
        breaks(monkeypatch, kind(reason), has_begun=False)
        shown = reason or kind.__name__
        said = rf"http://box\.invalid:1 cannot be reached \({shown}\); switch it on"
        for call in (streamed, fetched):
            with pytest.raises(Unreachable, match=said) as caught:
                call(PROXIED)
            assert isinstance(caught.value.__cause__, kind)


def test_bytes_that_are_no_http_are_no_way_out_of_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that answers in another protocol is there, but not the right one."""
    breaks(monkeypatch, httpx.RemoteProtocolError("bad line"), has_begun=False)
    for call in (streamed, fetched):
        with pytest.raises(ProtocolFault, match=r"what is no HTTP \(bad line\)"):
            call(PROXIED)
    left = httpx.RemoteProtocolError("Server disconnected without sending a response.")
    breaks(monkeypatch, left, has_begun=False)
    for call in (streamed, fetched):
        with pytest.raises(Unreachable, match="disconnected"):
            call(PROXIED)


@pytest.mark.parametrize("kind", TRANSPORT)
def test_after_the_first_byte_the_stream_is_truncated(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """An error in mid-reply is no failure to reach the server."""
    breaks(monkeypatch, kind("the reason"), has_begun=True)
    with pytest.raises(StreamTruncated, match=r"broke in mid-reply \(the reason\)"):
        streamed(PROXIED)


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("has_begun", [False, True])
def test_no_other_error_of_httpx_gets_through(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception], *, has_begun: bool
) -> None:
    """Errors that are not the transport's are ours as well."""
    breaks(monkeypatch, kind("the reason"), has_begun=has_begun)
    for call in (streamed, fetched):
        with pytest.raises(CallError, match="the reason"):
            call(PROXIED)


def test_a_silent_probe_is_no_slow_model() -> None:
    """Where no model is at work, silence is the server's fault: outcome error."""
    with (
        greeter(b"") as address,
        pytest.raises(Unreachable, match=r"/x gave no answer in 0\.1 s") as caught,
    ):
        fetched(f"http://{address}", timeout_s=0.1)
    assert caught.value.outcome == "error"


def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A JSON answer that never ends is left after the most that one may have."""
    monkeypatch.setattr("pytest_llmbench.calls.providers.http._MAX_JSON_BYTES", 100_000)
    pieces = http_until_closed(itertools.repeat(b"[" * 50_000))
    with (
        CannedServer({"/x": pieces}) as server,
        pytest.raises(ProtocolFault, match="not JSON"),
    ):
        fetched(server.url)


def test_a_server_without_tls_says_so() -> None:
    """An https address of a plain server names TLS as the reason, and no other."""
    with (
        greeter(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address,
        pytest.raises(Unreachable, match=r"WRONG_VERSION_NUMBER|record layer"),
    ):
        fetched(f"https://{address}", timeout_s=2.0)


@pytest.mark.skipif(sys.platform != "linux", reason="queues differ elsewhere")
def test_connecting_has_a_limit_of_its_own() -> None:
    """A server that accepts no connection is left long before the call's limit."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        closing(socket.create_connection(full.getsockname())),
        pytest.raises(Unreachable, match=r"no connection within 0\.1 s"),
    ):
        streamed(f"http://127.0.0.1:{full.getsockname()[1]}", connect_s=0.1)


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost"])
def test_a_refusal_is_named(address: str) -> None:
    """Nobody listening reads as what it is, whatever the loopback's name."""
    with pytest.raises(Unreachable, match="Connection refused"):
        fetched(f"http://{address}:1")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://x:99999", "is no URL (99999 is no port)"),
        ("http://[zz]:1", "is no URL (Invalid IPv6 address"),
        (f"http://{'a' * 64}.invalid", "is no host name"),
        ("http://a..invalid", "is no host name"),
        ("ftp://127.0.0.1:1", "unsupported protocol"),
    ],
)
def test_an_address_that_is_none_is_not_tried_again(url: str, words: str) -> None:
    """What is written wrongly is told at once, without a traceback."""
    with pytest.raises(Unreachable) as caught:
        fetched(url)
    assert words in str(caught.value)
    assert caught.value.is_permanent
    assert not caught.value.is_retried


def test_certificates_that_cannot_be_read_are_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A setting that names no file is the user's to mend."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    with pytest.raises(Unreachable, match="SSL_CERT_FILE") as caught:
        fetched("https://127.0.0.1:1")
    assert not caught.value.is_retried
