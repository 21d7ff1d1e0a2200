"""What a user sees while a busy service is waited for."""

from __future__ import annotations

import math
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import pytest

    from pytest_llmbench.calls.keylimits import Wait

_LIVE_S: Final = 1.0
"""Shorter waits are not shown on a terminal: they are over before they are read."""

_TOLD_S: Final = 5.0
"""Shorter waits are not told in a log."""

_TOLD_EVERY_S: Final = 30.0

_UP: Final = "\x1b[A"
"""Moves a terminal's cursor one line up."""


def waiting_text(wait: Wait, now_ns: int, left: tuple[int, int]) -> str:
    """Say in one line what is waited for, for how long, and what is left to do.

    Args:
        left: the model's calls that are not done, and all of them; 0 if not known.
    """
    left_s = max(1, math.ceil((wait.until_ns - now_ns) / 1e9))
    text = f"{wait.server}: {wait.why}, {left_s} s"
    return f"{text}, {left[0]} of {left[1]} calls left" if left[1] else text


class WaitingLine:
    """Shows waits on pytest's terminal: a line rewritten in place, or lines in a log.

    A plugin of pytest, which learns from it what is being run. pytest captures
    output while a trial is set up, so capturing is switched off for each line, as
    pytest does for live logs. Then it writes its line for the trial anew.

    Args:
        left: tells of the model that is waited for how many calls are not done,
            and how many it has.
    """

    def __init__(
        self, config: pytest.Config, left: Callable[[], tuple[int, int]]
    ) -> None:
        self._config = config
        self._left = left
        self._running: tuple[str, tuple[str, int | None, str]] | None = None
        self._is_shown = False
        self._told_until_ns = 0
        self._told_ns: int | None = None

    @classmethod
    def of(
        cls, config: pytest.Config, left: Callable[[], tuple[int, int]]
    ) -> WaitingLine:
        """Return a line that pytest tells what is being run."""
        line = cls(config, left)
        config.pluginmanager.register(line, "llmbench-waiting")
        return line

    def pytest_runtest_logstart(
        self, nodeid: str, location: tuple[str, int | None, str]
    ) -> None:
        """Note what is being run."""
        self._running = (nodeid, location)

    def pytest_runtest_logfinish(self) -> None:
        """Note that nothing is being run."""
        self._running = None

    def look(self, waits: Sequence[Wait], now_ns: int) -> None:
        """Show the wait that ends first, if it is worth a line."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or not waits:
            self.end()
            return
        wait = min(waits, key=lambda wait: wait.until_ns)
        left_s = (wait.until_ns - now_ns) / 1e9
        text = waiting_text(wait, now_ns, self._left())
        if reporter.isatty and os.environ.get("TERM") != "dumb":
            if self._is_shown or left_s >= _LIVE_S:
                self._show(reporter, text)
        elif left_s >= _TOLD_S and self._is_due(wait, now_ns):
            self._told_ns, self._told_until_ns = now_ns, wait.until_ns
            self._tell(reporter, text)

    def end(self) -> None:
        """Wipe the line out, if there is one."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if not self._is_shown or reporter is None:
            return
        self._is_shown = False
        with self._uncaptured():
            reporter.rewrite("", erase=True)
            reporter.write("\r", flush=True)
            if self._running is not None:
                reporter.write(_UP)  # what follows begins with a line feed
                reporter.pytest_runtest_logstart(*self._running)

    def _show(self, reporter: Any, text: str) -> None:  # noqa: ANN401 - pytest does not publish its class
        with self._uncaptured():
            if not self._is_shown:
                reporter.ensure_newline()
            self._is_shown = True
            reporter.rewrite(text, erase=True, yellow=True)
            reporter.flush()

    def _tell(self, reporter: Any, text: str) -> None:  # noqa: ANN401 - as above
        with self._uncaptured():
            if self._running is None:
                reporter.write_line(text)
                return
            reporter.ensure_newline()
            reporter.write(text, flush=True)
            reporter.pytest_runtest_logstart(*self._running)

    def _is_due(self, wait: Wait, now_ns: int) -> bool:
        """Whether a wait is another than the one told last, and that is long ago."""
        if self._told_ns is None:
            return True
        is_other = wait.until_ns > self._told_until_ns
        return is_other and now_ns - self._told_ns >= _TOLD_EVERY_S * 1e9

    def _uncaptured(self) -> AbstractContextManager[None]:
        manager = self._config.pluginmanager.get_plugin("capturemanager")
        if manager is None:
            return nullcontext()
        free: AbstractContextManager[None] = manager.global_and_fixture_disabled()
        return free
