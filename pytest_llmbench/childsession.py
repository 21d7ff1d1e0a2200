"""A pytest session in a process of its own, and the signals that end both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final, Self

from pytest_llmbench.runs.folder import RUN_ID_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType, TracebackType
    from typing import Any

_POLL_S: Final = 0.2
_GRACE_S: Final = 2.0
"""How long after Ctrl-C a session that has not heard of it is told by SIGTERM."""


class Interrupts:
    """Notes Ctrl-C and SIGTERM from entry to exit, instead of dying of them.

    A terminal sends Ctrl-C to a session too, so that is only waited for. SIGTERM, and a
    Ctrl-C that was sent to this process alone, are handed on as SIGTERM, which a
    session that is ending already does not mind.

    Attributes:
        seen: the first signal's name; empty if none has come.
    """

    def __init__(self) -> None:
        self.seen = ""
        self._before: dict[signal.Signals, Any] = {}
        self._told_at: float | None = None

    def __enter__(self) -> Self:
        """Handle both signals, unless whoever started us has switched them off."""
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self, process: subprocess.Popen[bytes]) -> int:
        """Wait until the process ends, whatever comes; return its status."""
        while True:
            try:
                return process.wait(timeout=_POLL_S)
            except subprocess.TimeoutExpired:
                if self._told_at is not None and time.monotonic() > self._told_at:
                    self._told_at = None
                    process.terminate()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        is_first = not self.seen
        self.seen = self.seen or signal.Signals(number).name
        if number == signal.SIGTERM:
            self._told_at = time.monotonic()
        elif is_first:
            self._told_at = time.monotonic() + _GRACE_S


def run_pytest(words: Sequence[str], run_id: str, interrupts: Interrupts) -> int:
    """Run one session; its output goes where ours goes.

    Args:
        words: its command line.
        run_id: the id of the run that it begins; empty if it goes on with one.

    Returns:
        Its exit status; negative if a signal has killed it.
    """
    environment = {
        key: value for key, value in os.environ.items() if key != RUN_ID_VARIABLE
    }
    if run_id:
        environment[RUN_ID_VARIABLE] = run_id
    sys.stdout.flush()
    command = [sys.executable, "-m", "pytest", *words]
    with subprocess.Popen(command, env=environment) as process:  # noqa: S603 - our own interpreter
        return interrupts.wait(process)
