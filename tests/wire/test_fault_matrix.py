"""Every fault of the wire over real sockets, through both transports.

HTTP and HTTPS are our own transport, what goes through a proxy is httpx's: the same
faults come to the same errors. What only one of them can promise is tested for that
one.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from asking import ask, error_of, reply_of, target_of
from expected_error import Row, check
from fake_proxy import BEHIND, fake_proxy
from fault_cases import (
    ADDRESSES,
    CASES,
    PAUSE_S,
    SLOW,
    TEXT,
    address_of,
    new_model,
    trusted,
)
from faulty_process import FaultyProcess
from faulty_server import FaultyOllama
from faulty_server_tls import certificate, self_signed

from pytest_llmbench.errors import (
    Busy,
    ProtocolFault,
    StreamTruncated,
    Unreachable,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from fault_cases import FaultCase

    from pytest_llmbench.calls.engine import Engine

WIRE: Final = {name: case for name, case in CASES.items() if name not in ADDRESSES}
LASTING: Final = {
    "untrusted_certificate",
    "misnamed_certificate",
    "https_to_plain_text",
}
GROWTH: Final = Path(__file__).parents[1] / "fakes" / "peak_growth.py"
SHORT: Final = "One two "
"""What the faulty server says where it answers in its own words."""


class Way:
    """How calls get to a server.

    Attributes:
        tls: what the server shall speak.
    """

    def __init__(self, tls: ssl.SSLContext | None, host: str = "127.0.0.1") -> None:
        self.tls = tls
        self._host = host

    def url(self, url: str) -> str:
        """Return the address that leads this way to a server's own."""
        return url.replace("127.0.0.1", self._host)


@contextmanager
def opened(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """Give a way, whose certificate is trusted."""
    if name == "plain":
        yield Way(None)
        return
    host = "localhost" if name == "encrypted" else BEHIND
    tls = None if name == "proxied" else self_signed(host)
    with trusted(certificate(host)), fake_proxy() as proxy:
        if name == "encrypted":
            yield Way(tls)
            return
        for scheme in ("HTTP", "HTTPS"):
            monkeypatch.setenv(f"{scheme}_PROXY", proxy.url)
        yield Way(tls, BEHIND)
        assert proxy.connections


@pytest.fixture(params=["plain", "encrypted", "encrypted and proxied"])
def way(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Way]:
    """Give the ways whose faults differ."""
    with opened(request.param, monkeypatch) as found:
        yield found


@pytest.fixture(params=["plain", "encrypted"])
def straight(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Way]:
    """Give the ways of our own transport."""
    with opened(request.param, monkeypatch) as found:
        yield found


def is_as_expected(engine: Engine, url: str, case: FaultCase) -> None:
    """Ask once, at an address with a password, and compare with the case."""
    row, secret_url = case.row, url.replace("://", "://someone:geheim@")
    started_s = time.perf_counter()
    answer = engine.ask(target_of(secret_url), row.request)
    assert time.perf_counter() - started_s < row.request.limits.call_s + 5.0
    error = error_of(answer)
    assert "geheim" not in str(error)
    assert "\n" not in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 500
    if case.is_endless:  # how far it gets is not ours to say
        assert error.partial.text.startswith(row.kept)
        row = replace(row, kept=error.partial.text)
    check(answer, row)


@pytest.mark.parametrize("name", sorted(ADDRESSES.keys() - SLOW.keys()))
def test_a_fault_of_the_address(engine: Engine, name: str) -> None:
    """What keeps a connection from standing is one error with a way out."""
    with address_of(ADDRESSES[name]) as (url, _server):
        is_as_expected(engine, url, ADDRESSES[name])


@pytest.mark.parametrize("name", sorted(ADDRESSES.keys() - SLOW.keys()))
def test_only_what_seconds_can_mend_is_tried_again(engine: Engine, name: str) -> None:
    """A server may come up; a certificate does not change while one waits."""
    with address_of(ADDRESSES[name]) as (url, _server):
        error = error_of(engine.ask(target_of(url), ADDRESSES[name].row.request))
    assert error.is_retried == (name not in LASTING)
    assert error.is_permanent == (name in LASTING)


@pytest.mark.parametrize("name", WIRE)
def test_a_fault_of_the_wire(engine: Engine, name: str, way: Way) -> None:
    """A fault is one error in one line that keeps what came; the next call is good."""
    case = WIRE[name]
    with address_of(case, way.tls) as (address, server):
        assert server is not None
        url = way.url(address)
        if case.path == "/api/chat":
            reply_of(ask(engine, url))
        server.arm(case.fault, path=case.path, pause_s=PAUSE_S)
        is_as_expected(engine, url, case)
        assert not server.faults
        assert not server.wire_faults
        assert reply_of(ask(engine, url)).text == TEXT


def test_trailers_have_a_limit(engine: Engine) -> None:
    """Headers behind a body end like those before it, not with the call's time."""
    with FaultyOllama(new_model()) as server:
        server.arm("trailer_bomb")
        assert "(endless headers)" in str(error_of(ask(engine, server)))


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(
    "name", ["endless_line", "endless_stream", "gzip_bomb", "gzip_bomb_as_error"]
)
def test_memory_is_bounded(name: str) -> None:
    """200 MB in one line or one archive do not become 200 MB of ours."""
    case = CASES[name]
    with FaultyOllama(new_model()) as server:
        server.arm(case.fault)
        command = [sys.executable, str(GROWTH), name, server.url]
        told = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    grown_mb, kind = told.stdout.split()
    assert kind == case.row.error.kind
    assert float(grown_mb) < 60.0


@pytest.mark.parametrize(
    ("fault", "least_s", "most_s"),
    [("busy_for_7_s", 7.0, 7.0), ("busy_until_a_date", 30.0, 60.0)],
)
def test_busy_keeps_how_long_to_wait(
    engine: Engine, fault: str, least_s: float, most_s: float
) -> None:
    """`Retry-After` is on the error in seconds, given as seconds or as a date."""
    with FaultyOllama(new_model()) as server:
        server.arm(fault)
        error = error_of(ask(engine, server))
        assert isinstance(error, Busy)
        assert error.retry_after_s is not None
        assert least_s <= error.retry_after_s <= most_s


@pytest.mark.parametrize("path", ["/api/ps", "/api/chat"])
def test_a_redirect_takes_nothing_elsewhere(engine: Engine, path: str) -> None:
    """Neither prompt nor password goes to the host that a redirect names."""
    with FaultyOllama(new_model()) as elsewhere, FaultyOllama(new_model()) as server:
        server.arm("redirect", path=path, elsewhere=elsewhere.url)
        url = server.url.replace("://", "://someone:geheim@")
        error = error_of(ask(engine, url))
        assert type(error) is ProtocolFault
        assert f"redirects to {elsewhere.url}{path}" in str(error)
        assert "authorization" in server.requests_to(path)[0].headers
        assert elsewhere.requests == []


def test_a_connection_closed_between_calls_is_replaced(
    engine: Engine, way: Way
) -> None:
    """A server that closes without a word after its answer costs no call."""
    with FaultyOllama(new_model(), tls=way.tls) as server:
        server.arm("closes_unasked", is_always=True)
        for _ in range(3):
            assert reply_of(ask(engine, way.url(server.url))).text == SHORT
        assert len(server.requests_to("/api/chat")) == 3


def test_a_request_that_met_a_closing_connection_is_sent_once_more(
    engine: Engine, straight: Way
) -> None:
    """Where the close crosses the request, one new connection makes it good."""
    with FaultyOllama(new_model(), tls=straight.tls) as server:
        reply_of(ask(engine, server))
        server.arm("closes_unanswered", on_used=True, is_always=True)
        assert reply_of(ask(engine, server)).text == TEXT
        assert len(server.requests_to("/api/chat")) == 3


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        ("closes_unanswered", 2),
        ("closes_after_a_byte", 1),
        ("reset_before_headers", 1),
        ("closes_late", 1),
    ],
)
def test_no_request_is_doubled(
    engine: Engine, straight: Way, fault: str, requests: int
) -> None:
    """It is sent again once at most; after a byte, a reset or a second, never."""
    with FaultyOllama(new_model(), tls=straight.tls) as server:
        reply_of(ask(engine, server))
        server.arm(fault, is_always=True, pause_s=1.1)
        assert type(error_of(ask(engine, server))) is Unreachable
        assert len(server.requests_to("/api/chat")) == 1 + requests


