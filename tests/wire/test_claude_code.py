"""The real Claude Agent SDK and its Claude Code, run against a fake Anthropic."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import pytest
from asking import WEATHER, error_of, reply_of
from child_processes import HAS_PROC, children_running
from claude_code import (
    KEY,
    LIMITS,
    ask_claude_code,
    needs_claude_code,
    settle,
    target_at,
    user,
)
from fake_anthropic import FakeAnthropic
from fake_anthropic_faults import (
    credit_spent,
    error_event,
    fails,
    overloaded,
    rate_limited,
    spend_limit,
    unknown_event,
)
from fake_anthropic_models import Blocks, always_answers, haiku, opus
from fake_ollama_models import Answer as Said
from fake_ollama_models import says
from fake_ollama_probe import wait_until
from fake_sse import hangs_up, one_byte_writes, slow_first_byte, stalls
from msgspec.structs import replace

from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.calls.debuglog import DebugLog
from pytest_llmbench.calls.engine import Engine
from pytest_llmbench.errors import (
    Busy,
    CallError,
    ContextOverflow,
    Faltered,
    FirstByteTimeout,
    ModelMissing,
    QuotaSpent,
    RateLimited,
    ServerFault,
    StallTimeout,
    StreamTruncated,
    Unauthorised,
    Unreachable,
    Unsupported,
)
from pytest_llmbench.prompts.messages import Message, SentCall

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fake_sse import StreamFault

    from pytest_llmbench.calls.request import Target
    from pytest_llmbench.checks.reply import Reply

pytestmark = needs_claude_code
needs_proc = pytest.mark.skipif(not HAS_PROC, reason="looks at processes in /proc")


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settle(monkeypatch, tmp_path)


@pytest.fixture
def server() -> Iterator[FakeAnthropic]:
    """Serve a model that says hello, at some pace."""
    with FakeAnthropic(haiku()) as fake:
        yield fake


def bodies(server: FakeAnthropic) -> list[dict[str, Any]]:
    """Return what Claude Code has sent to the model."""
    return [asked.body or {} for asked in server.requests_to("/v1/messages")]


def claudes() -> list[int]:
    """Return the processes of Claude Code that this one has started."""
    return children_running("claude")


def test_one_question_is_one_request(engine: Engine, server: FakeAnthropic) -> None:
    """Text, stop reason and counts are the API's; nothing else is asked of it."""
    server.models = [dataclasses.replace(haiku(), cache_read=4, cache_written=2)]
    reply = reply_of(ask_claude_code(engine, server, user("/cost of @README.md?")))
    [body] = bodies(server)
    assert reply.text == "Hello, I am Haiku."
    assert (reply.finish_reason, reply.deltas) == ("end_turn", 5)
    usage = reply.usage
    assert usage.output_tokens == 5
    assert (usage.cached_tokens, usage.cache_write_tokens) == (4, 2)
    assert usage.prompt_tokens
    assert usage.prompt_tokens > 100  # Claude Code's own words are among them
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "/cost of @README.md?"}
    ]
    assert body["tools"] == []
    assert len(server.requests) == 1


def test_times_are_of_our_clock(engine: Engine, server: FakeAnthropic) -> None:
    """TTFT and E2E follow the model's pace; the process's start is in neither."""
    server.models = [dataclasses.replace(haiku(), first_delta_s=0.4, delta_s=0.05)]
    times = reply_of(ask_claude_code(engine, server)).timings
    [asked] = server.requests_to("/v1/messages")
    assert asked.first_delta_ns
    waited_ms = (asked.first_delta_ns - asked.began_at_ns) / 1e6
    assert times.ttft_ms
    assert times.e2e_ms
    assert times.isolation_ms
    assert waited_ms < times.ttft_ms < waited_ms + 1000
    assert times.ttfc_ms == times.ttft_ms
    assert times.e2e_ms > times.ttft_ms + 150
    assert times.isolation_ms > 50
    assert times.load_ms is None


