"""The rate limits of a fake service: real token buckets on a real clock."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Final

MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """What one limit says after a call.

    Attributes:
        name: `requests` or `tokens`.
        reset_s: until it is full again.
        wait_s: until the refused call would pass; 0 if it was not refused.
    """

    name: str
    limit: int
    remaining: int
    reset_s: float
    wait_s: float = 0.0


class TokenBucket:
    """A bucket that holds a minute's quota, and fills up steadily.

    Args:
        name: `requests` or `tokens`.
        per_minute: the quota; the bucket holds as much, and is full at first.
        minute_s: how long a minute is here; tests shorten it.
        full: how much of it is there at first, 0 to 1.
    """

    def __init__(
        self,
        name: str,
        per_minute: int,
        *,
        minute_s: float = MINUTE_S,
        full: float = 1.0,
    ) -> None:
        self.name = name
        self.per_minute = per_minute
        self._per_s = per_minute / minute_s
        self._level = per_minute * full
        self._at_s = time.monotonic()

    def lacks_s(self, amount: float) -> float:
        """Return the seconds until so much is there; 0 if it is."""
        self._fill()
        return max(0.0, (amount - self._level) / self._per_s)

    def take(self, amount: float) -> None:
        """Take so much out, below nothing where it is more than there was."""
        self._fill()
        self._level -= amount

    def state(self, wait_s: float = 0.0) -> LimitState:
        """Return what the limit's headers say."""
        self._fill()
        return LimitState(
            name=self.name,
            limit=self.per_minute,
            remaining=max(0, int(self._level)),
            reset_s=(self.per_minute - self._level) / self._per_s,
            wait_s=wait_s,
        )

    def _fill(self) -> None:
        now_s = time.monotonic()
        grown = self._level + (now_s - self._at_s) * self._per_s
        self._level = min(float(self.per_minute), grown)
        self._at_s = now_s


class RateLimits:
    """The limits of one key: requests and tokens a minute.

    Args:
        rpm, tpm: quotas of a minute; None for no limit.
        minute_s: how long a minute is here; tests shorten it.
        full: how much of the quotas is there at first, 0 to 1: 0 refuses the
            first calls, as a key does that others have used up.

    Attributes:
        refused: how many calls were refused.
    """

    def __init__(
        self,
        *,
        rpm: int | None = None,
        tpm: int | None = None,
        minute_s: float = MINUTE_S,
        full: float = 1.0,
    ) -> None:
        self.refused = 0
        self._lock = threading.Lock()
        self._buckets = [
            TokenBucket(name, quota, minute_s=minute_s, full=full)
            for name, quota in (("requests", rpm), ("tokens", tpm))
            if quota is not None
        ]

    def admit(self, tokens: int) -> tuple[LimitState | None, list[LimitState]]:
        """Let one call pass, or refuse it; a refused one takes nothing.

        Args:
            tokens: what the call is reckoned to take.

        Returns:
            The limit that refuses it (None if it passes), and every limit's state.
        """
        with self._lock:
            wants = {"requests": 1, "tokens": tokens}
            for bucket in self._buckets:
                lacks_s = bucket.lacks_s(wants[bucket.name])
                if lacks_s > 0:
                    self.refused += 1
                    return bucket.state(lacks_s), self._states()
            for bucket in self._buckets:
                bucket.take(wants[bucket.name])
            return None, self._states()

    def _states(self) -> list[LimitState]:
        return [bucket.state() for bucket in self._buckets]
