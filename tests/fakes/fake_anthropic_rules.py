"""What a fake Anthropic refuses, in the API's own words.

Unknown fields are let through: clients send fields of betas that are no matter here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fake_anthropic_models import EFFORTS, NEW_VERSION, OLD_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fake_anthropic_models import ClaudeModel
    from fake_ollama_models import JsonObject

_SAMPLING: Final = ("temperature", "top_p", "top_k")
_MIN_BUDGET: Final = 1024


class Refused(Exception):
    """A request answered with an error."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message


def invalid(message: str) -> Refused:
    """Return a 400."""
    return Refused(400, "invalid_request_error", message)


def check_headers(headers: Mapping[str, str], keys: frozenset[str]) -> None:
    """Refuse a request without a key or a version; `x-api-key` wins over a token.

    Args:
        keys: the right ones; empty for any.
    """
    key = headers.get("x-api-key")
    token = headers.get("authorization", "").removeprefix("Bearer ").strip()
    if not key and not token:
        raise Refused(401, "authentication_error", "x-api-key header is required")
    if keys and (key or token) not in keys:
        what = "x-api-key" if key else "bearer token"
        raise Refused(401, "authentication_error", f"invalid {what}")
    version = headers.get("anthropic-version")
    if version is None:
        msg = "anthropic-version: header is required"
        raise invalid(msg)
    if version not in {OLD_VERSION, NEW_VERSION}:
        msg = f'anthropic-version: "{version}" is not a valid version'
        raise invalid(msg)


def check_body(body: JsonObject, model: ClaudeModel, version: str) -> None:
    """Refuse what the model or the API version does not take.

    Raises:
        Refused: with the first fault.
    """
    for fault in _faults(body, model, version):
        raise invalid(fault)


def _faults(body: JsonObject, model: ClaudeModel, version: str) -> Iterator[str]:
    yield from _sampling_faults(body, model, version)
    yield from _limit_faults(body, model)
    yield from _thinking_faults(body, model)
    yield from _effort_faults(body, model)
    yield from _tool_faults(body, model)
    yield from _message_faults(body.get("messages"))


def _sampling_faults(
    body: JsonObject, model: ClaudeModel, version: str
) -> Iterator[str]:
    for name in _SAMPLING:
        if name not in body:
            continue
        if version == NEW_VERSION:
            yield f"{name}: Extra inputs are not permitted"
        elif not model.takes_sampling and body[name] != 1:
            yield f"`{name}` is deprecated for this model."


def _limit_faults(body: JsonObject, model: ClaudeModel) -> Iterator[str]:
    limit = body.get("max_tokens")
    if limit is None:
        yield "max_tokens: Field required"
    elif not isinstance(limit, int) or limit < 0:
        yield "max_tokens: Input should be greater than or equal to 0"
    elif limit > model.max_tokens:
        yield (
            f"max_tokens: {limit} > {model.max_tokens}, which is the maximum allowed"
            f" number of output tokens for {model.name}"
        )


def _thinking_faults(body: JsonObject, model: ClaudeModel) -> Iterator[str]:
    thinking = body.get("thinking")
    if thinking is None:
        return
    kind = thinking.get("type")
    if kind not in model.thinking:
        yield f'"thinking.type.{kind}" is not supported for this model.'
    if kind == "enabled":
        budget = thinking.get("budget_tokens", 0)
        if budget < _MIN_BUDGET:
            yield (
                "thinking.enabled.budget_tokens: Input should be greater than or"
                f" equal to {_MIN_BUDGET}"
            )
        if budget >= body["max_tokens"]:
            yield "`max_tokens` must be greater than `thinking.budget_tokens`."
        if body.get("temperature", 1) != 1:
            yield "`temperature` may only be set to 1 when thinking is enabled."


def _effort_faults(body: JsonObject, model: ClaudeModel) -> Iterator[str]:
    effort = (body.get("output_config") or {}).get("effort")
    if effort is None:
        return
    if effort not in EFFORTS:
        allowed = ", ".join(f"'{word}'" for word in EFFORTS)
        yield f"output_config.effort: Input should be one of {allowed}"
    elif effort not in model.efforts:
        yield "This model does not support the effort parameter."


def _tool_faults(body: JsonObject, model: ClaudeModel) -> Iterator[str]:
    for at, tool in enumerate(body.get("tools") or ()):
        schema = tool.get("input_schema")
        if "type" not in tool and (schema or {}).get("type") != "object":
            yield f"tools.{at}.custom.input_schema.type: Field required"
    choice = (body.get("tool_choice") or {}).get("type")
    if choice in {"any", "tool"} and not model.can_be_forced:
        yield f'tool_choice.type "{choice}" is not supported for this model.'


def _message_faults(messages: object) -> Iterator[str]:
    if not isinstance(messages, list) or not messages:
        yield "messages: at least one message is required"
        return
    pending: set[str] = set()
    for at, message in enumerate(messages):
        blocks = blocks_of(message)
        if message.get("role") != "system":  # one may hold settings alone
            yield from _content_faults(at, blocks)
        if message.get("role") == "user":
            yield from _result_faults(at, blocks, pending)
        pending = {b["id"] for b in blocks if b.get("type") == "tool_use"}


def _content_faults(at: int, blocks: list[JsonObject]) -> Iterator[str]:
    if not blocks:
        yield f"messages.{at}: all messages must have non-empty content"
    if any(b.get("type") == "text" and not b.get("text") for b in blocks):
        yield "messages: text content blocks must be non-empty"


def _result_faults(
    at: int, blocks: list[JsonObject], pending: set[str]
) -> Iterator[str]:
    results = [b["tool_use_id"] for b in blocks if b.get("type") == "tool_result"]
    unknown = set(results) - pending
    missing = pending - set(results)
    if unknown:
        yield (
            f"messages.{at}.content.0: unexpected `tool_use_id` found in `tool_result`"
            f" blocks: {', '.join(sorted(unknown))}."
        )
    leading = [b.get("type") for b in blocks[: len(results)]]
    if missing or leading != ["tool_result"] * len(results):
        yield (
            f"messages.{at - 1}: `tool_use` ids were found without `tool_result` blocks"
            f" immediately after: {', '.join(sorted(missing or pending))}."
        )


def blocks_of(message: Mapping[str, Any]) -> list[JsonObject]:
    """Return a message's blocks; a text is one."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content or ())
