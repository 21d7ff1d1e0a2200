"""What a faulty server puts on the wire, byte by byte: no framework helps it."""

from __future__ import annotations

import json
import os
import signal
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import TYPE_CHECKING, Final

from fake_ollama_faults import FOREVER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from fake_wire import Wire

    Play = Callable[[Wire, "WireFault"], None]

MEGABYTE: Final = 1_000_000
LOGIN_PAGE: Final = b"<!doctype html>\n<html><title>Sign in</title></html>\n"
READ_TIME_S: Final = 0.05
POISON: Final = "An answer to another question."


@dataclass(frozen=True, slots=True, kw_only=True)
class WireFault:
    """One thing that goes wrong on the wire.

    Attributes:
        name: which, a key of `PLAYS`.
        path, prompt_contains: which requests are hit; "" means any.
        pause_s: between two bytes of a slow answer.
        size: bytes of a line or a body that is too long.
        elsewhere: the base URL that a redirect names.
        on_used: hits no request but those on a connection used before.
        is_always: hits every matching request, not the first only.
    """

    name: str
    path: str = "/api/chat"
    prompt_contains: str = ""
    pause_s: float = 1.0
    size: int = 200 * MEGABYTE
    elsewhere: str = "http://127.0.0.1:1"
    on_used: bool = False
    is_always: bool = False


def _line(text: str, *, done: bool = False) -> bytes:
    message = {"role": "assistant", "content": text}
    value = {"model": "fake:1b", "message": message, "done": done}
    return json.dumps(value).encode() + b"\n"


def _done() -> bytes:
    counts = {"done_reason": "stop", "eval_count": 2, "prompt_eval_count": 1}
    return json.dumps({"model": "fake:1b", "done": True, **counts}).encode() + b"\n"


_FIRST_TWO: Final = (_line("One "), _line("two "))
_WHOLE: Final = b"".join((*_FIRST_TWO, _done()))


def _head(status: str = "200 OK", **fields: object) -> bytes:
    given = {"Content_Type": "application/x-ndjson", **fields}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in given.items()]
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _begin(wire: Wire) -> None:
    wire.write_raw(_head(Transfer_Encoding="chunked"))
    for line in _FIRST_TWO:
        wire.write_raw(_chunk(line))


def _silence_after_headers(wire: Wire, _fault: WireFault) -> None:
    wire.write_raw(_head(Transfer_Encoding="chunked"))
    wire.wait(FOREVER_S)


def _slow_head(wire: Wire, fault: WireFault) -> None:
    for byte in _head(Content_Length=len(_WHOLE)) + _WHOLE:
        wire.write_raw(bytes((byte,)))
        wire.wait(fault.pause_s)


def _not_http(wire: Wire, _fault: WireFault) -> None:
    wire.write_raw(bytes(range(128, 256)) * 8 + b"\r\n\r\n")


def _garbage_in_body(wire: Wire, _fault: WireFault) -> None:
    _begin(wire)
    wire.write_raw(_chunk(bytes(range(256)) + b"\n"))


def _bad_framing(wire: Wire, _fault: WireFault) -> None:
    _begin(wire)
    wire.write_raw(b"this is no length\r\n")


