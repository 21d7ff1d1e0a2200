"""Calls to the Messages API, through the engine and over real sockets."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from asking import LIMITS, WEATHER, error_of, question, reply_of
from asking_anthropic import HAIKU, KEY, OLD_HAIKU, OPUS, ask_claude, claude, sent
from canned_server import CannedServer, http_json
from fake_anthropic import FakeAnthropic
from fake_anthropic_faults import (
    credit_spent,
    error_event,
    fails,
    overloaded,
    pings,
    rate_limited,
    spend_limit,
    unknown_delta,
    unknown_event,
)
from fake_anthropic_models import Blocks, always_answers, always_says, haiku, opus
from fake_limits import RateLimits
from fake_ollama_models import Answer, calls
from fake_sse import (
    byte_order_mark,
    comments,
    empty_stream,
    ends_early,
    framed,
    garbage,
    hangs_up,
    no_end_marker,
    non_utf8,
    one_byte_writes,
    paired_writes,
    resets,
    resets_before_headers,
    stalls,
)
from msgspec.structs import replace as changed

from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.calls.engine import Engine
from pytest_llmbench.calls.providers import open_provider
from pytest_llmbench.calls.request import Target
from pytest_llmbench.checks.reply import Usage
from pytest_llmbench.errors import (
    Busy,
    CallTimeout,
    ContextOverflow,
    Faltered,
    ModelMissing,
    ProtocolFault,
    QuotaSpent,
    RateLimited,
    StreamTruncated,
    Unauthorised,
    Unreachable,
    Unsupported,
)
from pytest_llmbench.prompts.messages import Message, SentCall

if TYPE_CHECKING:
    from fake_sse import StreamFault

    from pytest_llmbench.errors import CallError

TEXT = "One two thréé 🐟."


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant a key, and no other variable of the vendor's."""
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


def test_a_stream_becomes_one_reply(engine: Engine) -> None:
    """Text, counts, stop reason and times must be in the reply."""
    with FakeAnthropic(haiku(always_says(TEXT))) as server:
        answer = ask_claude(engine, server)
    reply = reply_of(answer)
    assert (reply.text, reply.thinking, reply.tool_calls) == (TEXT, "", ())
    assert (reply.finish_reason, reply.deltas) == ("end_turn", 4)
    assert reply.usage == Usage(
        prompt_tokens=1, cached_tokens=0, cache_write_tokens=0, output_tokens=4
    )
    times = reply.timings
    assert times.ttft_ms == times.ttfc_ms
    assert 0 < (times.ttft_ms or 0) <= (times.e2e_ms or 0)
    assert answer.server == f"anthropic at {server.url}"
    assert answer.is_resident is None


def test_the_start_of_a_message_is_no_first_token(engine: Engine) -> None:
    """TTFT ends with the first delta, though headers and `message_start` are there."""
    with FakeAnthropic(replace(haiku(), first_delta_s=0.15)) as server:
        times = reply_of(ask_claude(engine, server)).timings
        asked = server.requests_to("/v1/messages")[0]
    assert (times.ttft_ms or 0) >= 150
    assert asked.first_delta_ns
    assert asked.last_byte_ns
    server_ms = (asked.first_delta_ns - asked.began_at_ns) / 1e6
    assert (times.ttft_ms or 0) == pytest.approx(server_ms, abs=50)


@pytest.mark.parametrize(
    "fault",
    [
        one_byte_writes(),
        paired_writes(),
        framed(line_end="\r\n"),
        framed(space=""),
        byte_order_mark(),
        comments(),
        pings(),
        pings(after_events=4),
        unknown_event(),
        unknown_delta(),
    ],
)
def test_any_allowed_stream_is_the_same_reply(
    engine: Engine, fault: StreamFault
) -> None:
    """However the events arrive, and whatever stands between, the reply is the same."""
    with FakeAnthropic(haiku(always_says(TEXT))) as server:
        server.faults.append(fault)
        reply = reply_of(ask_claude(engine, server))
    assert (reply.text, reply.deltas, reply.usage.output_tokens) == (TEXT, 4, 4)


