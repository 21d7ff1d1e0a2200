"""Every form of `Retry-After` is read, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import pytest

from pytest_llmbench.calls.providers.retry_after import seconds_to_wait

NOON: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("Sat, 21 Nov 2026 12:01:00 GMT", 60.0),
        ("Saturday, 21-Nov-26 12:01:00 GMT", 60.0),
        ("Sat Nov 21 12:01:00 2026", 60.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("nan", None),
        ("9" * 400, None),
        ("Sat, 99 Nov 2026 12:01:00 GMT", None),
    ],
)
def test_the_wait_is_read(text: str | None, seconds: float | None) -> None:
    """Seconds and all three kinds of HTTP-date count; what is neither is no wait."""
    assert seconds_to_wait(text, NOON) == seconds
