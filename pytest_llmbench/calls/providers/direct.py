"""HTTP/1.1 over TCP or TLS behind httpx's transport API, timed where bytes arrive.

httpx's own transport takes about a millisecond of CPU per streamed call, most of it
in its connection pool; at fifty calls in flight that is felt in every TTFT. This
one parses with llhttp and reads the clock in `data_received`, once the bytes are
decrypted and before any task is woken. Proxied connections stay with httpx's own.
"""

from __future__ import annotations

import asyncio
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import httptools
import httpx
from typing_extensions import override

from pytest_llmbench.calls.providers.tls import was_ended

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from pytest_llmbench.calls.clock import Clock

_MAX_HEAD_BYTES: Final = 128 * 1024
"""Bytes that may come without one of the body among them: headers, trailers."""

_MAX_WAITING_BYTES: Final = 1024 * 1024
"""Bytes held for a slow reader before the socket is read no further."""

_STALE_WITHIN_S: Final = 1.0
"""A server that goes later than this had the request, and was at work on it."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_FIRST_FINAL_STATUS: Final = 200

Header = tuple[bytes, bytes]


class TimedStream(httpx.AsyncByteStream):
    """A reply's body whose chunks carry the clock's reading of their arrival."""

    ended_ns: int = 0
    """The clock's reading when the last byte came."""

    def timed(self) -> AsyncIterator[tuple[bytes, int]]:
        """Iterate over chunks, each with the clock's reading of its arrival."""
        raise NotImplementedError

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over chunks, as httpx knows it."""
        async for chunk, _ in self.timed():
            yield chunk


class DirectTransport(httpx.AsyncBaseTransport):
    """One server's connections; the newest idle one is used first.

    Args:
        keep_alive: whether connections are used again.
        tls: for https: whom to trust; None for http.

    Attributes:
        lost: how many connections have ended, by whomever.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        keep_alive: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._clock = clock
        self._keep_alive = keep_alive
        self._tls = tls
        self.lost = 0
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and return its response once the head is there.

        A kept connection that the server closed in order, at once, and before it
        sent a byte, is replaced once: it had gone before the request came.
        """
        message = _message(request)
        connection = self._idle.pop() if self._idle else None
        if connection is not None:
            try:
                return await self._exchange(connection, message)
            except _Stale:
                pass
        connection = await self._connected(request)
        try:
            return await self._exchange(connection, message)
        except _Stale as error:
            raise httpx.ReadError(str(error)) from None

    @override
    async def aclose(self) -> None:
        """Close every connection."""
        for connection in list(self._all):
            connection.abort()
        for _ in range(2):  # TLS hears of it first, its protocol after it
            await asyncio.sleep(0)

    def release(self, connection: _Connection) -> None:
        """Take a connection back whose exchange has ended in order."""
        if self._keep_alive:
            self._idle.append(connection)
        else:
            connection.abort()

    def forget(self, connection: _Connection) -> None:
        """Drop a connection that is lost."""
        self.lost += 1
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    async def _connected(self, request: httpx.Request) -> _Connection:
        limits: dict[str, float | None] = request.extensions.get("timeout", {})
        try:
            async with asyncio.timeout(limits.get("connect")):
                connection = await self._opened(request.url)
        except TimeoutError as error:
            handshake = ", TLS handshake included" if self._tls else ""
            msg = f"no connection within {limits['connect']:g} s{handshake}"
            raise httpx.ConnectTimeout(msg) from error
        except OSError as error:  # asyncio says nothing of an end in the handshake
            msg = str(error) or "closed in the TLS handshake"
            raise httpx.ConnectError(msg) from error
        self._all.add(connection)
        return connection

    async def _opened(self, url: httpx.URL) -> _Connection:
        host = url.raw_host.decode("ascii")
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: _Connection(self, self._clock),
            host,
            url.port or _DEFAULT_PORTS[url.scheme],
            ssl=self._tls,
            server_hostname=host if self._tls else None,
        )
        return connection

    async def _exchange(
        self, connection: _Connection, message: bytes
    ) -> httpx.Response:
        try:
            return await connection.exchange(message)
        except BaseException:
            connection.abort()
            raise


class _Stale(Exception):
    """The connection ended before a byte of the answer came."""


class _Connection(asyncio.Protocol):
    """One connection; one exchange at a time."""

    def __init__(self, owner: DirectTransport, clock: Clock) -> None:
        self._owner = owner
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._tls: ssl.SSLObject | None = None
        self._was_ended = True
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[Header] = []
        self._head: asyncio.Future[None] | None = None
        self._sent_at = self._loop.time()
        self._bytes = 0
        self._bodiless_bytes = 0
        self._has_length = False
        self._status = 0
        self._chunks: list[tuple[bytes, int]] = []
        self._waiting_bytes = 0
        self._is_paused = False
        self._wake: asyncio.Future[None] | None = None
        self._is_complete = False
        self._may_stay = False
        self._error: Exception | None = None
        self.at_ns = 0

    async def exchange(self, message: bytes) -> httpx.Response:
        """Send a request; return the response when its head has come."""
        if self._transport is None or self._transport.is_closing():
            raise _Stale
        was_used = self._head is not None
        if was_used and _has_unread(self._transport):
            raise _Stale  # its end, or bytes that would be taken for the answer
        self._reset()
        self._head = self._loop.create_future()
        self._transport.write(message)
        await self._head
        return httpx.Response(self._status, headers=self._headers, stream=_Body(self))

    async def chunks(self) -> AsyncIterator[tuple[bytes, int]]:
        """Yield the body as it comes; `release` or `abort` must follow."""
        while True:
            if self._chunks:
                waiting, self._chunks = self._chunks, []
                self._waiting_bytes = 0
                self._resume()
                for chunk in waiting:
                    yield chunk
            elif self._is_complete:
                return
            elif self._error is not None:
                raise self._error
            else:
                self._wake = self._loop.create_future()
                await self._wake

    def end(self) -> None:
        """Give the connection back, or close it if more of the body may come."""
        if self._is_complete and self._error is None and self._may_stay:
            self._owner.release(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Close at once; a server sees that nobody listens any more."""
        if self._transport is not None:
            self._transport.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._tls = transport.get_extra_info("ssl_object")
            self._was_ended = self._tls is None

    @override
    def data_received(self, data: bytes) -> None:
        self.at_ns = self._clock.now_ns()
        if self._is_complete or self._head is None:  # nothing was asked
            self._fail(httpx.RemoteProtocolError("bytes came that nobody asked for"))
            self.abort()
            return
        self._bytes += len(data)
        self._bodiless_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(httpx.RemoteProtocolError(str(error)))
            self.abort()
        if self._bodiless_bytes > _MAX_HEAD_BYTES and not self._is_complete:
            self._fail(httpx.RemoteProtocolError("endless headers"))
            self.abort()
        self._notify()

    @override
    def eof_received(self) -> None:
        self._was_ended = self._tls is None or was_ended(self._tls)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.forget(self)
        if self._is_complete:
            return
        is_whole = self._head is not None and self._head.done()
        is_whole = is_whole and not self._has_length
        if exc is None and is_whole and self._was_ended:
            self._is_complete = True  # the body's end is the connection's
        elif exc is None and not self._bytes and self._is_new():
            self._fail(_Stale("closed without an answer"))
        else:
            found = f"closed after byte {self._bytes:,} of the answer"
            if is_whole and not self._was_ended:
                found += ", without TLS's own end"
            error = httpx.ReadError(str(exc) if exc else found)
            error.__cause__ = exc
            self._fail(error)
        self._notify()

    def on_message_begin(self) -> None:
        """Refuse an answer behind the one asked for (called by the parser)."""
        if self._is_complete:
            msg = "bytes came that nobody asked for"
            raise httpx.RemoteProtocolError(msg)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note one header, but no trailer (called by the parser)."""
        if self._head is None or self._head.done():
            return
        self._headers.append((name, value))
        key = name.lower()
        if key == b"content-length" or (
            key == b"transfer-encoding" and b"chunked" in value.lower()
        ):
            self._has_length = True

    def on_headers_complete(self) -> None:
        """Hand the head over (called by the parser)."""
        self._status = self._parser.get_status_code()
        if self._status < _FIRST_FINAL_STATUS:
            self._headers = []
        elif self._head is not None and not self._head.done():
            self._head.set_result(None)

    def on_body(self, body: bytes) -> None:
        """Queue a chunk with its time of arrival (called by the parser)."""
        self._bodiless_bytes = 0
        self._chunks.append((body, self.at_ns))
        self._waiting_bytes += len(body)
        if self._waiting_bytes > _MAX_WAITING_BYTES and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """Note the end of the body (called by the parser)."""
        if self._status >= _FIRST_FINAL_STATUS:
            self._is_complete = True
            # Asked later, the parser would speak of the next message. While reading
            # is paused, TLS may hold bytes that came behind this one.
            self._may_stay = self._parser.should_keep_alive() and not self._is_paused

    def _is_new(self) -> bool:
        return self._loop.time() - self._sent_at < _STALE_WITHIN_S

    def _resume(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            with suppress(RuntimeError):  # closed meanwhile
                self._transport.resume_reading()

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        if self._head is not None and not self._head.done():
            self._head.set_exception(self._error)

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class _Body(TimedStream):
    """A response's body on its connection."""

    def __init__(self, connection: _Connection) -> None:
        self._connection: _Connection | None = connection

    @override
    async def timed(self) -> AsyncIterator[tuple[bytes, int]]:
        if self._connection is None:
            raise httpx.StreamClosed
        async for chunk in self._connection.chunks():
            yield chunk
        self.ended_ns = self._connection.at_ns

    @override
    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.end()


def _message(request: httpx.Request) -> bytes:
    """Return a request as bytes on the wire.

    Raises:
        httpx.StreamError: the body is a stream; ours never are.
    """
    method, target = request.method.encode("ascii"), request.url.raw_path
    head = [b"%s %s HTTP/1.1\r\n" % (method, target)]
    head += [b"%s: %s\r\n" % header for header in request.headers.raw]
    return b"".join((*head, b"\r\n", request.content))


def _has_unread(transport: asyncio.Transport) -> bool:
    """Whether the system has bytes, or the end, that the loop has not seen yet."""
    fd = transport.get_extra_info("socket").fileno()
    if sys.platform == "win32":
        return bool(select.select([fd], [], [], 0)[0])
    poll = select.poll()  # select() ends at 1024 files
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))
