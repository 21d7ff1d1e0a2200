"""How fast one key may be asked: what the user set, and what the service tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOW: Final = 0.2
"""Share of a quota below which calls are spread over the time until it is full."""

_WEIGHT: Final = 0.2
"""Of the newest call in the running mean of tokens."""


class Quota(Struct, frozen=True, kw_only=True):
    """One limit of a key, as its service tells it with an answer.

    Attributes:
        kind: what is counted: `requests`, `tokens`, `input-tokens`, `output-tokens`.
        reset_s: until it is full again.
    """

    kind: str
    limit: int
    remaining: int
    reset_s: float


class Bucket:
    """A token bucket, filled steadily, that holds what one second brings.

    Services may enforce 60 a minute as one a second, so a minute's worth is never
    spent at once. What is taken may be more than there is: the rest is owed.

    Args:
        per_minute: how much a minute brings.
    """

    def __init__(self, per_minute: float) -> None:
        self._per_s = per_minute / 60
        self._most = max(1.0, self._per_s)
        self._level = self._most
        self._at_ns = 0

    def lacks_s(self, amount: float, now_ns: int) -> float:
        """Return the seconds until so much, or all that it holds, is there."""
        grown = (now_ns - self._at_ns) / 1e9 * self._per_s if self._at_ns else 0.0
        self._level, self._at_ns = min(self._most, self._level + grown), now_ns
        return max(0.0, (min(amount, self._most) - self._level) / self._per_s)

    def take(self, amount: float) -> None:
        """Take so much out; a negative amount is given back."""
        self._level -= amount


class _Low(Struct, frozen=True):
    """A quota that is nearly used up.

    Attributes:
        unit_s: in how many seconds one more of it grows back.
    """

    quota: Quota
    unit_s: float
    at_ns: int

    def opens_at_ns(self, last_ns: int, tokens: float) -> float:
        """Return when the next call may begin: no faster than the quota grows."""
        amount = 1.0 if self.quota.kind == "requests" else tokens
        lacking = max(0.0, amount - self.quota.remaining)
        spread_ns = last_ns + amount * self.unit_s * 1e9
        grown_ns = self.at_ns + lacking * self.unit_s * 1e9
        full_ns = self.at_ns + self.quota.reset_s * 1e9
        return min(max(spread_ns, grown_ns), full_ns)


class Pace:
    """When the next call of a key may begin.

    Args:
        shares: among how many processes the key is shared.
    """

    def __init__(self, shares: int = 1) -> None:
        self._shares = shares
        self._told: tuple[float | None, float | None] = (None, None)
        self._requests: Bucket | None = None
        self._tokens: Bucket | None = None
        self._low: dict[str, _Low] = {}
        self._last_ns = 0
        self._mean_tokens = 0.0

    @property
    def counts_tokens(self) -> bool:
        """Whether the size of a call has a say."""
        return self._tokens is not None or bool(self._low)

    @property
    def is_limiting(self) -> bool:
        """Whether anything is known that calls have to keep to."""
        return self.counts_tokens or self._requests is not None

    def limit(self, rpm: float | None, tpm: float | None) -> None:
        """Keep to so many requests and tokens a minute; the lowest told holds."""
        told = (_least(self._told[0], rpm), _least(self._told[1], tpm))
        if told != self._told:
            self._told = told
            self._requests, self._tokens = (
                Bucket(value / self._shares) if value else None for value in told
            )

    def hear(self, quotas: Iterable[Quota], now_ns: int) -> None:
        """Note what a service tells of its limits.

        A reset is when a limit will be full again, so it grows by
        (limit - remaining) / reset; below a fifth of it, calls keep to that.
        """
        for quota in quotas:
            used = quota.limit - quota.remaining
            if quota.remaining >= _LOW * quota.limit or quota.reset_s <= 0 or used <= 0:
                self._low.pop(quota.kind, None)
            else:
                unit_s = quota.reset_s / used * self._shares
                self._low[quota.kind] = _Low(quota, unit_s, now_ns)

    def opens_in_s(self, now_ns: int, tokens: float = 0.0) -> float:
        """Return the seconds until a call may begin; 0 if it may now.

        Args:
            tokens: of its prompt.
        """
        expected = tokens + self._mean_tokens
        waits = [0.0]
        if self._requests is not None:
            waits.append(self._requests.lacks_s(1.0, now_ns))
        if self._tokens is not None:
            waits.append(self._tokens.lacks_s(expected, now_ns))
        opens = (low.opens_at_ns(self._last_ns, expected) for low in self._low.values())
        waits.extend((opens_ns - now_ns) / 1e9 for opens_ns in opens)
        return max(waits)

    def begin(self, now_ns: int, tokens: float) -> float:
        """Note that a call begins; return the tokens put aside for it."""
        self._last_ns = now_ns
        expected = tokens + self._mean_tokens
        if self._requests is not None:
            self._requests.take(1.0)
        if self._tokens is not None:
            self._tokens.take(expected)
        return expected

    def settle(self, put_aside: float, prompt: float, used: float) -> None:
        """Put right what was put aside for a call.

        Args:
            prompt: how many tokens its prompt was reckoned at.
            used: how many it took, prompt and reply.
        """
        if self._tokens is not None:
            self._tokens.take(used - put_aside)
        reply = max(0.0, used - prompt)
        self._mean_tokens += _WEIGHT * (reply - self._mean_tokens)


def _least(one: float | None, other: float | None) -> float | None:
    given = [value for value in (one, other) if value is not None]
    return min(given, default=None)
