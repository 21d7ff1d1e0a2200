"""However a service asks to wait, the seconds are read; else there is no wait."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.calls.providers.limit_headers import wait_of

if TYPE_CHECKING:
    from collections.abc import Mapping

NOON: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
REQUESTS: Final = "x-ratelimit-reset-requests"
TOKENS: Final = "x-ratelimit-reset-tokens"
LEFT: Final = "x-ratelimit-remaining-requests"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "0"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:01:00 GMT"}, 60.0),
        ({"retry-after": "9", REQUESTS: "1s", LEFT: "0"}, 9.0),
        ({REQUESTS: "12ms", LEFT: "0"}, 0.012),
        ({REQUESTS: "6m0s"}, 360.0),
        ({REQUESTS: "1h2m3.5s"}, 3723.5),
        ({REQUESTS: "1d"}, 86_400.0),
        ({REQUESTS: "20"}, 20.0),
        ({REQUESTS: "1s", LEFT: "3"}, None),
        ({REQUESTS: "1s", LEFT: "0", TOKENS: "7s"}, 7.0),
        ({REQUESTS: "soon"}, None),
        ({"x-ratelimit-reset": "1795262430000"}, 30.0),
        ({"x-ratelimit-reset": "1795262430"}, 30.0),
        ({"x-ratelimit-reset": "1795262000"}, 0.0),
        ({"anthropic-ratelimit-input-tokens-reset": "2026-11-21T12:00:05Z"}, 5.0),
        ({"anthropic-ratelimit-tokens-reset": "2026-11-21T11:00:00Z"}, 0.0),
        (
            {
                "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:05Z",
                "anthropic-ratelimit-requests-remaining": "12",
            },
            None,
        ),
        ({}, None),
    ],
)
def test_headers_say_how_long(
    headers: Mapping[str, str], seconds: float | None
) -> None:
    """The exact headers win, then the limits of which nothing is left."""
    wait_s = wait_of(headers, "", NOON)
    assert wait_s == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Limit 3, Used 3. Please try again in 1.2s. Visit x.com to learn", 1.2),
        ("Please try again in 250ms.", 0.25),
        ("Please try again in 6m0s.", 360.0),
        ("Please retry after 20 seconds.", 20.0),
        ("try again in 1 minute 30 seconds", 90.0),
        ("Try again in 2 milliseconds", 0.002),
        ("Please try again in 20.", None),
        ("Please try again later.", None),
        ("try again in 3 moments", None),
        ("", None),
    ],
)
def test_the_message_says_how_long(message: str, seconds: float | None) -> None:
    """A duration behind "try again in" counts, a bare number does not."""
    wait_s = wait_of({}, message, NOON)
    assert wait_s == (None if seconds is None else pytest.approx(seconds))


def test_a_header_wins_over_the_message() -> None:
    """What is told in both places is taken from the header."""
    assert wait_of({"retry-after": "3"}, "try again in 1.2s", NOON) == 3.0


def test_the_case_of_names_does_not_matter() -> None:
    """Headers as httpx hands them over are read as well."""
    headers = httpx.Headers({"X-RateLimit-Reset-Requests": "4s"})
    assert wait_of(headers, "", NOON) == 4.0


@given(
    headers=st.dictionaries(
        st.sampled_from((REQUESTS, TOKENS, LEFT, "retry-after", "x-ratelimit-reset")),
        st.text(max_size=20) | st.integers().map(str),
    ),
    message=st.text(max_size=50),
)
def test_nothing_a_server_sends_is_too_odd(
    headers: Mapping[str, str], message: str
) -> None:
    """Whatever stands there, the wait is None or a number that is not negative."""
    wait_s = wait_of(headers, message, NOON)
    assert wait_s is None or wait_s >= 0
