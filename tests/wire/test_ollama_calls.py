"""Good calls to Ollama, through the engine and over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from asking import WEATHER, ask, question, reply_of, target_of
from canned_server import CannedServer, http_json, ndjson
from fake_ollama import (
    Answer,
    FakeModel,
    FakeOllama,
    FakeSettings,
    always,
    calls,
    no_metrics,
    one_byte_writes,
    says,
    split_utf8,
    two_line_writes,
)

from pytest_llmbench.checks.reply import ToolCall, Usage
from pytest_llmbench.errors import ModelMissing

if TYPE_CHECKING:
    from fake_ollama import Fault

    from pytest_llmbench.calls.engine import Engine

TEXT = "One two thréé four."
DONE = {
    "model": "fake:1b",
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
    "total_duration": 812_000_000,
    "load_duration": 41_000_000,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 130_500_000,
    "eval_count": 18,
    "eval_duration": 620_000_000,
}


def says_line(**message: object) -> dict[str, Any]:
    """Return one line of a stream."""
    said = {"role": "assistant", "content": "", **message}
    return {"model": "fake:1b", "message": said, "done": False}


def played(engine: Engine, *lines: object) -> Any:  # noqa: ANN401 - the reply or a failure
    """Return the reply to a call that is answered by exactly these lines."""
    answers = {"/api/ps": http_json({"models": []}), "/api/chat": ndjson(*lines)}
    with CannedServer(answers) as server:
        return reply_of(ask(engine, server.url))


def test_a_stream_becomes_one_reply(engine: Engine) -> None:
    """Text, counts, finish reason and every time must be in the reply."""
    model = FakeModel(answer=always(says(TEXT)))
    with FakeOllama(model) as server:
        answer = ask(engine, server)
    reply = reply_of(answer)
    assert (reply.text, reply.thinking, reply.tool_calls) == (TEXT, "", ())
    assert (reply.finish_reason, reply.deltas) == ("stop", 5)
    assert reply.usage == Usage(prompt_tokens=3, output_tokens=5)
    times = reply.timings
    assert None not in {times.load_ms, times.prefill_ms, times.decode_ms}
    assert times.ttft_ms == times.ttfc_ms
    assert 0 < (times.ttft_ms or 0) <= (times.e2e_ms or 0)
    assert answer.is_resident is False
    assert answer.started_at.endswith("+00:00")


@pytest.mark.parametrize(
    "fault", [one_byte_writes(0.0), two_line_writes(), split_utf8()]
)
def test_any_cut_of_the_stream_is_the_same_reply(engine: Engine, fault: Fault) -> None:
    """However the bytes arrive, the reply must be the same."""
    with FakeOllama(FakeModel(answer=always(says(TEXT)))) as server:
        server.faults.append(fault)
        reply = reply_of(ask(engine, server))
    assert (reply.text, reply.deltas) == (TEXT, 5)


def test_thinking_comes_before_the_text(engine: Engine) -> None:
    """Thinking is a first token (TTFT) but no first content (TTFC)."""
    model = FakeModel(
        capabilities=("completion", "thinking"),
        decode_tokens_per_s=200.0,
        answer=always(Answer(thinking="Let me think of it first.", text="Yes.")),
    )
    with FakeOllama(model) as server:
        reply = reply_of(ask(engine, server))
    assert (reply.thinking, reply.text) == ("Let me think of it first.", "Yes.")
    times = reply.timings
    assert times.ttft_ms
    assert times.ttfc_ms
    assert times.ttfc_ms - times.ttft_ms > 20


@pytest.mark.parametrize("is_on_done_line", [False, True])
def test_tool_calls_are_taken_from_any_line(
    engine: Engine, *, is_on_done_line: bool
) -> None:
    """A call before the done line or on it must be found, arguments decoded."""
    model = FakeModel(
        calls_on_done_line=is_on_done_line,
        answer=always(calls("get_weather", city="Tromsø", days=2)),
    )
    with FakeOllama(model) as server:
        reply = reply_of(ask(engine, server, tools=(WEATHER,)))
    (call,) = reply.tool_calls
    assert call.name == "get_weather"
    assert call.arguments == {"city": "Tromsø", "days": 2}
    assert call.id.startswith("call_")
    assert reply.timings.ttfc_ms == reply.timings.ttft_ms is not None


def test_several_calls_keep_their_order(engine: Engine) -> None:
    """Two calls in one line and one after them are three calls in order."""

    def call(name: str) -> dict[str, Any]:
        return {"function": {"index": 0, "name": name, "arguments": {}}}

    both = says_line(content="Well.", tool_calls=[call("a"), call("b")])
    reply = played(engine, both, says_line(tool_calls=[call("c")]), DONE)
    assert [tool.name for tool in reply.tool_calls] == ["a", "b", "c"]
    assert reply.text == "Well."


def test_arguments_that_are_no_object_stay_raw(engine: Engine) -> None:
    """Arguments other than an object are a malformed attempt, kept as sent."""
    line = says_line(tool_calls=[{"function": {"name": "f", "arguments": [1]}}])
    reply = played(engine, line, DONE)
    assert reply.tool_calls == (ToolCall(name="f", arguments=None, raw="[1]"),)


def test_counts_and_durations_are_stored_as_given(engine: Engine) -> None:
    """Nanoseconds become milliseconds and nothing else is done to them."""
    reply = played(engine, says_line(content="Hi"), DONE)
    assert reply.usage == Usage(prompt_tokens=26, output_tokens=18)
    times = reply.timings
    assert (times.load_ms, times.prefill_ms, times.decode_ms) == (41.0, 130.5, 620.0)


def test_absent_counts_are_not_zero(engine: Engine) -> None:
    """What the server leaves out is unknown, and so None."""
    with FakeOllama() as server:
        server.faults.append(no_metrics())
        reply = reply_of(ask(engine, server))
    assert reply.usage == Usage()
    times = reply.timings
    assert (times.load_ms, times.prefill_ms, times.decode_ms) == (None, None, None)


def test_counts_of_a_wrong_type_are_unknown(engine: Engine) -> None:
    """A count that is no number must not get into a record."""
    odd = {**DONE, "prompt_eval_count": "26", "eval_count": True, "load_duration": -1}
    reply = played(engine, says_line(content="Hi"), {**odd, "done_reason": 7})
    assert reply.usage == Usage()
    assert reply.timings.load_ms is None
    assert reply.finish_reason is None


def test_an_empty_error_key_is_no_error(engine: Engine) -> None:
    """A line whose `error` is null carries none."""
    reply = played(engine, {**says_line(content="Hi"), "error": None}, DONE)
    assert reply.text == "Hi"


def test_the_done_line_may_lack_its_newline(engine: Engine) -> None:
    """The last line counts though nothing ends it."""
    answers = {
        "/api/ps": http_json({"models": []}),
        "/api/chat": http_json({**DONE, "message": {"content": "Hi"}}),
    }
    with CannedServer(answers) as server:
        reply = reply_of(ask(engine, server.url))
    assert (reply.text, reply.finish_reason) == ("Hi", "stop")


def sent(server: FakeOllama) -> dict[str, Any]:
    """Return the body of the newest chat request."""
    body = server.requests_to("/api/chat")[-1].body
    assert body
    return body


def test_a_request_leaves_nothing_to_the_server(engine: Engine) -> None:
    """Streaming, truncation, keep-alive, seed and options are always written."""
    with FakeOllama() as server:
        options = {"temperature": 0.2, "num_ctx": 2048, "num_predict": 64}
        ask(engine, server, options=options, seed=7, keep_alive_s=90, tools=(WEATHER,))
        body = sent(server)
    assert body["stream"] is True
    assert body["truncate"] is False
    assert body["keep_alive"] == 90
    assert body["options"] == {**options, "seed": 7}
    assert body["messages"] == [{"role": "user", "content": "Hi"}]
    assert body["tools"] == [{"type": "function", "function": WEATHER.to_json()}]


def test_no_encoding_is_asked_for(engine: Engine) -> None:
    """Compression would hold tokens back: none is accepted."""
    with FakeOllama() as server:
        ask(engine, server)
    assert {r.headers["accept-encoding"] for r in server.requests} == {"identity"}


def test_what_is_not_wanted_is_not_sent(engine: Engine) -> None:
    """No tools, no effort and no seed leave no empty fields behind."""
    with FakeOllama() as server:
        ask(engine, server)
        body = sent(server)
    assert not {"tools", "think", "format", "shift"} & body.keys()
    assert body["options"] == {}


@pytest.mark.parametrize(
    ("effort", "think"),
    [
        ("none", False),
        ("minimal", "low"),
        ("low", "low"),
        ("medium", "medium"),
        ("high", "high"),
        ("max", "max"),
    ],
)
def test_effort_becomes_think(engine: Engine, effort: str, think: object) -> None:
    """Each effort word is sent as Ollama's `think`, and not as an option."""
    model = FakeModel(capabilities=("completion", "thinking"))
    with FakeOllama(model) as server:
        reply_of(ask(engine, server, options={"effort": effort}))
        body = sent(server)
    assert body["think"] == think
    assert body["options"] == {}


