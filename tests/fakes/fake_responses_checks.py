"""What the responses API refuses of a request, in its own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fake_ollama_models import count_tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fake_ollama_models import JsonObject

_KNOWN: Final = frozenset({
    "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls",
    "reasoning", "max_output_tokens", "text", "previous_response_id", "store",
    "stream", "stream_options", "include", "truncation", "temperature", "top_p",
    "metadata", "user",
})  # fmt: skip
_INVALID: Final = "invalid_request_error"


class Refused(Exception):
    """A request answered with an error status."""

    def __init__(
        self, status: int, message: str, *, code: str = "", param: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(message, code=code, param=param)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeReasoner:
    """What a model can do.

    Attributes:
        reasons: it thinks before it answers, and takes no sampling options.
        context_tokens: a longer prompt is refused.
    """

    reasons: bool = True
    context_tokens: int = 100_000


def error_body(
    message: str, *, kind: str = _INVALID, code: str = "", param: str = ""
) -> JsonObject:
    """Return the body of an error."""
    told = {"message": message, "type": kind, "param": param or None}
    return {"error": {**told, "code": code or None}}


def check_body(
    body: JsonObject, model: FakeReasoner, seals: Collection[str]
) -> list[JsonObject]:
    """Return the input items of a request that can be answered.

    Args:
        seals: the encrypted thinking that was ever given out.

    Raises:
        Refused: it cannot.
    """
    for name in body:
        if name not in _KNOWN:
            message = f"Unknown parameter: '{name}'."
            raise Refused(400, message, code="unknown_parameter", param=name)
    _check_sampling(body, model)
    _check_tools(body.get("tools") or [])
    items = _items(body.get("input"))
    _check_calls(items)
    _check_reasoning(items, seals)
    if prompt_tokens(body, items) > model.context_tokens:
        message = "Your input exceeds the context window of this model."
        code = "context_length_exceeded"
        raise Refused(400, message, code=code, param="input")
    return items


def prompt_tokens(body: JsonObject, items: Sequence[JsonObject]) -> int:
    """Count the tokens of all texts of a prompt; four characters are one."""
    texts = [str(body.get("instructions") or "")]
    texts += [content_text(item) for item in items]
    texts += [str(item.get("output") or item.get("arguments") or "") for item in items]
    return sum(map(count_tokens, texts))


def content_text(item: JsonObject) -> str:
    """Return the text of a message item."""
    content = item.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content)


def _check_sampling(body: JsonObject, model: FakeReasoner) -> None:
    effort = (body.get("reasoning") or {}).get("effort")
    if effort is not None and not model.reasons:
        param = "reasoning.effort"
        message = f"Unsupported parameter: '{param}' is not supported with this model."
        raise Refused(400, message, code="unsupported_parameter", param=param)
    for name in ("temperature", "top_p"):
        if model.reasons and body.get(name, 1) != 1:
            message = (
                f"Unsupported value: '{name}' does not support {body[name]} with this"
                " model. Only the default (1) value is supported."
            )
            raise Refused(400, message, code="unsupported_value", param=name)


def _check_tools(tools: list[JsonObject]) -> None:
    for index, tool in enumerate(tools):
        if not tool.get("name"):
            param = f"tools[{index}].name"
            message = f"Missing required parameter: '{param}'."
            raise Refused(400, message, code="missing_required_parameter", param=param)


def _items(given: Any) -> list[JsonObject]:  # noqa: ANN401 - whatever was sent
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        message = "Missing required parameter: 'input'."
        raise Refused(400, message, code="missing_required_parameter", param="input")
    return given


def _check_calls(items: list[JsonObject]) -> None:
    """Refuse calls without their output, and the other way round."""
    called = [i["call_id"] for i in items if i.get("type") == "function_call"]
    answered = [i["call_id"] for i in items if i.get("type") == "function_call_output"]
    for call_id in answered:
        if call_id not in called:
            message = (
                f"No tool call found for function call output with call_id {call_id}."
            )
            raise Refused(400, message, param="input")
    for call_id in called:
        if call_id not in answered:
            message = f"No tool output found for function call {call_id}."
            raise Refused(400, message, param="input")


def _check_reasoning(items: list[JsonObject], seals: Collection[str]) -> None:
    for item, after in zip(items, [*items[1:], {}], strict=True):
        if "id" in item:
            message = (
                f"Item with id '{item['id']}' not found. Items are not persisted when"
                " `store` is set to false."
            )
            raise Refused(404, message, param="input")
        if item.get("type") != "reasoning":
            continue
        if item.get("encrypted_content") not in seals:
            message = "The encrypted content could not be verified."
            raise Refused(400, message, code="invalid_encrypted_content")
        if after.get("role", "assistant") != "assistant" or not after:
            message = (
                "Item of type 'reasoning' was provided without its required following"
                " item."
            )
            raise Refused(400, message, param="input")
