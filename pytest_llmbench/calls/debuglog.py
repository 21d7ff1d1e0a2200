"""Full requests and responses on disk, for `--debug-log`."""

from __future__ import annotations

from contextvars import ContextVar
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol

from pytest_llmbench.masking import MASK, masked_json

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmbench.calls.clock import Clock

SECRET_WORDS: Final = ("key", "token", "authorization", "secret", "password")

TRIAL: Final[ContextVar[str]] = ContextVar("llmbench_trial", default="")
"""The trial for which the current task calls; empty for warm-ups."""

_CALL: Final[ContextVar[int]] = ContextVar("llmbench_call", default=0)


class WireLog(Protocol):
    """What is told of everything that a call sends and receives."""

    def request(self, url: str, body: object) -> None:
        """Note a request that is about to be sent."""
        ...

    def line(self, data: bytes) -> None:
        """Note one line of a response."""
        ...


class DebugLog:
    """Appends one JSON object per line: `sent` and `received` events.

    A call is one request with its response. It lives in one asyncio task, which is
    how what comes back is told from that of other calls in flight. A secret that a
    model quotes comes in pieces, a line each: it is known only where one line holds
    it, or twelve characters of it.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Half a surrogate pair becomes the escape that JSON has for it.
        self._file = path.open("a", encoding="utf-8", errors="backslashreplace")
        self._clock = clock
        self._numbers = count(1)

    def request(self, url: str, body: object) -> None:
        """Note a request that is about to be sent, its secrets masked."""
        _CALL.set(next(self._numbers))
        self._write({"event": "sent", "url": url, "body": masked(body)})

    def line(self, data: bytes) -> None:
        """Note one line of a response."""
        self._write({"event": "received", "line": data.decode("utf-8", "replace")})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, event: dict[str, Any]) -> None:
        whose = {"call": _CALL.get(), "trial": TRIAL.get()}
        at = self._clock.utc().isoformat()
        stamped = {"at": at, **whose, **event}
        self._file.write(masked_json(stamped) + "\n")
        self._file.flush()


def masked(value: object, *, is_secret: bool = False) -> object:
    """Return the value with every text under a secret-sounding key hidden.

    >>> masked({"api_key": "abc", "model": "m", "num_tokens": 5})
    {'api_key': '***', 'model': 'm', 'num_tokens': 5}
    >>> masked({"Authorization": ["Bearer abc"]})
    {'Authorization': ['***']}
    """
    if isinstance(value, dict):
        return {
            key: masked(item, is_secret=is_secret or _sounds_secret(key))
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(item, is_secret=is_secret) for item in value]
    return MASK if is_secret and isinstance(value, str | bytes) else value


def _sounds_secret(key: object) -> bool:
    return any(word in str(key).lower() for word in SECRET_WORDS)
