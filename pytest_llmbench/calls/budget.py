"""How much longer a run may wait for busy servers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.request import Patience


class RunBudget:
    """The time in which some call of a run waits; together they wait only once.

    Attributes:
        patience: what one wait, one call and the run may take.
    """

    def __init__(self, patience: Patience, clock: Clock) -> None:
        self.patience = patience
        self._clock = clock
        self._waiting = 0
        self._since_ns = 0
        self._spent_s = 0.0

    @property
    def left_s(self) -> float:
        """What is left of the time."""
        return self.patience.run_s - self._spent_s - self._running_s()

    @property
    def longest_s(self) -> float:
        """What the first wait of a call may take now."""
        return min(self.patience.wait_s, self.patience.call_s, self.left_s)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time of a wait."""
        if not self._waiting:
            self._since_ns = self._clock.now_ns()
        self._waiting += 1
        try:
            yield
        finally:
            running_s = self._running_s()
            self._waiting -= 1
            if not self._waiting:
                self._spent_s += running_s

    def _running_s(self) -> float:
        if not self._waiting:
            return 0.0
        return (self._clock.now_ns() - self._since_ns) / 1e9
