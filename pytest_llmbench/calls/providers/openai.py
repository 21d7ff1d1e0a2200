"""OpenAI's chat completions as server-sent events, and servers compatible with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace
from typing_extensions import override

from pytest_llmbench.calls.assembly import ReplyBuilder
from pytest_llmbench.calls.providers.http import HttpStatusError
from pytest_llmbench.calls.providers.openai_account import headers_of, url_of
from pytest_llmbench.calls.providers.openai_faults import (
    error_of_answer,
    error_of_event,
)
from pytest_llmbench.calls.providers.openai_listing import (
    check_listed,
    entries_of,
    facts_of,
)
from pytest_llmbench.calls.providers.openai_request import chat_body, service_body
from pytest_llmbench.calls.providers.openai_stream import ChatStream
from pytest_llmbench.calls.providers.service import Service
from pytest_llmbench.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.providers.http import HttpTransport
    from pytest_llmbench.calls.request import (
        CallRequest,
        Limits,
        ModelFacts,
        Target,
    )
    from pytest_llmbench.checks.reply import Reply

_LIST_S: Final = 15.0
_LISTS_NOTHING: Final = frozenset({403, 404, 405, 501})
"""Answers to `/models` of servers without such a route, and of keys without leave."""


async def ask_chat(
    transport: HttpTransport,
    request: CallRequest,
    *,
    path: str = "/v1/chat/completions",
    extra: Mapping[str, Any] | None = None,
) -> Reply:
    """Send one streamed chat completion and return its complete reply.

    Args:
        extra: fields of this server's own, put into the body.

    Raises:
        CallError: whatever the server or network does.
    """
    body = {**chat_body(request), **(extra or {})}
    return await _streamed(transport, path, body, request.limits, may_pass=False)


async def _streamed(
    transport: HttpTransport,
    path: str,
    body: dict[str, Any],
    limits: Limits,
    *,
    may_pass: bool,
) -> Reply:
    builder = ReplyBuilder(transport.clock.now_ns())
    where, now = transport.where, transport.clock.utc
    stream = ChatStream(
        builder,
        where,
        lambda event: error_of_event(event, where, now(), may_pass=may_pass),
    )
    try:
        end_ns = await transport.stream(path, body, limits, stream.line)
        stream.check_ended(end_ns)
    except HttpStatusError as error:
        raise error_of_answer(error, where, now(), may_pass=may_pass) from None
    except CallError as error:
        error.partial = builder.reply()
        raise
    builder.end(end_ns)
    return builder.reply()


class OpenAIProvider(Service):
    """OpenAI, or a server that speaks its chat completions.

    Raises:
        Unauthorised: the key that OpenAI needs is missing.
    """

    def __init__(self, target: Target, clock: Clock) -> None:
        self._url = url_of(target)
        super().__init__(
            replace(target, base_url=self._url),
            clock,
            name=target.provider,
            url=self._url,
            headers=headers_of(target),
        )

    async def ask(self, request: CallRequest) -> Reply:
        """Send one chat completion and return its complete reply."""
        return await _streamed(
            self.transport,
            "/chat/completions",
            service_body(request, self._url),
            request.limits,
            may_pass=True,
        )

    @override
    async def facts(self, model: str) -> ModelFacts:
        """Find the model in the server's list, where it has one."""
        entries = await self._entries()
        check_listed(model, entries, self.where)
        return facts_of(model, entries, self.where)

    @override
    async def model_names(self) -> list[str]:
        """List the models, as far as the server does."""
        return [str(entry["id"]) for entry in await self._entries()]

    async def _entries(self) -> list[dict[str, Any]]:
        try:
            value = await self.transport.json("GET", "/models", timeout_s=_LIST_S)
        except HttpStatusError as error:
            if error.status in _LISTS_NOTHING:
                return []
            now = self.transport.clock.utc()
            raise error_of_answer(error, self.where, now) from None
        return entries_of(value, self.where)