def test_text_of_any_kind_arrives(engine: Engine) -> None:
    """Characters beyond the BMP arrive whole; half a surrogate breaks nothing."""
    with FakeOllama() as server:
        reply_of(ask(engine, server, "naïve 🐟 \ud800 \x00"))
        text = sent(server)["messages"][0]["content"]
    assert text == "naïve 🐟 ? \x00"


def test_facts_identify_model_and_server(engine: Engine) -> None:
    """Version, digest, quantisation, size, abilities and context are known."""
    model = FakeModel(digest="d" * 64, capabilities=("completion", "vision"))
    settings = FakeSettings(version="0.33.1")
    with FakeOllama(model, settings=settings) as server:
        facts = engine.facts(target_of(server))
    assert facts.server == f"ollama at {server.url}"
    assert (facts.server_version, facts.digest) == ("0.33.1", "d" * 64)
    assert (facts.quantization, facts.parameter_size) == ("Q4_K_M", "1.2B")
    assert facts.capabilities == ("completion", "vision")
    assert facts.context_length == 32_768


def test_facts_of_a_model_that_is_not_pulled(engine: Engine) -> None:
    """A missing model is told apart before anything is asked of it."""
    with (
        FakeOllama(FakeModel(name="fake:1b"), FakeModel(name="other")) as server,
        pytest.raises(ModelMissing, match="pulled: fake:1b, other:latest") as caught,
    ):
        engine.facts(target_of(server, "othr"))
    assert "ollama pull othr" in str(caught.value)
    assert "did you mean 'other'?" in str(caught.value)