def test_thinking_comes_apart_from_the_text(engine: Engine) -> None:
    """Thinking that is shown is a first token, but no content."""
    said = Answer(thinking="Let me think of it.", text="Yes.")
    model = replace(haiku(always_answers(said)), thinks=True, delta_s=0.01)
    with FakeAnthropic(model) as server:
        reply = reply_of(ask_claude(engine, server))
    assert (reply.thinking, reply.text) == ("Let me think of it.", "Yes.")
    assert reply.usage.reasoning_tokens == 5
    assert (reply.timings.ttft_ms or 0) < (reply.timings.ttfc_ms or 0)


def test_thinking_out_of_sight_is_counted_all_the_same(engine: Engine) -> None:
    """A model that shows only a signature has used tokens, and no thinking text."""
    said = Answer(thinking="Let me think of it.", text="Yes.")
    with FakeAnthropic(opus(always_answers(said))) as server:
        reply = reply_of(ask_claude(engine, server, model=OPUS))
    assert (reply.thinking, reply.usage.reasoning_tokens) == ("", 5)
    assert reply.usage.output_tokens == 6
    assert reply.timings.ttft_ms == reply.timings.ttfc_ms


def test_calls_arrive_with_their_arguments(engine: Engine) -> None:
    """Several calls keep names, arguments, ids and order; none needs arguments."""
    said = Answer(
        text="Well.",
        tool_calls=(("get_weather", {"city": "Tromsø", "days": 2}), ("now", {})),
    )
    with FakeAnthropic(haiku(always_answers(said))) as server:
        reply = reply_of(ask_claude(engine, server, tools=(WEATHER,)))
        (tool,) = sent(server)["tools"]
    first, second = reply.tool_calls
    assert (first.name, first.arguments) == (
        "get_weather",
        {"city": "Tromsø", "days": 2},
    )
    assert (second.name, second.arguments) == ("now", {})
    assert first.id != second.id
    assert reply.finish_reason == "tool_use"
    assert tool["input_schema"] == WEATHER.parameters


def test_a_turn_with_signed_thinking_goes_on(engine: Engine) -> None:
    """The server takes its own blocks back, signature included, with the result."""
    with FakeAnthropic(
        opus(always_answers(calls("get_weather", city="Oslo")))
    ) as server:
        target = claude(server, OPUS)
        first = question(model=OPUS, tools=(WEATHER,))
        reply = reply_of(engine.ask(target, first))
        (call,) = reply.tool_calls
        said = Message(
            role="assistant",
            content=reply.text,
            tool_calls=(SentCall(name=call.name, arguments={}, id=call.id),),
            carried=reply.carried,
        )
        result = Message(role="tool", content="sun", call_id=call.id)
        follow = changed(first, messages=(*first.messages, said, result))
        assert reply_of(engine.ask(target, follow)).tool_calls
        unsigned = changed(said, carried=())
        bare = changed(first, messages=(*first.messages, unsigned, result))
        error = error_of(engine.ask(target, bare))
    assert "signature" in str(error)


def test_a_limit_reached_is_a_truncation(engine: Engine) -> None:
    """`max_tokens` cuts a text, and a call within its arguments."""
    long = haiku(always_says("A text that is too long for its limit."))
    with FakeAnthropic(long) as server:
        options = {"num_predict": 2}
        reply = reply_of(ask_claude(engine, server, options=options))
    assert (reply.text, reply.finish_reason) == ("A text t", "max_tokens")
    assert reply.is_truncated
    called = haiku(always_answers(calls("get_weather", city="Llanfairpwll")))
    with FakeAnthropic(called) as server:
        options = {"num_predict": 6}
        reply = reply_of(ask_claude(engine, server, options=options))
    (call,) = reply.tool_calls
    assert (call.arguments, call.raw) == (None, '{"city": "Ll')


@pytest.mark.parametrize("reason", ["refusal", "pause_turn"])
def test_other_ends_keep_their_word(engine: Engine, reason: str) -> None:
    """A refusal is no truncation: the reply is judged as it stands."""
    said = Blocks(blocks=({"type": "text", "text": "I "},), stop_reason=reason)
    with FakeAnthropic(haiku(always_answers(said))) as server:
        reply = reply_of(ask_claude(engine, server))
    assert (reply.text, reply.finish_reason) == ("I ", reason)
    assert not reply.is_truncated


