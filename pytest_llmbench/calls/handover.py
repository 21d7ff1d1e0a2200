"""What a run and the child process of an isolated call say to each other.

A message is eight bytes of length, then a pickle. Pickle, because it brings every
value back as it was, an error with its partial reply included, and because it
comes over a private pipe between two processes of this package: what a server or
a model has sent lies inside as text and numbers, and is never unpickled itself.
"""

from __future__ import annotations

import pickle
from typing import IO, TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from pytest_llmbench.calls.request import CallRequest, Target
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.errors import CallError

_LENGTH_BYTES: Final = 8


class Job(Struct, frozen=True, kw_only=True):
    """The one call that a child is to make.

    Attributes:
        target: for the embedded engine, with the address where it runs.
        request: limits and what residency said included.
        is_logged: whether to tell what is sent and received.
    """

    target: Target
    request: CallRequest
    is_logged: bool = False


class Begun(Struct, frozen=True):
    """The child is about to send the request: the call's limits count from here."""


class Granted(Struct, frozen=True, kw_only=True):
    """A load that nobody foresaw has been granted its time.

    Attributes:
        longest_s: how long the call may now last, counted from `Begun`.
    """

    longest_s: float


class Sent(Struct, frozen=True, kw_only=True):
    """A request, for the debug log."""

    url: str
    body: object


class Received(Struct, frozen=True, kw_only=True):
    """One line of a response, for the debug log."""

    line: bytes


class Finished(Struct, frozen=True, kw_only=True):
    """The call's end: a reply or an error.

    Attributes:
        call_ms: what the call took by the child's clock, whatever came of it.
    """

    reply: Reply | None = None
    error: CallError | None = None
    call_ms: float = 0.0


Message = Job | Begun | Granted | Sent | Received | Finished


def write_message(stream: IO[bytes], message: Message) -> None:
    """Write one message and flush.

    Raises:
        OSError: the other side is gone.
    """
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    stream.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
    stream.flush()


def read_message(stream: IO[bytes]) -> Message | None:
    """Read one message; None where the stream ends, also within a message."""
    length = stream.read(_LENGTH_BYTES)
    size = int.from_bytes(length, "big")
    data = stream.read(size)
    if len(length) < _LENGTH_BYTES or len(data) < size:
        return None
    message: Message = pickle.loads(data)  # noqa: S301 - our own, as said above
    return message
