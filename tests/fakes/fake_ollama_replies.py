"""Turn an answer into the steps of a reply: waits, lines and the done line."""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from fake_ollama_models import Answer, FakeModel, JsonObject, count_tokens, split_tokens
from fake_ollama_steps import Head, Line, Raw, Refuse, Step, Wait

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NS_PER_S: Final = 1_000_000_000
_LOCAL: Final = timezone(timedelta(hours=1))
_FOREVER_NS: Final = 2**63 - 1
_call_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that decides how an answer goes over the wire.

    Attributes:
        prompt_tokens: as reported.
        prefill_tokens: those not taken from the prompt cache.
        load_ns: from the request's arrival until the model was there.
        entry_ns: when the request arrived, on the perf_counter clock.
        num_predict: limit of generated tokens; negative is none.
    """

    model: FakeModel
    requested_name: str
    endpoint: str
    answer: Answer
    has_thinking: bool
    prompt_tokens: int
    prefill_tokens: int
    load_ns: int
    entry_ns: int
    num_predict: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What one line of a stream adds."""

    content: str = ""
    thinking: str = ""
    calls: tuple[JsonObject, ...] = ()
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a model generates within its token limit."""

    deltas: tuple[Delta, ...]
    tokens: int
    done_reason: str


def rfc3339(time_ns: int, zone: timezone = UTC) -> str:
    """Write a time with nanoseconds, trailing zeros dropped, as Go does.

    >>> rfc3339(1_500_000_000)
    '1970-01-01T00:00:01.5Z'
    """
    seconds, rest_ns = divmod(time_ns, _NS_PER_S)
    moment = datetime.fromtimestamp(0, zone) + timedelta(seconds=seconds)
    fraction = f".{rest_ns:09d}".rstrip("0").rstrip(".")
    offset = "Z" if zone is UTC else moment.isoformat()[-len("+00:00") :]
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}{offset}"


def expiry(seconds_left: float) -> str:
    """Write when a model expires, with an offset; for ever is about year 2318."""
    left_ns = min(seconds_left * _NS_PER_S, _FOREVER_NS)
    return rfc3339(time.time_ns() + int(left_ns), _LOCAL)


def idle_line(endpoint: str, requested_name: str, done_reason: str) -> Line:
    """Return the reply to a preload or an unload: no counts, no durations."""
    said = _said(endpoint, Delta())
    ending = {"done": True, "done_reason": done_reason}
    return Line({**_stamp(requested_name), **said, **ending})


def generate_output(plan: Plan) -> Output:
    """Cut an answer into deltas, thinking first, calls last, within num_predict."""
    answer = plan.answer
    thinking = split_tokens(answer.thinking) if plan.has_thinking else []
    content = split_tokens(answer.text)
    call_tokens = sum(
        count_tokens(json.dumps([name, dict(arguments)]))
        for name, arguments in answer.tool_calls
    )
    total = len(thinking) + len(content) + call_tokens + answer.hidden_tokens
    limit = plan.num_predict
    is_cut = 0 <= limit < total
    if is_cut:
        content = content[: max(0, limit - len(thinking))]
        thinking = thinking[:limit]
    calls = () if is_cut else _tool_calls(answer)
    size = answer.tokens_per_chunk
    deltas = (
        *(Delta(thinking="".join(p), tokens=len(p)) for p in _groups(thinking, size)),
        *(Delta(content="".join(p), tokens=len(p)) for p in _groups(content, size)),
        *([Delta(calls=calls, tokens=call_tokens)] if calls else []),
    )
    reason = "length" if is_cut else answer.done_reason
    return Output(deltas=deltas, tokens=limit if is_cut else total, done_reason=reason)


def reply_steps(plan: Plan) -> Iterator[Step]:
    """Yield the reply as a stream, at the model's own pace."""
    model = plan.model
    output = generate_output(plan)
    yield Wait(plan.prefill_tokens / model.prefill_tokens_per_s)
    yield Wait(model.first_token_delay_s)
    deltas = list(output.deltas)
    has_calls_at_end = model.calls_on_done_line and deltas and deltas[-1].calls
    last = deltas.pop() if has_calls_at_end else Delta()
    is_first = True
    for delta in deltas:
        tokens = delta.tokens - 1 if is_first else delta.tokens
        yield Wait(tokens / model.decode_tokens_per_s)
        yield _delta_line(plan, delta)
        is_first = False
    left = output.tokens - sum(delta.tokens for delta in deltas)
    yield Wait(max(0, left - is_first) / model.decode_tokens_per_s)
    yield _done_line(plan, output, last)