def test_a_cached_prompt_is_counted_whole(engine: Engine) -> None:
    """What came from the cache, and what went into it, are parts of the prompt."""
    model = replace(haiku(), cache_read=20, cache_written=30)
    with FakeAnthropic(model) as server:
        usage = reply_of(ask_claude(engine, server, "x" * 400)).usage
    assert (usage.prompt_tokens, usage.cached_tokens) == (100, 20)
    assert usage.cache_write_tokens == 30


def test_nothing_is_sent_unasked(engine: Engine) -> None:
    """No sampling parameter, no thinking, no effort stand in a plain request."""
    with FakeAnthropic() as server:
        reply_of(ask_claude(engine, server, seed=7))
        asked = server.requests_to("/v1/messages")[0]
    assert sorted(asked.body or ()) == ["max_tokens", "messages", "model", "stream"]
    assert asked.headers["x-api-key"] == KEY
    assert asked.headers["anthropic-version"] == "2023-06-01"
    assert asked.headers["accept-encoding"] == "identity"


def test_temperature_is_the_models_affair(engine: Engine) -> None:
    """Where the model takes it, it is sent; where not, the message says what to do."""
    options = {"temperature": 0.2}
    with FakeAnthropic() as server:
        reply_of(ask_claude(engine, server, model=OLD_HAIKU, options=options))
        assert sent(server)["temperature"] == 0.2
        error = error_of(ask_claude(engine, server, options=options))
    assert isinstance(error, Unsupported)
    assert "leave temperature out" in str(error)


def test_the_alias_may_name_another_version(engine: Engine) -> None:
    """The alias's headers win over ours; the newer version refuses any sampling."""
    with FakeAnthropic() as server:
        target = claude(server, OLD_HAIKU, anthropic_version="2026-10-21")
        reply_of(engine.ask(target, question(model=OLD_HAIKU)))
        request = question(model=OLD_HAIKU, options={"temperature": 1.0})
        error = error_of(engine.ask(target, request))
        facts = engine.facts(target)
    assert "temperature: Extra inputs are not permitted" in str(error)
    assert facts.server_version == "2026-10-21"


