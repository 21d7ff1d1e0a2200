"""The transport under every dialect: httpx, our clock, our limits, our errors."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.request
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

import httpx
import msgspec

from pytest_llmbench.calls.deadline import Deadline
from pytest_llmbench.calls.framing import LineSplitter
from pytest_llmbench.calls.providers.clients import Clients, timed_chunks
from pytest_llmbench.calls.providers.direct import DirectTransport
from pytest_llmbench.calls.providers.keys import is_loopback
from pytest_llmbench.calls.providers.reasons import (
    advice_on,
    is_lasting,
    is_no_http,
    reason_of,
)
from pytest_llmbench.calls.providers.retry_after import seconds_to_wait
from pytest_llmbench.calls.providers.tls import client_context
from pytest_llmbench.checks.shown import one_line
from pytest_llmbench.errors import (
    Busy,
    ProtocolFault,
    StreamTruncated,
    Unreachable,
)
from pytest_llmbench.masking import masked_text, masks, without_password

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.debuglog import WireLog
    from pytest_llmbench.calls.request import Limits, Residency
    from pytest_llmbench.errors import CallError

_HEADERS: Final = {"accept-encoding": "identity", "content-type": "application/json"}
_MAX_PORT: Final = 65_535
CONNECT_S: Final = 5.0
_MAX_ERROR_BYTES: Final = 100_000
_MAX_JSON_BYTES: Final = 64 * 1024 * 1024
_IS_IT_RIGHT: Final = "is this the server's address?"


class HttpStatusError(Exception):
    """An answer that is not 200; the dialect gives it its meaning.

    Attributes:
        retry_after_s: seconds that the server asks to wait; None if not told.
        headers: the answer's headers, names in lower case.
    """

    def __init__(
        self,
        status: int,
        body: str,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"HTTP {status}")
        self.headers = headers or {}
        self.status = status
        self.body = body
        self.retry_after_s = retry_after_s

    def json(self) -> Any:  # noqa: ANN401 - whatever the server sent
        """Return the body as JSON, or None if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def as_error(self, kind: type[CallError], message: str) -> CallError:
        """Return an error of a class; `Busy` keeps and says how long to wait."""
        error = kind(message)
        wait_s = self.retry_after_s
        if isinstance(error, Busy) and wait_s is not None:
            error = type(error)(f"{message}; it asks to come back in {wait_s:.0f} s")
            error.retry_after_s = wait_s
        return error