def merged_steps(steps: Iterable[Step], endpoint: str) -> Iterator[Step]:
    """Yield the same reply unstreamed: waits as they come, then one JSON object."""
    merged: JsonObject = {}
    stray = b""
    for step in steps:
        match step:
            case Line(fields) if "error" in fields:
                yield Refuse(status=500, text=fields["error"])
                return
            case Line(fields):
                merged = _merge(merged, fields)
            case Raw(data):
                stray += data
            case Wait():
                yield step
            case _:
                yield step
                return
    body = Line(merged or _nothing(endpoint)).encode() + stray
    yield Head(len(body))
    yield Raw(body)


def _merge(old: JsonObject, new: JsonObject) -> JsonObject:
    if "message" not in new:
        joined: JsonObject = {
            key: old.get(key, "") + new.get(key, "")
            for key in ("response", "thinking")
            if key in old or key in new
        }
        return {**new, **joined}
    before, after = old.get("message", {}), new["message"]
    message = {**before, **after}
    for key in ("content", "thinking"):
        if key in message:
            message[key] = before.get(key, "") + after.get(key, "")
    calls = [*before.get("tool_calls", ()), *after.get("tool_calls", ())]
    return {**new, "message": {**message, **({"tool_calls": calls} if calls else {})}}


def _nothing(endpoint: str) -> JsonObject:
    said: JsonObject = {"response": ""}
    if endpoint == "chat":
        said = {"message": {"role": "", "content": ""}}
    return {"model": "", "created_at": "0001-01-01T00:00:00Z", **said, "done": False}


def _groups(tokens: list[str], size: int) -> list[list[str]]:
    return [tokens[at : at + size] for at in range(0, len(tokens), size)]


def _tool_calls(answer: Answer) -> tuple[JsonObject, ...]:
    return tuple(
        {
            "id": _call_id(),
            "function": {"index": at, "name": name, "arguments": dict(arguments)},
        }
        for at, (name, arguments) in enumerate(answer.tool_calls)
    )


def _call_id() -> str:
    number = str(next(_call_numbers))
    return "call_" + hashlib.sha256(number.encode()).hexdigest()[:8]


def _stamp(requested_name: str) -> JsonObject:
    return {"model": requested_name, "created_at": rfc3339(time.time_ns())}


def _said(endpoint: str, delta: Delta) -> JsonObject:
    thinking = {"thinking": delta.thinking} if delta.thinking else {}
    if endpoint == "generate":
        return {"response": delta.content, **thinking}
    calls = {"tool_calls": list(delta.calls)} if delta.calls else {}
    said = {"role": "assistant", "content": delta.content, **thinking, **calls}
    return {"message": said}


def _delta_line(plan: Plan, delta: Delta) -> Line:
    said = _said(plan.endpoint, delta)
    return Line({**_stamp(plan.requested_name), **said, "done": False})


def _done_line(plan: Plan, output: Output, last: Delta) -> Line:
    reason = {"done_reason": output.done_reason} if output.done_reason else {}
    context = {"context": [1, 2, 3]} if plan.endpoint == "generate" else {}
    metrics = {k: v for k, v in _metrics(plan, output).items() if v}
    return Line({
        **_stamp(plan.requested_name),
        **_said(plan.endpoint, last),
        "done": True,
        **reason,
        **context,
        **metrics,
    })


def _metrics(plan: Plan, output: Output) -> dict[str, int]:
    # The engine's clock starts at the first token, which is counted all the same.
    decode_s = max(0, output.tokens - 1) / plan.model.decode_tokens_per_s
    prefill_s = plan.prefill_tokens / plan.model.prefill_tokens_per_s
    return {
        "total_duration": time.perf_counter_ns() - plan.entry_ns,
        "load_duration": plan.load_ns,
        "prompt_eval_count": plan.prompt_tokens,
        "prompt_eval_duration": round(prefill_s * _NS_PER_S),
        "eval_count": output.tokens,
        "eval_duration": round(decode_s * _NS_PER_S),
    }
