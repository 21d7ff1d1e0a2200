"""How long a service asks to wait: in its headers, its message or its limits."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pytest_llmbench.calls.providers.retry_after import seconds_to_wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_UNITS_S: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_UNIT: Final = "ms|milliseconds?|s|sec(?:ond)?s?|m|min(?:ute)?s?|h|hours?|d|days?"
_PART: Final = re.compile(
    rf"(\d{{1,9}}(?:\.\d{{1,9}})?)\s*({_UNIT})(?![a-z])", re.IGNORECASE
)
_IN_WORDS: Final = re.compile(
    rf"(?:again|retry|back)\s+(?:in|after)\s+"
    rf"((?:\d{{1,9}}(?:\.\d{{1,9}})?\s*(?:{_UNIT})(?![a-z])\s*)+)",
    re.IGNORECASE,
)
_LIMIT: Final = re.compile(r"(?:x|anthropic)-ratelimit-(?:(.+)-)?reset(?:-(.+))?")
_NUMBER: Final = re.compile(r"\d{1,15}(\.\d{1,9})?")
_SINCE_EPOCH_S: Final = 1e9
_SINCE_EPOCH_MS: Final = 1e12


def wait_of(headers: Mapping[str, str], message: str, now: datetime) -> float | None:
    """Return the seconds that a service asks to wait; None where it does not say.

    The first of these that can be read: `retry-after-ms`, `retry-after`, "try again
    in 1.2s" in the message, and the longest reset of the limits of which nothing
    is left (`x-ratelimit-reset-*`, `x-ratelimit-reset`, `anthropic-ratelimit-*-reset`;
    durations, seconds, times since the epoch and RFC 3339 are read). A moment that
    has passed is 0.

    Args:
        headers: names in lower case, or a mapping that doesn't care.
        now: the moment of the answer, with its zone.

    >>> noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    >>> wait_of({"retry-after-ms": "250"}, "", noon)
    0.25
    >>> wait_of({}, "Rate limit reached. Please try again in 1m2.5s.", noon)
    62.5
    >>> wait_of({"x-ratelimit-reset-tokens": "6m0s"}, "", noon)
    360.0
    """
    waits = (
        _thousandths(headers.get("retry-after-ms")),
        seconds_to_wait(headers.get("retry-after"), now),
        _told_in_words(message),
        max(_resets(headers, now), default=None),
    )
    return next((wait_s for wait_s in waits if wait_s is not None), None)


def duration_s(text: str) -> float | None:
    """Return the seconds of a duration like `6m0s`, `12ms` or `20 seconds`.

    >>> duration_s("6m0s"), duration_s("12ms"), duration_s("soon")
    (360.0, 0.012, None)
    """
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        return None
    return sum(float(count) * _unit_s(unit.lower()) for count, unit in parts)


def _unit_s(unit: str) -> float:
    return _UNITS_S["ms" if unit == "ms" or "milli" in unit else unit[0]]


def _thousandths(text: str | None) -> float | None:
    told = (text or "").strip()
    return float(told) / 1e3 if _NUMBER.fullmatch(told) else None


def _told_in_words(message: str) -> float | None:
    found = _IN_WORDS.search(message)
    return duration_s(found[1]) if found else None


def _resets(headers: Mapping[str, str], now: datetime) -> Iterator[float]:
    """Yield when the limits that are used up start anew, in seconds from now."""
    for name, told in headers.items():
        name = name.lower()  # noqa: PLW2901 - the same name
        if not _LIMIT.fullmatch(name):
            continue
        left = headers.get(name.replace("reset", "remaining"), "0").strip()
        wait_s = seconds_until(told.strip(), now)
        if wait_s is not None and left == "0":
            yield wait_s


def seconds_until(told: str, now: datetime) -> float | None:
    """Return the seconds from now to a limit's reset, in whatever form it is told."""
    if _NUMBER.fullmatch(told):
        number = float(told)
        if number < _SINCE_EPOCH_S:
            return number
        moment_s = number / 1e3 if number >= _SINCE_EPOCH_MS else number
        return max(0.0, moment_s - now.timestamp())
    try:
        moment = datetime.fromisoformat(told)
    except ValueError:
        return duration_s(told)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
