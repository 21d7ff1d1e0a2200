"""Our transport over TLS, on bare sockets: what is trusted, kept, left and timed."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import httpx
import pytest
from asking import LIMITS, ask, error_of, reply_of
from fake_ollama import FakeModel, FakeOllama, always, says
from fault_cases import trusted
from faulty_server_tls import certificate, self_signed
from msgspec.structs import replace
from scripted_peer import ScriptedPeer, answer, head_of

from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.calls.providers.direct import DirectTransport
from pytest_llmbench.calls.providers.http import HttpTransport
from pytest_llmbench.calls.providers.tls import client_context
from pytest_llmbench.errors import StreamTruncated, Unreachable

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from pytest_llmbench.calls.engine import Engine

SLACK_MS: Final = 400.0
"""What a busy machine may add."""

READ_TIME_S: Final = 0.1
"""Long enough for bytes to cross the loopback."""

LARGE: Final = bytes(range(256)) * 16_384
"""4 MiB, several times what is held for a slow reader."""

POISON: Final = b"another answer"


@pytest.fixture(params=["plain", "encrypted"])
def tls(request: pytest.FixtureRequest) -> Iterator[ssl.SSLContext | None]:
    """Give what a peer shall speak, and have it trusted."""
    with trusted(certificate()):
        yield None if request.param == "plain" else self_signed()


@pytest.fixture
def encrypted() -> Iterator[ssl.SSLContext]:
    """Give what a peer shall speak, and have it trusted."""
    with trusted(certificate()):
        yield self_signed()


@asynccontextmanager
async def transport_to(peer: ScriptedPeer) -> AsyncIterator[DirectTransport]:
    """Open our transport to a peer; it is closed behind the block."""
    context = client_context() if peer.url.startswith("https") else None
    transport = DirectTransport(SystemClock(), tls=context)
    try:
        yield transport
    finally:
        await transport.aclose()


async def fetched(
    transport: DirectTransport, peer: ScriptedPeer, wait_s: float = 0.0
) -> bytes:
    """Get a body whole; `wait_s` passes between its head and its reading."""
    limits = {"timeout": {"connect": 5.0}}
    request = httpx.Request("GET", peer.url, extensions=limits)
    response = await transport.handle_async_request(request)
    await asyncio.sleep(wait_s)
    try:
        return b"".join([chunk async for chunk in response.aiter_raw()])
    finally:
        await response.aclose()


def lines_of(url: str, connect_s: float = 1.0) -> list[bytes]:
    """Post one streamed request; return its lines."""
    lines: list[bytes] = []

    async def post() -> None:
        transport = HttpTransport(url, SystemClock(), hint="switch it on")
        limits = replace(LIMITS, connect_s=connect_s)
        try:
            await transport.stream("/x", {}, limits, lambda line, _: lines.append(line))
        finally:
            await transport.close()

    asyncio.run(post())
    return lines


def test_a_connection_is_used_again(engine: Engine, encrypted: ssl.SSLContext) -> None:
    """One handshake serves many calls, for it is the dearest part of a short one."""
    named = names_asked(encrypted)
    with FakeOllama(tls=encrypted) as server:
        for _ in range(4):
            reply_of(ask(engine, server))
    assert len(named) == 1


def names_asked(context: ssl.SSLContext) -> list[str | None]:
    """Return a list that gets the name that each handshake asks for (SNI)."""
    names: list[str | None] = []

    def note(_socket: object, name: str | None, _context: ssl.SSLContext) -> None:
        names.append(name)

    context.sni_callback = note
    return names


def test_the_servers_name_is_sent(engine: Engine, encrypted: ssl.SSLContext) -> None:
    """A server of many names learns which one is meant; an address is no name."""
    named = names_asked(encrypted)
    with FakeOllama(tls=encrypted) as server:
        reply_of(ask(engine, server.url.replace("127.0.0.1", "localhost")))
        reply_of(ask(engine, server.url))
    assert named == ["localhost", None]


def test_http_1_1_is_agreed_on(encrypted: ssl.SSLContext) -> None:
    """A server that prefers HTTP/2 is told that we speak HTTP/1.1 only."""
    encrypted.set_alpn_protocols(["h2", "http/1.1"])

    async def run(peer: ScriptedPeer) -> None:
        async with transport_to(peer) as transport:
            assert await fetched(transport, peer) == b"hello"

    with ScriptedPeer(says_hello, encrypted) as peer:
        asyncio.run(run(peer))
    assert peer.protocols == ["http/1.1"]


def says_hello(connection: socket.socket, _number: int) -> None:
    """Answer one request."""
    head_of(connection)
    connection.sendall(answer(b"hello"))


def test_times_are_those_of_the_tokens(
    engine: Engine, encrypted: ssl.SSLContext
) -> None:
    """TTFT holds the wait for the first token, E2E that for the others too."""
    # 10 tokens: the first after 100 ms, nine more at 10 ms each.
    model = FakeModel(
        load_s=0.0,
        answer=always(says("0123456789" * 4)),
        first_token_delay_s=0.1,
        decode_tokens_per_s=100.0,
    )
    with FakeOllama(model, tls=encrypted) as server:
        reply_of(ask(engine, server))
        times = reply_of(ask(engine, server)).timings
    assert times.ttft_ms is not None
    assert times.e2e_ms is not None
    assert 100.0 <= times.ttft_ms <= 100.0 + SLACK_MS
    assert 190.0 <= times.e2e_ms <= 190.0 + SLACK_MS
    assert times.e2e_ms - times.ttft_ms > 80.0


@pytest.mark.parametrize("wait_s", [0.0, READ_TIME_S])
def test_a_large_answer_is_whole_and_leaves_nothing(
    tls: ssl.SSLContext | None, wait_s: float
) -> None:
    """4 MiB come as sent to a slow reader too; what is behind them is dropped."""

    def play(connection: socket.socket, number: int) -> None:
        head_of(connection)
        connection.sendall(answer(LARGE if not number else b"next") + answer(POISON))
        head_of(connection)

    async def run(peer: ScriptedPeer) -> None:
        async with transport_to(peer) as transport:
            assert await fetched(transport, peer, wait_s) == LARGE
            assert await fetched(transport, peer) == b"next"

    with ScriptedPeer(play, tls) as peer:
        asyncio.run(run(peer))


class Strays:
    """A script that sends bytes behind its first answer, when it is told to."""

    def __init__(self, first: bytes) -> None:
        self._first = first
        self.may_go = threading.Event()
        self.have_gone = threading.Event()

    def __call__(self, connection: socket.socket, number: int) -> None:
        """Answer; the stray answer follows on the first connection only."""
        head_of(connection)
        connection.sendall(answer(b"next" if number else self._first))
        if not number:
            self.may_go.wait(5.0)
            connection.sendall(answer(POISON))
            self.have_gone.set()
        head_of(connection)


def test_bytes_held_back_with_an_answer_are_no_answer(
    tls: ssl.SSLContext | None,
) -> None:
    """A body just too large to hold stops the reading; what follows it still goes."""
    body = LARGE[: 1024 * 1024 + 1]
    strays = Strays(body)

    async def run(peer: ScriptedPeer) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(READ_TIME_S / 2, strays.may_go.set)
        async with transport_to(peer) as transport:
            assert await fetched(transport, peer, READ_TIME_S) == body
            assert strays.have_gone.wait(5.0)
            assert await fetched(transport, peer) == b"next"

    with ScriptedPeer(strays, tls) as peer:
        asyncio.run(run(peer))


def test_bytes_that_nobody_has_read_yet_are_no_answer(
    tls: ssl.SSLContext | None,
) -> None:
    """What came while the loop was busy is seen before the next request is sent."""
    strays = Strays(b"first")

    async def run(peer: ScriptedPeer) -> None:
        async with transport_to(peer) as transport:
            assert await fetched(transport, peer) == b"first"
            strays.may_go.set()
            assert strays.have_gone.wait(5.0)  # the loop is busy with this
            assert await fetched(transport, peer) == b"next"

    with ScriptedPeer(strays, tls) as peer:
        asyncio.run(run(peer))


def test_an_end_that_tls_has_announced_is_the_bodys(
    encrypted: ssl.SSLContext,
) -> None:
    """A body without a length is whole when TLS was ended in order (close_notify)."""

    def play(connection: socket.socket, _number: int) -> None:
        head_of(connection)
        connection.sendall(answer(b"one\ntwo\n", has_length=False))
        assert isinstance(connection, ssl.SSLSocket)
        connection.unwrap()

    with ScriptedPeer(play, encrypted) as peer:
        assert lines_of(peer.url) == [b"one", b"two"]


def test_an_end_that_tls_has_not_announced_is_a_cut(
    encrypted: ssl.SSLContext,
) -> None:
    """Without its own end, TLS can't tell a whole body from one that was cut."""

    def play(connection: socket.socket, _number: int) -> None:
        head_of(connection)
        connection.sendall(answer(b"one\ntwo\n", has_length=False))

    with (
        ScriptedPeer(play, encrypted) as peer,
        pytest.raises(StreamTruncated, match=r"byte 27 of the answer, without TLS's"),
    ):
        lines_of(peer.url)


