"""How a child process ended, in a word."""

from __future__ import annotations

import contextlib
import signal


def ending(status: int) -> str:
    """Name the signal or the exit status that ended a child.

    >>> ending(3), ending(-9), ending(-99)
    ('exit status 3', 'SIGKILL', 'signal 99')
    """
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"
