"""Every fault of the wire, and what must come of it: the matrix, as data."""

from __future__ import annotations

import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import pytest
from asking import LIMITS, question
from expected_error import Row
from fake_ollama import FakeModel, always, says
from faulty_server import FaultyOllama
from faulty_server_tls import certificate, self_signed
from msgspec.structs import replace
from scripted_peer import ScriptedPeer

from pytest_llmbench.errors import (
    Busy,
    CallTimeout,
    FirstByteTimeout,
    ModelMissing,
    ProtocolFault,
    ServerFault,
    StreamTruncated,
    Unreachable,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from pytest_llmbench.calls.request import CallRequest
    from pytest_llmbench.errors import CallError

TEXT: Final = "One two three four."
HI: Final = question()
BRIEF: Final = question(limits=replace(LIMITS, call_s=0.3))
LONG: Final = question(limits=replace(LIMITS, call_s=30.0))
PAUSE_S: Final = 0.02

Place = Literal[
    "server", "nobody", "no name", "untrusted", "misnamed", "no TLS", "hangs up", "mute"
]
ELSEWHERE: Final = ("other.invalid", "192.0.2.1")
"""What a certificate names that is valid for another server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCase:
    """One fault and what must come of it.

    Attributes:
        about: the fault in words.
        fault: armed at the faulty server; "" where the address is at fault.
        path: the requests that it hits.
        place: what the address leads to.
        row: what must come of a call; `kept` is the reply's beginning where
            `is_endless`.
    """

    about: str
    fault: str = ""
    path: str = "/api/chat"
    place: Place = "server"
    row: Row
    is_endless: bool = False


def new_model() -> FakeModel:
    """Return a model that always says `TEXT`."""
    return FakeModel(load_s=0.01, answer=always(says(TEXT)))


@contextmanager
def address_of(
    case: FaultCase, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, FaultyOllama | None]]:
    """Give the address that a case leads to, and its server where there is one.

    Args:
        tls: spoken by the server, to try the encrypted transport.
    """
    if case.place == "no name":
        yield "http://nobody.invalid:11434", None
        return
    if case.place == "nobody":
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = held.getsockname()[1]
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}", None
        return
    if case.place in _BARE:
        with ScriptedPeer(_BARE[case.place]) as peer:
            yield peer.url.replace("http:", "https:"), None
        return
    contexts = {"untrusted": self_signed(), "misnamed": self_signed(*ELSEWHERE)}
    trust = trusted(certificate(*ELSEWHERE) if case.place == "misnamed" else "")
    with trust, FaultyOllama(new_model(), tls=contexts.get(case.place, tls)) as server:
        url = server.url
        if case.place == "no TLS":
            url = url.replace("http:", "https:")
        yield url, server


@contextmanager
def trusted(pem: str) -> Iterator[None]:
    """Have SSL_CERT_FILE name a certificate; nothing is changed for ""."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if pem:
            path = Path(folder, "trusted.pem")
            path.write_text(pem, "utf-8")
            patch.setenv("SSL_CERT_FILE", str(path))
        yield


def _hang_up(connection: socket.socket, _number: int) -> None:
    connection.recv(65_536)


def _be_mute(connection: socket.socket, _number: int) -> None:
    while connection.recv(65_536):
        pass


_BARE: Final = {"hangs up": _hang_up, "mute": _be_mute}
"""What peers do that get no further than the beginning of the TLS handshake."""


def _row(
    error: type[CallError],
    *words: str,
    kept: str | None = "",
    outcome: str = "error",
    request: CallRequest = HI,
) -> Row:
    return Row(error=error, words=words, kept=kept, outcome=outcome, request=request)


ADDRESSES: Final = {
    "connection_refused": FaultCase(
        about="nobody listens there",
        place="nobody",
        row=_row(
            Unreachable, "Connection refused", "start it with `ollama serve`", kept=None
        ),
    ),
    "unknown_name": FaultCase(
        about="a name that DNS does not know",
        place="no name",
        row=_row(Unreachable, "nobody.invalid", "set OLLAMA_HOST", kept=None),
    ),
    "untrusted_certificate": FaultCase(
        about="https, and a certificate signed by itself",
        place="untrusted",
        row=_row(Unreachable, "CERTIFICATE_VERIFY_FAILED", "SSL_CERT_FILE", kept=None),
    ),
    "misnamed_certificate": FaultCase(
        about="https, and a trusted certificate that names another server",
        place="misnamed",
        row=_row(
            Unreachable,
            "certificate is not valid for '127.0.0.1'",
            "use an address that its certificate names",
            kept=None,
        ),
    ),
    "end_in_handshake": FaultCase(
        about="https to a server that closes in the TLS handshake",
        place="hangs up",
        row=_row(
            Unreachable,
            "(closed in the TLS handshake)",
            "does it speak https?",
            kept=None,
        ),
    ),
    "mute_handshake": FaultCase(
        about="https to a server that says nothing in the TLS handshake",
        place="mute",
        row=_row(Unreachable, "no connection within 5 s, TLS handshake", kept=None),
    ),
    "https_to_plain_text": FaultCase(
        about="https to a server that speaks http",
        place="no TLS",
        row=_row(Unreachable, "SSL", "does it speak https?", kept=None),
    ),
}
"""Faults before there is a connection; no request is armed."""

SILENCE: Final = {
    "silence_before_headers": FaultCase(
        about="no byte ever comes",
        fault="silence_before_headers",
        row=_row(
            FirstByteTimeout,
            "no first byte within 0.3 s; the limit is --call-timeout",
            outcome="timeout",
            request=BRIEF,
        ),
    ),
    "silence_after_headers": FaultCase(
        about="headers, then silence",
        fault="silence_after_headers",
        row=_row(
            FirstByteTimeout,
            "no first byte within 0.3 s",
            outcome="timeout",
            request=BRIEF,
        ),
    ),
    "silence_mid_stream": FaultCase(
        about="two deltas, then silence",
        fault="silence_mid_stream",
        row=_row(
            CallTimeout,
            "did not end within 0.3 s",
            kept="One two ",
            outcome="timeout",
            request=BRIEF,
        ),
    ),
    "slow_drip": FaultCase(
        about="one byte at a time",
        fault="slow_drip",
        row=_row(
            CallTimeout, "did not end within 0.3 s", outcome="timeout", request=BRIEF
        ),
    ),
    "slow_head": FaultCase(
        about="headers, one byte at a time",
        fault="slow_head",
        row=_row(
            FirstByteTimeout,
            "no first byte within 0.3 s",
            outcome="timeout",
            request=BRIEF,
        ),
    ),
}
SLOW: Final = {
    "mute_handshake": ADDRESSES["mute_handshake"],
    "silent_probe": FaultCase(
        about="/api/ps answers one byte at a time",
        fault="slow_drip",
        path="/api/ps",
        row=_row(Unreachable, "/api/ps gave no answer in 8 s", kept=None),
    ),
}
"""Faults that only a fixed limit of ours ends: too slow for the tests."""

BREAKS: Final = {
    "reset_before_headers": FaultCase(
        about="TCP reset before any byte",
        fault="reset_before_headers",
        row=_row(Unreachable, "Connection reset by peer", "`ollama serve`"),
    ),
    "reset_mid_stream": FaultCase(
        about="TCP reset after two deltas",
        fault="reset_mid_stream",
        row=_row(
            StreamTruncated,
            "broke in mid-reply",
            "see the server's log",
            kept="One two ",
        ),
    ),
    "closes_after_a_byte": FaultCase(
        about="one byte of an answer, then the end",
        fault="closes_after_a_byte",
        row=_row(Unreachable, "cannot be reached"),
    ),
    "short_body": FaultCase(
        about="a Content-Length longer than the body",
        fault="short_body",
        row=_row(StreamTruncated, "broke in mid-reply", "byte", kept="One two "),
    ),
    "short_after_done": FaultCase(
        about="the same, the reply's last line included",
        fault="short_after_done",
        row=_row(StreamTruncated, "broke in mid-reply", "byte", kept="One two "),
    ),
    "bad_framing": FaultCase(
        about="a chunk without its length",
        fault="bad_framing",
        row=_row(StreamTruncated, "broke in mid-reply", "chunk", kept="One two "),
    ),
}
BYTES: Final = {
    "not_http": FaultCase(
        about="garbage instead of HTTP",
        fault="not_http",
        row=_row(ProtocolFault, "sent what is no HTTP", "the server's address?"),
    ),
    "garbage_in_body": FaultCase(
        about="garbage after two deltas",
        fault="garbage_in_body",
        row=_row(ProtocolFault, "not JSON", kept="One two "),
    ),
    "non_utf8_line": FaultCase(
        about="a JSON line that is not UTF-8",
        fault="non_utf8_line",
        row=_row(ProtocolFault, "not JSON", r"\\xff", kept="One "),
    ),
    "login_page": FaultCase(
        about="a login page, status 200, text/html",
        fault="login_page",
        row=_row(ProtocolFault, "not JSON", "<!doctype html>", "that is a page"),
    ),
    "login_page_at_the_probe": FaultCase(
        about="the same at /api/ps",
        fault="login_page",
        path="/api/ps",
        row=_row(ProtocolFault, "not JSON", "that is a page", kept=None),
    ),
    "redirect": FaultCase(
        about="a redirect to another host",
        fault="redirect",
        row=_row(ProtocolFault, "redirects to http", "give that server's address"),
    ),
}
EXCESS: Final = {
    "endless_stream": FaultCase(
        about="deltas without end (limit 1 MB)",
        fault="endless_stream",
        is_endless=True,
        row=_row(
            ProtocolFault,
            "the reply passed 1,000,000 bytes",
            "--debug-log",
            kept="One " * 100,
            request=question(limits=replace(LIMITS, max_reply_bytes=1_000_000)),
        ),
    ),
    "endless_line": FaultCase(
        about="a line of 200 MB",
        fault="endless_line",
        row=_row(
            ProtocolFault,
            "a line of more than 16,777,216 bytes",
            kept="One ",
            request=LONG,
        ),
    ),
    "header_bomb": FaultCase(
        about="headers without end",
        fault="header_bomb",
        row=_row(ProtocolFault, "sent what is no HTTP", request=LONG),
    ),
    "trailer_bomb": FaultCase(
        about="trailers without end",
        fault="trailer_bomb",
        row=_row(StreamTruncated, "broke in mid-reply", kept="One two ", request=LONG),
    ),
    "gzip_bomb": FaultCase(
        about="200 MB in gzip, though identity was asked for",
        fault="gzip_bomb",
        row=_row(ProtocolFault, "gzip-encoded", "none were asked for", request=LONG),
    ),
    "gzip_bomb_as_error": FaultCase(
        about="the same with status 500",
        fault="gzip_bomb_as_error",
        row=_row(ServerFault, "HTTP 500", "gzip-encoded", kept=None, request=LONG),
    ),
    "gzip_bomb_at_the_probe": FaultCase(
        about="the same at /api/ps",
        fault="gzip_bomb",
        path="/api/ps",
        row=_row(ProtocolFault, "gzip-encoded", kept=None, request=LONG),
    ),
}
STATUSES: Final = {
    "status_400": FaultCase(
        about="400",
        fault="status_400",
        row=_row(ServerFault, "HTTP 400 invalid request", kept=None),
    ),
    "status_404": FaultCase(
        about="404 for a model that it lists",
        fault="status_404",
        row=_row(ModelMissing, "says that it has none", "ollama pull", kept=None),
    ),
    "status_429": FaultCase(
        about="429",
        fault="status_429",
        row=_row(Busy, "HTTP 429 slow down", kept=None),
    ),
    "status_500": FaultCase(
        about="500",
        fault="status_500",
        row=_row(ServerFault, "HTTP 500 boom", "see the server's log", kept=None),
    ),
    "status_503": FaultCase(
        about="503 without Retry-After",
        fault="status_503",
        row=_row(Busy, "server busy", "wait, or raise OLLAMA_MAX_QUEUE", kept=None),
    ),
    "busy_for_7_s": FaultCase(
        about="503 with `Retry-After: 7`",
        fault="busy_for_7_s",
        row=_row(Busy, "HTTP 503", "it asks to come back in 7 s", kept=None),
    ),
    "busy_until_a_date": FaultCase(
        about="503 with `Retry-After`, a date in a minute",
        fault="busy_until_a_date",
        row=_row(Busy, "HTTP 503", "it asks to come back in", kept=None),
    ),
}
CASES: Final = ADDRESSES | BREAKS | SILENCE | BYTES | EXCESS | STATUSES