def test_model_names_are_those_pulled(engine: Engine) -> None:
    """All pulled models are listed with their tags."""
    with FakeOllama(FakeModel(name="b:1b"), FakeModel(name="a")) as server:
        assert engine.model_names(target_of(server)) == ["b:1b", "a:latest"]


@pytest.mark.parametrize("asked", ["tiny", "tiny:latest", "TINY", "Tiny:Latest"])
def test_names_match_as_ollama_matches_them(engine: Engine, asked: str) -> None:
    """Case and the tag `latest` make no other model, loaded or pulled."""
    with FakeOllama(FakeModel(name="tiny:latest")) as server:
        first = ask(engine, server, model=asked)
        second = ask(engine, server, model=asked)
        facts = engine.facts(target_of(server, asked))
    assert (first.is_resident, second.is_resident) == (False, True)
    assert facts.digest


def test_another_tag_is_another_model(engine: Engine) -> None:
    """A loaded `tiny:1b` says nothing of `tiny:2b`."""
    with FakeOllama(FakeModel(name="tiny:1b"), FakeModel(name="tiny:2b")) as server:
        ask(engine, server, model="tiny:1b")
        assert ask(engine, server, model="tiny:2b").is_resident is False


@pytest.mark.parametrize(("in_vram", "share"), [(0, 0.0), (250, 0.25), (1000, 1.0)])
def test_residency_tells_the_share_on_the_gpu(
    engine: Engine, in_vram: int, share: float
) -> None:
    """Part in VRAM, context in force and expiry are read off `/api/ps`."""
    model = FakeModel(size=1000, size_vram=in_vram)
    with FakeOllama(model) as server:
        request = question(options={"num_ctx": 2048})
        result = engine.warm_up(target_of(server), request)
    assert (result.gpu_share, result.context_length) == (share, 2048)
    assert result.expires_at[:2] == "20"


def test_a_path_of_the_address_is_kept(engine: Engine) -> None:
    """A server behind a path is asked below that path."""
    answers = {
        "/ollama/api/ps": http_json({"models": []}),
        "/ollama/api/chat": ndjson(says_line(content="Hi"), DONE),
    }
    with CannedServer(answers) as server:
        reply = reply_of(ask(engine, f"{server.url}/ollama"))
    assert reply.text == "Hi"


def test_no_proxy_stands_before_this_machine(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy in the environment must not catch calls to the loopback address."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with FakeOllama() as server:
        assert reply_of(ask(engine, server)).text
