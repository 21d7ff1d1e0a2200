"""Every error of OpenAI and of compatible servers becomes one of ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_llmbench.calls.providers.http import HttpStatusError
from pytest_llmbench.calls.providers.openai_faults import (
    error_of_answer,
    error_of_event,
)
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

if TYPE_CHECKING:
    from collections.abc import Mapping

WHERE: Final = "http://h/v1"
NOON: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)


def nested(message: str = "no", **fields: object) -> dict[str, Any]:
    """Return an error as OpenAI nests it."""
    return {"error": {"message": message, **fields}}


def answered(
    status: int,
    body: object,
    headers: Mapping[str, str] | None = None,
    *,
    may_pass: bool = True,
) -> CallError:
    """Return what an answer means."""
    text = body if isinstance(body, str) else json.dumps(body)
    error = HttpStatusError(status, text, None, headers)
    return error_of_answer(error, WHERE, NOON, may_pass=may_pass)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, nested(code="unsupported_value"), Unsupported),
        (400, nested(code="context_length_exceeded"), ContextOverflow),
        (400, nested(code=400, type="exceed_context_size_error"), ContextOverflow),
        (400, nested("This model's maximum context length is 9"), ContextOverflow),
        (400, {"object": "error", "message": "no", "code": 400}, Unsupported),
        (400, nested(code="billing_hard_limit_reached"), QuotaSpent),
        (401, nested(code="invalid_api_key"), Unauthorised),
        (401, nested(), Unauthorised),
        (402, nested("no credits", code=402), QuotaSpent),
        (403, {"error": "no"}, Unauthorised),
        (404, nested(code="model_not_found"), ModelMissing),
        (404, nested("The model `x` does not exist.", code=404), ModelMissing),
        (404, {"error": "model 'x' not found"}, ModelMissing),
        (404, {"detail": "Not Found"}, ProtocolFault),
        (404, "404 page not found", ProtocolFault),
        (405, {"detail": "Method Not Allowed"}, ProtocolFault),
        (408, nested(), Faltered),
        (409, nested(), Faltered),
        (413, "too large", ContextOverflow),
        (418, nested(), ServerFault),
        (422, {"detail": [{"msg": "no"}]}, Unsupported),
        (429, nested(type="requests", code="rate_limit_exceeded"), RateLimited),
        (429, nested(type="rate_limit_error", code="slow_down"), RateLimited),
        (429, nested(type="insufficient_quota", code=None), QuotaSpent),
        (429, nested(code="credit_balance_exhausted"), QuotaSpent),
        (429, nested(code="organization_spend_limit_exceeded"), QuotaSpent),
        (429, nested(code="project_spend_limit_exceeded"), QuotaSpent),
        (429, nested(code="organization_usage_limit_exceeded"), QuotaSpent),
        (429, "slow down", RateLimited),
        (500, nested(type="server_error"), Faltered),
        (501, nested(type="not_supported_error", code=501), Unsupported),
        (502, "<html>Bad Gateway</html>", Faltered),
        (503, nested(code="server_is_overloaded"), Busy),
        (503, nested("Loading model", type="unavailable_error", code=503), Busy),
        (504, "", Faltered),
        (529, {}, Busy),
    ],
)
def test_an_answer_is_one_of_our_errors(
    status: int, body: object, kind: type[CallError]
) -> None:
    """Codes and types win over the status; the message says where and what."""
    error = answered(status, body)
    assert type(error) is kind
    assert str(error).startswith(f"{WHERE}: HTTP {status}")


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"error": {"code": 502, "message": "gone"}}, Faltered),
        ({"error": {"code": 429, "message": "slow"}}, RateLimited),
        ({"error": {"code": 402, "message": "no credits"}}, QuotaSpent),
        ({"error": {"code": 503, "message": "no provider"}}, Busy),
        (nested(type="server_error", code=None), Faltered),
        (nested(code="rate_limit_exceeded"), RateLimited),
        (nested(type="insufficient_quota"), QuotaSpent),
        (nested("the context length is exceeded"), ContextOverflow),
        (nested(type="invalid_request_error"), Unsupported),
        ({"object": "error", "message": "no", "type": "BadRequestError"}, Unsupported),
        ({"error": "boom"}, ServerFault),
    ],
)
def test_an_error_in_mid_reply_is_one_of_ours(
    event: Mapping[str, Any], kind: type[CallError]
) -> None:
    """After HTTP 200 words and numbers of the body tell as much."""
    error = error_of_event(event, WHERE, NOON)
    assert type(error) is kind
    assert str(error).startswith(f"{WHERE} in mid-reply: ")


def test_what_a_server_of_ours_fails_at_does_not_pass() -> None:
    """A crash of the embedded engine is no reason to ask it again."""
    assert type(answered(500, nested(), may_pass=False)) is ServerFault
    event = nested(type="server_error")
    assert type(error_of_event(event, WHERE, NOON, may_pass=False)) is ServerFault


@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        (500, "false", ServerFault),
        (429, "false", ServerFault),
        (418, "true", Faltered),
        (400, "true", Unsupported),
        (500, "true", Faltered),
    ],
)
def test_the_service_says_whether_to_ask_again(
    status: int, told: str, kind: type[CallError]
) -> None:
    """`x-should-retry` has the last word on faults that may pass."""
    assert type(answered(status, nested(), {"x-should-retry": told})) is kind


IN_ITS_ALIAS: Final = "in the options of its alias"
REFUSALS: Final = {
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
    "'max_completion_tokens' instead.": (
        f'set max_tokens_field = "max_completion_tokens" {IN_ITS_ALIAS}'
    ),
    "Unrecognized request argument supplied: max_completion_tokens": (
        f'set max_tokens_field = "max_tokens" {IN_ITS_ALIAS}'
    ),
    "Unsupported value: 'temperature' does not support 0.2 with this model. Only the "
    "default (1) value is supported.": (
        "it samples its own way: leave the option out, or set it to 1"
    ),
    "Function tools with reasoning_effort are not supported for gpt-x in "
    "/v1/chat/completions. Please use /v1/responses or set reasoning_effort to "
    "'none'.": "ask it as openai-responses/…, or with effort=none",
    "Unsupported value: 'reasoning_effort' does not support 'none'": (
        "leave effort out, or take one that it has"
    ),
}


@pytest.mark.parametrize(("message", "advice"), REFUSALS.items())
def test_a_refusal_says_what_to_set(message: str, advice: str) -> None:
    """Traps of model families come with the way out of them."""
    error = answered(400, nested(message, type="invalid_request_error"))
    assert str(error).endswith(f"; {advice}")


def test_a_model_for_another_route_says_which() -> None:
    """A model that only responses have is no wrong address."""
    message = "This is not a chat model; it is only supported in v1/responses"
    error = answered(404, nested(message, type="invalid_request_error"))
    assert isinstance(error, ModelMissing)
    assert "openai-responses/" in str(error)


def test_who_failed_behind_a_router_is_shown() -> None:
    """OpenRouter's `metadata.raw` says more than its own message."""
    body = nested("Provider returned error", code=502, metadata={"raw": "GPU lost"})
    assert "Provider returned error: GPU lost" in str(answered(502, body))


@pytest.mark.parametrize(
    ("body", "headers", "wait_s"),
    [
        (nested(), {"retry-after": "20"}, 20.0),
        (nested(), {"retry-after-ms": "1500"}, 1.5),
        (nested("Please try again in 1.2s."), {}, 1.2),
        (nested(), {"x-ratelimit-reset-requests": "6m0s"}, 360.0),
        (nested(), {}, None),
    ],
)
def test_a_rate_limit_keeps_how_long_to_wait(
    body: object, headers: Mapping[str, str], wait_s: float | None
) -> None:
    """However the service tells the wait, it is in the error."""
    error = answered(429, body, headers)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == wait_s


def test_a_wait_told_in_mid_reply_is_kept() -> None:
    """OpenRouter puts the headers into the error itself."""
    metadata = {"headers": {"X-RateLimit-Reset": "1795262430000"}}
    event = nested("slow", code=429, metadata=metadata)
    error = error_of_event(event, WHERE, NOON)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 30.0


def test_a_body_that_is_no_json_is_shown() -> None:
    """A gateway's page is cut to a line's worth."""
    error = answered(502, "<html>" + "x" * 999)
    assert str(error) == f"{WHERE}: HTTP 502 <html>{'x' * 194}… (1005 chars)"