@pytest.mark.parametrize(
    ("model", "effort", "fields"),
    [
        (
            HAIKU,
            "high",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        ),
        (HAIKU, "none", {"thinking": {"type": "disabled"}}),
        (OLD_HAIKU, "low", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
    ],
)
def test_effort_is_what_the_model_says_it_takes(
    engine: Engine, model: str, effort: str, fields: dict[str, object]
) -> None:
    """The list of models decides what is sent, and is asked once."""
    with FakeAnthropic() as server:
        for _ in range(2):
            options = {"effort": effort}
            reply_of(ask_claude(engine, server, model=model, options=options))
        body = sent(server)
        assert len(server.requests_to(f"/v1/models/{model}")) == 1
    assert {k: v for k, v in body.items() if k in {"thinking", "output_config"}} == (
        fields
    )


def test_an_effort_that_would_fail_is_not_sent(engine: Engine) -> None:
    """A model that can't but think is not asked to; nothing is asked of it at all."""
    with FakeAnthropic() as server:
        answer = ask_claude(engine, server, model=OPUS, options={"effort": "none"})
        assert server.requests_to("/v1/messages") == []
    error = error_of(answer)
    assert isinstance(error, Unsupported)
    assert "effort=low" in str(error)


def test_without_a_list_of_models_effort_goes_out_as_asked(engine: Engine) -> None:
    """A gateway that lists no models still gets the effort, and may refuse it."""
    with FakeAnthropic() as server:
        server.faults.append(fails(404, "x").where(path=f"/v1/models/{HAIKU}").always())
        reply_of(ask_claude(engine, server, options={"effort": "high"}))
        body = sent(server)
    assert body["output_config"] == {"effort": "high"}
    assert "thinking" not in body


FAULTS: list[tuple[StreamFault, type[CallError], str, str | None]] = [
    (overloaded(), Busy, "Overloaded", None),
    (rate_limited(), RateLimited, "come back in 3 s", None),
    (rate_limited(None), RateLimited, "rate limit", None),
    (spend_limit(), QuotaSpent, "waiting does not help", None),
    (spend_limit("contract_spend_limit_reached"), QuotaSpent, "spend limit", None),
    (credit_spent(), QuotaSpent, "credit balance", None),
    (fails(500, "api_error"), Faltered, "HTTP 500", None),
    (fails(504, "timeout_error"), Faltered, "HTTP 504", None),
    (fails(409, "conflict_error"), Faltered, "HTTP 409", None),
    (fails(403, "permission_error"), Unauthorised, "ANTHROPIC_API_KEY", None),
    (fails(413, "request_too_large"), ContextOverflow, "shorten", None),
    (error_event("overloaded_error"), Busy, "in mid-reply", "One "),
    (error_event("api_error"), Faltered, "in mid-reply: It broke", "One "),
    (error_event("rate_limit_error"), RateLimited, "in mid-reply", "One "),
    (
        error_event("rate_limit_error", code="enforced_spend_limit_reached"),
        QuotaSpent,
        "in mid-reply",
        "One ",
    ),
    (error_event("overloaded_error", after_events=0), Busy, "in mid-reply", ""),
    (ends_early(5), StreamTruncated, "without its `message_stop`", "One two "),
    (no_end_marker(), StreamTruncated, "without its `message_stop`", TEXT),
    (empty_stream(), StreamTruncated, "after 0 deltas", ""),
    (hangs_up(5), StreamTruncated, "mid-reply", "One two "),
    (resets(5), StreamTruncated, "mid-reply", "One two "),
    (resets_before_headers(), Unreachable, "cannot be reached", ""),
    (garbage(4), ProtocolFault, "not JSON", "One "),
    (non_utf8(4), ProtocolFault, "not JSON", "One "),
]


@pytest.mark.parametrize(("fault", "kind", "words", "kept"), FAULTS)
def test_each_fault_has_its_error(
    engine: Engine,
    fault: StreamFault,
    kind: type[CallError],
    words: str,
    kept: str | None,
) -> None:
    """Class, message and what had come by then are those of the table."""
    with FakeAnthropic(haiku(always_says(TEXT))) as server:
        server.faults.append(fault)
        error = error_of(ask_claude(engine, server))
        again = reply_of(ask_claude(engine, server))
    assert type(error) is kind, error
    assert words in str(error)
    assert KEY not in str(error)
    assert (error.partial.text if error.partial else None) == kept
    assert again.text == TEXT


def test_a_stalled_stream_times_out(engine: Engine) -> None:
    """Silence in mid-stream is a timeout with what had come; the client hangs up."""
    limits = changed(LIMITS, call_s=0.3)
    with FakeAnthropic(haiku(always_says(TEXT))) as server:
        server.faults.append(stalls(after_events=5))
        error = error_of(ask_claude(engine, server, limits=limits))
        asked = server.requests_to("/v1/messages")[0]
        assert asked.finished.wait(3)
        assert asked.client_closed
    assert isinstance(error, CallTimeout)
    assert error.partial.text == "One two "


def test_a_prompt_that_is_too_long(engine: Engine) -> None:
    """The server's 400 is an overflow of the context, and says how long it was."""
    model = replace(haiku(), max_input_tokens=10)
    with FakeAnthropic(model) as server:
        error = error_of(ask_claude(engine, server, "x" * 400))
    assert isinstance(error, ContextOverflow)
    assert "100 tokens > 10" in str(error)


def test_a_used_up_limit_tells_when_it_is_back(engine: Engine) -> None:
    """With or without `retry-after`, the wait is that of the limit used up."""
    with FakeAnthropic(limits=RateLimits(rpm=60, full=0.0)) as server:
        told = error_of(ask_claude(engine, server))
        server.tells_retry_after = False
        with closing(Engine()) as another:  # which has not been refused yet
            untold = error_of(ask_claude(another, server))
    assert isinstance(told, RateLimited)
    assert isinstance(untold, RateLimited)
    assert told.retry_after_s == 1.0
    assert 50 < (untold.retry_after_s or 0) <= 60


def test_a_model_that_is_not_there(engine: Engine) -> None:
    """An unknown model is told apart, with the nearest of those there are."""
    with FakeAnthropic() as server:
        error = error_of(ask_claude(engine, server, model="claude-haiku-5"))
        with pytest.raises(ModelMissing, match="did you mean"):
            engine.facts(claude(server, "claude-haiku-5"))
    assert isinstance(error, ModelMissing)
    assert "did you mean 'claude-haiku-5-5'?" in str(error)
    assert "claude-opus-5-5" in str(error)


def test_facts_identify_the_model(engine: Engine) -> None:
    """An alias is resolved to the model behind it; context and abilities are known."""
    with FakeAnthropic() as server:
        facts = engine.facts(claude(server, OLD_HAIKU))
    assert facts.digest == "claude-haiku-4-5-20251001"
    assert facts.context_length == 200_000
    assert "thinking" in facts.capabilities
    assert "effort" not in facts.capabilities


@pytest.mark.parametrize(
    "fault", [fails(404, "x"), overloaded(), rate_limited()], ids=["404", "529", "429"]
)
def test_facts_do_without_a_list(engine: Engine, fault: StreamFault) -> None:
    """A server without a list of models, or a busy one, is no reason not to ask."""
    with FakeAnthropic() as server:
        server.faults.append(fault)
        facts = engine.facts(claude(server))
    assert (facts.server, facts.digest) == (f"anthropic at {server.url}", "")


def test_all_pages_of_models_are_read(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every model is listed once, over as many pages as it takes."""
    monkeypatch.setattr("pytest_llmbench.calls.providers.anthropic._PAGE", 2)
    names = [f"claude-{number}" for number in range(5)]
    with FakeAnthropic(*[haiku(name=name) for name in names]) as server:
        assert engine.model_names(claude(server)) == names
        assert len(server.requests_to("/v1/models")) == 3


def test_a_list_without_end_is_left(engine: Engine) -> None:
    """A server whose every page is the same one is not asked for ever."""
    page = {"data": [{"id": "a"}], "has_more": True, "last_id": "a"}
    answers = {
        "/v1/models?limit=1000": http_json(page),
        "/v1/models?limit=1000&after_id=a": http_json(page),
    }
    with CannedServer(answers) as server:
        assert engine.model_names(claude(server.url)) == ["a", "a"]


def test_a_refused_key_stops_everything(engine: Engine) -> None:
    """A 401 is found out before any prompt is sent, and never shows the key."""
    with FakeAnthropic(keys=["another"]) as server:
        with pytest.raises(Unauthorised, match="check ANTHROPIC_API_KEY") as caught:
            engine.facts(claude(server))
        error = error_of(ask_claude(engine, server))
    assert isinstance(error, Unauthorised)
    assert KEY not in f"{caught.value}{error}"


def test_a_token_goes_out_as_bearer(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token alone is sent as a token; beside a key, the key counts."""
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "tok")
    with FakeAnthropic(keys=[KEY, "tok"]) as server:
        reply_of(ask_claude(engine, server))
        monkeypatch.delenv("ANTHROPIC_API_KEY")
        reply_of(ask_claude(engine, f"{server.url}/"))  # another address, opened anew
        first, second = (asked.headers for asked in server.requests)
    assert (first.get("x-api-key"), first.get("authorization")) == (KEY, None)
    assert (second.get("x-api-key"), second["authorization"]) == (None, "Bearer tok")


def test_without_a_key_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing key names its variables before any call."""
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(Unauthorised, match="ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN"):
        open_provider(claude("http://127.0.0.1:1"), SystemClock(), None)


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/"])
def test_the_address_may_come_from_the_environment(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tail: str
) -> None:
    """ANTHROPIC_BASE_URL is read where the target has no address; /v1 is optional."""
    with FakeAnthropic() as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url + tail)
        target = Target(provider="anthropic", model=HAIKU)
        assert reply_of(engine.ask(target, question(model=HAIKU))).text
