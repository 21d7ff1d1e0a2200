"""OpenAI's responses API, streamed; nothing is stored at the service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from pytest_llmbench.calls.assembly import ReplyBuilder
from pytest_llmbench.calls.providers.http import HttpStatusError
from pytest_llmbench.calls.providers.openai import OpenAIProvider
from pytest_llmbench.calls.providers.openai_account import is_vendors
from pytest_llmbench.calls.providers.openai_faults import error_of_answer
from pytest_llmbench.calls.providers.openai_responses_stream import (
    ResponseStream,
    text_of_item,
)
from pytest_llmbench.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_llmbench.calls.request import CallRequest
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.prompts.messages import Message, SentCall
    from pytest_llmbench.prompts.suite import Json

_RENAMED: Final = {"num_predict": "max_output_tokens"}
_NOT_SENT: Final = frozenset({"num_ctx", "effort", "max_tokens_field"})


class ResponsesProvider(OpenAIProvider):
    """OpenAI's responses API, or a server that speaks it."""

    @override
    async def ask(self, request: CallRequest) -> Reply:
        """Ask for one streamed response and return it complete."""
        clock = self.transport.clock
        body = responses_body(request, self._url)
        builder = ReplyBuilder(clock.now_ns())
        stream = ResponseStream(builder, self.where, clock)
        try:
            end_ns = await self.transport.stream(
                "/responses", body, request.limits, stream.line
            )
            stream.check_ended(end_ns)
        except HttpStatusError as error:
            raise error_of_answer(error, self.where, clock.utc()) from None
        except CallError as error:
            error.partial = builder.reply()
            raise
        builder.end(end_ns)
        return builder.reply()


def responses_body(request: CallRequest, url: str) -> dict[str, Any]:
    """Return what is posted.

    A seed is not sent: this API has none. Sampling options are sent only where they
    were asked for, as models that reason refuse them. Tools are not `strict`, which
    would make optional arguments required.

    Args:
        url: where it goes.
    """
    body: dict[str, Any] = {
        "model": request.model,
        "input": [item for message in request.messages for item in _items(message)],
        "stream": True,
        "store": False,
    }
    system = [message.content for message in request.messages if _is_system(message)]
    if system:
        body["instructions"] = "\n\n".join(system)
    if request.tools:
        body["tools"] = [
            {"type": "function", **tool.to_json(), "strict": False}
            for tool in request.tools
        ]
    if "effort" in request.options:
        body["reasoning"] = {"effort": request.options["effort"]}
    if is_vendors(url):  # padding against eavesdroppers, counted by nobody
        body["stream_options"] = {"include_obfuscation": False}
    for key, value in request.options.items():
        if key not in _NOT_SENT and not _is_no_limit(key, value):
            body[_RENAMED.get(key, key)] = value
    return body


def _is_system(message: Message) -> bool:
    return message.role == "system"


def _is_no_limit(key: str, value: Json) -> bool:
    """Whether an option is Ollama's word for no limit, -1."""
    return key == "num_predict" and isinstance(value, int) and value < 0


def _items(message: Message) -> Iterator[Mapping[str, Any]]:
    """Yield the input items that a message is."""
    if message.role == "tool":
        yield {
            "type": "function_call_output",
            "call_id": message.call_id,
            "output": message.content,
        }
    elif _goes_back_as_it_came(message):
        yield from message.carried
    elif not _is_system(message):
        if message.content or not message.tool_calls:
            yield {"role": message.role, "content": message.content}
        yield from map(_call_item, message.tool_calls)


def _call_item(call: SentCall) -> dict[str, Any]:
    arguments = json.dumps(dict(call.arguments), ensure_ascii=False)
    return {
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments,
    }


def _goes_back_as_it_came(message: Message) -> bool:
    """Whether what a reply carries still is what the message says.

    A variant may have set thinking apart from the text, or have put calls that were
    written as text beside it.
    """
    calls = [item["call_id"] for item in message.carried if "call_id" in item]
    text = "".join(map(text_of_item, message.carried))
    return (
        bool(message.carried)
        and text == message.content
        and calls == [call.id for call in message.tool_calls]
    )
