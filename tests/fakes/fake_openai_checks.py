"""What a chat-completions server refuses before it asks a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fake_openai_errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fake_ollama_models import JsonObject
    from fake_openai_models import ChatModel, Flavour

_KNOWN: Final = frozenset({
    "model", "messages", "stream", "stream_options", "max_tokens",
    "max_completion_tokens", "reasoning_effort", "temperature", "top_p", "tools",
    "tool_choice", "parallel_tool_calls", "response_format", "seed", "stop", "n",
    "presence_penalty", "frequency_penalty",
})  # fmt: skip
_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def check_body(body: JsonObject, model: ChatModel, flavour: Flavour) -> None:
    """Refuse what the server or the model does not take.

    Raises:
        Refused: in OpenAI's words.
    """
    if flavour.refuses_unknown:
        for key in body:
            if key not in _KNOWN:
                message = f"Unrecognized request argument supplied: {key}"
                raise Refused(400, message)
    if body.get("stream_options") and not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is set."
        raise Refused(400, message, param="stream_options")
    _check_family(body, model)
    _check_tools(body, model)
    _check_messages(body.get("messages"))


def _check_family(body: JsonObject, model: ChatModel) -> None:
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in _EFFORTS:
        _refuse_value("reasoning_effort", effort)
    if not model.is_reasoning:
        return
    for key in ("temperature", "top_p"):
        if body.get(key, 1) != 1:
            _refuse_value(key, body[key])
    for key, instead in (("max_tokens", "max_completion_tokens"), ("seed", "")):
        if key in body:
            message = (
                f"Unsupported parameter: '{key}' is not supported with this model."
            )
            message += f" Use '{instead}' instead." if instead else ""
            raise Refused(400, message, code="unsupported_parameter", param=key)


def _refuse_value(key: str, value: object) -> None:
    message = (
        f"Unsupported value: '{key}' does not support {value} with this model. Only"
        " the default (1) value is supported."
    )
    raise Refused(400, message, code="unsupported_value", param=key)


def _check_tools(body: JsonObject, model: ChatModel) -> None:
    tools = body.get("tools")
    if not tools:
        return
    if not model.takes_tools:
        message = f"{model.name} does not support tools"
        raise Refused(400, message, param="tools")
    is_thinking = body.get("reasoning_effort", "none") != "none"
    if model.refuses_tools_with_effort and is_thinking:
        message = (
            f"Function tools with reasoning_effort are not supported for {model.name}"
            " in /v1/chat/completions. Please use /v1/responses or set"
            " reasoning_effort to 'none'."
        )
        raise Refused(400, message, param="reasoning_effort")
    for tool in tools:
        if not tool.get("function", {}).get("name"):
            message = "Missing required parameter: 'tools[0].function.name'."
            raise Refused(400, message, param="tools")


def _check_messages(messages: Any) -> None:  # noqa: ANN401 - whatever the client sent
    if not isinstance(messages, list) or not messages:
        message = "Invalid 'messages': empty array."
        raise Refused(400, message, param="messages")
    open_calls: list[str] = []
    for message in messages:
        if message.get("role") == "tool":
            _close_call(message, open_calls)
            continue
        if open_calls:
            _refuse_open(open_calls)
        open_calls = _called(message)
    if open_calls:
        _refuse_open(open_calls)


def _called(message: Mapping[str, Any]) -> list[str]:
    calls: Sequence[Mapping[str, Any]] = message.get("tool_calls") or ()
    for call in calls:
        if not isinstance(call["function"]["arguments"], str):
            text = "Invalid type for 'messages[].tool_calls[].function.arguments'"
            raise Refused(400, text, code="invalid_type", param="messages")
    return [str(call["id"]) for call in calls]


def _close_call(message: Mapping[str, Any], open_calls: list[str]) -> None:
    call_id = message.get("tool_call_id")
    if call_id not in open_calls:
        text = (
            "Invalid parameter: messages with role 'tool' must be a response to a"
            " preceding message with 'tool_calls'."
        )
        raise Refused(400, text, param="messages")
    open_calls.remove(call_id)


def _refuse_open(open_calls: Sequence[str]) -> None:
    text = (
        "An assistant message with 'tool_calls' must be followed by tool messages"
        " responding to each 'tool_call_id'. The following tool_call_ids did not have"
        f" response messages: {', '.join(open_calls)}"
    )
    raise Refused(400, text, param="messages")
