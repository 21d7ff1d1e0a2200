"""The fake Ollama speaks the chat API as documented, over real sockets."""

from __future__ import annotations

import re
import threading

import httpx
import pytest
from fake_ollama import (
    Answer,
    FakeModel,
    FakeOllama,
    always,
    calls,
    count_tokens,
    says,
)
from fake_ollama_probe import WEATHER_TOOL, ask, get, raw_call, send

METRICS = {
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
}


def one_answer(answer: Answer) -> FakeModel:
    """Make a model that says one thing."""
    return FakeModel(answer=always(answer), load_s=0.01)


def test_streams_one_token_per_line_by_default() -> None:
    """Without `stream` the reply must come as NDJSON, four characters a line."""
    with FakeOllama(one_answer(says("Hello you."))) as server:
        heard = ask(server)
    contents = [line["message"]["content"] for line in heard.lines]
    assert contents == ["Hell", "o yo", "u.", ""]
    assert heard.content_type == "application/x-ndjson"
    assert [line["done"] for line in heard.lines] == [False, False, False, True]
    assert heard.done["done_reason"] == "stop"


def test_counts_and_durations_stand_on_the_done_line_only() -> None:
    """The done line must carry the metrics, worked out by the documented rule."""
    model = FakeModel(
        answer=always(says("abcdefgh")),
        prefill_tokens_per_s=1000.0,
        decode_tokens_per_s=100.0,
    )
    with FakeOllama(model) as server:
        heard = ask(server, "x" * 30)
    done = heard.done
    assert not METRICS & set(heard.lines[0])
    assert done["prompt_eval_count"] == count_tokens("user: " + "x" * 30 + "\n") == 10
    assert done["prompt_eval_duration"] == 10_000_000
    assert done["eval_count"] == 2
    assert done["eval_duration"] == 10_000_000
    parts = ("load_duration", "prompt_eval_duration", "eval_duration")
    assert done["total_duration"] >= sum(done[part] for part in parts)


def test_a_metric_of_zero_is_absent() -> None:
    """One token takes no decode time, so its duration must be left out."""
    with FakeOllama(one_answer(says("Yes"))) as server:
        done = ask(server).done
    assert done["eval_count"] == 1
    assert "eval_duration" not in done


def test_times_have_nanoseconds_and_the_model_is_echoed() -> None:
    """`created_at` must be UTC with more digits than Python keeps; `model` as sent."""
    with FakeOllama(one_answer(says("Hi"))) as server:
        heard = ask(server, model="FAKE:1B")
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"
    assert all(re.fullmatch(stamp, line["created_at"]) for line in heard.lines)
    assert {line["model"] for line in heard.lines} == {"FAKE:1B"}


def test_unstreamed_reply_is_one_object() -> None:
    """`stream: false` must join text, thinking and calls into one JSON object."""
    answer = Answer(text="Hello you.", thinking="Hm, well", tool_calls=[("f", {})])
    model = FakeModel(
        answer=always(answer), capabilities=("completion", "tools", "thinking")
    )
    with FakeOllama(model) as server:
        heard = ask(server, stream=False, tools=[WEATHER_TOOL])
    message = heard.json["message"]
    assert heard.content_type == "application/json; charset=utf-8"
    assert (message["content"], message["thinking"]) == ("Hello you.", "Hm, well")
    assert message["tool_calls"][0]["function"]["name"] == "f"
    assert set(heard.json) >= METRICS


def test_thinking_comes_first_and_counts() -> None:
    """Thinking deltas must precede text and be part of eval_count."""
    answer = Answer(text="Four", thinking="Two plus")
    model = FakeModel(answer=always(answer), capabilities=("completion", "thinking"))
    with FakeOllama(model) as server:
        thought, silent = ask(server), ask(server, think=False)
    assert [line["message"].get("thinking") for line in thought.lines] == [
        "Two ", "plus", None, None,
    ]  # fmt: skip
    assert thought.done["eval_count"] == 3
    assert silent.text == "Four"
    assert silent.done["eval_count"] == 1


def test_tool_call_comes_whole_before_the_done_line() -> None:
    """A call must have an id, an index and arguments as an object."""
    with FakeOllama(one_answer(calls("get_weather", city="Oslo"))) as server:
        heard = ask(server, tools=[WEATHER_TOOL])
    (call,) = heard.lines[0]["message"]["tool_calls"]
    assert re.fullmatch(r"call_[a-z0-9]{8}", call["id"])
    assert call["function"] == {
        "index": 0,
        "name": "get_weather",
        "arguments": {"city": "Oslo"},
    }
    assert "tool_calls" not in heard.done["message"]
    assert heard.done["done_reason"] == "stop"
    assert heard.done["eval_count"] > 1


