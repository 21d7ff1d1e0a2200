"""Read chat and generate requests, refusing them in the server's own words."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fake_ollama_models import WARM_UP_TEXT, JsonObject, count_tokens, last_user_text
from fake_ollama_residency import LoadKey
from fake_ollama_steps import Refusal

if TYPE_CHECKING:
    from fake_ollama_models import FakeModel, FakeSettings

_INT_OPTIONS: Final = frozenset({
    "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict",
    "num_keep", "seed", "num_predict", "top_k", "repeat_last_n",
})  # fmt: skip
_FLOAT_OPTIONS: Final = frozenset({
    "temperature", "top_p", "min_p", "typical_p", "repeat_penalty",
    "presence_penalty", "frequency_penalty",
})  # fmt: skip
_LAUNCH_OPTIONS: Final = (
    "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict",
)  # fmt: skip
_THINK_WORDS: Final = ("low", "medium", "high", "max")
_UNIT_S: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_DURATION_PART: Final = re.compile(rf"(\d+\.?\d*|\.\d+)({'|'.join(_UNIT_S)})")
_DURATION: Final = re.compile(rf"[-+]?(?:{_DURATION_PART.pattern})+")
_MIN_NUM_CTX: Final = 4
_NUM_KEEP: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One request to /api/chat or /api/generate.

    Attributes:
        model_name: as the client wrote it; echoed in the reply.
        think: None where the request leaves it to the server.
        keep_alive_s: None where not given, inf for ever.
    """

    endpoint: str
    model_name: str
    messages: tuple[JsonObject, ...] = ()
    tools: tuple[JsonObject, ...] = ()
    options: JsonObject = field(default_factory=dict)
    answer_format: object = None
    is_streamed: bool = True
    think: bool | None = None
    is_truncated: bool = True
    is_shifted: bool = True
    keep_alive_s: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it asks nothing: a preload or an unload."""
        return not self.messages

    @property
    def is_unload(self) -> bool:
        """Whether it asks to let the model go."""
        return self.is_empty and self.keep_alive_s == 0

    @property
    def is_warm_up(self) -> bool:
        """Whether it is the small inference that warms a model."""
        asked = last_user_text(self.messages).strip()
        return self.endpoint == "chat" and not self.tools and asked == WARM_UP_TEXT

    def load_key(self, model: FakeModel, settings: FakeSettings) -> LoadKey:
        """Return what the model must be launched with for this request."""
        wanted = int(self.options.get("num_ctx", settings.default_num_ctx))
        if settings.shows_grant and model.granted_num_ctx is not None:
            wanted = min(wanted, model.granted_num_ctx)
        given = [
            (name, self.options[name])
            for name in _LAUNCH_OPTIONS
            if self.options.get(name, -1) != -1
        ]
        return LoadKey(
            num_ctx=max(_MIN_NUM_CTX, min(wanted, model.context_length)),
            launch_options=(*given, ("shift", self.is_shifted)),
        )


def read_json(body: bytes) -> JsonObject:
    """Decode a request body.

    Raises:
        Refusal: it is missing or no JSON object.
    """
    if not body:
        raise Refusal(400, "missing request body")
    try:
        data = json.loads(body)
    except ValueError as error:
        text = "invalid character in JSON text: " + str(error)
        raise Refusal(400, text) from error
    if not isinstance(data, dict):
        raise _wrong_json_type(data, "", "api.ChatRequest")
    return data


def read_conversation(endpoint: str, data: JsonObject) -> Conversation:
    """Read a chat or generate request; what is wrong with its form is a 400.

    Raises:
        Refusal: the request has the wrong form.
    """
    keep_alive_s = read_keep_alive(data.get("keep_alive"))
    name = data.get("model")
    if not isinstance(name, str) or not name:
        raise Refusal(400, "model is required")
    messages = _chat_messages(data) if endpoint == "chat" else _prompt_messages(data)
    return Conversation(
        endpoint=endpoint,
        model_name=name,
        messages=messages,
        tools=tuple(data.get("tools") or ()),
        options=data.get("options") or {},
        answer_format=data.get("format"),
        is_streamed=data.get("stream") is not False,
        think=_read_think(data.get("think")),
        is_truncated=data.get("truncate") is not False,
        is_shifted=data.get("shift") is not False,
        keep_alive_s=keep_alive_s,
    )


def check_ability(asked: Conversation, model: FakeModel) -> None:
    """Refuse what the model can't do.

    Raises:
        Refusal: 400 in the server's exact words.
    """
    if "completion" not in model.capabilities:
        raise Refusal(400, f'"{asked.model_name}" does not support {asked.endpoint}')
    if asked.tools and "tools" not in model.capabilities:
        full_name = f"registry.ollama.ai/library/{model.name}"
        raise Refusal(400, f"{full_name} does not support tools")
    if asked.think and "thinking" not in model.capabilities:
        raise Refusal(400, f'"{asked.model_name}" does not support thinking')


def check_options(asked: Conversation) -> None:
    """Refuse options of a wrong type; unknown ones pass without a word.

    Raises:
        Refusal: 500, as the server does.
    """
    for name, value in asked.options.items():
        wanted = _wanted_type(name, value)
        if wanted:
            raise Refusal(500, f'option "{name}" must be of type {wanted}')
    form = asked.answer_format
    if form and form != "json" and not isinstance(form, dict):
        wanted = 'expected "json" or a valid JSON Schema object'
        raise Refusal(500, f"invalid format: {json.dumps(form)}; {wanted}")


def read_keep_alive(value: object) -> float | None:
    """Return seconds: a number, or a Go duration such as "5m"; negative is for ever.

    Raises:
        Refusal: 400, the text is no duration.
    """
    if value is None:
        return None
    if isinstance(value, str):
        seconds = _read_duration(value)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal(400, f"invalid keep_alive: {value!r}")
    else:
        seconds = float(value)
    return math.inf if seconds < 0 else seconds


def prompt_text(messages: tuple[JsonObject, ...], tools: tuple[JsonObject, ...]) -> str:
    r"""Render a prompt: tools as JSON, then "role: content" and its calls per line.

    >>> prompt_text(({"role": "user", "content": "Hi"},), ())
    'user: Hi\n'
    """
    parts = [json.dumps(tool) + "\n" for tool in tools]
    for message in messages:
        calls = message.get("tool_calls")
        written = json.dumps(calls) if calls else ""
        parts.append(f"{message['role']}: {message.get('content', '')}{written}\n")
    return "".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedPrompt:
    """What of a request the model gets to see."""

    messages: tuple[JsonObject, ...]
    text: str
    tokens: int


def fit_prompt(
    asked: Conversation, num_ctx: int, settings: FakeSettings
) -> FittedPrompt:
    """Cut the prompt to the context, silently, unless the request forbids it.

    The oldest messages go first; system messages and the last one stay. If that is
    still too long the count becomes num_ctx - (num_ctx - 4) // 2, or num_ctx.

    Raises:
        Refusal: 400 with the engine's JSON inside the error text.
    """
    messages = asked.messages
    text = prompt_text(messages, asked.tools)
    is_refused = settings.knows_truncate and not asked.is_truncated
    if count_tokens(text) > num_ctx and is_refused:
        raise _too_long(count_tokens(text), num_ctx)
    while count_tokens(text) > num_ctx and (at := _oldest(messages)) is not None:
        messages = messages[:at] + messages[at + 1 :]
        text = prompt_text(messages, asked.tools)
    tokens = count_tokens(text)
    if tokens > num_ctx:
        is_half = settings.cuts_to == "half"
        tokens = num_ctx - ((num_ctx - _NUM_KEEP) // 2 if is_half else 0)
    return FittedPrompt(messages=messages, text=text, tokens=tokens)


def _oldest(messages: tuple[JsonObject, ...]) -> int | None:
    droppable = (
        at for at, message in enumerate(messages[:-1]) if message["role"] != "system"
    )
    return next(droppable, None)


def _too_long(tokens: int, num_ctx: int) -> Refusal:
    message = (
        f"request ({tokens} tokens) exceeds the available context size "
        f"({num_ctx} tokens), try increasing it"
    )
    error = {
        "code": 400,
        "message": message,
        "type": "exceed_context_size_error",
        "n_prompt_tokens": tokens,
        "n_ctx": num_ctx,
    }
    return Refusal(400, json.dumps({"error": error}, separators=(",", ":")))


def _wanted_type(name: str, value: object) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in _INT_OPTIONS and not is_number:
        return "integer"
    if name in _FLOAT_OPTIONS and not is_number:
        return "float32"
    if name == "use_mmap" and not isinstance(value, bool):
        return "boolean"
    if name == "stop" and not isinstance(value, list):
        return "array"
    return None


def _chat_messages(data: JsonObject) -> tuple[JsonObject, ...]:
    messages = data.get("messages") or []
    for message in messages:
        content = message.get("content", "")
        if not isinstance(content, str):
            raise _wrong_json_type(content, "messages.content", "string")
        for call in message.get("tool_calls") or ():
            arguments = call["function"].get("arguments", {})
            if not isinstance(arguments, dict):
                where = "messages.tool_calls.function.arguments"
                raise _wrong_json_type(
                    arguments, where, "api.ToolCallFunctionArguments"
                )
    return tuple({**m, "role": str(m.get("role", "")).lower()} for m in messages)


def _prompt_messages(data: JsonObject) -> tuple[JsonObject, ...]:
    prompt = data.get("prompt", "")
    if not isinstance(prompt, str):
        raise _wrong_json_type(prompt, "prompt", "string")
    if not prompt:
        return ()
    system = data.get("system", "")
    start = ({"role": "system", "content": system},) if system else ()
    return (*start, {"role": "user", "content": prompt})


def _wrong_json_type(value: object, where: str, wanted: str) -> Refusal:
    names: dict[type[Any], str] = {list: "array", dict: "object", str: "string"}
    found = names.get(type(value), "number")
    text = f"Go struct field ChatRequest.{where}" if where else "Go value"
    return Refusal(400, f"json: cannot unmarshal {found} into {text} of type {wanted}")


def _read_think(value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if value in _THINK_WORDS:
        return True
    text = 'must be "high", "medium", "low", "max", true, or false'
    raise Refusal(400, f"invalid think value: {json.dumps(value)} ({text})")


def _read_duration(text: str) -> float:
    if text.strip("+-") == "0":
        return 0.0
    if not _DURATION.fullmatch(text):
        is_bare = re.fullmatch(r"[-+]?[\d.]+", text)
        problem = "missing unit in" if is_bare else "invalid"
        raise Refusal(400, f"time: {problem} duration {json.dumps(text)}")
    parts = _DURATION_PART.findall(text)
    seconds = math.fsum(float(number) * _UNIT_S[unit] for number, unit in parts)
    return -seconds if text.startswith("-") else seconds