def _endless_stream(wire: Wire, fault: WireFault) -> None:
    wire.write_raw(_head())
    block = _FIRST_TWO[0] * 1000
    for _ in range(fault.size // len(block)):
        wire.write_raw(block)


def _endless_line(wire: Wire, fault: WireFault) -> None:
    wire.write_raw(_head() + _FIRST_TWO[0] + b'{"message":{"content":"')
    block = b"x" * 100_000
    for _ in range(fault.size // len(block)):
        wire.write_raw(block)


def _header_bomb(wire: Wire, fault: WireFault) -> None:
    wire.write_raw(b"HTTP/1.1 200 OK\r\n")
    block = b"X-Filler: " + b"x" * 1000 + b"\r\n"
    for _ in range(fault.size // len(block)):
        wire.write_raw(block)


def _trailer_bomb(wire: Wire, fault: WireFault) -> None:
    _begin(wire)
    wire.write_raw(b"0\r\n")
    block = b"X-Filler: " + b"x" * 1000 + b"\r\n"
    for _ in range(fault.size // len(block)):
        wire.write_raw(block)


def _gzip_bomb(wire: Wire, fault: WireFault) -> None:
    bomb = _bomb(fault.size)
    wire.write_raw(_head(Content_Encoding="gzip", Content_Length=len(bomb)) + bomb)


def _gzip_bomb_as_error(wire: Wire, fault: WireFault) -> None:
    bomb = _bomb(fault.size)
    status = "500 Internal Server Error"
    head = _head(status, Content_Encoding="gzip", Content_Length=len(bomb))
    wire.write_raw(head + bomb, 500)


@cache
def _bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(MEGABYTE)
    parts = [packer.compress(zeros) for _ in range(size // MEGABYTE)]
    return b"".join((*parts, packer.flush()))


def _short_body(wire: Wire, _fault: WireFault) -> None:
    body = b"".join(_FIRST_TWO)
    wire.write_raw(_head(Content_Length=len(body) + 100) + body)


def _short_after_done(wire: Wire, _fault: WireFault) -> None:
    wire.write_raw(_head(Content_Length=len(_WHOLE) + 100) + _WHOLE)


def _login_page(wire: Wire, _fault: WireFault) -> None:
    head = _head(Content_Type="text/html", Content_Length=len(LOGIN_PAGE))
    wire.write_raw(head + LOGIN_PAGE)


def _redirect(wire: Wire, fault: WireFault) -> None:
    where = f"{fault.elsewhere}{wire.record.path}"
    head = _head("307 Temporary Redirect", Location=where, Content_Length=0)
    wire.write_raw(head, 307)


def _busy(retry_after: Callable[[], str]) -> Play:
    def play(wire: Wire, _fault: WireFault) -> None:
        body = json.dumps({"error": "come back later"}).encode()
        fields = {"Retry_After": retry_after(), "Content_Length": len(body)}
        wire.write_raw(_head("503 Service Unavailable", **fields) + body, 503)

    return play


def in_a_minute() -> str:
    """Return the HTTP-date 60 s from now."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)


def _closes_unasked(wire: Wire, _fault: WireFault) -> None:
    wire.write_raw(_head(Content_Length=len(_WHOLE)) + _WHOLE)


def _closes_unanswered(_wire: Wire, _fault: WireFault) -> None:
    """Take the request and close, as a server that is being stopped does."""


def _closes_late(wire: Wire, fault: WireFault) -> None:
    """Be at work on the request for a while, then go without an answer."""
    wire.wait(fault.pause_s)


def _dies(wire: Wire, _fault: WireFault) -> None:
    """End the whole server in mid-reply, as kill -9 does."""
    _begin(wire)
    wire.wait(READ_TIME_S)
    os.kill(os.getpid(), signal.SIGKILL)


def _dies_before_headers(_wire: Wire, _fault: WireFault) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _closes_after_a_byte(wire: Wire, _fault: WireFault) -> None:
    wire.write_raw(b"H")


def _more_bytes(wire: Wire, _fault: WireFault) -> None:
    wire.write_raw(_head(Content_Length=len(_WHOLE)) + _WHOLE + b"\r\n\0\xff more")


def _answer_unasked(wire: Wire, _fault: WireFault) -> None:
    body = _line(POISON) + _done()
    unasked = _head(Content_Length=len(body)) + body
    wire.write_raw(_head(Content_Length=len(_WHOLE)) + _WHOLE + unasked)


PLAYS: Final[dict[str, Play]] = {
    "silence_after_headers": _silence_after_headers,
    "slow_head": _slow_head,
    "not_http": _not_http,
    "garbage_in_body": _garbage_in_body,
    "bad_framing": _bad_framing,
    "endless_stream": _endless_stream,
    "endless_line": _endless_line,
    "header_bomb": _header_bomb,
    "trailer_bomb": _trailer_bomb,
    "gzip_bomb": _gzip_bomb,
    "gzip_bomb_as_error": _gzip_bomb_as_error,
    "short_body": _short_body,
    "short_after_done": _short_after_done,
    "login_page": _login_page,
    "redirect": _redirect,
    "busy_for_7_s": _busy(lambda: "7"),
    "busy_until_a_date": _busy(in_a_minute),
    "closes_unasked": _closes_unasked,
    "closes_unanswered": _closes_unanswered,
    "closes_late": _closes_late,
    "closes_after_a_byte": _closes_after_a_byte,
    "dies": _dies,
    "dies_before_headers": _dies_before_headers,
    "more_bytes": _more_bytes,
    "answer_unasked": _answer_unasked,
}
"""By name; the connection is closed after each but those of `STAYS_OPEN`."""

STAYS_OPEN: Final = frozenset({
    "redirect", "busy_for_7_s", "busy_until_a_date", "more_bytes", "answer_unasked",
})  # fmt: skip
