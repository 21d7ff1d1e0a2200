"""What errors in OpenAI's words mean: as an answer's status, or in mid-reply."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.calls.providers.limit_headers import wait_of
from pytest_llmbench.checks.shown import one_line
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
    from datetime import datetime

    from pytest_llmbench.calls.providers.http import HttpStatusError

_BY_WORD: Final[Mapping[str, type[CallError]]] = {
    "insufficient_quota": QuotaSpent,
    "credit_balance_exhausted": QuotaSpent,
    "organization_spend_limit_exceeded": QuotaSpent,
    "project_spend_limit_exceeded": QuotaSpent,
    "organization_usage_limit_exceeded": QuotaSpent,
    "billing_hard_limit_reached": QuotaSpent,
    "billing_not_active": QuotaSpent,
    "context_length_exceeded": ContextOverflow,
    "exceed_context_size_error": ContextOverflow,
    "invalid_api_key": Unauthorised,
    "model_not_found": ModelMissing,
    "rate_limit_exceeded": RateLimited,
    "rate_limit_error": RateLimited,
    "slow_down": RateLimited,
    "server_is_overloaded": Busy,
    "unsupported_value": Unsupported,
    "unsupported_parameter": Unsupported,
    "not_supported_error": Unsupported,
}
"""By the word in `code`, or else in `type`: these are more exact than a status."""

_BY_VAGUE_WORD: Final[Mapping[str, type[CallError]]] = {
    "server_error": Faltered,
    "service_unavailable_error": Busy,
    "unavailable_error": Busy,
    "authentication_error": Unauthorised,
    "permission_error": Unauthorised,
    "invalid_request_error": Unsupported,
    "InternalServerError": Faltered,
    "BadRequestError": Unsupported,
}
"""These only tell where no status does, which is in mid-reply."""

_BY_STATUS: Final[Mapping[int, type[CallError]]] = {
    400: Unsupported,
    401: Unauthorised,
    402: QuotaSpent,
    403: Unauthorised,
    404: ModelMissing,
    405: ProtocolFault,
    408: Faltered,
    409: Faltered,
    413: ContextOverflow,
    422: Unsupported,
    429: RateLimited,
    500: Faltered,
    501: Unsupported,
    502: Faltered,
    503: Busy,
    504: Faltered,
    529: Busy,
}
_ADVICE: Final[Mapping[type[CallError], str]] = {
    ContextOverflow: "shorten the prompt",
    QuotaSpent: "add credit to the account, or use another key",
    Unauthorised: "check the key, which api_key_env names or OPENAI_API_KEY holds",
    ProtocolFault: "is its base_url right? It mostly ends in /v1",
}
_TOO_LONG: Final = re.compile(
    r"context (length|size|window)|prompt is too long", re.IGNORECASE
)
_REMEDIES: Final[tuple[tuple[str, str], ...]] = (
    (r"v1/responses", "ask it as openai-responses/…, or with effort=none"),
    (
        r"use '?max_completion_tokens|'max_tokens' is not supported",
        'set max_tokens_field = "max_completion_tokens" in the options of its alias',
    ),
    (
        r"max_completion_tokens",
        'set max_tokens_field = "max_tokens" in the options of its alias',
    ),
    (
        r"\b(temperature|top_p)\b",
        "it samples its own way: leave the option out, or set it to 1",
    ),
    (r"reasoning[_ .]effort", "leave effort out, or take one that it has"),
)
"""What a refusal's message names, and what to do; the first that is found counts."""


def error_of_answer(
    error: HttpStatusError, where: str, now: datetime, *, may_pass: bool = True
) -> CallError:
    """Return the error that an answer other than 200 means.

    Args:
        now: the moment of the answer, for limits that start anew at a time of day.
        may_pass: whether a failure of the server may pass by itself; where not, it
            is a `ServerFault`.
    """
    body = error.json()
    told = _told(body) if isinstance(body, dict) else {}
    message = _message(told) or one_line(error.body.strip())
    kind = _kind(told, message, error.status)
    if kind is ModelMissing and not _is_about_models(told, message):
        kind = ProtocolFault
    kind = _as_retried(kind, error.headers.get("x-should-retry", ""))
    if kind is Faltered and not may_pass:
        kind = ServerFault
    wait_s = wait_of(error.headers, message, now)
    error.retry_after_s = error.retry_after_s if wait_s is None else wait_s
    shown = f"{where}: HTTP {error.status} {message}".rstrip()
    return error.as_error(kind, shown + _advice(kind, message))


def error_of_event(
    event: Mapping[str, Any], where: str, now: datetime, *, may_pass: bool = True
) -> CallError:
    """Return the error that a service tells in mid-reply, after HTTP 200.

    Args:
        event: with `code` and `message`, or with both within `error`.
        now: as for `error_of_answer`.
        may_pass: as for `error_of_answer`.
    """
    told = _told(event)
    message = _message(told) or one_line(str(dict(told)))
    code = told.get("code")
    status = code if type(code) is int else 0
    kind = _kind(told, message, status)
    if kind is Faltered and not may_pass:
        kind = ServerFault
    error = kind(f"{where} in mid-reply: {message}{_advice(kind, message)}")
    if isinstance(error, Busy):
        error.retry_after_s = wait_of(_headers_within(told), message, now)
    return error


def _told(body: Mapping[str, Any]) -> Mapping[str, Any]:
    error = body.get("error")
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) and error else body


def _message(told: Mapping[str, Any]) -> str:
    """Return the message; OpenRouter has the one of who failed behind it in `raw`."""
    message = told.get("message")
    metadata = told.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    texts = [text for text in (message, raw) if isinstance(text, str) and text]
    return one_line(": ".join(texts))


def _headers_within(told: Mapping[str, Any]) -> dict[str, str]:
    """Return headers that OpenRouter puts into an error's `metadata`."""
    metadata = told.get("metadata")
    headers = metadata.get("headers") if isinstance(metadata, dict) else None
    if not isinstance(headers, dict):
        return {}
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _kind(told: Mapping[str, Any], message: str, status: int) -> type[CallError]:
    words = [str(told.get(key) or "") for key in ("code", "type")]
    for word in words:
        if word in _BY_WORD:
            return _BY_WORD[word]
    if status in {0, 400, 413, 422} and _TOO_LONG.search(message):
        return ContextOverflow
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    vague = (_BY_VAGUE_WORD[word] for word in words if word in _BY_VAGUE_WORD)
    return next(vague, ServerFault)


def _is_about_models(told: Mapping[str, Any], message: str) -> bool:
    """Whether a 404 is about the model; else the route is unknown."""
    return told.get("code") == "model_not_found" or "model" in message.lower()


def _as_retried(kind: type[CallError], should_retry: str) -> type[CallError]:
    """Return the class after the service's own word, where it says so."""
    if should_retry == "false" and issubclass(kind, Busy):
        return ServerFault
    return Faltered if should_retry == "true" and kind is ServerFault else kind


def _advice(kind: type[CallError], message: str) -> str:
    if kind in {Unsupported, ModelMissing}:
        for words, remedy in _REMEDIES:
            if re.search(words, message, re.IGNORECASE):
                return f"; {remedy}"
    return f"; {_ADVICE[kind]}" if kind in _ADVICE else ""
