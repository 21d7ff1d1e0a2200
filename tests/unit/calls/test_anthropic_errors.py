"""Anthropic's error bodies and events, and what each means."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

import pytest

from pytest_llmbench.calls.providers.anthropic_errors import (
    error_of_event,
    error_of_status,
)
from pytest_llmbench.calls.providers.http import HttpStatusError
from pytest_llmbench.errors import (
    Busy,
    CallError,
    ContextOverflow,
    Faltered,
    ModelMissing,
    ProtocolFault,
    QuotaSpent,
    RateLimited,
    ServerFault,
    Unauthorised,
    Unsupported,
)

WHERE: Final = "anthropic at https://h"
NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)


def body(kind: str, message: str = "Told.", code: str = "") -> dict[str, object]:
    """Make an error's body."""
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": kind, "message": message, **details}}


def meaning(
    status: int,
    value: object,
    headers: dict[str, str] | None = None,
    retry_after_s: float | None = None,
) -> CallError:
    """Return what a status and a body mean."""
    text = value if isinstance(value, str) else json.dumps(value)
    error = HttpStatusError(status, text, retry_after_s, headers)
    return error_of_status(error, WHERE, NOW, "ANTHROPIC_API_KEY")


ROWS: Final = [
    (400, "invalid_request_error", Unsupported),
    (401, "authentication_error", Unauthorised),
    (402, "billing_error", QuotaSpent),
    (403, "permission_error", Unauthorised),
    (404, "not_found_error", ModelMissing),
    (409, "conflict_error", Faltered),
    (413, "request_too_large", ContextOverflow),
    (429, "rate_limit_error", RateLimited),
    (500, "api_error", Faltered),
    (504, "timeout_error", Faltered),
    (529, "overloaded_error", Busy),
]


@pytest.mark.parametrize(("status", "kind", "error"), ROWS)
def test_each_type_has_its_meaning(
    status: int, kind: str, error: type[CallError]
) -> None:
    """A type means the same as an answer and as an event in mid-stream."""
    as_answer = meaning(status, body(kind))
    as_event = error_of_event(body(kind), WHERE)
    assert type(as_answer) is type(as_event) is error
    assert f"{WHERE}: HTTP {status} Told" in str(as_answer)
    assert f"{WHERE} in mid-reply: Told" in str(as_event)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Unsupported),
        (401, Unauthorised),
        (402, QuotaSpent),
        (403, Unauthorised),
        (404, ProtocolFault),
        (408, Faltered),
        (413, ContextOverflow),
        (418, ServerFault),
        (429, RateLimited),
        (501, ServerFault),
        (502, Faltered),
        (503, Busy),
        (524, Faltered),
        (529, Busy),
    ],
)
def test_without_a_type_the_status_tells(status: int, error: type[CallError]) -> None:
    """A gateway's own page is understood by its status."""
    made = meaning(status, "<html>\nOops")
    assert type(made) is error
    assert "<html>\\nOops" in str(made)


@pytest.mark.parametrize(
    ("kind", "message", "code"),
    [
        ("rate_limit_error", "Reached.", "enforced_spend_limit_reached"),
        ("rate_limit_error", "Reached.", "contract_spend_limit_reached"),
        ("invalid_request_error", "Your credit balance is too low to access.", ""),
        ("invalid_request_error", "You reached your specified API usage limits.", ""),
    ],
)
def test_money_that_is_spent_is_no_rate_limit(
    kind: str, message: str, code: str
) -> None:
    """No wait brings credit back, though the status says 429 or 400."""
    for made in (
        meaning(429, body(kind, message, code)),
        error_of_event(body(kind, message, code), WHERE),
    ):
        assert type(made) is QuotaSpent
        assert "waiting does not help" in str(made)


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: 200251 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000",
    ],
)
def test_a_prompt_that_is_too_long_is_told_apart(message: str) -> None:
    """A 400 for length is no want of ability."""
    made = meaning(400, body("invalid_request_error", message))
    assert type(made) is ContextOverflow
    assert "shorten the prompt" in str(made)


def test_the_wait_is_kept() -> None:
    """`retry-after` is in the error and its message."""
    made = meaning(429, body("rate_limit_error"), retry_after_s=7.0)
    assert isinstance(made, RateLimited)
    assert made.retry_after_s == 7.0
    assert "come back in 7 s" in str(made)


def test_without_retry_after_the_limits_tell() -> None:
    """The reset of a limit that is used up says when to come back."""
    headers = {
        "anthropic-ratelimit-requests-remaining": "3",
        "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:59Z",
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": "2026-11-21T12:00:20Z",
    }
    made = meaning(429, body("rate_limit_error"), headers)
    assert isinstance(made, RateLimited)
    assert made.retry_after_s == 20.0


def test_a_service_may_say_that_it_will_not_pass() -> None:
    """`x-should-retry: false` makes a 500 a fault that stays."""
    headers = {"x-should-retry": "false"}
    assert type(meaning(500, body("api_error"), headers)) is ServerFault


def test_a_refused_key_names_its_variable() -> None:
    """The message says where to look, and not what was found there."""
    made = meaning(401, body("authentication_error", "invalid x-api-key"))
    assert str(made).endswith("HTTP 401 invalid x-api-key; check ANTHROPIC_API_KEY")


def test_a_refused_temperature_is_to_be_left_out() -> None:
    """The API's wording is kept, and what to do is added."""
    message = "`temperature` is deprecated for this model."
    made = meaning(400, body("invalid_request_error", message))
    assert str(made).endswith(f"{message[:-1]}; leave temperature out for this model")


def test_a_wrong_address_is_recognised() -> None:
    """A 404 without the API's body is about the address, not the model."""
    assert "base_url" in str(meaning(404, "404 page not found"))


@pytest.mark.parametrize("value", [{"error": "Odd."}, {"error": {}}, {}, []])
def test_an_error_of_any_shape_is_an_error(value: object) -> None:
    """Whatever stands in the body, an error comes of it."""
    assert isinstance(meaning(500, value), Faltered)
    event = value if isinstance(value, dict) else {}
    assert isinstance(error_of_event(event, WHERE), ServerFault)
