"""The child process that makes one call, says what came of it, and ends.

It starts anew for each call, so everything it imports is paid for each time.
Its parent holds the other end of its standard input: at the end of that input
the child ends, also when the parent was killed and could say nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from typing import IO, TYPE_CHECKING, Final

from msgspec.structs import replace

from pytest_llmbench.calls.clock import SystemClock, elapsed_ms
from pytest_llmbench.calls.handover import (
    Begun,
    Finished,
    Granted,
    Job,
    Received,
    Sent,
    read_message,
    write_message,
)
from pytest_llmbench.calls.providers import open_caller
from pytest_llmbench.errors import CallError

if TYPE_CHECKING:
    from pytest_llmbench.calls.providers.base import Caller

_STDIN_FD: Final = 0
_STDOUT_FD: Final = 1
_STDERR_FD: Final = 2
_READ_BYTES: Final = 4096


def main() -> None:
    """Make the call that standard input brings, answer on standard output."""
    # An interrupt is the parent's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = _claim_stdout()
    job = read_message(sys.stdin.buffer)
    if not isinstance(job, Job):  # the parent is gone already
        return
    threading.Thread(target=_exit_at_end_of_stdin, daemon=True).start()
    asyncio.run(_make_call(job, answers))
    # Nothing is left to tidy up: the interpreter's own end would be paid per call.
    os._exit(0)


class _ToldLog:
    """Tells the parent what is sent and received, for its debug log."""

    def __init__(self, answers: IO[bytes]) -> None:
        self._answers = answers

    def request(self, url: str, body: object) -> None:
        """Tell of a request that is about to be sent."""
        write_message(self._answers, Sent(url=url, body=body))

    def line(self, data: bytes) -> None:
        """Tell of one line of a response."""
        write_message(self._answers, Received(line=data))


async def _make_call(job: Job, answers: IO[bytes]) -> None:
    clock = SystemClock()
    log = _ToldLog(answers) if job.is_logged else None

    def tell_grant(longest_s: float) -> None:
        write_message(answers, Granted(longest_s=longest_s))

    try:
        caller = open_caller(job.target, clock, log, tell_grant)
    except CallError as error:
        write_message(answers, Finished(error=error))
        return
    await _open_the_way(caller, job)
    write_message(answers, Begun())
    started_ns = clock.now_ns()
    finished = await _asked(caller, job)
    call_ms = elapsed_ms(started_ns, clock.now_ns())
    write_message(answers, replace(finished, call_ms=call_ms))
    await caller.close()


async def _open_the_way(caller: Caller, job: Job) -> None:
    """Do, before the call's clock starts, what only a process's first call pays.

    That is what httpx imports at its first request and, where the dialect can
    tell residency, the connection: calls without isolation use theirs again.
    """
    with contextlib.suppress(CallError):
        await caller.residency(job.request.model)


async def _asked(caller: Caller, job: Job) -> Finished:
    try:
        return Finished(reply=await caller.ask(job.request))
    except CallError as error:
        return Finished(error=error)


def _claim_stdout() -> IO[bytes]:
    """Keep standard output for messages; send stray prints to stderr."""
    private_fd = os.dup(_STDOUT_FD)
    os.dup2(_STDERR_FD, _STDOUT_FD)
    return os.fdopen(private_fd, "wb")


def _exit_at_end_of_stdin() -> None:
    """End the process with its input, whatever it is doing."""
    while os.read(_STDIN_FD, _READ_BYTES):
        pass
    os._exit(1)
