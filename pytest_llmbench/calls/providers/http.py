"""The transport under every dialect: httpx, our clock, our limits, our errors."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import os
import re
import socket
import ssl
import urllib.request
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

import httpx
from typing_extensions import override

from pytest_llmbench.calls.framing import LineSplitter
from pytest_llmbench.calls.providers.plain import PlainTransport, TimedStream
from pytest_llmbench.errors import (
    CallTimeout,
    FirstByteTimeout,
    ProtocolFault,
    StallTimeout,
    StreamTruncated,
    Unreachable,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.debuglog import WireLog
    from pytest_llmbench.calls.request import Limits

_HEADERS: Final = {"accept-encoding": "identity", "content-type": "application/json"}
_MAX_PORT: Final = 65_535
CONNECT_S: Final = 5.0
_MAX_ERROR_BYTES: Final = 100_000
_MAX_JSON_BYTES: Final = 64 * 1024 * 1024


class HttpStatusError(Exception):
    """An answer that is not 200; the dialect gives it its meaning."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body

    def json(self) -> Any:  # noqa: ANN401 - whatever the server sent
        """Return the body as JSON, or None if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class HttpTransport:
    """One server's connections.

    Args:
        name: put before the address in messages.
        hint: what a person can do when it can't be reached.
        keep_alive: whether connections are used again.
    """

    def __init__(
        self,
        base_url: str,
        clock: Clock,
        *,
        name: str = "",
        hint: str = "",
        keep_alive: bool = True,
    ) -> None:
        self._url = re.sub(r"//[^/]*@", "//", base_url)  # no password in messages
        self.where = f"{name} at {self._url}" if name else self._url
        self.clock = clock
        self.debug: WireLog | None = None
        self._hint = hint
        with self._foreign_errors(lambda: False):
            self._base = _url(base_url)
        self._headers = {**_HEADERS, **_authorization(self._base)}
        self._base = self._base.copy_with(userinfo=b"")
        self.is_loopback = _is_loopback(self._base.host)
        self._paths: dict[str, httpx.URL] = {}
        self._wire: PlainTransport | _Clients
        if _goes_straight(self._base):
            self._wire = PlainTransport(clock, keep_alive=keep_alive)
        else:
            self._wire = _Clients(keep_alive=keep_alive)

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.aclose()

    @asynccontextmanager
    async def _sent(
        self, method: str, path: str, content: bytes | None, connect_s: float
    ) -> AsyncIterator[httpx.Response]:
        """Send one request; the response is closed behind the block."""
        url = self._paths.get(path)
        if url is None:
            prefix = self._base.raw_path.rstrip(b"/")
            url = self._base.copy_with(raw_path=prefix + path.encode())
            self._paths[path] = url
        # Only the connecting is bounded here: our own deadlines bound what follows.
        limits = {"connect": connect_s, "read": None, "write": None, "pool": None}
        request = httpx.Request(
            method,
            url,
            headers=self._headers,
            content=content,
            extensions={"timeout": limits},
        )
        response = await self._wire.handle_async_request(request)
        try:
            yield response
        finally:
            await response.aclose()

    async def json(
        self, method: str, path: str, *, body: object = None, timeout_s: float
    ) -> Any:  # noqa: ANN401 - whatever the server sent
        """Send one request and return its decoded JSON body.

        Raises:
            HttpStatusError: any status but 200.
            CallError: as for `stream`; silence is `Unreachable` here, for no
                model is at work.
        """
        content = None if body is None else json.dumps(body).encode()
        with self._foreign_errors(lambda: False):
            try:
                sending = self._sent(method, path, content, CONNECT_S)
                async with asyncio.timeout(timeout_s), sending as response:
                    await self._check_status(response)
                    data = await _body(response, _MAX_JSON_BYTES)
            except TimeoutError:
                msg = f"{self.where}: {path} gave no answer in {timeout_s:g} s"
                raise Unreachable(msg) from None
        return decode_json(data, self.where)

    async def stream(
        self,
        path: str,
        body: dict[str, Any],
        limits: Limits,
        on_line: Callable[[bytes, int], None],
    ) -> int:
        """Post a request and hand each line of its reply to `on_line`.

        Args:
            on_line: gets a line and the clock's reading when its bytes came.

        Returns:
            The clock's reading after the last byte.

        Raises:
            HttpStatusError: any status but 200.
            CallError: a limit passed, the connection failed, or the bytes are
                no reply.
        """
        deadline = _Deadline(limits, self.where)
        splitter = LineSplitter()
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        if self.debug:
            self.debug.request(self._url + path, body)
        with self._foreign_errors(lambda: deadline.has_begun):
            try:
                sending = self._sent("POST", path, content, limits.connect_s)
                async with deadline.scope(), sending as response:
                    await self._check_status(response)
                    self._check_encoding(response)
                    end_ns = self.clock.now_ns()
                    async for chunk, end_ns in _timed(response, self.clock):
                        deadline.extend(len(chunk))
                        self._hand_over(splitter.feed(chunk), end_ns, on_line)
            except TimeoutError:
                raise deadline.error() from None
        if splitter.rest():
            self._hand_over_rest(splitter.rest(), end_ns, on_line)
        return end_ns

    def _hand_over_rest(
        self, rest: bytes, at_ns: int, on_line: Callable[[bytes, int], None]
    ) -> None:
        """Hand over a last line without its end; half a line is a cut stream."""
        try:
            self._hand_over([rest], at_ns, on_line)
        except ProtocolFault as error:
            msg = f"{self.where}: the reply ended in mid-line"
            raise StreamTruncated(msg) from error

    def _hand_over(
        self, lines: list[bytes], at_ns: int, on_line: Callable[[bytes, int], None]
    ) -> None:
        for line in lines:
            if self.debug:
                self.debug.line(line)
            with well_formed(self.where):
                on_line(line, at_ns)

    async def _check_status(self, response: httpx.Response) -> None:
        if response.status_code == httpx.codes.OK:
            return
        if response.has_redirect_location:
            msg = (
                f"{self.where} redirects to {response.headers['location']};"
                " give that server's address instead"
            )
            raise ProtocolFault(msg)
        body = await _body(response, _MAX_ERROR_BYTES)
        text = body[:_MAX_ERROR_BYTES].decode("utf-8", "replace")
        raise HttpStatusError(response.status_code, text)

    def _check_encoding(self, response: httpx.Response) -> None:
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            msg = f"{self.where} sent {encoding}-encoded bytes; none were asked for"
            raise ProtocolFault(msg)

    @contextmanager
    def _foreign_errors(self, has_begun: Callable[[], bool]) -> Iterator[None]:
        """Map every httpx error to one of ours, once, here."""
        try:
            yield
        except httpx.TransportError as error:
            reason = _reason(error)
            if has_begun():
                msg = f"{self.where}: the connection broke in mid-reply ({reason})"
                raise StreamTruncated(msg) from error
            hint = f"; {self._hint}" if self._hint else ""
            msg = f"{self.where} cannot be reached ({reason}){hint}"
            raise Unreachable(msg) from error
        except httpx.InvalidURL as error:
            msg = f"{self.where} is no URL ({error})"
            raise Unreachable(msg) from error
        except httpx.HTTPError as error:
            msg = f"{self.where}: {str(error) or type(error).__name__}"
            raise ProtocolFault(msg) from error


async def _body(response: httpx.Response, max_bytes: int) -> bytes:
    """Read a body, but stop soon after `max_bytes`: it may never end."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > max_bytes:
            break
    return bytes(body)


