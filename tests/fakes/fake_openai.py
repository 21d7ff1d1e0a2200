"""A fake of OpenAI's chat completions, and of servers compatible with them.

In a test::

    model = ChatModel(name="gpt-x", answer=answers_by_prompt({...}, says("?")))
    with FakeOpenAI(model, limits=RateLimits(rpm=60)) as server:
        server.faults.append(rate_limited({"retry-after": "1"}))
        ...  # talk to server.base_url

It speaks /v1/chat/completions, streamed and not, and /v1/models; a `Flavour` makes it
llama.cpp, vLLM, OpenRouter, LM Studio or Ollama. What a real server refuses is
refused: keys, models, parameters of the wrong family, calls without results.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from fake_limits import RateLimits
from fake_ollama_models import FakeCall, Fault, count_tokens
from fake_openai_checks import check_body
from fake_openai_errors import Refused, error_body
from fake_openai_models import OPENAI, ChatModel, Flavour
from fake_openai_replies import Turn, completion, duration_s, reply_steps
from fake_service import FakeService, play, send_value, text_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Collection, Mapping

    from fake_limits import LimitState
    from fake_ollama_models import JsonObject
    from fake_sse import StreamFault
    from fake_wire import Wire
    from typing_extensions import override

else:
    from fake_http_server import override

ALL_HINTS: Final = frozenset({"retry-after", "retry-after-ms", "message", "headers"})
"""The places in which a rate limit can tell how long to wait."""

_CHAT: Final = "/v1/chat/completions"
_MODELS: Final = "/v1/models"
_numbers = itertools.count(1)


class FakeOpenAI(FakeService):
    """A fake chat-completions server on a real socket of 127.0.0.1.

    Args:
        flavour: which kind of server it is.
        key: asked for with each request; None lets everybody in.
        limits: the key's; None for none.
        hints: where a refusal by the limits tells how long to wait.

    Attributes:
        models: by name.
    """

    def __init__(
        self,
        *models: ChatModel,
        flavour: Flavour = OPENAI,
        key: str | None = None,
        limits: RateLimits | None = None,
        hints: Collection[str] = frozenset({"message", "headers"}),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(tls=tls)
        self.models = {model.name: model for model in models or (ChatModel(),)}
        self.flavour = flavour
        self.limits = limits or RateLimits()
        self._key = key
        self._hints = hints

    @property
    def base_url(self) -> str:
        """The address as clients are given it, `/v1` included."""
        return f"{self.url}/v1"

    @property
    def bodies(self) -> list[JsonObject]:
        """What chat completions were asked, in order."""
        return [record.body or {} for record in self.requests_to(_CHAT)]

    @override
    def error_body(self, status: int, kind: str, message: str) -> JsonObject:
        """Return an error in this kind of server's words."""
        return error_body(self.flavour, Refused(status, message, kind=kind))

    @override
    def serve(self, wire: Wire, fault: StreamFault | None) -> None:
        """Answer one request."""
        wire.headers["x-request-id"] = f"req_{next(_numbers)}"
        try:
            self._check_key(wire.record.headers)
            self._route(wire, fault)
        except Refused as refused:
            wire.headers.update(refused.headers)
            send_value(wire, error_body(self.flavour, refused), refused.status)

    def _check_key(self, headers: Mapping[str, str]) -> None:
        if self._key is None or headers.get("authorization") == f"Bearer {self._key}":
            return
        if "authorization" not in headers:
            message = "You didn't provide an API key."
            raise Refused(401, message)
        message = "Incorrect API key provided: sk-fa**********fake."
        raise Refused(401, message, code="invalid_api_key")

    def _route(self, wire: Wire, fault: StreamFault | None) -> None:
        record = wire.record
        if (record.method, record.path) == ("POST", _CHAT):
            self._chat(wire, fault)
        elif (record.method, record.path) == ("GET", _MODELS) and (
            self.flavour.lists_models
        ):
            listed = [self._listed(model) for model in self.models.values()]
            send_value(wire, {"object": "list", "data": listed})
        else:
            message = f"Invalid URL ({record.method} {record.path})"
            raise Refused(404, message)

    def _listed(self, model: ChatModel) -> JsonObject:
        entry = {"id": model.name, "object": "model", "created": 1}
        return {**entry, "owned_by": self.flavour.owned_by, **model.listed}

    def _chat(self, wire: Wire, fault: StreamFault | None) -> None:
        body = wire.record.body
        if body is None:
            message = "We could not parse the JSON body of your request."
            raise Refused(400, message)
        model = self._model(str(body.get("model")))
        check_body(body, model, self.flavour)
        turn = self._turn(model, body)
        self._limit(wire, turn)
        if body.get("stream"):
            play(reply_steps(turn), wire, fault)
        else:
            wire.wait(duration_s(turn))
            send_value(wire, completion(turn))

    def _model(self, name: str) -> ChatModel:
        model = self.models.get(name)
        if self.flavour.name == "llama.cpp":  # its one model answers to any name
            model = model or next(iter(self.models.values()))
        if model is None:
            message = (
                f"The model `{name}` does not exist or you do not have access to it."
            )
            raise Refused(404, message, code="model_not_found", param="model")
        if model.only_in_responses:
            message = (
                "This model is only supported in v1/responses and not in"
                " v1/chat/completions."
            )
            raise Refused(404, message, param="model")
        return model

    def _turn(self, model: ChatModel, body: JsonObject) -> Turn:
        messages: list[Any] = body["messages"]
        prompt_tokens = count_tokens("".join(map(text_of, messages)))
        if prompt_tokens > model.context_length:
            message = (
                f"This model's maximum context length is {model.context_length} tokens."
                f" However, your messages resulted in {prompt_tokens} tokens."
            )
            code = "context_length_exceeded"
            raise Refused(400, message, code=code, param="messages")
        said = model.answer(
            FakeCall(
                model=model.name,
                messages=tuple(messages),
                tools=tuple(body.get("tools") or ()),
                options=body,
            )
        )
        if isinstance(said, Fault):
            message = "a script of a fake service returns answers; put faults into it"
            raise TypeError(message)
        wanted = body.get("stream_options") or {}
        limits = [body[k] for k in self.flavour.limit_fields if body.get(k) is not None]
        is_openai = self.flavour.name == "openai"
        return Turn(
            flavour=self.flavour,
            model=model,
            answer=said,
            snapshot=f"{model.name}-2026-11-01" if is_openai else model.name,
            prompt_tokens=(
                prompt_tokens if said.prompt_tokens is None else said.prompt_tokens
            ),
            limit=limits[0] if limits else None,
            wants_usage=bool(wanted.get("include_usage")),
            pads=is_openai and wanted.get("include_obfuscation", True),
        )

    def _limit(self, wire: Wire, turn: Turn) -> None:
        """Take the call from the key's quotas, and tell what is left.

        Raises:
            Refused: one of them is used up.
        """
        tokens = turn.prompt_tokens + (turn.limit or 0)
        refusing, states = self.limits.admit(tokens)
        for state in states:
            told = {"limit": state.limit, "remaining": state.remaining}
            for what, value in told.items():
                wire.headers[f"x-ratelimit-{what}-{state.name}"] = str(value)
            wire.headers[f"x-ratelimit-reset-{state.name}"] = _duration(state.reset_s)
        if refusing is not None:
            if "headers" not in self._hints:
                wire.headers.clear()
            raise self._too_many(refusing, turn.model.name)

    def _too_many(self, state: LimitState, model: str) -> Refused:
        short = {"requests": "RPM", "tokens": "TPM"}[state.name]
        message = (
            f"Rate limit reached for {model} in organization org-fake on {state.name}"
            f" per min ({short}): Limit {state.limit}."
        )
        if "message" in self._hints:
            message += f" Please try again in {_duration(state.wait_s)}."
        headers = {}
        if "retry-after" in self._hints:
            headers["retry-after"] = f"{state.wait_s:.3f}"
        if "retry-after-ms" in self._hints:
            headers["retry-after-ms"] = f"{state.wait_s * 1e3:.0f}"
        return Refused(
            429, message, kind=state.name, code="rate_limit_exceeded", headers=headers
        )


def _duration(seconds: float) -> str:
    """Write a duration as OpenAI does.

    >>> _duration(0.0125), _duration(1.2), _duration(360)
    ('13ms', '1.2s', '6m0s')
    """
    if seconds < 1:
        return f"{-(-seconds * 1e3 // 1):.0f}ms"
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{seconds // 60:.0f}m{seconds % 60:.0f}s"
