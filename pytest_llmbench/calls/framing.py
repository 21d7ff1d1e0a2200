"""Lines and server-sent events out of byte chunks, without any IO."""

from __future__ import annotations

from typing import Final

from pytest_llmbench.errors import ProtocolFault

MAX_LINE_BYTES: Final = 16 * 1024 * 1024


class LineSplitter:
    r"""Cuts a byte stream into lines, whatever the chunks are.

    >>> splitter = LineSplitter()
    >>> splitter.feed(b'{"a":1}\r\n{"b"'), splitter.feed(b":2}"), splitter.rest()
    ([b'{"a":1}'], [], b'{"b":2}')

    Args:
        where: whose bytes they are, for messages.
    """

    def __init__(
        self, where: str = "the server", max_line_bytes: int = MAX_LINE_BYTES
    ) -> None:
        self._where = where
        self._parts: list[bytes] = []
        self._size = 0
        self._max = max_line_bytes

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines completed by this chunk, without their ends.

        Raises:
            ProtocolFault: a line longer than allowed.
        """
        *complete, tail = chunk.split(b"\n")
        if complete:
            complete[0] = b"".join((*self._parts, complete[0]))
            self._parts, self._size = [], 0
        self._parts.append(tail)
        self._size += len(tail)
        longest = max([self._size, *map(len, complete)])
        if longest > self._max:
            msg = (
                f"{self._where} sent a line of more than {self._max:,} bytes; that is"
                " no reply: is this the server's address?"
            )
            raise ProtocolFault(msg)
        return [line.rstrip(b"\r") for line in complete]

    def rest(self) -> bytes:
        """Return what follows the last line end."""
        return b"".join(self._parts).rstrip(b"\r")


class EventData:
    r"""Collects the `data:` lines of server-sent events.

    >>> events = EventData()
    >>> [events.feed(line) for line in (b": hi", b"data: a", b"data:b", b"")]
    [None, None, None, b'a\nb']
    """

    def __init__(self) -> None:
        self._data: list[bytes] = []

    def feed(self, line: bytes) -> bytes | None:
        """Take one line; return an event's data when the line ends it."""
        if not line:
            return self.rest()
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        return None

    def rest(self) -> bytes | None:
        """Return the data of an event that no blank line ended.

        An event without data is none: some servers send `data:` to stay awake.
        """
        data, self._data = self._data, []
        return b"\n".join(data) or None
