"""What goes wrong at a fake Anthropic, on top of the faults of `fake_sse`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fake_sse import Event, StreamFault, ends_with, refuse, sends

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fake_ollama_models import JsonObject


def error_json(kind: str, message: str, code: str = "") -> JsonObject:
    """Return the body of an error, as an answer and as an event."""
    details = {"details": {"error_code": code}} if code else {}
    error = {"type": kind, "message": message, **details}
    return {
        "type": "error",
        "error": error,
        "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy",
    }


def fails(
    status: int,
    kind: str,
    message: str = "It went wrong.",
    *,
    code: str = "",
    headers: Mapping[str, str] | None = None,
) -> StreamFault:
    """Answer with an error."""
    return refuse(status, error_json(kind, message, code), headers)


def overloaded() -> StreamFault:
    """Answer 529, as in a rush hour."""
    return fails(529, "overloaded_error", "Overloaded")


def rate_limited(retry_after: str | None = "3") -> StreamFault:
    """Answer 429 with the header that says when to come back, or without it."""
    headers = {"retry-after": retry_after} if retry_after is not None else {}
    message = "This request would exceed your organization's rate limit"
    return fails(429, "rate_limit_error", message, headers=headers)


def spend_limit(code: str = "enforced_spend_limit_reached") -> StreamFault:
    """Answer 429, which no wait will cure."""
    message = "Your organization has reached its monthly usage threshold"
    return fails(429, "rate_limit_error", message, code=code)


def credit_spent() -> StreamFault:
    """Answer 400, as for an account without credit."""
    message = "Your credit balance is too low to access the Anthropic API."
    return fails(400, "invalid_request_error", message)


def error_event(
    kind: str, message: str = "It broke.", *, code: str = "", after_events: int = 4
) -> StreamFault:
    """End the stream with an error after HTTP 200."""
    event = Event(error_json(kind, message, code), name="error")
    return ends_with(event, after_events=after_events)


def unknown_event(after_events: int = 2) -> StreamFault:
    """Send an event that no client knows yet."""
    event = Event({"type": "mood", "mood": {"is": "good"}}, name="mood")
    return sends(event, after_events=after_events)


def unknown_delta(after_events: int = 3) -> StreamFault:
    """Send a delta of a kind that no client knows yet."""
    fields = {"index": 0, "delta": {"type": "smell_delta", "smell": "fresh"}}
    event = Event({"type": "content_block_delta", **fields}, name="content_block_delta")
    return sends(event, after_events=after_events)


def pings(count: int = 3, after_events: int = 0) -> StreamFault:
    """Send pings, before `message_start` or anywhere."""
    return sends(
        *[Event({"type": "ping"}, name="ping")] * count, after_events=after_events
    )
