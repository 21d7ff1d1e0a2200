"""Full requests and responses on disk, for `--debug-log`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmbench.calls.clock import Clock

SECRET_WORDS: Final = ("key", "token", "authorization", "secret", "password")


class DebugLog:
    """Appends one JSON object per line: `sent` and `received` events."""

    def __init__(self, path: Path, clock: Clock) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._clock = clock

    def request(self, url: str, body: object) -> None:
        """Note a request that is about to be sent, its secrets masked."""
        self._write({"event": "sent", "url": url, "body": masked(body)})

    def line(self, data: bytes) -> None:
        """Note one line of a response."""
        self._write({"event": "received", "line": data.decode("utf-8", "replace")})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, event: dict[str, Any]) -> None:
        stamped = {"at": self._clock.utc().isoformat(), **event}
        self._file.write(json.dumps(stamped, ensure_ascii=False) + "\n")
        self._file.flush()


def masked(value: object) -> object:
    """Return the value with everything under a secret-sounding key hidden.

    >>> masked({"api_key": "abc", "model": "m", "num_tokens": 5})
    {'api_key': '***', 'model': 'm', 'num_tokens': 5}
    """
    if isinstance(value, dict):
        return {key: _masked_item(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value


def _masked_item(key: object, item: object) -> object:
    name = str(key).lower()
    is_secret = isinstance(item, str) and any(word in name for word in SECRET_WORDS)
    return "***" if is_secret else masked(item)
