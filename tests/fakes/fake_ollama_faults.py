"""Everything that can go wrong with a fake reply.

Each public function makes one `Fault`. A fault is used by putting it into
`server.faults` (used up by the first matching call, or kept with `.always()`), or
by returning it from a model's script. `bend` and `shape` carry it out.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fake_ollama_models import Answer, Fault, count_tokens
from fake_ollama_steps import HangUp, Line, Raw, Refuse, Reset, Step, Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fake_ollama_models import JsonObject

FOREVER_S: Final = 3600.0

BEFORE_REPLY: Final = frozenset({
    "refuse", "fail_load", "slow_first_byte", "reset_before_headers",
})  # fmt: skip
"""Faults that also hit a preload or an unload."""

_METRICS: Final = frozenset({
    "total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration",
    "eval_count", "eval_duration",
})  # fmt: skip
_READ_TIME_S: Final = 0.02
"""A reset drops what the peer has not read yet; this lets it read."""


def refuse(status: int, text: str) -> Fault:
    """Answer with any status and error text, before anything is loaded."""
    return Fault(kind="refuse", status=status, text=text)


def queue_full() -> Fault:
    """Answer 503 as a server with too many waiting requests does."""
    return refuse(
        503, "server busy, please try again.  maximum pending requests exceeded"
    )


def load_fails(
    text: str = "llama-server process has terminated: exit status 2",
) -> Fault:
    """Answer 500 after the load time; the model is not loaded."""
    return Fault(kind="fail_load", text=text, drops_model=True)


def out_of_memory() -> Fault:
    """Fail the load for want of memory."""
    return load_fails("llama-server process has terminated: cudaMalloc failed")


def load_times_out() -> Fault:
    """Fail the load because it made no progress."""
    return load_fails("timed out waiting for llama-server to start - progress 0.42 - ")


def crashes() -> Fault:
    """Answer 500 before the first byte; the model is gone afterwards."""
    text = (
        "model runner has unexpectedly stopped, this may be due to resource "
        "limitations or an internal error, check ollama server logs for details"
    )
    return Fault(kind="fail_reply", text=text, drops_model=True)


def malformed_call(
    raw: str = '{"city": Oslo}', err: str = "invalid character 'O'"
) -> Fault:
    """Answer 500 because the model wrote a tool call that is no JSON."""
    text = f"error parsing tool call: raw='{raw}', err={err}"
    return Fault(kind="fail_reply", text=text)


def error_mid_stream(
    after_chunks: int = 2,
    text: str = "an error was encountered while running the model: unexpected EOF",
) -> Fault:
    """Send an error line after some chunks; before the first it is a 500."""
    return Fault(kind="error_line", after_chunks=after_chunks, text=text)


def ends_without_done(after_chunks: int = 2) -> Fault:
    """End the reply early and cleanly: no done line, or `done: false` unstreamed."""
    return Fault(kind="end_early", after_chunks=after_chunks)


def hangs_up(after_chunks: int = 2) -> Fault:
    """Close the connection in mid-stream without the closing chunk."""
    return Fault(kind="hang_up", after_chunks=after_chunks)


def resets(after_chunks: int = 2) -> Fault:
    """Reset the connection in mid-stream."""
    return Fault(kind="reset", after_chunks=after_chunks)


def resets_before_headers() -> Fault:
    """Reset the connection before any byte of an answer."""
    return Fault(kind="reset_before_headers")


def stalls(after_chunks: int = 2, delay_s: float = FOREVER_S) -> Fault:
    """Fall silent after some chunks, then go on if the client still waits."""
    return Fault(kind="stall", after_chunks=after_chunks, delay_s=delay_s)


def slow_first_byte(delay_s: float) -> Fault:
    """Wait before the first byte of the answer, after the load."""
    return Fault(kind="slow_first_byte", delay_s=delay_s)


def no_metrics() -> Fault:
    """Leave every count and duration out of the done line."""
    return Fault(kind="no_metrics")


def garbage_line(after_chunks: int = 1, text: str = "<html>Bad Gateway") -> Fault:
    """Put a line that is no JSON into the stream."""
    return Fault(kind="garbage_line", after_chunks=after_chunks, text=text)


def non_utf8(after_chunks: int = 1) -> Fault:
    """Put a line with bytes that are no UTF-8 into the stream."""
    return Fault(kind="non_utf8", after_chunks=after_chunks)


def long_line(size: int = 1_000_000) -> Fault:
    """Add this many characters to the content of the first line."""
    return Fault(kind="long_line", size=size)


def one_byte_writes(delay_s: float = 0.0) -> Fault:
    """Write every byte on its own."""
    return Fault(kind="one_byte_writes", delay_s=delay_s)


def two_line_writes() -> Fault:
    """Write the lines of the stream two at a time."""
    return Fault(kind="two_line_writes")


def split_utf8(delay_s: float = 0.005) -> Fault:
    """Split each line inside its first character that has several bytes."""
    return Fault(kind="split_utf8", delay_s=delay_s)


def silent_empty() -> Fault:
    """Drop all that was generated: tokens are counted, nothing is said."""
    return Fault(kind="silent_empty")


def call_as_text() -> Fault:
    """Write the tool calls into the content, as `<tool_call>{…}</tool_call>`."""
    return Fault(kind="call_as_text")


def spoil(answer: Answer, fault: Fault | None) -> Answer:
    """Return the answer as a fault of the model leaves it."""
    if fault is None:
        return answer
    if fault.kind == "silent_empty":
        said = answer.text + answer.thinking
        return Answer(
            hidden_tokens=count_tokens(said) + count_tokens(_calls_text(answer)),
            prompt_tokens=answer.prompt_tokens,
        )
    if fault.kind == "call_as_text":
        return replace(answer, text=answer.text + _calls_text(answer), tool_calls=())
    return answer


def _calls_text(answer: Answer) -> str:
    calls = [
        json.dumps({"name": name, "arguments": dict(arguments)}, ensure_ascii=False)
        for name, arguments in answer.tool_calls
    ]
    return "\n".join(f"<tool_call>{call}</tool_call>" for call in calls)


def bend(steps: Iterable[Step], fault: Fault | None) -> Iterator[Step]:
    """Carry out what a fault does to the lines of a reply."""
    bender = _BENDERS.get(fault.kind) if fault else None
    return bender(steps, fault) if bender and fault else iter(steps)


def _refused(_steps: Iterable[Step], fault: Fault) -> Iterator[Step]:
    yield Wait(fault.delay_s)
    yield Refuse(status=fault.status, text=fault.text)


def _reset_at_once(_steps: Iterable[Step], _fault: Fault) -> Iterator[Step]:
    yield Reset()


def _delayed(steps: Iterable[Step], fault: Fault) -> Iterator[Step]:
    yield Wait(fault.delay_s)
    yield from steps


def _without_metrics(steps: Iterable[Step], _fault: Fault) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Line):
            kept = {k: v for k, v in step.fields.items() if k not in _METRICS}
            yield Line(kept)
        else:
            yield step


def _padded(steps: Iterable[Step], fault: Fault) -> Iterator[Step]:
    is_padded = False
    for step in steps:
        if isinstance(step, Line) and not is_padded:
            yield Line(_with_more_content(step.fields, "x" * fault.size))
            is_padded = True
        else:
            yield step


def _with_more_content(fields: JsonObject, more: str) -> JsonObject:
    if "message" not in fields:
        return {**fields, "response": fields.get("response", "") + more}
    message = {**fields["message"], "content": fields["message"]["content"] + more}
    return {**fields, "message": message}


def _interrupted(steps: Iterable[Step], fault: Fault) -> Iterator[Step]:
    sent = 0
    is_hit = False
    for step in steps:
        if isinstance(step, Line) and not is_hit:
            is_hit = sent >= fault.after_chunks or step.is_done
            if is_hit:
                yield from _interruption(fault, is_first=sent == 0)
                if fault.kind in _ENDING:
                    return
            sent += 1
        yield step


_ENDING: Final = frozenset({"error_line", "end_early", "hang_up", "reset"})


def _interruption(fault: Fault, *, is_first: bool) -> Iterator[Step]:
    yield Wait(fault.delay_s)
    match fault.kind:
        case "error_line" if is_first:
            yield Refuse(status=500, text=fault.text)
        case "error_line":
            yield Line({"error": fault.text})
        case "hang_up":
            yield HangUp()
        case "reset":
            yield Wait(_READ_TIME_S)
            yield Reset()
        case "garbage_line":
            yield Raw(fault.text.encode() + b"\n")
        case "non_utf8":
            yield Raw(b'{"message":{"role":"assistant","content":"\xff\xfe"}}\n')


_BENDERS: Final[dict[str, Callable[[Iterable[Step], Fault], Iterator[Step]]]] = {
    "refuse": _refused,
    "fail_load": _refused,
    "fail_reply": _refused,
    "reset_before_headers": _reset_at_once,
    "slow_first_byte": _delayed,
    "no_metrics": _without_metrics,
    "long_line": _padded,
    "error_line": _interrupted,
    "end_early": _interrupted,
    "hang_up": _interrupted,
    "reset": _interrupted,
    "stall": _interrupted,
    "garbage_line": _interrupted,
    "non_utf8": _interrupted,
}


def shape(steps: Iterable[Step], fault: Fault | None) -> Iterator[Step]:
    """Carry out what a fault does to the writes of a reply."""
    match fault.kind if fault else "":
        case "one_byte_writes" | "split_utf8":
            return _cut(steps, fault)
        case "two_line_writes":
            return _paired(steps)
        case _:
            return iter(steps)


def _cut(steps: Iterable[Step], fault: Fault | None) -> Iterator[Step]:
    for step in steps:
        if fault is None or not isinstance(step, Raw):
            yield step
            continue
        for piece in _pieces(step.data, fault):
            yield Raw(piece)
            yield Wait(fault.delay_s)


def _pieces(data: bytes, fault: Fault) -> list[bytes]:
    if fault.kind == "one_byte_writes":
        return [data[at : at + 1] for at in range(len(data))]
    lead = next((at for at, byte in enumerate(data) if byte >= 0xC0), None)
    return [data] if lead is None else [data[: lead + 1], data[lead + 1 :]]


def _paired(steps: Iterable[Step]) -> Iterator[Step]:
    held = b""
    for step in steps:
        if isinstance(step, Raw) and not held:
            held = step.data
        elif isinstance(step, Raw):
            yield Raw(held + step.data)
            held = b""
        else:
            if held and isinstance(step, Reset | HangUp):
                yield Raw(held)
            yield step
    if held:
        yield Raw(held)
