"""Ollama's native API: `/api/chat` as newline-delimited JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from pytest_llmbench.calls.assembly import ReplyBuilder, decoded_call
from pytest_llmbench.calls.providers.http import (
    HttpStatusError,
    HttpTransport,
    decode_json,
    well_formed,
)
from pytest_llmbench.calls.providers.ollama_errors import (
    error_of_status,
    error_of_text,
    missing_model,
)
from pytest_llmbench.calls.request import (
    LoadedModel,
    ModelFacts,
    Occupancy,
    Residency,
)
from pytest_llmbench.checks.reply import Usage
from pytest_llmbench.errors import CallError, ProtocolFault, StreamTruncated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.calls.request import CallRequest
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.prompts.messages import Message

_PROBE_S: Final = 8.0
"""`/api/ps` may block up to 5 s while VRAM is recovered."""

_LOAD_OPTIONS: Final = ("num_ctx",)
"""Options that make Ollama load the model anew when they change."""

_DURATIONS: Final = {
    "load_duration": "load_ms",
    "prompt_eval_duration": "prefill_ms",
    "eval_duration": "decode_ms",
}
_NO_OPTIONS: Final = frozenset({"effort", "max_tokens_field"})
_THINK: Final = {"none": False, "minimal": "low"}


class OllamaProvider:
    """One Ollama server.

    Args:
        headers: sent with each request, where a proxy before it wants some.
    """

    slots = 1
    probe_is_a_call = True
    has_models_to_load = True

    def __init__(
        self, base_url: str, clock: Clock, headers: Mapping[str, str] | None = None
    ) -> None:
        hint = "start it with `ollama serve`, or set OLLAMA_HOST"
        self.transport = HttpTransport(
            base_url, clock, name="ollama", hint=hint, headers=headers
        )
        self.where = self.transport.where

    @property
    def lost(self) -> int:
        """How many connections have ended."""
        return self.transport.lost

    async def ask(self, request: CallRequest) -> Reply:
        """Send one chat request and return its complete reply."""
        builder = ReplyBuilder(self.transport.clock.now_ns())
        stream = _ChatStream(builder, self.where)
        body = _chat_body(request)

        async def look() -> Residency:
            seen = await self.residency(request.model)
            is_ready = seen.serves(request.options.get("num_ctx"))
            return replace(seen, is_resident=is_ready)

        try:
            end_ns = await self.transport.stream(
                "/api/chat", body, request.limits, stream.line, look
            )
            stream.check_ended()
        except HttpStatusError as error:
            raise await self._meaning(error, request.model) from None
        except CallError as error:
            error.partial = builder.reply()
            raise
        builder.end(end_ns)
        return builder.reply()

    async def facts(self, model: str) -> ModelFacts:
        """Read version, digest, details and capabilities."""
        version = await self._json("GET", "/api/version")
        entry = await self._listed(model)
        if entry is None:
            raise missing_model(model, self.where, await self.model_names())
        shown = await self._json("POST", "/api/show", {"model": model})
        with well_formed(self.where):
            return _facts(self.where, str(version.get("version", "")), entry, shown)

    async def residency(self, model: str) -> Residency:
        """Read `/api/ps`."""
        running = await self._json("GET", "/api/ps")
        with well_formed(self.where):
            for entry in running.get("models") or ():
                if _same_model(_name(entry), model):
                    return _residency(entry)
        return Residency(is_resident=False)

    async def occupancy(self, models: Sequence[str]) -> Occupancy:
        """Read `/api/ps`, and the models' sizes from `/api/tags`.

        A model is the tested one also under another name, if its digest is equal.
        """
        running = await self._json("GET", "/api/ps")
        tags = await self._json("GET", "/api/tags")
        with well_formed(self.where):
            listed = {
                model: entry
                for model in models
                for entry in tags.get("models") or ()
                if _same_model(str(entry.get("name", "")), model)
            }
            return Occupancy(
                server=self.where,
                is_local=self.transport.is_loopback,
                loaded=tuple(
                    _loaded(entry, _tested_as(entry, models, listed))
                    for entry in running.get("models") or ()
                ),
                sizes_bytes={
                    model: size
                    for model, entry in listed.items()
                    if (size := _number(entry.get("size"))) is not None
                },
            )

    async def preload(self, request: CallRequest) -> float | None:
        """Send the documented empty request, under the load limit."""
        limits = request.limits
        body = {
            "model": request.model,
            "messages": [],
            "stream": False,
            "keep_alive": request.keep_alive_s,
            "options": _options(request, only=_LOAD_OPTIONS),
        }
        started_ns = self.transport.clock.now_ns()
        timeout_s = limits.load_s + limits.call_s
        await self._json("POST", "/api/chat", body, timeout_s, request.model)
        return (self.transport.clock.now_ns() - started_ns) / 1e9

    async def unload(self, model: str) -> None:
        """Send the documented empty request that keeps the model for 0 s."""
        body = {"model": model, "messages": [], "stream": False, "keep_alive": 0}
        await self._json("POST", "/api/chat", body, model=model)

    async def model_names(self) -> list[str]:
        """List what is pulled."""
        tags = await self._json("GET", "/api/tags")
        with well_formed(self.where):
            return [str(entry.get("name", "")) for entry in tags.get("models") or ()]

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()

    async def _listed(self, model: str) -> dict[str, Any] | None:
        tags = await self._json("GET", "/api/tags")
        with well_formed(self.where):
            for entry in tags.get("models") or ():
                if _same_model(str(entry.get("name", "")), model):
                    return dict(entry)
        return None

    async def _json(
        self,
        method: str,
        path: str,
        body: object = None,
        timeout_s: float = _PROBE_S,
        model: str = "",
    ) -> dict[str, Any]:
        try:
            value = await self.transport.json(
                method, path, body=body, timeout_s=timeout_s
            )
        except HttpStatusError as error:
            raise await self._meaning(error, model) from None
        if not isinstance(value, dict):
            msg = f"{self.where}: {path} sent no JSON object; is this an Ollama server?"
            raise ProtocolFault(msg)
        return value

    async def _meaning(self, error: HttpStatusError, model: str) -> CallError:
        body = error.json()
        text = body.get("error") if isinstance(body, dict) else None
        if error.status == 404 and isinstance(text, str) and model:  # noqa: PLR2004 - HTTP
            return missing_model(model, self.where, await self.model_names())
        return error_of_status(error, self.where)


class _ChatStream:
    """The lines of one `/api/chat` reply."""

    def __init__(self, builder: ReplyBuilder, where: str) -> None:
        self._builder = builder
        self._where = where
        self._is_done = False

    def line(self, data: bytes, at_ns: int) -> None:
        if not data.strip():
            return
        value = decode_json(data, self._where)
        if not isinstance(value, dict):
            msg = f"{self._where} sent a line that is no JSON object"
            raise ProtocolFault(msg)
        for key in value:
            if key.startswith("error") and value[key]:
                text = str(value[key])
                named = text if key == "error" else f"{key}: {text}"
                raise error_of_text(named, self._where, "in mid-reply")
        self._message(value.get("message") or {}, at_ns)
        if value.get("done"):
            self._done(value)

    def check_ended(self) -> None:
        if not self._is_done:
            msg = (
                f"{self._where}: the reply ended after {self._builder.deltas} deltas"
                " without its `done` line (a crash, or a stop on repeated tokens)"
            )
            raise StreamTruncated(msg)

    def _message(self, message: dict[str, Any], at_ns: int) -> None:
        self._builder.thinking(str(message.get("thinking") or ""), at_ns)
        self._builder.text(str(message.get("content") or ""), at_ns)
        for call in message.get("tool_calls") or ():
            function = call.get("function") or {}
            name = str(function.get("name") or "")
            arguments = function.get("arguments", {})
            whole = decoded_call(name, arguments, str(call.get("id") or ""))
            self._builder.tool_call(whole, at_ns)

    def _done(self, value: dict[str, Any]) -> None:
        self._is_done = True
        reason = value.get("done_reason")
        self._builder.finish_reason = reason if isinstance(reason, str) else None
        self._builder.usage = Usage(
            prompt_tokens=_number(value.get("prompt_eval_count")),
            output_tokens=_number(value.get("eval_count")),
        )
        self._builder.server_ms = {
            ours: nanoseconds / 1e6
            for theirs, ours in _DURATIONS.items()
            if (nanoseconds := _number(value.get(theirs))) is not None
        }


def _chat_body(request: CallRequest) -> dict[str, Any]:
    messages = [_message(message) for message in request.messages]
    body: dict[str, Any] = {
        "model": request.model,
        "messages": messages,
        "stream": True,
        "truncate": False,
        "keep_alive": request.keep_alive_s,
        "options": _options(request),
    }
    if request.tools:
        body["tools"] = [
            {"type": "function", "function": tool.to_json()} for tool in request.tools
        ]
    effort = request.options.get("effort")
    if effort is not None:
        body["think"] = _THINK.get(str(effort), effort)
    return body


def _message(message: Message) -> dict[str, Any]:
    """Put a message as Ollama reads it: arguments as objects, results by tool name."""
    sent: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        sent["tool_calls"] = [{"function": c.to_json()} for c in message.tool_calls]
    if message.tool:
        sent["tool_name"] = message.tool
    return sent


def _options(request: CallRequest, only: tuple[str, ...] = ()) -> dict[str, Any]:
    options = {k: v for k, v in request.options.items() if k not in _NO_OPTIONS}
    if only:
        return {key: value for key, value in options.items() if key in only}
    if request.seed is not None:
        options["seed"] = request.seed
    return options


def _facts(
    where: str, version: str, entry: dict[str, Any], shown: dict[str, Any]
) -> ModelFacts:
    details = entry.get("details") or shown.get("details") or {}
    info = shown.get("model_info") or {}
    context = info.get(f"{info.get('general.architecture')}.context_length")
    return ModelFacts(
        server=where,
        server_version=version,
        digest=str(entry.get("digest", "")),
        quantization=str(details.get("quantization_level", "")),
        parameter_size=str(details.get("parameter_size", "")),
        capabilities=tuple(map(str, shown.get("capabilities") or ())),
        context_length=_number(context),
    )


def _tested_as(
    entry: dict[str, Any], models: Sequence[str], listed: dict[str, dict[str, Any]]
) -> str:
    """Return the asked name of a loaded model, by name or digest; empty if none."""
    digest = entry.get("digest")
    for model in models:
        if _same_model(_name(entry), model):
            return model
    for model, known in listed.items():
        if digest and known.get("digest") == digest:
            return model
    return ""


def _name(entry: dict[str, Any]) -> str:
    return str(entry.get("name") or entry.get("model") or "")


def _loaded(entry: dict[str, Any], tested_as: str) -> LoadedModel:
    return LoadedModel(
        name=_name(entry),
        tested_as=tested_as,
        size_bytes=_number(entry.get("size")),
        gpu_share=_gpu_share(entry),
        expires_at=str(entry.get("expires_at") or ""),
    )


def _gpu_share(entry: dict[str, Any]) -> float | None:
    size, in_vram = _number(entry.get("size")), _number(entry.get("size_vram"))
    return in_vram / size if size and in_vram is not None else None


def _residency(entry: dict[str, Any]) -> Residency:
    return Residency(
        is_resident=True,
        gpu_share=_gpu_share(entry),
        context_length=_number(entry.get("context_length")),
        expires_at=str(entry.get("expires_at", "")),
    )


def _number(value: object) -> int | None:
    """Return a count or duration; None where the server sent no such thing."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value


def _same_model(listed: str, asked: str) -> bool:
    """Compare names as Ollama does: any case, tag `latest` by default.

    >>> _same_model("llama3.2:latest", "Llama3.2")
    True
    """
    return _tagged(listed) == _tagged(asked)


def _tagged(name: str) -> str:
    name = name.lower()
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