def test_thinking_is_apart(engine: Engine, server: FakeAnthropic) -> None:
    """Thinking comes first, is no text, and what stays unseen is counted."""
    answer = Said(text="42", thinking="Six times seven.")
    server.models = [dataclasses.replace(haiku(always_answers(answer)), thinks=True)]
    server.models[0] = dataclasses.replace(server.models[0], delta_s=0.03)
    reply = reply_of(ask_claude_code(engine, server))
    assert reply.text == "42"
    assert reply.usage.reasoning_tokens == 4
    assert reply.timings.ttfc_ms
    assert [block["type"] for block in reply.carried] == ["thinking", "text"]


def test_tools_are_offered_and_never_run(engine: Engine, server: FakeAnthropic) -> None:
    """The model sees a tool as the suite has it; its calls end the reply."""
    answer = Said(
        text="Let me look.",
        tool_calls=(("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Å"})),
    )
    server.models = [haiku(always_answers(answer))]
    reply = reply_of(ask_claude_code(engine, server, tools=(WEATHER,)))
    [body] = bodies(server)
    assert body["tools"] == [
        {
            "name": "get_weather",
            "description": "Get the weather.",
            "input_schema": WEATHER.parameters,
        }
    ]
    assert [(c.name, c.arguments, c.channel) for c in reply.tool_calls] == [
        ("get_weather", {"city": "Oslo"}, "native"),
        ("get_weather", {"city": "Å"}, "native"),
    ]
    assert (reply.text, reply.finish_reason) == ("Let me look.", "tool_use")


def test_a_conversation_goes_on_where_it_was(
    engine: Engine, server: FakeAnthropic
) -> None:
    """Earlier turns, results of calls and signed thinking come as they were said."""
    model = opus(always_answers(Said(tool_calls=(("get_weather", {"city": "Oslo"}),))))
    server.models = [model]
    target = target_at(server, model=model.name)
    first = _asked(engine, server, target, user("Oslo?"))
    [call] = first.tool_calls
    said = (
        Message(role="system", content="Be brief."),
        user("Oslo?"),
        _said(first),
        Message(role="tool", content="4 degrees", tool="get_weather", call_id=call.id),
        Message(role="assistant", content="It is 4 degrees."),
        user("Thanks. And Bergen?"),
    )
    server.models = [dataclasses.replace(model, answer=always_answers(says("Rain.")))]
    second = _asked(engine, server, target, *said)
    assert second.text == "Rain."
    sent = [m for m in bodies(server)[-1]["messages"] if m["role"] != "system"]
    assert [m["role"] for m in sent] == ["user", "assistant"] * 2 + ["user"]
    assert [b["type"] for b in sent[1]["content"]] == ["thinking", "tool_use"]
    assert sent[2]["content"][0]["content"] == "4 degrees"
    assert sent[4]["content"][0]["text"] == "Thanks. And Bergen?"
    assert "Be brief." in {block["text"] for block in bodies(server)[-1]["system"]}
    assert len(server.requests) == 2


def test_results_end_a_conversation_too(engine: Engine, server: FakeAnthropic) -> None:
    """The results of all calls of a reply go back in one message, as a question."""
    made = (
        SentCall(name="get_weather", arguments={"city": "Oslo"}, id="toolu_1"),
        SentCall(name="get_weather", arguments={"city": "Rome"}, id="toolu_2"),
    )
    results = (
        Message(role="tool", content="4", tool="get_weather", call_id="toolu_1"),
        Message(role="tool", content="19", tool="get_weather", call_id="toolu_2"),
    )
    said = (
        user("Oslo and Rome?"),
        Message(role="assistant", content="", tool_calls=made),
        *results,
    )
    reply_of(ask_claude_code(engine, server, *said, tools=(WEATHER,)))
    [body] = bodies(server)
    sent = [m for m in body["messages"] if m["role"] != "system"]
    assert [b["content"] for b in sent[2]["content"]] == ["4", "19"]