@pytest.mark.parametrize("fault", ["more_bytes", "answer_unasked"])
@pytest.mark.parametrize(
    "name", ["plain", "encrypted", "proxied", "encrypted and proxied"]
)
def test_bytes_behind_an_answer_are_no_answer(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, name: str, fault: str
) -> None:
    """What follows an answer is neither part of it nor of the next one."""
    with (
        opened(name, monkeypatch) as way,
        FaultyOllama(new_model(), tls=way.tls) as server,
    ):
        url = way.url(server.url)
        for _ in range(2):
            server.arm(fault)
            assert reply_of(ask(engine, url)).text == SHORT
            assert reply_of(ask(engine, url)).text == TEXT


def test_a_server_restarted_between_calls_is_seen_anew(engine: Engine) -> None:
    """A server that was killed and came back costs no call, and is probed again."""
    with FaultyProcess() as server:
        for _ in range(2):
            reply_of(ask(engine, server.url))
        server.start()
        answer = ask(engine, server.url)
        assert answer.error is None
        assert answer.is_resident is False
        assert ask(engine, server.url).is_resident is True


@pytest.mark.parametrize(
    ("fault", "row"),
    [
        (
            "dies",
            Row(error=StreamTruncated, words=("broke in mid-reply",), kept=SHORT),
        ),
        (
            "dies_before_headers",
            Row(error=Unreachable, words=("cannot be reached",), kept=""),
        ),
    ],
)
def test_a_server_that_dies_in_mid_call(engine: Engine, fault: str, row: Row) -> None:
    """The call in flight is an error; the server that comes back answers the next."""
    with FaultyProcess() as server:
        reply_of(ask(engine, server.url))
        server.start("--fault", fault, "--once")
        check(ask(engine, server.url), row)
        server.wait()
        assert type(error_of(ask(engine, server.url))) is Unreachable
        server.start()
        assert ask(engine, server.url).error is None
