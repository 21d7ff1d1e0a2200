"""How fast a key may be asked, by what is set and by what its service tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from pytest_llmbench.calls.keypace import Bucket, Pace, Quota
from pytest_llmbench.calls.providers.quota_headers import quotas_of

S: Final = 10**9
NOON: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)


def starts(pace: Pace, calls: int, tokens: float = 0.0) -> list[float]:
    """Return the seconds at which calls begin that go as soon as they may."""
    now_ns, found = S, []
    for _ in range(calls):
        now_ns += round(pace.opens_in_s(now_ns, tokens) * S)
        pace.begin(now_ns, tokens)
        found.append(now_ns / S - 1)
    return found


def test_requests_are_spread_over_the_minute() -> None:
    """Thirty a minute are one every two seconds, not thirty at once."""
    pace = Pace()
    pace.limit(rpm=30, tpm=None)
    assert starts(pace, 4) == pytest.approx([0, 2, 4, 6])


def test_a_minute_holds_no_more_than_its_quota_and_one_second() -> None:
    """A burst at the start is one second's worth: 600 a minute begin with ten."""
    pace = Pace()
    pace.limit(rpm=600, tpm=None)
    begun = starts(pace, 700)
    assert begun[9] == 0.0
    assert begun[10] == pytest.approx(0.1)
    assert sum(at_s < 60 for at_s in begun) <= 610


def test_tokens_that_are_owed_are_waited_for() -> None:
    """A prompt larger than a second's worth goes first and is paid for behind it."""
    pace = Pace()
    pace.limit(rpm=None, tpm=6000)
    assert starts(pace, 3, tokens=1000) == pytest.approx([0, 10, 20])


def test_what_a_call_took_is_put_right() -> None:
    """A reply's tokens count once they are known, and are expected of the next."""
    pace = Pace()
    pace.limit(rpm=None, tpm=6000)
    put_aside = pace.begin(S, 100)
    pace.settle(put_aside, prompt=100, used=1100)
    assert put_aside == 100
    assert pace.opens_in_s(S, 100) == pytest.approx(11)
    assert pace.begin(S, 100) == pytest.approx(300)


def test_processes_share_a_key() -> None:
    """Each of four workers keeps to a quarter."""
    pace = Pace(shares=4)
    pace.limit(rpm=120, tpm=None)
    assert starts(pace, 3) == pytest.approx([0, 2, 4])


def test_the_lowest_limit_told_holds() -> None:
    """Several models of one key may be set up with different limits."""
    pace = Pace()
    for rpm in (60, 30, 60, None):
        pace.limit(rpm=rpm, tpm=None)
    assert starts(pace, 2) == pytest.approx([0, 2])


def test_a_bucket_never_holds_more_than_a_second() -> None:
    """An idle hour is no reason for a burst."""
    bucket = Bucket(120)
    assert bucket.lacks_s(1.0, S) == 0
    bucket.take(2.0)
    assert bucket.lacks_s(1.0, 3600 * S) == 0
    bucket.take(2.0)
    assert bucket.lacks_s(1.0, 3600 * S) == pytest.approx(0.5)


def test_a_quota_that_is_nearly_used_up_slows_calls_down() -> None:
    """Ten of 100 left, the rest back in 45 s: one in half a second comes back."""
    pace = Pace()
    pace.begin(S, 0)
    pace.hear([Quota(kind="requests", limit=100, remaining=10, reset_s=45)], S)
    assert pace.opens_in_s(S) == pytest.approx(0.5)
    pace.hear([Quota(kind="requests", limit=100, remaining=30, reset_s=35)], S)
    assert pace.opens_in_s(S) == 0


def test_an_empty_quota_is_waited_for() -> None:
    """Where nothing is left, the next call waits until one's worth has grown back."""
    pace = Pace()
    pace.hear([Quota(kind="tokens", limit=1000, remaining=0, reset_s=10)], S)
    assert pace.opens_in_s(S, tokens=200) == pytest.approx(2)
    assert pace.opens_in_s(S, tokens=5000) == pytest.approx(10)
    assert pace.opens_in_s(12 * S, tokens=200) == 0


def test_quotas_are_read_from_both_families_of_headers() -> None:
    """OpenAI tells durations, Anthropic moments; what can't be read is left out."""
    reset = (NOON + timedelta(seconds=30)).isoformat()
    headers = {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "3",
        "x-ratelimit-reset-requests": "6m0s",
        "x-ratelimit-remaining-tokens": "many",
        "anthropic-ratelimit-input-tokens-limit": "1000",
        "anthropic-ratelimit-input-tokens-remaining": "40",
        "anthropic-ratelimit-input-tokens-reset": reset,
        "anthropic-ratelimit-requests-remaining": "4",
    }
    assert list(quotas_of(headers, NOON)) == [
        Quota(kind="requests", limit=500, remaining=3, reset_s=360),
        Quota(kind="input-tokens", limit=1000, remaining=40, reset_s=30),
    ]
