"""A key whose quota is used up from its first call on, for a while."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from fake_limits import LimitState, RateLimits

if TYPE_CHECKING:
    from typing_extensions import override

else:
    from fake_http_server import override


class ClosedAtFirst(RateLimits):
    """Limits that refuse every call for so many seconds from the first one on.

    Each refusal tells the seconds that are left, rounded up.

    Attributes:
        asked: of each call, the seconds since the first one, and the seconds that
            its refusal told; 0 if it passed.
    """

    def __init__(self, closed_s: float) -> None:
        super().__init__()
        self.asked: list[tuple[float, float]] = []
        self._closed_s = closed_s
        self._first_s: float | None = None

    @property
    def refused_s(self) -> list[float]:
        """When calls were refused."""
        return [at_s for at_s, told_s in self.asked if told_s]

    @property
    def passed_s(self) -> list[float]:
        """When calls passed."""
        return [at_s for at_s, told_s in self.asked if not told_s]

    @property
    def opens_s(self) -> float:
        """The earliest moment that a refusal has told; 0 without one."""
        return min((at_s + told_s for at_s, told_s in self.asked if told_s), default=0)

    @override
    def admit(self, tokens: int) -> tuple[LimitState | None, list[LimitState]]:
        """Let a call pass, or refuse it."""
        now_s = time.monotonic()
        self._first_s = now_s if self._first_s is None else self._first_s
        at_s = now_s - self._first_s
        told_s = float(max(0, math.ceil(self._closed_s - at_s)))
        self.asked.append((at_s, told_s))
        if not told_s:
            return super().admit(tokens)
        self.refused += 1
        state = LimitState(
            name="requests", limit=60, remaining=0, reset_s=told_s, wait_s=told_s
        )
        return state, []
