"""SIGTERM ends a session in order, as Ctrl-C does, with exit status 143.

CI systems and `timeout` end a job by SIGTERM, and kill it some seconds later. By
default pytest dies of it at once: no summary, and calls in flight just break off.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from types import FrameType

_NAME: Final = "llmbench-sigterm"
_STATUS: Final = 128 + signal.SIGTERM
"""What a shell reports of a process that SIGTERM has ended."""


class Terminated(KeyboardInterrupt):
    """SIGTERM has come.

    A KeyboardInterrupt, because pytest prints its summary after one, and because no
    `except Exception` of a fixture or test swallows it.
    """


def heed_sigterm(config: pytest.Config) -> None:
    """Have SIGTERM end this session in order from now on; harmless when repeated.

    Nothing is changed where somebody else handles the signal, where pytest does not
    run in the main thread, and with `--pdb`, whose prompt would swallow it.
    """
    if config.pluginmanager.has_plugin(_NAME) or config.getoption("usepdb"):
        return
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        config.pluginmanager.register(Termination(config), _NAME)


class Termination:
    """Handles SIGTERM while it is registered as a plugin.

    The first one raises `Terminated`; while pytest ends after it, or by itself, more
    of them change nothing: `timeout`, for one, sends two at once. An xdist worker
    leaves the decision to its controller and ends when that lets go of it.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._pid = os.getpid()
        self._is_asked = self._is_over = False
        self._is_installed = True
        self._lock = threading.Lock()
        channel = _channel(config)
        self._is_bound = channel is not None
        signal.signal(signal.SIGTERM, self._on_signal)
        if channel is not None:
            threading.Thread(
                target=self._watch, args=(channel,), name="llmbench-stop", daemon=True
            ).start()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a process that a test has forked
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif not (self._is_bound or self._is_asked or self._is_over):
            self._is_asked = True
            raise Terminated(_MESSAGE)

    def _watch(self, channel: Any) -> None:  # noqa: ANN401 - execnet's class
        """Interrupt this worker's main thread once the controller lets go, or has died.

        execnet itself gives it five seconds more, in which it would go on asking.
        """
        with suppress(EOFError, OSError, channel.RemoteError):
            channel.waitclose()
        thread = threading.main_thread().ident
        with self._lock:
            self._is_bound = False
            if thread and self._is_installed and not self._is_over:
                signal.pthread_kill(thread, signal.SIGTERM)

    def pytest_runtest_logstart(self) -> None:
        """End where the signal came in code that lets no exception out."""
        if self._is_asked and not self._is_over:
            raise Terminated(_MESSAGE)

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> None:
        """Let pytest end undisturbed, also where the signal came between two lines.

        Python tells no line of some of its instructions (`tb_lineno` is None), and
        pytest would end with a TypeError about that instead of its summary.
        """
        self._is_over = True
        excinfo.traceback = excinfo.traceback.filter(_has_line)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let everything be written; tell SIGTERM from Ctrl-C by the exit status."""
        self._is_over = True
        if self._is_asked and session.exitstatus == pytest.ExitCode.INTERRUPTED:
            session.exitstatus = _STATUS

    def pytest_unconfigure(self) -> None:
        """Give the signal back."""
        with self._lock:
            self._is_installed = False
            if signal.getsignal(signal.SIGTERM) == self._on_signal:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _has_line(entry: Any) -> bool:  # noqa: ANN401 - a class that pytest keeps private
    try:
        return entry.lineno is not None
    except TypeError:
        return False


_MESSAGE: Final = "SIGTERM; what is finished is kept"


def _channel(config: pytest.Config) -> Any:  # noqa: ANN401 - execnet's class
    """Return an xdist worker's channel to its controller; None in other processes."""
    if not hasattr(config, "workerinput"):
        return None
    channels = (
        getattr(one, "channel", None) for one in config.pluginmanager.get_plugins()
    )
    return next((one for one in channels if hasattr(one, "waitclose")), None)