def _url(text: str) -> httpx.URL:
    url = httpx.URL(text)
    if (url.port or 0) > _MAX_PORT:
        msg = f"{url.port} is no port"
        raise httpx.InvalidURL(msg)
    return url


def _authorization(url: httpx.URL) -> dict[str, str]:
    """Return the header that `user:password@` in an address stands for."""
    if not url.userinfo:
        return {}
    both = f"{url.username}:{url.password}".encode()
    return {"authorization": "Basic " + base64.b64encode(both).decode("ascii")}


def _goes_straight(url: httpx.URL) -> bool:
    """Whether a server is reached without encryption and without a proxy.

    No proxy leads to a server on this machine, whatever is set.
    """
    if url.scheme != "http":
        return False
    return _is_loopback(url.host) or not urllib.request.getproxies()


async def _timed(
    response: httpx.Response, clock: Clock
) -> AsyncIterator[tuple[bytes, int]]:
    """Yield the body's chunks, and one empty one at its end, with their times."""
    stream = response.stream
    if isinstance(stream, TimedStream):
        async for chunk, at_ns in stream.timed():
            yield chunk, at_ns
        yield b"", stream.ended_ns
        return
    async for chunk in response.aiter_raw():
        yield chunk, clock.now_ns()
    yield b"", clock.now_ns()


