"""The errors of chat completions: bodies in each server's words, and faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fake_sse import Event, ends_with, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fake_ollama_models import JsonObject
    from fake_openai_models import Flavour
    from fake_sse import StreamFault

_LLAMA_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    501: "not_supported_error",
    503: "unavailable_error",
}


class Refused(Exception):
    """A request answered with an error.

    Attributes:
        kind: the error's `type`.
        headers: sent with it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        self.headers = headers or {}


def error_body(flavour: Flavour, error: Refused) -> JsonObject:
    """Return the body of an error as a kind of server words it."""
    if flavour.errors == "llama.cpp":
        kind = _LLAMA_TYPES.get(error.status, "server_error")
        return llama_error(error.status, error.message, kind)
    if flavour.errors == "vllm":
        return vllm_error(error.status, error.message, "BadRequestError")
    if flavour.errors == "openrouter":
        return openrouter_error(error.status, error.message)
    if flavour.errors == "ollama":
        return openai_error(error.message, error.kind)
    return openai_error(error.message, error.kind, error.code, error.param)


def openai_error(
    message: str, kind: str, code: str | None = None, param: str | None = None
) -> JsonObject:
    """Return an error as OpenAI words it."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return {"error": error}


def llama_error(status: int, message: str, kind: str, **more: Any) -> JsonObject:  # noqa: ANN401 - any field
    """Return an error as llama.cpp words it."""
    return {"error": {"code": status, "message": message, "type": kind, **more}}


def vllm_error(status: int, message: str, kind: str) -> JsonObject:
    """Return an error in vLLM's flat form."""
    error = {"message": message, "type": kind, "param": None, "code": status}
    return {"object": "error", **error}


def openrouter_error(
    status: int,
    message: str,
    **metadata: Any,  # noqa: ANN401 - any field
) -> JsonObject:
    """Return an error as OpenRouter words it."""
    more = {"metadata": metadata} if metadata else {}
    return {"error": {"code": status, "message": message, **more}}


def invalid_key() -> StreamFault:
    """Refuse the key."""
    message = "Incorrect API key provided: sk-fa**********fake."
    kind = "invalid_request_error"
    return refuse(401, openai_error(message, kind, "invalid_api_key"))


def wrong_country() -> StreamFault:
    """Refuse the caller's country."""
    message = "Country, region, or territory not supported"
    code = "unsupported_country_region_territory"
    return refuse(403, openai_error(message, "request_forbidden", code))


def model_not_found(model: str = "gpt-x") -> StreamFault:
    """Say that there is no such model."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    body = openai_error(message, "invalid_request_error", "model_not_found")
    return refuse(404, body)


def rate_limited(
    headers: Mapping[str, str] | None = None, hint: str = "Please try again later."
) -> StreamFault:
    """Say that a minute's requests are used up.

    Args:
        headers: those that say how long to wait.
        hint: the message's end.
    """
    message = f"Rate limit reached for gpt-x on requests per min (RPM). {hint}"
    body = openai_error(message, "requests", "rate_limit_exceeded")
    return refuse(429, body, headers)


def slow_down() -> StreamFault:
    """Say that requests became more too fast."""
    message = "Your requests ramp up too fast."
    return refuse(429, openai_error(message, "rate_limit_error", "slow_down"))


def quota_spent(code: str = "insufficient_quota") -> StreamFault:
    """Say that there is no money left, in the status of a rate limit."""
    message = "You exceeded your current quota, please check your plan and billing."
    return refuse(429, openai_error(message, "insufficient_quota", code))


def server_error() -> StreamFault:
    """Fail for no reason that is told."""
    message = "The server had an error while processing your request. Sorry!"
    return refuse(500, openai_error(message, "server_error"))


def overloaded(headers: Mapping[str, str] | None = None) -> StreamFault:
    """Say that the service has too much to do."""
    message = "The engine is currently overloaded, please try again later"
    kind, code = "service_unavailable_error", "server_is_overloaded"
    return refuse(503, openai_error(message, kind, code), headers)


def context_exceeded() -> StreamFault:
    """Say that the prompt is too long."""
    message = "This model's maximum context length is 8192 tokens."
    kind, code = "invalid_request_error", "context_length_exceeded"
    return refuse(400, openai_error(message, kind, code, "messages"))


def bad_gateway() -> StreamFault:
    """Answer with a gateway's page."""
    return refuse(502, "<html><h1>502 Bad Gateway</h1></html>")


def error_mid_stream(body: JsonObject, after_events: int = 2) -> StreamFault:
    """Send an error as an event, after HTTP 200, and end the stream."""
    return ends_with(Event(body), after_events=after_events)


def error_in_ok(body: JsonObject) -> StreamFault:
    """Answer 200 with an error as the whole body, as OpenRouter does."""
    return refuse(200, body)
