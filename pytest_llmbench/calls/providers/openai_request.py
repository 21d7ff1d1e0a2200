"""A request as chat completions read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.calls.providers.openai_account import is_vendors
from pytest_llmbench.calls.providers.openai_models import reasons

if TYPE_CHECKING:
    from pytest_llmbench.calls.request import CallRequest
    from pytest_llmbench.prompts.messages import Message, SentCall

_NOT_SENT: Final = frozenset({"num_ctx", "num_predict", "effort", "max_tokens_field"})


def chat_body(request: CallRequest) -> dict[str, Any]:
    """Return the body that any compatible server reads: no effort, `max_tokens`."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [_sent_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    body |= {k: v for k, v in request.options.items() if k not in _NOT_SENT}
    limit = request.options.get("num_predict")
    # A negative one is Ollama's word for no limit.
    if isinstance(limit, int) and limit >= 0:
        body["max_tokens"] = limit
    if request.seed is not None:
        body["seed"] = request.seed
    if request.tools:
        body["tools"] = [
            {"type": "function", "function": tool.to_json()} for tool in request.tools
        ]
    return body


def service_body(request: CallRequest, url: str) -> dict[str, Any]:
    """Return the body that a service's model takes, by its family and options.

    Models that reason get their limit as `max_completion_tokens`, unless
    `max_tokens_field` says otherwise, and no seed, which they refuse; nor does a
    model of which that option says that it is one of them.

    Args:
        url: where it goes.
    """
    body = chat_body(request)
    is_reasoning = reasons(request.model, url)
    by_family = "max_completion_tokens" if is_reasoning else "max_tokens"
    field = str(request.options.get("max_tokens_field", by_family))
    if "max_tokens" in body:
        body[field] = body.pop("max_tokens")
    if is_reasoning or field == "max_completion_tokens":
        body.pop("seed", None)
    if "effort" in request.options:
        body["reasoning_effort"] = request.options["effort"]
    if is_vendors(url):  # padding against eavesdroppers, counted by nobody
        body["stream_options"]["include_obfuscation"] = False
    return body


def _sent_message(message: Message) -> dict[str, Any]:
    """Put a message as OpenAI reads it: arguments as JSON text, results by call id."""
    sent: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        sent["tool_calls"] = [_sent_call(call) for call in message.tool_calls]
    if message.call_id:
        sent["tool_call_id"] = message.call_id
    return sent


def _sent_call(call: SentCall) -> dict[str, Any]:
    arguments = json.dumps(dict(call.arguments), ensure_ascii=False)
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function}
