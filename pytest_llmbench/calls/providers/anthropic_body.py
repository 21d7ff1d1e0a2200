"""A request as the Messages API reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.calls.providers.anthropic_thinking import Thinking, thinking_for
from pytest_llmbench.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmbench.calls.providers.anthropic_thinking import Abilities
    from pytest_llmbench.calls.request import CallRequest
    from pytest_llmbench.prompts.messages import Message
    from pytest_llmbench.prompts.suite import Tool

MAX_TOKENS: Final = 32_000
"""The answer's limit where none is set: the API wants one. All models allow it."""

_SAMPLING: Final = ("temperature", "top_p", "top_k")
_NOT_SENT: Final = frozenset({"num_predict", "num_ctx", "effort"})


def message_body(
    request: CallRequest, where: str, abilities: Abilities | None
) -> dict[str, Any]:
    """Return the body of a streamed request.

    Args:
        where: the server, for messages.
        abilities: the model's, where the server tells them.

    Raises:
        Unsupported: an option that the API or the model has not.
    """
    options = request.options
    effort = options.get("effort")
    thinking = Thinking(fields={})
    if effort is not None:
        thinking = thinking_for(str(effort), abilities, where)
    system = "\n\n".join(m.content for m in request.messages if m.role == "system")
    return {
        "model": request.model,
        "max_tokens": _limit(options.get("num_predict")) + thinking.budget_tokens,
        "messages": turns(request.messages),
        "stream": True,
        **({"system": system} if system else {}),
        **({"tools": [_tool(tool) for tool in request.tools]} if request.tools else {}),
        **thinking.fields,
        **dict(_sampling(request, where)),
    }


def _limit(num_predict: object) -> int:
    """Return the answer's limit; a negative one is Ollama's word for none."""
    if isinstance(num_predict, int) and num_predict >= 0:
        return num_predict
    return MAX_TOKENS


def _sampling(request: CallRequest, where: str) -> Iterator[tuple[str, object]]:
    for name, value in request.options.items():
        if name in _SAMPLING:
            yield name, value
        elif name not in _NOT_SENT:
            msg = (
                f"{where}: the Messages API has no option {name!r}; it has"
                f" {', '.join(_SAMPLING)}, num_predict and effort"
            )
            raise Unsupported(msg)


def _tool(tool: Tool) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    schema = {"type": "object", **tool.parameters}
    return {"name": tool.name, **described, "input_schema": schema}


def turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return user and assistant in turn; what follows one another is one message.

    So the results of all calls stand in one message, before the user's next words.
    """
    made: list[dict[str, Any]] = []
    for message in messages:
        blocks = _blocks(message)
        role = "assistant" if message.role == "assistant" else "user"
        if not blocks:  # the API refuses empty messages
            continue
        if made and made[-1]["role"] == role:
            made[-1]["content"] += blocks
        else:
            made.append({"role": role, "content": blocks})
    return made


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role == "system":
        return []
    if message.role == "tool":
        result = {"type": "tool_result", "tool_use_id": message.call_id}
        return [{**result, "content": message.content}]
    if message.role == "assistant":
        return _said(message)
    return [{"type": "text", "text": message.content}]


def _said(message: Message) -> list[dict[str, Any]]:
    """Return an assistant's blocks as they came, or as its text and calls make them.

    A call that was found in the text came in no block of its own.
    """
    blocks = [dict(block) for block in message.carried]
    if not blocks and message.content:
        blocks = [{"type": "text", "text": message.content}]
    known = {block.get("id") for block in blocks}
    return blocks + [
        {
            "type": "tool_use",
            "id": call.id,
            "name": call.name,
            "input": dict(call.arguments),
        }
        for call in message.tool_calls
        if call.id not in known
    ]