class _Clients:
    """httpx clients for one server, each busy with one call at a time.

    One client for fifty calls would spend its time in its own pool.
    """

    def __init__(self, *, keep_alive: bool) -> None:
        self._limits = httpx.Limits(
            max_connections=None, max_keepalive_connections=None if keep_alive else 0
        )
        self._context: ssl.SSLContext | None = None
        self._idle: list[httpx.AsyncClient] = []
        self._all: list[httpx.AsyncClient] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request through a client that is free."""
        client = self._idle.pop() if self._idle else self._new()
        try:
            response = await client.send(request, stream=True)
        except BaseException:
            self._idle.append(client)
            raise
        response.stream = _Freeing(response.stream, lambda: self._idle.append(client))
        return response

    async def aclose(self) -> None:
        """Close every client."""
        for client in self._all:
            await client.aclose()

    def _new(self) -> httpx.AsyncClient:
        if self._context is None:  # reading the certificates costs 20 ms
            self._context = httpx.create_ssl_context()
        client = httpx.AsyncClient(
            limits=self._limits, verify=self._context, follow_redirects=False
        )
        self._all.append(client)
        return client


class _Freeing(httpx.AsyncByteStream):
    """A body that says when it is closed."""

    def __init__(self, stream: Any, on_close: Callable[[], None]) -> None:  # noqa: ANN401 - httpx has two kinds
        self._stream = stream
        self._on_close = on_close

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    @override
    async def aclose(self) -> None:
        await self._stream.aclose()
        self._on_close()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(error: BaseException) -> str:
    """Return the operating system's own reason if there is one behind an error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, BaseExceptionGroup):  # one per address, IPv4 last
            cause = cause.exceptions[-1]
        if isinstance(cause, ssl.SSLError | socket.gaierror):  # numbers of their own
            return cause.strerror or str(cause)
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno)
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


@contextmanager
def well_formed(where: str) -> Iterator[None]:
    """Turn a stumble over JSON of an unknown shape into a fault of the server.

    Raises:
        ProtocolFault: a value was not of the type that the protocol says.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        msg = f"{where} sent JSON of an unknown shape ({error})"
        raise ProtocolFault(msg) from error


def decode_json(data: bytes, where: str) -> Any:  # noqa: ANN401 - the server's value
    """Decode a JSON body or line.

    Raises:
        ProtocolFault: it is not UTF-8 JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        shown = data[:80].decode("utf-8", "backslashreplace")
        msg = f"{where} sent what is not JSON: {shown!r}"
        raise ProtocolFault(msg) from None


class _Deadline:
    """The limits of one call: first byte, stall, whole."""

    def __init__(self, limits: Limits, where: str) -> None:
        self._limits = limits
        self._where = where
        self._loop = asyncio.get_running_loop()
        self._start = self._last = self._loop.time()
        self._whole = self._start + limits.first_byte_s
        self._scope = asyncio.timeout_at(self._whole)
        self._size = 0
        self.has_begun = False

    def scope(self) -> asyncio.Timeout:
        return self._scope

    def extend(self, size: int) -> None:
        """Note an arrival; a load that has ended starts the call's own time."""
        if not size:
            return
        self._last = self._loop.time()
        if not self.has_begun:
            self.has_begun = True
            begin = self._last if self._limits.is_loading else self._start
            self._whole = begin + self._limits.call_s
        self._size += size
        if self._size > self._limits.max_reply_bytes:
            limit = self._limits.max_reply_bytes
            msg = f"{self._where}: the reply passed {limit:,} bytes and was cut off"
            raise ProtocolFault(msg)
        until = min(self._whole, self._stall_at())
        if until != self._scope.when():
            self._scope.reschedule(until)

    def _stall_at(self) -> float:
        stall_s = self._limits.stall_s
        return self._whole if stall_s is None else self._last + stall_s

    def error(self) -> CallTimeout:
        limits, where = self._limits, self._where
        if not self.has_begun:
            load = f" (+ {limits.load_s:g} s for the load)" if limits.is_loading else ""
            msg = f"{where}: no first byte within {limits.call_s:g} s{load}"
            return FirstByteTimeout(msg)
        since = self._loop.time() - self._last
        if self._stall_at() < self._whole:
            return StallTimeout(f"{where}: nothing came for {since:.1f} s in mid-reply")
        return CallTimeout(
            f"{where}: the reply did not end within {limits.call_s:g} s"
            f" (the last bytes came {since:.1f} s before)"
        )