def test_tool_call_can_come_on_the_done_line() -> None:
    """With calls_on_done_line the only line must hold call and metrics."""
    model = FakeModel(
        answer=always(calls("get_weather", city="Oslo")), calls_on_done_line=True
    )
    with FakeOllama(model) as server:
        heard = ask(server, tools=[WEATHER_TOOL])
    assert len(heard.lines) == 1
    assert heard.done["done"]
    assert heard.done["message"]["tool_calls"]


def test_several_tokens_can_share_a_line() -> None:
    """tokens_per_chunk must merge tokens without changing their count."""
    answer = Answer(text="abcdefghij", tokens_per_chunk=2)
    with FakeOllama(one_answer(answer)) as server:
        heard = ask(server)
    contents = [line["message"]["content"] for line in heard.lines]
    assert contents == ["abcdefgh", "ij", ""]
    assert heard.done["eval_count"] == 3


def test_num_predict_cuts_thinking_first() -> None:
    """Thinking must be able to eat the whole limit, ending in `length`."""
    answer = Answer(text="Four", thinking="Two plus two makes")
    model = FakeModel(answer=always(answer), capabilities=("completion", "thinking"))
    with FakeOllama(model) as server:
        heard = ask(server, options={"num_predict": 3})
    assert heard.text == ""
    assert heard.done["done_reason"] == "length"
    assert heard.done["eval_count"] == 3


def test_prompt_tokens_and_done_reason_can_be_scripted() -> None:
    """An answer must be able to report any prompt count and done reason."""
    with FakeOllama(one_answer(Answer(prompt_tokens=2050, done_reason=""))) as server:
        done = ask(server).done
    assert done["prompt_eval_count"] == 2050
    assert "done_reason" not in done


def test_generate_streams_responses() -> None:
    """/api/generate must use `response` and give a context on the done line."""
    with FakeOllama(one_answer(says("Hello you."))) as server:
        heard = send(server, "/api/generate", {"prompt": "Hi"})
        whole = send(server, "/api/generate", {"prompt": "Hi", "stream": False})
        load = send(server, "/api/generate", {})
    assert [line["response"] for line in heard.lines] == ["Hell", "o yo", "u.", ""]
    assert heard.done["context"]
    assert whole.json["response"] == "Hello you."
    assert (load.json["response"], load.json["done_reason"]) == ("", "load")


def test_first_bytes_wait_for_the_first_token() -> None:
    """Not even the status line may be sent before load and prefill are over."""
    model = FakeModel(answer=always(says("Hi")), first_token_delay_s=0.15)
    with FakeOllama(model) as server, raw_call(server) as client:
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(2)
        assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_repeated_prompt_is_cheap_only_with_a_cache() -> None:
    """A cached prompt must keep its count but lose nearly all its prefill time."""
    durations = {}
    for cached in (False, True):
        model = FakeModel(caches_prompts=cached)
        with FakeOllama(model) as server:
            done = [ask(server, "x" * 4000).done for _ in range(2)]
        assert done[0]["prompt_eval_count"] == done[1]["prompt_eval_count"] == 1002
        durations[cached] = [line["prompt_eval_duration"] for line in done]
    assert durations[False][0] == durations[False][1]
    assert durations[True][1] * 100 < durations[True][0]


def test_requests_are_recorded() -> None:
    """Method, path, headers, body, time and status must be kept in order."""
    with FakeOllama() as server:
        get(server, "/api/ps")
        ask(server, "Hi", keep_alive="5m")
    first, second = server.requests
    assert (first.method, first.path, first.body) == ("GET", "/api/ps", None)
    assert second.body is not None
    assert second.body["keep_alive"] == "5m"
    assert second.headers["content-type"] == "application/json"
    assert second.received_at_ns > first.received_at_ns
    assert (second.status, second.client_closed) == (200, False)
    assert server.requests_to("/api/chat") == [second]


def test_leaves_no_thread_and_starts_again_on_its_port() -> None:
    """stop() must end every thread, refuse calls, and forget what was loaded."""
    before = set(threading.enumerate())
    server = FakeOllama()
    server.start()
    with httpx.Client(trust_env=False) as client:
        client.get(server.url)
        port = server.port
        server.stop()
        assert set(threading.enumerate()) == before
        with pytest.raises(httpx.ConnectError):
            get(server, "/")
        server.start()
        assert (server.port, server.loaded_names) == (port, [])
        assert client.get(server.url).text == "Ollama is running"
        server.stop()
    assert set(threading.enumerate()) == before


def test_a_bug_in_a_script_is_raised_at_the_end() -> None:
    """A script's own exception must be a 500 and must not be lost."""
    model = FakeModel(answer=lambda _call: 1 / 0)  # type: ignore[arg-type,return-value]
    with pytest.raises(ZeroDivisionError), FakeOllama(model) as server:
        assert ask(server).status == 500
