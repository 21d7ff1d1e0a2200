"""What Claude Code's words for a failed call mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from pytest_llmbench.calls.providers.claude_code_errors import Failure
from pytest_llmbench.errors import (
    CallError,
    Faltered,
    QuotaSpent,
    RateLimited,
    ServerFault,
    StreamTruncated,
    Unauthorised,
)

NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_subscriptions_limit_says_when_it_ends() -> None:
    """The moment at which a five-hour limit starts anew becomes the wait."""
    resets_at = int((NOW + timedelta(hours=2)).timestamp())
    error = Failure("rate_limit", 429, "Limit reached", resets_at).error("Claude", NOW)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 7200
    assert str(error) == "Claude: HTTP 429 Limit reached"


def test_a_limit_may_tell_its_wait_in_words() -> None:
    """Without a moment, the text is looked through for one; else none is known."""
    told = Failure("rate_limit", 429, "try again in 20s").error("Claude", NOW)
    silent = Failure("rate_limit", 429, "slow down").error("Claude", NOW)
    assert isinstance(told, RateLimited)
    assert isinstance(silent, RateLimited)
    assert (told.retry_after_s, silent.retry_after_s) == (20.0, None)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Failure("authentication_failed", 0, "Not logged in"), Unauthorised),
        (Failure("rate_limit", 429, "monthly usage threshold"), QuotaSpent),
        (Failure("server_error", 507, "full"), Faltered),
        (Failure("unknown", 0, "odd"), ServerFault),
        (Failure("unknown", 0, "odd", has_begun=True), StreamTruncated),
        (Failure(), ServerFault),
    ],
    ids=["login", "spent", "unknown status", "unknown", "in mid-reply", "silent"],
)
def test_a_word_a_status_or_a_text_tells(
    failure: Failure, kind: type[CallError]
) -> None:
    """What is told decides; a broken reply without a reason is a cut one."""
    error = failure.error("Claude", NOW)
    assert type(error) is kind
    assert str(error).startswith("Claude: ")
