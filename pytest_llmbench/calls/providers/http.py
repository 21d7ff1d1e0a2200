"""The transport under every dialect: httpx, our clock, our limits, our errors."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import httpx

from pytest_llmbench.calls.framing import LineSplitter
from pytest_llmbench.errors import (
    CallTimeout,
    FirstByteTimeout,
    ProtocolFault,
    StallTimeout,
    StreamTruncated,
    Unreachable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.debuglog import DebugLog
    from pytest_llmbench.calls.request import Limits

_HEADERS: Final = {"accept-encoding": "identity", "content-type": "application/json"}


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
        where: the server's name in messages.
        hint: what a person can do when it can't be reached.
        keep_alive: whether connections are used again.
    """

    def __init__(
        self, base_url: str, clock: Clock, *, hint: str = "", keep_alive: bool = True
    ) -> None:
        limits = httpx.Limits(
            max_connections=None, max_keepalive_connections=None if keep_alive else 0
        )
        self.where = base_url
        self.clock = clock
        self.debug: DebugLog | None = None
        self._hint = hint
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers=_HEADERS,
            limits=limits,
            timeout=None,  # noqa: S113 - our own deadlines bound every call
            # Reading the certificates costs 20 ms; plain HTTP has no use for them.
            verify=not base_url.startswith("http://"),
            follow_redirects=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def json(
        self, method: str, path: str, *, body: object = None, timeout_s: float
    ) -> Any:  # noqa: ANN401 - whatever the server sent
        """Send one request and return its decoded JSON body.

        Raises:
            HttpStatusError: any status but 200.
            CallError: as for `stream`.
        """
        content = None if body is None else json.dumps(body)
        with self._foreign_errors(lambda: False):
            try:
                async with asyncio.timeout(timeout_s):
                    response = await self._client.request(method, path, content=content)
            except TimeoutError:
                msg = f"{self.where}{path} gave no answer in {timeout_s:g} s"
                raise FirstByteTimeout(msg) from None
        if response.status_code != httpx.codes.OK:
            raise HttpStatusError(response.status_code, response.text)
        return decode_json(response.content, self.where)

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
        deadline = _Deadline(limits)
        splitter = LineSplitter()
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        if self.debug:
            self.debug.request(self.where + path, body)
        with self._foreign_errors(lambda: deadline.has_begun):
            try:
                sending = self._client.stream("POST", path, content=content)
                async with deadline.scope(), sending as response:
                    await _accept(response)
                    async for chunk in response.aiter_raw():
                        at_ns = self.clock.now_ns()
                        deadline.extend(len(chunk))
                        self._hand_over(splitter.feed(chunk), at_ns, on_line)
                    end_ns = self.clock.now_ns()
            except TimeoutError:
                raise deadline.error(self.where) from None
        if splitter.rest():
            self._hand_over([splitter.rest()], end_ns, on_line)
        return end_ns

    def _hand_over(
        self, lines: list[bytes], at_ns: int, on_line: Callable[[bytes, int], None]
    ) -> None:
        for line in lines:
            if self.debug:
                self.debug.line(line)
            on_line(line, at_ns)

    @contextmanager
    def _foreign_errors(self, has_begun: Callable[[], bool]) -> Iterator[None]:
        """Map every httpx error to one of ours, once, here."""
        try:
            yield
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
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


async def _accept(response: httpx.Response) -> None:
    if response.status_code != httpx.codes.OK:
        body = (await response.aread())[:100_000].decode("utf-8", "replace")
        raise HttpStatusError(response.status_code, body)
    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":
        msg = f"the reply came {encoding}-encoded though none was accepted"
        raise ProtocolFault(msg)


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

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
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
        self._last = self._loop.time()
        if not self.has_begun:
            self.has_begun = True
            begin = self._last if self._limits.is_loading else self._start
            self._whole = begin + self._limits.call_s
        self._size += size
        if self._size > self._limits.max_reply_bytes:
            msg = f"the reply passed {self._limits.max_reply_bytes:,} bytes; cut off"
            raise ProtocolFault(msg)
        self._scope.reschedule(min(self._whole, self._stall_at()))

    def _stall_at(self) -> float:
        stall_s = self._limits.stall_s
        return self._whole if stall_s is None else self._last + stall_s

    def error(self, where: str) -> CallTimeout:
        limits = self._limits
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
