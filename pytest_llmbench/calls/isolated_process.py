"""The child process of an isolated call, as its parent holds it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from pytest_llmbench.calls.ending import ending
from pytest_llmbench.calls.handover import read_message, write_message

if TYPE_CHECKING:
    from pytest_llmbench.calls.handover import Job, Message

_END_S: Final = 2.0
_SHOWN_BYTES: Final = 2000
_SHOWN_LINES: Final = 3
_PACKAGE_PARENT: Final = str(Path(__file__).parents[2])

_CODE: Final = """\
import sys
sys.modules.setdefault("click", None)
sys.path.insert(0, sys.argv[1])
import pytest_llmbench
del sys.path[0]
from pytest_llmbench.calls.isolated_child import main
main()
"""
"""Imports this process's own copy of the package, wherever it stands; with -P
nothing that lies in the user's folder is imported. Where click is installed, httpx
imports its command line too, for 50 ms: None in its place keeps it out."""


class CallProcess:
    """One child, spawned to make one call.

    Spawned and not forked: a fork would hold open the pipes of the embedded
    engine and of other calls. It has a session of its own, so Ctrl-C in the
    terminal does not reach it and a kill reaches all that it may have started.

    Args:
        job: handed over as soon as the child reads.

    Raises:
        OSError: the system can spawn nothing.
    """

    def __init__(self, job: Job) -> None:
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[Message | None] = asyncio.Queue()
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # `end` closes it
        with contextlib.ExitStack() as if_failing:
            if_failing.callback(self._errors.close)
            self._process = subprocess.Popen(  # noqa: S603  # our own code, no shell
                [sys.executable, "-P", "-c", _CODE, _PACKAGE_PARENT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
            )
            if_failing.pop_all()
        # A thread, because no portable call waits for a pipe in the event loop.
        self._talk = threading.Thread(
            target=self._hold_talk, args=(job,), name="llmbench-isolated", daemon=True
        )
        self._talk.start()

    async def receive(self) -> Message | None:
        """Return the child's next message; None once it says no more."""
        return await self._inbox.get()

    def kill(self) -> None:
        """Kill the child and all that it has started, at once."""
        if os.name == "posix":
            # Not reaped before `end`, so its number is still its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()

    def end(self) -> str:
        """Wait until the child is gone; return how it ended and its last words.

        It ends by itself after its answer, and is killed if it doesn't within
        two seconds. Callable from any thread, once.
        """
        self._talk.join(_END_S)
        if self._talk.is_alive():
            self.kill()
        status = self._waited()
        self._talk.join(_END_S)
        self._close_pipes()
        said = self._last_words()
        self._errors.close()
        return f"{ending(status)}: {said or 'it said nothing'}"

    def _waited(self) -> int:
        try:
            return self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait(_END_S)

    def _hold_talk(self, job: Job) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - Popen was given PIPE for it
        assert stdout is not None  # noqa: S101 - the same
        message: Message | None = None
        try:
            write_message(stdin, job)
            while message := read_message(stdout):
                self._put(message)
        except OSError:  # it died before it had read everything
            pass
        finally:
            self._put(None)

    def _put(self, message: Message | None) -> None:
        self._loop.call_soon_threadsafe(self._inbox.put_nowait, message)

    def _close_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what it never read
                    pipe.close()

    def _last_words(self) -> str:
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - _SHOWN_BYTES))
        lines = self._errors.read().decode(errors="replace").splitlines()
        told = [line.strip() for line in lines if line.strip()]
        return " | ".join(told[-_SHOWN_LINES:])
