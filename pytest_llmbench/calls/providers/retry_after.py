"""What a server's `Retry-After` header says (RFC 9110, 10.2.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds_to_wait(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a server asks to wait, from its header's text.

    Both forms are read, whole or decimal seconds and an HTTP-date; a date that
    has passed is 0. None where there is no header, or none of these forms.

    >>> noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    >>> seconds_to_wait("7", noon)
    7.0
    >>> seconds_to_wait("Sat, 21 Nov 2026 12:01:30 GMT", noon)
    90.0
    >>> seconds_to_wait("soon", noon)
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())
