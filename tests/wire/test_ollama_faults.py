"""Every fault of an Ollama server is one of our errors, and the engine goes on.

Each row is one fault: what is wrong, which error it must be, which words a person
needs in its message, and how much of the reply must be kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from asking import LIMITS, WEATHER, ask, question, reply_of, target_of
from expected_error import Row, check
from fake_ollama import (
    Answer,
    FakeModel,
    FakeOllama,
    answers_by_prompt,
    crashes,
    ends_without_done,
    error_mid_stream,
    garbage_line,
    hangs_up,
    load_fails,
    load_times_out,
    long_line,
    malformed_call,
    non_utf8,
    out_of_memory,
    queue_full,
    refuse,
    resets,
    resets_before_headers,
    says,
    slow_first_byte,
    stalls,
)
from msgspec.structs import replace

from pytest_llmbench.calls.engine import Engine
from pytest_llmbench.calls.framing import MAX_LINE_BYTES
from pytest_llmbench.errors import (
    Busy,
    CallTimeout,
    ContextOverflow,
    FirstByteTimeout,
    LoadFailed,
    MalformedCall,
    ModelMissing,
    PromptTruncated,
    ProtocolFault,
    ServerFault,
    StallTimeout,
    StreamTruncated,
    Unauthorised,
    Unreachable,
    Unsupported,
)

if TYPE_CHECKING:
    from fake_ollama import Fault

TEXT: Final = "One two three four."
LONG: Final = "word " * 2600
HI: Final = question()
BRIEF: Final = replace(LIMITS, call_s=0.15)
MODELS: Final = (
    FakeModel(
        name="fake:1b",
        load_s=0.01,
        answer=answers_by_prompt(
            # As if the server had cut the prompt to half of its context.
            {"word": Answer(text="Some word.", prompt_tokens=2050)},
            says(TEXT),
        ),
    ),
    FakeModel(name="plain:1b", load_s=0.01, capabilities=("completion",)),
)


def mid_stream(line: str) -> Fault:
    """Put one line into the stream after its first."""
    return garbage_line(after_chunks=1, text=line)


CONNECTION: Final = {
    "reset before headers": Row(
        fault=resets_before_headers(),
        error=Unreachable,
        words=("cannot be reached", "start it with `ollama serve`"),
        kept="",
    ),
    "reset in mid-stream": Row(
        fault=resets(),
        error=StreamTruncated,
        words=("the connection broke in mid-reply",),
        kept="One two ",
    ),
    "hang up": Row(
        fault=hangs_up(),
        error=StreamTruncated,
        words=("the connection broke in mid-reply",),
        kept="One two ",
    ),
    "end without done": Row(
        fault=ends_without_done(),
        error=StreamTruncated,
        words=("ended after 2 deltas without its `done` line",),
        kept="One two ",
    ),
    "end without a word": Row(
        fault=ends_without_done(0),
        error=StreamTruncated,
        words=("ended after 0 deltas",),
        kept="",
    ),
}
BYTES: Final = {
    "error line": Row(
        fault=error_mid_stream(),
        error=ServerFault,
        words=("in mid-reply", "unexpected EOF"),
        kept="One two ",
    ),
    "error line of a load": Row(
        fault=error_mid_stream(1, "cudaMalloc failed: out of memory"),
        error=LoadFailed,
        words=("in mid-reply", "free VRAM"),
        kept="One ",
    ),
    "error under its old key": Row(
        fault=mid_stream('{"error parsing tool call":"raw=\'{x\'"}'),
        error=MalformedCall,
        words=("error parsing tool call", "{x"),
        kept="One ",
        outcome="fail",
    ),
    "garbage line": Row(
        fault=garbage_line(),
        error=ProtocolFault,
        words=("not JSON", "<html>Bad Gateway"),
        kept="One ",
    ),
    "not UTF-8": Row(
        fault=non_utf8(), error=ProtocolFault, words=("not JSON",), kept="One "
    ),
    "a JSON value that is no object": Row(
        fault=mid_stream("[1]"),
        error=ProtocolFault,
        words=("no JSON object",),
        kept="One ",
    ),
    "a message that is no object": Row(
        fault=mid_stream('{"message":"hi"}'),
        error=ProtocolFault,
        words=("unknown shape",),
        kept="One ",
    ),
    "a call that is no object": Row(
        fault=mid_stream('{"message":{"tool_calls":[1]}}'),
        error=ProtocolFault,
        words=("unknown shape",),
        kept="One ",
    ),
    "calls that are no list": Row(
        fault=mid_stream('{"message":{"tool_calls":1}}'),
        error=ProtocolFault,
        words=("unknown shape",),
        kept="One ",
    ),
    "nested too deep": Row(
        fault=mid_stream('{"a":' + "[" * 100_000),
        error=ProtocolFault,
        words=("not JSON",),
        kept="One ",
    ),
    "very long line": Row(
        fault=long_line(MAX_LINE_BYTES + 1),
        error=ProtocolFault,
        words=("a line of more than 16,777,216 bytes",),
        kept="",
    ),
    "more than the limit": Row(
        fault=long_line(100_000),
        error=ProtocolFault,
        words=("the reply passed 50,000 bytes",),
        kept="",
        request=question(limits=replace(LIMITS, max_reply_bytes=50_000)),
    ),
}
TIME: Final = {
    "stall": Row(
        fault=stalls(),
        error=StallTimeout,
        words=("nothing came for 0.1 s in mid-reply",),
        kept="One two ",
        outcome="timeout",
        request=question(limits=replace(LIMITS, stall_s=0.1)),
    ),
    "stall without a limit of its own": Row(
        fault=stalls(),
        error=CallTimeout,
        words=("did not end within 0.15 s", "the last bytes came 0."),
        kept="One two ",
        outcome="timeout",
        request=question(limits=BRIEF),
    ),
    "slow first byte": Row(
        fault=slow_first_byte(1.0),
        error=FirstByteTimeout,
        words=("no first byte within 0.15 s",),
        kept="",
        outcome="timeout",
        request=question(limits=BRIEF),
    ),
}
REFUSALS: Final = {
    "queue full": Row(
        fault=queue_full(),
        error=Busy,
        words=("server busy", "OLLAMA_MAX_QUEUE"),
    ),
    "rate limit": Row(fault=refuse(429, "slow down"), error=Busy, words=("429",)),
    "crash": Row(
        fault=crashes(),
        error=ServerFault,
        words=("unexpectedly stopped", "see the server's log"),
    ),
    "crash at once": Row(
        fault=error_mid_stream(0), error=ServerFault, words=("unexpected EOF",)
    ),
    "truncation ate the question": Row(
        fault=refuse(500, "no user query found in messages"),
        error=ContextOverflow,
        words=("no user query found", "raise num_ctx"),
    ),
    "malformed call": Row(
        fault=malformed_call(),
        error=MalformedCall,
        words=("error parsing tool call", '{"city": Oslo}'),
        outcome="fail",
    ),
    "sign in": Row(
        fault=refuse(401, "unauthorized"),
        error=Unauthorised,
        words=("unauthorized", "ollama signin"),
    ),
    "wrong type of option": Row(
        error=ServerFault,
        words=('option "num_ctx" must be of type integer',),
        request=question(options={"num_ctx": "many"}),
    ),
    "missing model": Row(
        error=ModelMissing,
        words=(
            "has no model 'fale:1b'",
            "did you mean 'fake:1b'?",
            "pulled: fake:1b, plain:1b",
            "ollama pull fale:1b",
        ),
        request=question(model="fale:1b"),
    ),
    "no tools": Row(
        error=Unsupported,
        words=("plain:1b does not support tools", "choose a model with tools"),
        request=question(model="plain:1b", tools=(WEATHER,)),
    ),
    "no thinking": Row(
        error=Unsupported,
        words=('"plain:1b" does not support thinking',),
        request=question(model="plain:1b", options={"effort": "high"}),
    ),
    "context overflow": Row(
        error=ContextOverflow,
        words=("exceeds the available context size (64 tokens)", "raise num_ctx"),
        request=question("long " * 100, options={"num_ctx": 64}),
    ),
    "context overflow of an older server": Row(
        fault=refuse(400, "the input length exceeds the context length"),
        error=ContextOverflow,
        words=("raise num_ctx",),
    ),
    "prompt cut in silence, context asked for": Row(
        error=PromptTruncated,
        words=("counted 2050 prompt tokens in a context of 4096", "13000 characters"),
        kept="Some word.",
        request=question(LONG, options={"num_ctx": 4096}),
    ),
    "prompt cut in silence, context of the server": Row(
        error=PromptTruncated,
        words=("counted 2050 prompt tokens in a context of 4096",),
        kept="Some word.",
        request=question(LONG),
    ),
}
LOAD_TEXTS: Final = {
    "model requires more system memory (8.1 GiB) than is available (6.0 GiB)": (
        "free memory"
    ),
    "llama runner process has terminated: exit status 2": "see the server's log",
    "llama-server process has terminated: exit status 2": "see the server's log",
    "llama-server process has terminated: cudaMalloc failed": "free VRAM",
    "llama runner process has terminated: CUDA error: out of memory": "free VRAM",
    "llama-server process has terminated: failed to allocate buffer": "free memory",
    "timed out waiting for llama runner to start - progress 0.42 - ": (
        "raise OLLAMA_LOAD_TIMEOUT"
    ),
}
LOADS: Final = {
    **{
        text: Row(fault=load_fails(text), error=LoadFailed, words=(text, advice))
        for text, advice in LOAD_TEXTS.items()
    },
    "out of memory": Row(
        fault=out_of_memory(), error=LoadFailed, words=("cudaMalloc failed",)
    ),
    "load timed out": Row(
        fault=load_times_out(), error=LoadFailed, words=("progress 0.42",)
    ),
}
PROBE: Final = {
    "probe refused": Row(
        fault=refuse(500, "boom").where(path="/api/ps"),
        error=ServerFault,
        words=("HTTP 500 boom",),
    ),
    "probe reset": Row(
        fault=resets_before_headers().where(path="/api/ps"),
        error=Unreachable,
        words=("cannot be reached",),
    ),
}
ROWS: Final = CONNECTION | BYTES | TIME | REFUSALS | LOADS | PROBE


@pytest.mark.parametrize("name", ROWS)
def test_a_fault_is_one_error_and_the_next_call_is_good(
    engine: Engine, name: str
) -> None:
    """A fault has its error, words and partial reply; it spoils no other call."""
    row = ROWS[name]
    with FakeOllama(*MODELS) as server:
        reply_of(ask(engine, server))
        if row.fault:
            server.faults.append(row.fault)
        answer = engine.ask(target_of(server, row.request.model), row.request)
        check(answer, row)
        assert not server.faults
        assert reply_of(ask(engine, server)).text == TEXT


@pytest.mark.parametrize(
    "name", {row.error: name for name, row in ROWS.items()}.values()
)
def test_an_error_of_each_kind_comes_through_isolation(
    engine: Engine, name: str
) -> None:
    """From a child process an error has the same kind, words and partial reply."""
    row = ROWS[name]
    with FakeOllama(*MODELS) as server:
        first = Engine()  # another, so that this one has to look what is loaded
        reply_of(ask(first, server))
        first.close()
        if row.fault:
            server.faults.append(row.fault)
        request = replace(row.request, isolate=True)
        answer = engine.ask(target_of(server, request.model), request)
        check(answer, row)
        assert not server.faults
    if answer.error and answer.error.partial and row.error is not PromptTruncated:
        assert answer.error.partial.timings.e2e_ms is None
        assert answer.error.partial.timings.isolation_ms > 0


def test_a_server_that_is_down(engine: Engine) -> None:
    """Refused connections say so and how to start it; it may come back."""
    server = FakeOllama(*MODELS)
    server.start()
    reply_of(ask(engine, server))
    server.stop()
    row = Row(
        error=Unreachable,
        words=(server.url, "Connection refused", "`ollama serve`", "OLLAMA_HOST"),
    )
    answer = ask(engine, server)
    check(answer, row)
    assert answer.is_resident is None
    with server:
        assert reply_of(ask(engine, server)).text == TEXT


def test_a_stall_that_ends_is_no_fault(engine: Engine) -> None:
    """A pause within the limits leaves the reply whole."""
    with FakeOllama(*MODELS) as server:
        server.faults.append(stalls(after_chunks=2, delay_s=0.1))
        assert reply_of(ask(engine, server)).text == TEXT
