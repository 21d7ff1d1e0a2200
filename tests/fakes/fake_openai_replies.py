"""Turn an answer into chunks of a stream, or into one completion."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fake_ollama_models import count_tokens, split_tokens
from fake_ollama_steps import Raw, Wait
from fake_sse import Event, Open

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fake_ollama_models import Answer, JsonObject
    from fake_openai_models import ChatModel, Flavour
    from fake_sse import Step

_numbers = itertools.count(1)
_FRAGMENT_CHARS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One call of a model, and all that decides how its answer is sent.

    Attributes:
        snapshot: the model's name as the reply has it.
        limit: output tokens allowed; None for no limit.
        wants_usage: usage was asked for.
        pads: chunks get OpenAI's padding.
    """

    flavour: Flavour
    model: ChatModel
    answer: Answer
    snapshot: str
    prompt_tokens: int
    limit: int | None = None
    wants_usage: bool = False
    pads: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is generated within the limit."""

    thinking: tuple[str, ...]
    content: tuple[str, ...]
    calls: tuple[JsonObject, ...]
    tokens: int
    finish_reason: str

    @property
    def reasoning_tokens(self) -> int:
        """How many of the tokens were thinking."""
        return sum(map(count_tokens, self.thinking))


def say(turn: Turn) -> Said:
    """Cut an answer into deltas, thinking first, calls last, within the limit."""
    answer = turn.answer
    thinking, content = split_tokens(answer.thinking), split_tokens(answer.text)
    calls = [_call(name, arguments) for name, arguments in answer.tool_calls]
    call_tokens = sum(count_tokens(call["function"]["arguments"]) for call in calls)
    total = len(thinking) + len(content) + call_tokens + answer.hidden_tokens
    is_cut = turn.limit is not None and turn.limit < total
    if is_cut and turn.limit is not None:
        content = content[: max(0, turn.limit - len(thinking))]
        thinking, calls = thinking[: turn.limit], []
    reason = "tool_calls" if calls else answer.done_reason
    return Said(
        thinking=tuple(thinking),
        content=tuple(content),
        calls=tuple(calls),
        tokens=turn.limit if is_cut and turn.limit is not None else total,
        finish_reason="length" if is_cut else reason,
    )


def reply_steps(turn: Turn) -> Iterator[Step]:
    """Yield the reply as a stream."""
    flavour, said = turn.flavour, say(turn)
    stamp = _stamp(turn, "chat.completion.chunk")
    yield Open()
    if flavour.keep_alive:
        yield Raw(flavour.keep_alive.encode())
    opening = {"role": "assistant", "content": flavour.opens_with}
    yield Event(_chunk(turn, stamp, opening))
    yield Wait(turn.model.first_token_delay_s)
    for delta in _deltas(turn, said):
        role = {"role": "assistant"} if flavour.repeats_role else {}
        yield Event(_chunk(turn, stamp, {**role, **delta}), is_delta=True)
        yield Wait(turn.model.delta_delay_s)
    yield from _ending(turn, said, stamp)


def completion(turn: Turn) -> JsonObject:
    """Return the reply as one object."""
    said = say(turn)
    message: JsonObject = {
        "role": "assistant",
        "content": "".join(said.content) or None,
        "refusal": None,
    }
    if said.thinking and turn.flavour.thinking_field:
        message[turn.flavour.thinking_field] = "".join(said.thinking)
    if said.calls:
        message["tool_calls"] = list(said.calls)
    choice = {"index": 0, "message": message, "finish_reason": said.finish_reason}
    body = {**_stamp(turn, "chat.completion"), "choices": [choice]}
    if turn.flavour.tells_usage != "never":
        body["usage"] = _usage(turn, said)
    return {**body, **_timings(turn, said)}


def duration_s(turn: Turn) -> float:
    """Return how long an unstreamed reply is in the making."""
    deltas = len(list(_deltas(turn, say(turn))))
    return turn.model.first_token_delay_s + deltas * turn.model.delta_delay_s


def _call(name: str, arguments: object) -> JsonObject:
    text = json.dumps(arguments, ensure_ascii=False)
    function = {"name": name, "arguments": text}
    return {"id": f"call_{next(_numbers)}", "type": "function", "function": function}


def _stamp(turn: Turn, kind: str) -> JsonObject:
    number = f"chatcmpl-{next(_numbers)}"
    stamp = {"id": number, "object": kind, "created": int(time.time())}
    return {
        **stamp,
        "model": turn.snapshot,
        "system_fingerprint": turn.flavour.fingerprint,
    }


def _chunk(
    turn: Turn, stamp: JsonObject, delta: JsonObject, reason: str | None = None
) -> JsonObject:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    chunk: JsonObject = {**stamp, "choices": [choice]}
    if turn.wants_usage and turn.flavour.tells_usage == "on_request":
        chunk["usage"] = None
    if turn.pads:
        chunk["obfuscation"] = "x" * 7
    return chunk


def _deltas(turn: Turn, said: Said) -> Iterator[JsonObject]:
    size = turn.answer.tokens_per_chunk
    if turn.flavour.thinking_field:
        for text in _joined(said.thinking, size):
            yield {turn.flavour.thinking_field: text}
    for text in _joined(said.content, size):
        yield {"content": text}
    if said.calls:
        for fragments in _call_deltas(turn.flavour.tool_calls, said.calls):
            yield {"tool_calls": fragments}


def _joined(tokens: Sequence[str], size: int) -> Iterator[str]:
    for at in range(0, len(tokens), size):
        yield "".join(tokens[at : at + size])


def _call_deltas(style: str, calls: Iterable[JsonObject]) -> Iterator[list[Any]]:
    if style in {"whole", "object"}:
        for index, call in enumerate(calls):
            yield [_whole(index, call, is_object=style == "object")]
        return
    streams = [list(_fragments(index, call)) for index, call in enumerate(calls)]
    if style == "interleaved":
        for row in itertools.zip_longest(*streams):
            yield from ([fragment] for fragment in row if fragment)
        return
    for fragment in itertools.chain(*streams):
        if style == "no_index":
            del fragment["index"]
        yield [fragment]


def _whole(index: int, call: JsonObject, *, is_object: bool) -> JsonObject:
    function = dict(call["function"])
    if is_object:
        function["arguments"] = json.loads(function["arguments"])
    return {"index": index, **call, "function": function}


def _fragments(index: int, call: JsonObject) -> Iterator[JsonObject]:
    function = call["function"]
    opening = {"name": function["name"], "arguments": ""}
    yield {"index": index, **call, "function": opening}
    text = function["arguments"]
    for at in range(0, len(text), _FRAGMENT_CHARS):
        piece = {"arguments": text[at : at + _FRAGMENT_CHARS]}
        yield {"index": index, "function": piece}


def _ending(turn: Turn, said: Said, stamp: JsonObject) -> Iterator[Step]:
    last = _chunk(turn, stamp, {}, said.finish_reason)
    has_usage = turn.wants_usage and turn.flavour.tells_usage == "on_request"
    if turn.flavour.tells_usage == "always":
        last["usage"] = _usage(turn, said)
    if not has_usage:
        last |= _timings(turn, said)
    yield Event(last, is_end=not has_usage and not turn.flavour.ends_with_done)
    if has_usage:
        usage = {"choices": [], "usage": _usage(turn, said)}
        yield Event({**stamp, **usage, **_timings(turn, said)})
    if turn.flavour.ends_with_done:
        yield Event("[DONE]", is_end=True)


def _usage(turn: Turn, said: Said) -> JsonObject:
    hidden = turn.answer.hidden_tokens
    return {
        "prompt_tokens": turn.prompt_tokens,
        "completion_tokens": said.tokens,
        "total_tokens": turn.prompt_tokens + said.tokens,
        "prompt_tokens_details": {"cached_tokens": turn.model.cached_tokens},
        "completion_tokens_details": {
            "reasoning_tokens": said.reasoning_tokens + hidden
        },
    }


def _timings(turn: Turn, said: Said) -> JsonObject:
    if not turn.flavour.has_timings:
        return {}
    cached = turn.model.cached_tokens
    return {
        "timings": {
            "cache_n": cached,
            "prompt_n": turn.prompt_tokens - cached,
            "prompt_ms": 1.5,
            "predicted_n": said.tokens,
            "predicted_ms": 20.5,
        }
    }
