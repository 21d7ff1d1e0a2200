"""What Anthropic's errors mean, and what a person can do about each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

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
from pytest_llmbench.prompts.wording import closest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pytest_llmbench.calls.providers.http import HttpStatusError

_BY_TYPE: Final[dict[str, type[CallError]]] = {
    "invalid_request_error": Unsupported,
    "authentication_error": Unauthorised,
    "permission_error": Unauthorised,
    "billing_error": QuotaSpent,
    "not_found_error": ModelMissing,
    "conflict_error": Faltered,
    "request_too_large": ContextOverflow,
    "rate_limit_error": RateLimited,
    "api_error": Faltered,
    "timeout_error": Faltered,
    "overloaded_error": Busy,
}
_BY_STATUS: Final[dict[int, type[CallError]]] = {
    400: Unsupported,
    401: Unauthorised,
    402: QuotaSpent,
    403: Unauthorised,
    404: ProtocolFault,
    405: ProtocolFault,
    408: Faltered,
    409: Faltered,
    413: ContextOverflow,
    422: Unsupported,
    429: RateLimited,
    501: ServerFault,
    503: Busy,
    529: Busy,
}
_FIRST_SERVER_FAULT: Final = 500

_SPENT_CODES: Final = frozenset({
    "enforced_spend_limit_reached",
    "contract_spend_limit_reached",
    "linked_organization_spend_limit_reached",
    "linked_organization_billing_unavailable",
})
"""Codes of a limit in money; they come with the type of a rate limit as well."""

_SPENT_WORDS: Final = ("credit balance is too low", "api usage limits", "spend limit")
_TOO_LONG_WORDS: Final = (
    "prompt is too long",
    "exceed context limit",
    "too many total",
)
_SAMPLING_WORDS: Final = ("temperature", "top_p", "top_k")

_ADVICE: Final[dict[type[CallError], str]] = {
    QuotaSpent: "waiting does not help: add credit, or raise the spend limit",
    ContextOverflow: "shorten the prompt, or lower num_predict",
    ProtocolFault: "is base_url right? It ends before /v1",
}


class _Told(Struct, frozen=True, kw_only=True):
    """What an error says of itself; empty where it does not."""

    kind: str = ""
    message: str = ""
    code: str = ""

    @property
    def shown(self) -> str:
        """Return the message as the beginning of ours."""
        return one_line((self.message or self.kind).rstrip("."))


def error_of_status(
    error: HttpStatusError, where: str, now: datetime, key_name: str
) -> CallError:
    """Return the error that an HTTP status with its body means.

    Args:
        now: when it came, for limits that tell a time of day.
        key_name: the variable that the key is from.
    """
    told = _told(error.json())
    kind = _kind(told, error.status)
    if kind is Faltered and error.headers.get("x-should-retry") == "false":
        kind = ServerFault
    if error.retry_after_s is None:
        error.retry_after_s = wait_of(error.headers, told.message, now)
    shown = told.shown or one_line(error.body.strip())
    advice = _advice(kind, told, f"check {key_name}")
    return error.as_error(
        kind, f"{where}: HTTP {error.status} {shown}".rstrip() + advice
    )


def error_of_event(value: dict[str, Any], where: str) -> CallError:
    """Return the error that an `error` event in mid-stream means."""
    told = _told(value)
    kind = _kind(told, 0)
    advice = _advice(kind, told, "check the key")
    return kind(f"{where} in mid-reply: {told.shown or 'an error'}{advice}")


def is_about_a_model(error: HttpStatusError) -> bool:
    """Whether the API itself says that something is not there.

    Another server's 404 is about the path.
    """
    return _told(error.json()).kind == "not_found_error"


def missing_model(model: str, where: str, names: Sequence[str]) -> ModelMissing:
    """Say which models are there."""
    if model in names:
        return ModelMissing(f"{where} lists the model {model!r} but can't find it")
    near = closest(model, names)
    hint = f"; did you mean {near!r}?" if near else ""
    have = f"\n  it has: {', '.join(names)}" if names else ""
    return ModelMissing(f"{where} has no model {model!r}{hint}{have}")


def _kind(told: _Told, status: int) -> type[CallError]:
    text = told.message.lower()
    if told.code in _SPENT_CODES or any(words in text for words in _SPENT_WORDS):
        return QuotaSpent
    kind = _BY_TYPE.get(told.kind) or _BY_STATUS.get(status)
    if kind is Unsupported and any(words in text for words in _TOO_LONG_WORDS):
        return ContextOverflow
    return kind or (Faltered if status >= _FIRST_SERVER_FAULT else ServerFault)


def _advice(kind: type[CallError], told: _Told, key_advice: str) -> str:
    advice = _ADVICE.get(kind, "")
    if kind is Unauthorised:
        advice = key_advice
    if kind is Unsupported:
        named = [word for word in _SAMPLING_WORDS if word in told.message]
        advice = f"leave {named[0]} out for this model" if named else ""
    return f"; {advice}" if advice else ""


def _told(body: object) -> _Told:
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str):
        return _Told(message=error)
    if not isinstance(error, dict):
        return _Told()
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, dict) else None
    return _Told(
        kind=str(error.get("type") or ""),
        message=str(error.get("message") or ""),
        code=str(code or ""),
    )
