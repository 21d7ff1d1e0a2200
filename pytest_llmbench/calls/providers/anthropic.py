"""Anthropic's Messages API, and servers that speak it too."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from msgspec.structs import replace
from typing_extensions import override

from pytest_llmbench.calls.assembly import ReplyBuilder
from pytest_llmbench.calls.providers.anthropic_body import message_body
from pytest_llmbench.calls.providers.anthropic_errors import (
    error_of_status,
    is_about_a_model,
    missing_model,
)
from pytest_llmbench.calls.providers.anthropic_stream import MessageStream
from pytest_llmbench.calls.providers.anthropic_thinking import Abilities, abilities_of
from pytest_llmbench.calls.providers.http import HttpStatusError, well_formed
from pytest_llmbench.calls.providers.keys import check_recipient, read_key, sent_headers
from pytest_llmbench.calls.providers.service import Service
from pytest_llmbench.calls.request import ModelFacts
from pytest_llmbench.errors import Busy, CallError, ProtocolFault

if TYPE_CHECKING:
    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.request import CallRequest, Target
    from pytest_llmbench.checks.reply import Reply

URL: Final = "https://api.anthropic.com"
VERSION: Final = "2023-06-01"
"""The API version asked for unless the alias's headers name another.

Every model and every compatible server takes it. The next one, 2026-10-21, refuses
temperature, top_p and top_k for each model, also for those that still take them.
"""

_KEYS: Final = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
_TIMEOUT_S: Final = 10.0
_PAGE: Final = 1000
_MAX_PAGES: Final = 50
_NO_ROUTE: Final = frozenset({404, 405, 501})
"""What a server answers that speaks Messages but lists no models."""


class AnthropicProvider(Service):
    """One server with the Messages API.

    The key goes out as `x-api-key`; where the variable's name ends in AUTH_TOKEN,
    as `Authorization: Bearer`.

    Raises:
        Unauthorised: there is no key.
    """

    def __init__(self, target: Target, clock: Clock) -> None:
        url = target.base_url or os.environ.get("ANTHROPIC_BASE_URL") or URL
        check_recipient(target, URL)
        key = read_key(target, default_env=_KEYS)
        self._key_name = key.source
        is_token = key.source.endswith("AUTH_TOKEN")
        auth = "authorization" if is_token else "x-api-key"
        sent = f"Bearer {key.reveal()}" if is_token else key.reveal()
        super().__init__(
            replace(target, base_url=""),
            clock,
            name="anthropic",
            url=url.rstrip("/").removesuffix("/v1"),
            headers={"anthropic-version": VERSION, auth: sent},
        )
        self._version = sent_headers(target).get("anthropic-version", VERSION)
        self._models: dict[str, dict[str, Any]] = {}

    async def ask(self, request: CallRequest) -> Reply:
        """Send one streamed message request and return its complete reply."""
        body = message_body(request, self.where, await self._abilities(request))
        builder = ReplyBuilder(self.transport.clock.now_ns())
        stream = MessageStream(builder, self.where)
        try:
            end_ns = await self.transport.stream(
                "/v1/messages", body, request.limits, stream.line
            )
            stream.check_ended(end_ns)
        except HttpStatusError as error:
            raise await self._meaning(error, request.model) from None
        except CallError as error:
            error.partial = builder.reply()
            raise
        builder.end(end_ns)
        return builder.reply()

    @override
    async def facts(self, model: str) -> ModelFacts:
        """Read what the list of models says of one, aliases resolved.

        A server that is too busy, or has no such list, is known by its address.
        """
        bare = ModelFacts(server=self.where, server_version=self._version)
        try:
            entry = await self._entry(model)
        except HttpStatusError as error:
            if error.status in _NO_ROUTE and not is_about_a_model(error):
                return bare
            meaning = await self._meaning(error, model)
            if isinstance(meaning, Busy):
                return bare
            raise meaning from None
        with well_formed(self.where):
            abilities = abilities_of(entry)
            context = entry.get("max_input_tokens")
            return replace(
                bare,
                digest=str(entry.get("id") or ""),
                capabilities=tuple(sorted(abilities.names)),
                context_length=context if type(context) is int else None,
            )

    @override
    async def model_names(self) -> list[str]:
        """List the ids of all models, page by page."""
        names: list[str] = []
        after = ""
        for _ in range(_MAX_PAGES):
            page = await self._page(after)
            with well_formed(self.where):
                names += [str(entry["id"]) for entry in page.get("data") or ()]
            last = str(page.get("last_id") or "")
            if not page.get("has_more") or last in {"", after}:
                break
            after = last
        return names

    async def _page(self, after: str) -> dict[str, Any]:
        asked = {"limit": _PAGE, **({"after_id": after} if after else {})}
        try:
            return await self._json(f"/v1/models?{urlencode(asked)}")
        except HttpStatusError as error:
            raise self._error(error) from None

    async def _entry(self, model: str) -> dict[str, Any]:
        if model not in self._models:
            path = f"/v1/models/{quote(model, safe='')}"
            self._models[model] = await self._json(path)
        return self._models[model]

    async def _abilities(self, request: CallRequest) -> Abilities | None:
        """Read what the model can do, where the request depends on it.

        Returns:
            None where nothing depends on it, or the server does not tell.
        """
        if request.options.get("effort") is None:
            return None
        with suppress(HttpStatusError, CallError):
            entry = await self._entry(request.model)
            with well_formed(self.where):
                return abilities_of(entry)
        return None

    async def _json(self, path: str) -> dict[str, Any]:
        value = await self.transport.json("GET", path, timeout_s=_TIMEOUT_S)
        if not isinstance(value, dict):
            msg = f"{self.where}: {path.partition('?')[0]} sent no JSON object"
            raise ProtocolFault(msg)
        return value

    async def _meaning(self, error: HttpStatusError, model: str) -> CallError:
        if error.status == 404 and is_about_a_model(error):  # noqa: PLR2004 - HTTP
            names: list[str] = []
            with suppress(CallError):
                names = await self.model_names()
            return missing_model(model, self.where, names)
        return self._error(error)

    def _error(self, error: HttpStatusError) -> CallError:
        now = self.transport.clock.utc()
        return error_of_status(error, self.where, now, self._key_name)