class HttpTransport:
    """One server's connections.

    Args:
        name: put before the address in messages.
        hint: what a person can do when it can't be reached.
        keep_alive: whether connections are used again.
        headers: sent with each request; never shown, as keys are among them.

    Attributes:
        on_grant: see `Deadline`; None if nobody is told.
        on_headers: is told the headers of each answer, names in lower case.
    """

    def __init__(
        self,
        base_url: str,
        clock: Clock,
        *,
        name: str = "",
        hint: str = "",
        keep_alive: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._url = without_password(base_url)
        self.where = f"{name} at {self._url}" if name else self._url
        self.clock = clock
        self.debug: WireLog | None = None
        self.on_grant: Callable[[float], None] | None = None
        self.on_headers: Callable[[Mapping[str, str]], None] | None = None
        self._hint = hint
        with self._foreign_errors(lambda: False):
            masks.add_password(base_url)
            self._base = _url(base_url)
            self._wire = _wire(self._base, clock, keep_alive=keep_alive)
        self._headers = {**_HEADERS, **_authorization(self._base), **(headers or {})}
        self._base = self._base.copy_with(userinfo=b"")
        self.is_loopback = is_loopback(self._base.host)
        self._paths: dict[str, httpx.URL] = {}

    @property
    def lost(self) -> int:
        """How many connections have ended; 0 where httpx has them."""
        return self._wire.lost

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
                    self._check_encoding(response)
                    data = await _body(response, _MAX_JSON_BYTES)
            except TimeoutError:
                msg = (
                    f"{self.where}: {path} gave no answer in {timeout_s:g} s;"
                    " see the server's log"
                )
                raise Unreachable(msg) from None
        return decode_json(data, self.where)

    async def stream(
        self,
        path: str,
        body: dict[str, Any],
        limits: Limits,
        on_line: Callable[[bytes, int], None],
        look: Callable[[], Awaitable[Residency]] | None = None,
    ) -> int:
        """Post a request and hand each line of its reply to `on_line`.

        Args:
            on_line: gets a line and the clock's reading when its bytes came.
            look: see `Deadline`.

        Returns:
            The clock's reading after the last byte.

        Raises:
            HttpStatusError: any status but 200.
            CallError: a limit passed, the connection failed, or the bytes are
                no reply.
        """
        deadline = Deadline(limits, self.where, look, self.on_grant)
        splitter = LineSplitter(self.where)
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        if self.debug:
            self.debug.request(self._url + path, body)
        with self._foreign_errors(lambda: deadline.has_begun):
            sending = self._sent("POST", path, content, limits.connect_s)
            async with deadline.scope(), sending as response:
                await self._check_status(response)
                self._check_encoding(response)
                end_ns = self.clock.now_ns()
                async for chunk, end_ns in timed_chunks(response, self.clock):
                    deadline.extend(len(chunk))
                    self._hand_over(splitter.feed(chunk), end_ns, on_line)
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
            msg = f"{self.where}: the reply ended in mid-line; see the server's log"
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
        if self.on_headers:
            self.on_headers(response.headers)
        if response.status_code == httpx.codes.OK:
            return
        if response.has_redirect_location:
            to = one_line(masked_text(response.headers["location"]))
            msg = f"{self.where} redirects to {to}; give that server's address instead"
            raise ProtocolFault(msg)
        encoding = response.headers.get("content-encoding", "identity")
        if encoding == "identity":
            body = await _body(response, _MAX_ERROR_BYTES)
            text = masked_text(body[:_MAX_ERROR_BYTES].decode("utf-8", "replace"))
        else:  # what it unpacks to has no limit
            text = f"and {one_line(encoding)}-encoded bytes"
        told = response.headers.get("retry-after")
        wait_s = seconds_to_wait(told, self.clock.utc())
        raise HttpStatusError(response.status_code, text, wait_s, response.headers)

    def _check_encoding(self, response: httpx.Response) -> None:
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            msg = (
                f"{self.where} sent {one_line(encoding)}-encoded bytes; none were asked"
                " for: switch compression off in what stands before it"
            )
            raise ProtocolFault(msg)

    @contextmanager
    def _foreign_errors(self, has_begun: Callable[[], bool]) -> Iterator[None]:
        """Map every httpx error to one of ours, once, here."""
        try:
            yield
        except httpx.TransportError as error:
            reason = reason_of(error)
            if has_begun():
                msg = (
                    f"{self.where}: the connection broke in mid-reply ({reason});"
                    " see the server's log"
                )
                raise StreamTruncated(msg) from error
            if is_no_http(error):
                msg = f"{self.where} sent what is no HTTP ({reason}); {_IS_IT_RIGHT}"
                raise ProtocolFault(msg) from error
            hint = advice_on(reason, self._hint)
            msg = f"{self.where} cannot be reached ({reason})"
            msg = f"{msg}; {hint}" if hint else msg
            raise Unreachable(msg, is_lasting=is_lasting(error, reason)) from error
        except httpx.InvalidURL as error:
            msg = f"{self.where} is no URL ({error})"
            raise Unreachable(msg, is_lasting=True) from error
        except httpx.HTTPError as error:
            msg = f"{self.where}: {str(error) or type(error).__name__}"
            raise ProtocolFault(msg) from error


async def _body(response: httpx.Response, max_bytes: int) -> bytes:
    """Read a body, but stop soon after `max_bytes`: it may never end."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > max_bytes:
            break
    return bytes(body)


def _url(text: str) -> httpx.URL:
    url = httpx.URL(text)
    if (url.port or 0) > _MAX_PORT:
        msg = f"{url.port} is no port"
        raise httpx.InvalidURL(msg)
    try:
        url.raw_host.decode("ascii").encode("idna")
    except UnicodeError:  # the resolver would stumble over it
        msg = f"{url.host} is no host name"
        raise httpx.InvalidURL(msg) from None
    return url


def _authorization(url: httpx.URL) -> dict[str, str]:
    """Return the header that `user:password@` in an address stands for."""
    if not url.userinfo:
        return {}
    both = f"{url.username}:{url.password}".encode()
    code = base64.b64encode(both).decode("ascii")
    masks.add(code)
    return {"authorization": f"Basic {code}"}


def _wire(
    url: httpx.URL, clock: Clock, *, keep_alive: bool
) -> DirectTransport | Clients:
    if not _goes_straight(url):
        return Clients()
    tls = client_context() if url.scheme == "https" else None
    return DirectTransport(clock, keep_alive=keep_alive, tls=tls)


def _goes_straight(url: httpx.URL) -> bool:
    """Whether a server is reached without a proxy.

    No proxy leads to a server on this machine, whatever is set.
    """
    if url.scheme not in {"http", "https"}:
        return False
    is_proxied = not {url.scheme, "all"}.isdisjoint(urllib.request.getproxies())
    if is_loopback(url.host) or not is_proxied:
        return True
    return bool(urllib.request.proxy_bypass(url.host))


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
        return _decoded(data)
    except (ValueError, RecursionError):
        shown = masked_text(data[:1000].decode("utf-8", "backslashreplace"))[:80]
        msg = f"{where} sent what is not JSON: {shown!r}"
        if data.lstrip().startswith(b"<"):
            msg += f"; that is a page (of a login or a proxy?), so {_IS_IT_RIGHT}"
        raise ProtocolFault(msg) from None


def _decoded(data: bytes) -> Any:  # noqa: ANN401 - the server's value
    """Decode JSON; what msgspec is too strict for, lone surrogates, the slow way."""
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return json.loads(data)