FAULTS: Final[dict[str, tuple[StreamFault, type[CallError], str]]] = {
    "wrong key": (
        fails(401, "authentication_error", "bad"),
        Unauthorised,
        "claude auth login",
    ),
    "forbidden": (fails(403, "permission_error", "no"), Unauthorised, "HTTP 403"),
    "no model": (fails(404, "not_found_error", "x"), ModelMissing, "model's name"),
    "bad": (fails(400, "invalid_request_error", "what?"), Unsupported, "what?"),
    "too long": (
        fails(400, "invalid_request_error", "prompt is too long: 9 tokens > 8"),
        ContextOverflow,
        "shorten the prompt",
    ),
    "no credit": (credit_spent(), QuotaSpent, "add credit"),
    "spend limit": (spend_limit(), QuotaSpent, "waiting does not help"),
    "rate limit": (rate_limited(), RateLimited, "HTTP 429"),
    "overloaded": (overloaded(), Busy, "HTTP 529"),
    "server": (fails(500, "api_error", "It broke."), Faltered, "HTTP 500"),
    "in mid-reply": (error_event("overloaded_error", "Rush hour."), Busy, "Rush hour."),
    "cut": (hangs_up(after_events=4), StreamTruncated, "lost"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_its_error(
    engine: Engine, server: FakeAnthropic, name: str
) -> None:
    """Claude Code's words become our errors, and none of them shows the key."""
    fault, kind, words = FAULTS[name]
    server.faults.append(fault.always())
    error = error_of(ask_claude_code(engine, server))
    assert type(error) is kind
    assert words in str(error)
    assert KEY not in str(error)
    assert server.requests[0].path == "/v1/messages"
    assert len(server.requests) <= 3  # it leaves fields out that a 400 may mean


def test_a_cut_reply_keeps_what_came(engine: Engine, server: FakeAnthropic) -> None:
    """A stream that broke is no short success, though Claude Code ends it in order."""
    server.models = [dataclasses.replace(haiku(), delta_s=0.05)]
    server.faults.append(hangs_up(after_events=9))
    error = error_of(ask_claude_code(engine, server))
    assert isinstance(error, StreamTruncated)
    assert error.partial.text.startswith("Hell")
    assert error.partial.text in "Hello, I am Haiku."
    assert error.partial.timings.e2e_ms is None


@pytest.mark.parametrize(
    "fault", [unknown_event(), one_byte_writes()], ids=["unknown", "split"]
)
def test_oddities_do_no_harm(
    engine: Engine, server: FakeAnthropic, fault: StreamFault
) -> None:
    """Events yet to be invented and split characters change nothing."""
    server.models = [haiku(always_answers(says("Blåbærsyltetøy 🫐")))]
    server.faults.append(fault)
    assert reply_of(ask_claude_code(engine, server)).text == "Blåbærsyltetøy 🫐"


def test_a_reply_at_its_limit_is_the_whole_reply(
    engine: Engine, server: FakeAnthropic
) -> None:
    """What Claude Code would ask for on top of a cut reply is none of it."""
    server.models = [haiku(always_answers(says("one two three four five six seven")))]
    reply = reply_of(ask_claude_code(engine, server, options={"num_predict": 3}))
    assert bodies(server)[0]["max_tokens"] == 3
    assert reply.is_truncated
    assert reply.usage.output_tokens == 3
    assert reply.text == "one two thre"[: len(reply.text)]


def test_a_refusal_is_a_reply(engine: Engine, server: FakeAnthropic) -> None:
    """A model that stops for its rules has answered: the checks judge it."""
    refused = Blocks(
        blocks=({"type": "text", "text": "I can't."},), stop_reason="refusal"
    )
    server.models = [haiku(always_answers(refused))]
    reply = reply_of(ask_claude_code(engine, server))
    assert (reply.text, reply.finish_reason) == ("I can't.", "refusal")


@needs_proc
def test_a_slow_start_is_cut_with_its_process(
    engine: Engine, server: FakeAnthropic
) -> None:
    """At the limit the process is gone, and with it the request."""
    server.faults.append(slow_first_byte(20.0))
    limits = replace(LIMITS, call_s=1.5)
    error = error_of(ask_claude_code(engine, server, limits=limits))
    assert isinstance(error, FirstByteTimeout)
    assert not claudes()
    [asked] = server.requests
    assert asked.finished.wait(5.0)
    assert asked.client_closed


@needs_proc
def test_silence_in_mid_reply_is_cut(engine: Engine, server: FakeAnthropic) -> None:
    """The stall limit holds for what Claude Code hands on, too."""
    server.faults.append(stalls(after_events=8))
    limits = replace(LIMITS, stall_s=0.8)
    error = error_of(ask_claude_code(engine, server, limits=limits))
    assert isinstance(error, StallTimeout)
    assert error.partial.text
    assert not claudes()


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_dies_or_hangs(
    engine: Engine, server: FakeAnthropic, number: signal.Signals
) -> None:
    """A dead process is a fault at once; a stopped one is killed at the limit."""
    server.faults.append(stalls(after_events=8))
    limits = replace(LIMITS, call_s=3.0)
    harm = threading.Thread(target=_signal_when_asked, args=(server, number))
    harm.start()
    started_s = time.monotonic()
    error = error_of(ask_claude_code(engine, server, limits=limits))
    assert time.monotonic() - started_s < 11.0  # the SDK's own end takes 10 s more
    harm.join()
    is_dead = number == signal.SIGKILL
    assert isinstance(error, ServerFault if is_dead else CallError)
    assert ("process ended" in str(error)) is is_dead
    assert not claudes()


@needs_proc
def test_an_isolated_call_is_one_like_others(
    engine: Engine, server: FakeAnthropic
) -> None:
    """In a child process it asks the same, and both processes end with it."""
    plain = reply_of(ask_claude_code(engine, server))
    isolated = reply_of(ask_claude_code(engine, server, isolate=True))
    assert isolated.text == plain.text
    assert plain.timings.isolation_ms
    assert isolated.timings.isolation_ms
    assert isolated.timings.isolation_ms > plain.timings.isolation_ms / 2
    server.faults.append(slow_first_byte(20.0))
    limits = replace(LIMITS, call_s=1.0)
    late = error_of(ask_claude_code(engine, server, isolate=True, limits=limits))
    assert isinstance(late, FirstByteTimeout)
    assert wait_until(lambda: not server.in_flight, 5.0)


def test_options_that_it_has(engine: Engine, server: FakeAnthropic) -> None:
    """Effort goes out in the API's words; `none` switches thinking off."""
    for effort in ("minimal", "high", "none"):
        reply_of(ask_claude_code(engine, server, options={"effort": effort}))
    low, high, none = bodies(server)
    assert low["output_config"]["effort"] == "low"
    assert high["output_config"]["effort"] == "high"
    assert none.get("thinking", {"type": "disabled"}) == {"type": "disabled"}


def test_a_model_that_thinks_all_the_same(
    engine: Engine, server: FakeAnthropic
) -> None:
    """Thinking that can't be switched off is said, not measured as if it were."""
    server.models = [opus()]
    options = {"effort": "none"}
    answer = ask_claude_code(engine, server, model="claude-opus-5-5", options=options)
    error = error_of(answer)
    assert isinstance(error, Unsupported)
    assert "take effort=low" in str(error)
    assert error.partial.text == "Hello, I am Opus."


def test_options_that_it_has_not(engine: Engine, server: FakeAnthropic) -> None:
    """What can't be sent is refused by name, and nothing is asked."""
    answer = ask_claude_code(engine, server, options={"temperature": 0.2})
    error = error_of(answer)
    assert isinstance(error, Unsupported)
    assert "'temperature'" in str(error)
    words = ask_claude_code(engine, server, Message(role="assistant", content="So"))
    assert "must be one of theirs" in str(error_of(words))
    assert not server.requests


def test_who_is_not_there(engine: Engine, server: FakeAnthropic) -> None:
    """An address where nobody listens is not the model's fault."""
    server.stop()
    error = error_of(ask_claude_code(engine, server))
    assert isinstance(error, Unreachable)


def test_facts_name_the_program(engine: Engine, server: FakeAnthropic) -> None:
    """Facts tell the versions, and cost no request."""
    facts = engine.facts(target_at(server))
    assert facts.server == f"Claude Code at {server.url}"
    assert "claude-agent-sdk 0." in facts.server_version
    assert facts.server_version.startswith("Claude Code 2.")
    assert engine.model_names(target_at(server)) == []
    assert not server.requests


def test_nobody_is_logged_in(
    engine: Engine, server: FakeAnthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first trial it is said how to log in; a call says it as well."""
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(Unauthorised, match="is not logged in; run `claude auth login`"):
        engine.facts(target_at(server))
    assert isinstance(error_of(ask_claude_code(engine, server)), Unauthorised)
    assert not server.requests


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("WORK_KEY", "x-api-key"),
        ("WORK_ANTHROPIC_AUTH_TOKEN", "authorization"),
        ("WORK_CLAUDE_CODE_OAUTH_TOKEN", "authorization"),
    ],
)
def test_the_aliases_own_key(
    engine: Engine,
    server: FakeAnthropic,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    header: str,
) -> None:
    """A named key wins over the environment's; headers are sent along."""
    monkeypatch.setenv(name, "sk-ant-of-work-9876543210")
    monkeypatch.setenv("MY_TEAM", "bench")
    target = target_at(server, key_env=name, headers=(("x-team", "env:MY_TEAM"),))
    reply_of(ask_claude_code(engine, server, target=target))
    [asked] = server.requests
    assert "sk-ant-of-work-9876543210" in asked.headers[header]
    assert KEY not in json.dumps(dict(asked.headers))
    assert asked.headers["x-team"] == "bench"


def test_a_key_that_is_not_there(engine: Engine, server: FakeAnthropic) -> None:
    """The missing variable is named, and nothing is started."""
    target = target_at(server, key_env="NO_SUCH_KEY")
    error = error_of(ask_claude_code(engine, server, target=target))
    assert isinstance(error, Unauthorised)
    assert "NO_SUCH_KEY" in str(error)


def test_nothing_is_left_behind(
    server: FakeAnthropic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a key, the user's own state is neither read nor written."""
    folders = tmp_path / "temporary"
    folders.mkdir()
    monkeypatch.setenv("TMPDIR", str(folders))
    monkeypatch.setattr("tempfile.tempdir", None)
    engine = Engine()
    reply_of(ask_claude_code(engine, server))
    [own] = folders.glob("llmbench-claude-code-*")
    assert not list((own / "empty").iterdir())
    engine.close()
    assert not list(folders.glob("llmbench-*"))
    assert [path.name for path in tmp_path.iterdir()] == ["temporary"]


def test_the_debug_log_has_it_all(server: FakeAnthropic, tmp_path: Path) -> None:
    """What is asked and every message of the SDK are there, the key is not."""
    path = tmp_path / "debug.jsonl"
    clock = SystemClock()
    engine = Engine(clock, DebugLog(path, clock))
    reply_of(ask_claude_code(engine, server, user("What is 2+2?")))
    engine.close()
    text = path.read_text("utf-8")
    assert "What is 2+2?" in text
    assert "content_block_delta" in text
    assert "message_stop" in text
    assert KEY not in text


def _asked(
    engine: Engine,
    server: FakeAnthropic,
    target: Target,
    *said: Message,
) -> Reply:
    answer = ask_claude_code(
        engine, server, *said, target=target, model=target.model, tools=(WEATHER,)
    )
    return reply_of(answer)


def _said(reply: Reply) -> Message:
    made = tuple(
        SentCall(name=call.name, arguments=call.arguments or {}, id=call.id)
        for call in reply.tool_calls
    )
    return Message(
        role="assistant", content=reply.text, tool_calls=made, carried=reply.carried
    )


def _signal_when_asked(server: FakeAnthropic, number: signal.Signals) -> None:
    """Signal the process once its request has come and it may have read the reply."""
    assert wait_until(lambda: bool(server.requests), 20.0)
    wait_until(lambda: False, 0.3)
    for pid in claudes():
        os.kill(pid, number)