def test_a_handshake_has_the_limit_of_connecting() -> None:
    """A peer that says nothing is left long before the call's limit."""
    begun_s = time.perf_counter()
    with (
        ScriptedPeer(is_mute) as peer,
        pytest.raises(Unreachable, match=r"within 0\.1 s, TLS handshake included"),
    ):
        lines_of(peer.url.replace("http", "https"), connect_s=0.1)
    assert time.perf_counter() - begun_s < LIMITS.call_s


def is_mute(connection: socket.socket, _number: int) -> None:
    """Read until the client goes, and say nothing."""
    while connection.recv(65_536):
        pass


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file or directory"), ("no certificate", "NO_CERT")],
)
def test_a_file_of_certificates_that_cannot_be_read(
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: str | None,
    reason: str,
) -> None:
    """It is named with the variable that names it; without TLS nobody reads it."""
    path = tmp_path / "trusted.pem"
    if content:
        path.write_text(content, "utf-8")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with FakeOllama() as server:
        reply_of(ask(engine, server))
        error = error_of(ask(engine, server.url.replace("http", "https")))
    assert type(error) is Unreachable
    assert f"SSL_CERT_FILE={path} cannot be read" in str(error)
    assert reason in str(error)
    assert "have it name a file of PEM certificates" in str(error)


def test_no_connection_is_closed_with_a_noise(
    encrypted: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    """Idle, in mid-body, or closed by the server: the end is quick and silent."""

    def play(connection: socket.socket, number: int) -> None:
        head_of(connection)
        connection.sendall(answer(b"hello"))
        if not number:
            assert isinstance(connection, ssl.SSLSocket)
            connection.unwrap()
        elif number > 1:
            connection.sendall(b"HTTP/1.1")
        is_mute(connection, number)

    async def run(peer: ScriptedPeer) -> None:
        async with transport_to(peer) as transport:
            assert await fetched(transport, peer) == b"hello"
            for _ in range(5000):
                if transport.lost:
                    break
                await asyncio.sleep(0.001)
            both = (fetched(transport, peer), fetched(transport, peer))
            await asyncio.gather(*both)
            begun_s = time.perf_counter()
        assert time.perf_counter() - begun_s < SLACK_MS / 1e3
        assert transport.lost == 3

    with ScriptedPeer(play, encrypted) as peer:
        asyncio.run(run(peer))
    assert caplog.records == []
