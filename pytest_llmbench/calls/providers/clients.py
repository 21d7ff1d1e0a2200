"""httpx's own connections, for servers behind a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx
from typing_extensions import override

from pytest_llmbench.calls.providers.direct import TimedStream
from pytest_llmbench.calls.providers.tls import client_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pytest_llmbench.calls.clock import Clock

_UNKEPT: Final = httpx.Limits(max_connections=None, max_keepalive_connections=0)


class Clients:
    """httpx clients for one server, each busy with one call at a time.

    One client for fifty calls would spend its time in its own pool. Each call has a
    connection of its own: httpx would take bytes left on a used one for the next
    call's answer.

    Attributes:
        lost: how many connections have ended; unknown, and 0, here.
    """

    lost = 0

    def __init__(self) -> None:
        self._tls = client_context()
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
        client = httpx.AsyncClient(
            limits=_UNKEPT, verify=self._tls, follow_redirects=False
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


async def timed_chunks(
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
