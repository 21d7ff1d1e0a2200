"""Chat completions of OpenAI and compatible servers, over real sockets."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from asking import WEATHER, error_of, question, reply_of
from fake_limits import RateLimits
from fake_ollama_models import Answer, always, says
from fake_openai import ALL_HINTS, FakeOpenAI
from fake_openai_models import (
    FLAVOURS,
    LLAMA_CPP,
    OLLAMA,
    OPENAI,
    OPENROUTER,
    VLLM,
    ChatModel,
    Flavour,
)
from msgspec.structs import replace as with_fields

from pytest_llmbench.calls.engine import Engine
from pytest_llmbench.calls.request import Target
from pytest_llmbench.checks.reply import Usage
from pytest_llmbench.errors import (
    CallError,
    ModelMissing,
    RateLimited,
    Unauthorised,
    Unsupported,
)
from pytest_llmbench.prompts.messages import Message, SentCall

if TYPE_CHECKING:
    from pytest_llmbench.calls.request import Answer as Answered

KEY: Final = "sk-fake-1234567890"
TEXT: Final = "One two thréé four."
BOTH: Final = Answer(
    tool_calls=(("get_weather", {"city": "Ås"}), ("get_weather", {"city": "Bø"}))
)


def at(server: FakeOpenAI, model: str = "gpt-x", **fields: Any) -> Target:  # noqa: ANN401 - any field
    """Return the target of a model at a fake."""
    base_url = fields.pop("base_url", server.base_url)
    return Target(provider="openai", model=model, base_url=base_url, **fields)


def ask(
    engine: Engine,
    server: FakeOpenAI,
    model: str = "gpt-x",
    **fields: Any,  # noqa: ANN401 - any field of a request
) -> Answered:
    """Ask a fake one question."""
    return engine.ask(at(server, model), question(model=model, **fields))


def facts_error(engine: Engine, target: Target) -> CallError:
    """Return why a model cannot be identified."""
    with pytest.raises(CallError) as caught:
        engine.facts(target)
    return caught.value


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
def test_every_kind_of_server_gives_the_same_reply(
    engine: Engine, flavour: Flavour
) -> None:
    """Text, calls, counts and finish reason do not depend on who serves."""
    model = ChatModel(answer=always(says(TEXT)), cached_tokens=2)
    with FakeOpenAI(model, flavour=flavour) as server:
        text = reply_of(ask(engine, server, text="Hi there"))
        server.models["gpt-x"] = ChatModel(answer=always(BOTH))
        called = reply_of(ask(engine, server, tools=(WEATHER,)))
    assert (text.text, text.tool_calls, text.finish_reason) == (TEXT, (), "stop")
    assert text.usage == Usage(
        prompt_tokens=2, cached_tokens=2, output_tokens=5, reasoning_tokens=0
    )
    times = text.timings
    assert 0 < (times.ttft_ms or 0) <= (times.e2e_ms or 0)
    assert [(c.name, c.arguments) for c in called.tool_calls] == [
        ("get_weather", {"city": "Ås"}),
        ("get_weather", {"city": "Bø"}),
    ]
    assert len({call.id for call in called.tool_calls}) == 2
    assert called.finish_reason == "tool_calls"


@pytest.mark.parametrize("style", ["whole", "object", "no_index", "interleaved"])
def test_calls_come_in_every_way(engine: Engine, style: Any) -> None:  # noqa: ANN401 - a literal
    """However fragments are sent, two calls come out."""
    flavour = replace(OPENAI, tool_calls=style)
    with FakeOpenAI(ChatModel(answer=always(BOTH)), flavour=flavour) as server:
        reply = reply_of(ask(engine, server, tools=(WEATHER,)))
    cities = [dict(call.arguments or {}) for call in reply.tool_calls]
    assert cities == [{"city": "Ås"}, {"city": "Bø"}]


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
def test_thinking_is_streamed_or_hidden(engine: Engine, flavour: Flavour) -> None:
    """What a server shows of it is kept apart; what it hides is counted."""
    answer = Answer(thinking="Let me think", text="Yes.")
    with FakeOpenAI(ChatModel(answer=always(answer)), flavour=flavour) as server:
        reply = reply_of(ask(engine, server))
    assert reply.thinking == ("Let me think" if flavour.thinking_field else "")
    assert (reply.text, reply.usage.reasoning_tokens) == ("Yes.", 3)


def test_llama_cpp_tells_its_own_times(engine: Engine) -> None:
    """Its `timings` are the server's part of the times, and counts without usage."""
    flavour = replace(LLAMA_CPP, tells_usage="never")
    model = ChatModel(answer=always(says(TEXT)), cached_tokens=1)
    with FakeOpenAI(model, flavour=flavour) as server:
        reply = reply_of(ask(engine, server, text="Hi there"))
    assert (reply.timings.prefill_ms, reply.timings.decode_ms) == (1.5, 20.5)
    assert reply.usage == Usage(prompt_tokens=2, cached_tokens=1, output_tokens=5)


@pytest.mark.parametrize("tells", ["never", "always"])
def test_usage_may_be_missing_or_in_the_last_chunk(engine: Engine, tells: Any) -> None:  # noqa: ANN401 - a literal
    """No usage is no count, and none in a chunk of its own is none the worse."""
    flavour = replace(VLLM, tells_usage=tells)
    with FakeOpenAI(ChatModel(answer=always(says(TEXT))), flavour=flavour) as server:
        reply = reply_of(ask(engine, server))
    assert reply.usage.output_tokens == (5 if tells == "always" else None)


def test_several_turns_with_results(engine: Engine) -> None:
    """Calls go back with their results, as OpenAI checks them."""
    with FakeOpenAI(ChatModel(answer=always(says("ok")))) as server:
        call = SentCall(name="get_weather", arguments={"city": "Oslo"}, id="call_9")
        request = with_fields(
            question(model="gpt-x", tools=(WEATHER,)),
            messages=(
                Message(role="system", content="Be brief."),
                Message(role="user", content="Weather?"),
                Message(role="assistant", content="", tool_calls=(call,)),
                Message(role="tool", content="rain", tool="get_weather"),
            ),
        )
        refused = error_of(engine.ask(at(server), request))
        answering = with_fields(request.messages[-1], call_id="call_9")
        messages = (*request.messages[:-1], answering)
        reply = reply_of(
            engine.ask(at(server), with_fields(request, messages=messages))
        )
    assert isinstance(refused, Unsupported)
    assert reply.text == "ok"


def test_a_reply_can_run_into_its_limit(engine: Engine) -> None:
    """The limit goes out under the name that each kind of server reads."""
    for flavour in (OPENAI, OLLAMA):
        model = ChatModel(answer=always(says(TEXT)))
        with FakeOpenAI(model, flavour=flavour) as server:
            reply = reply_of(ask(engine, server, options={"num_predict": 2}))
        assert (reply.finish_reason, reply.text) == ("length", TEXT[:8])
        assert reply.is_truncated


def test_a_reasoning_model_takes_what_we_send_by_default(engine: Engine) -> None:
    """No seed, the right limit, the effort: nothing that it refuses."""
    model = ChatModel(name="gpt-6-sol", is_reasoning=True, answer=always(says("ok")))
    with FakeOpenAI(model) as server:
        options = {"num_predict": 99, "num_ctx": 4096, "effort": "high"}
        reply = reply_of(ask(engine, server, "gpt-6-sol", options=options, seed=7))
        [body] = server.bodies
    assert reply.text == "ok"
    assert set(body) == {
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_completion_tokens",
        "reasoning_effort",
    }


@pytest.mark.parametrize(
    ("name", "options", "advice"),
    [
        ("my-deployment", {"num_predict": 9}, "max_tokens_field"),
        ("gpt-6-sol", {"temperature": 0.2}, "leave the option out, or set it to 1"),
        ("gpt-6-sol", {"effort": "low"}, "openai-responses/"),
    ],
)
def test_a_refused_parameter_says_what_to_set(
    engine: Engine, name: str, options: dict[str, Any], advice: str
) -> None:
    """The traps of model families end in advice, not in a bare 400."""
    model = ChatModel(name=name, is_reasoning=True, refuses_tools_with_effort=True)
    with FakeOpenAI(model) as server:
        answer = ask(engine, server, name, options=options, tools=(WEATHER,))
    error = error_of(answer)
    assert isinstance(error, Unsupported)
    assert advice in str(error)


def test_a_limit_can_be_renamed_for_a_server(engine: Engine) -> None:
    """What the advice says helps."""
    model = ChatModel(name="my-deployment", is_reasoning=True)
    options = {"num_predict": 99, "max_tokens_field": "max_completion_tokens"}
    with FakeOpenAI(model) as server:
        reply = reply_of(ask(engine, server, "my-deployment", options=options))
    assert reply.text == "Hello, I am fake."


def test_a_model_of_another_route_says_so(engine: Engine) -> None:
    """A model that is listed but not served here is no wrong name."""
    with FakeOpenAI(ChatModel(only_in_responses=True)) as server:
        error = error_of(ask(engine, server))
    assert isinstance(error, ModelMissing)
    assert "openai-responses/" in str(error)


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_the_address_needs_no_path(engine: Engine, suffix: str) -> None:
    """`/v1` is added where a bare address is given."""
    with FakeOpenAI() as server:
        target = at(server, base_url=server.url + suffix)
        reply = reply_of(engine.ask(target, question(model="gpt-x")))
    assert reply.text == "Hello, I am fake."


def test_the_environment_leads_to_a_server(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OPENAI_BASE_URL, key, organisation and project are read as OpenAI's SDK does."""
    with FakeOpenAI(key=KEY) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
        target = Target(provider="openai", model="gpt-x")
        answer = engine.ask(target, question(model="gpt-x"))
        [record] = server.requests
    assert reply_of(answer).text
    headers = record.headers
    assert headers["openai-organization"] == "org-1"
    assert headers["openai-project"] == "proj-1"
    assert KEY not in repr(answer)


def test_openai_itself_needs_a_key(engine: Engine) -> None:
    """Without one nothing is sent, and the message names the variable."""
    target = Target(provider="openai", model="gpt-x")
    error = error_of(engine.ask(target, question(model="gpt-x")))
    assert isinstance(error, Unauthorised)
    assert "OPENAI_API_KEY" in str(error)


def test_a_server_of_ones_own_gets_no_key(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenAI's key is not shown to an address that an alias names."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FakeOpenAI() as server:
        reply_of(ask(engine, server))
        [record] = server.requests
    assert "authorization" not in record.headers


def test_an_alias_names_its_key(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another service's key comes from its own variable; a wrong one is refused."""
    monkeypatch.setenv("OTHER_KEY", KEY)
    monkeypatch.setenv("WRONG_KEY", "sk-wrong-123456")
    with FakeOpenAI(key=KEY) as server:
        request = question(model="gpt-x")
        good = engine.ask(at(server, key_env="OTHER_KEY"), request)
        with FakeOpenAI(key=KEY) as other:
            bad = error_of(engine.ask(at(other, key_env="WRONG_KEY"), request))
        with FakeOpenAI(key=KEY) as third:
            none = error_of(engine.ask(at(third, key_env="NO_KEY"), request))
    assert reply_of(good).text
    assert isinstance(bad, Unauthorised)
    assert "Incorrect API key" in str(bad)
    assert "sk-wrong-123456" not in str(bad)
    assert "NO_KEY" in str(none)


def test_headers_of_an_alias_win(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key in a header of the user's own makes ours needless."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-this-one")
    headers = (("Authorization", f"Bearer {KEY}"), ("HTTP-Referer", "http://me"))
    with FakeOpenAI(key=KEY) as server:
        target = at(server, headers=headers, key_env="NO_KEY")
        reply_of(engine.ask(target, question(model="gpt-x")))
        [record] = server.requests
    assert record.headers["http-referer"] == "http://me"


def test_a_listed_model_is_found(engine: Engine) -> None:
    """The list tells what it knows of the model."""
    listed = {"meta": {"n_ctx_train": 4096, "n_params": 1_240_000_000}}
    with FakeOpenAI(ChatModel(listed=listed), ChatModel(name="b")) as server:
        facts = engine.facts(at(server))
        names = engine.model_names(at(server))
    assert (facts.context_length, facts.parameter_size) == (4096, "1.24B")
    assert facts.server == f"openai at {server.base_url}"
    assert names == ["gpt-x", "b"]


def test_a_misspelt_model_is_named(engine: Engine) -> None:
    """Who lists its models says at once which one was meant."""
    with FakeOpenAI(ChatModel(name="gpt-4.1-mini"), ChatModel(name="other")) as server:
        error = facts_error(engine, at(server, "gpt-4.1-mimi"))
    assert isinstance(error, ModelMissing)
    assert str(error) == (
        f"openai at {server.base_url} has no model 'gpt-4.1-mimi'; did you mean"
        " 'gpt-4.1-mini'?\n  listed: gpt-4.1-mini, other"
    )


@pytest.mark.parametrize(
    ("flavour", "listed", "asked"),
    [
        (OLLAMA, "qwen3:latest", "qwen3"),
        (OPENROUTER, "openai/gpt-x", "openai/gpt-x:nitro"),
        (LLAMA_CPP, "/models/some.gguf", "whatever"),
    ],
)
def test_servers_know_models_by_other_names(
    engine: Engine, flavour: Flavour, listed: str, asked: str
) -> None:
    """A name that the server takes is not refused for its spelling in the list."""
    with FakeOpenAI(ChatModel(name=listed), flavour=flavour) as server:
        engine.facts(at(server, asked))


def test_a_server_without_a_list_is_fine(engine: Engine) -> None:
    """No route to list models by: they are taken on trust."""
    flavour = replace(OPENAI, lists_models=False)
    with FakeOpenAI(flavour=flavour) as server:
        facts = engine.facts(at(server, "anything"))
        names = engine.model_names(at(server))
    assert (facts.context_length, names) == (None, [])


def test_a_wrong_key_shows_before_the_first_trial(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is asked with the key, and a refusal is permanent."""
    monkeypatch.setenv("WRONG_KEY", "sk-wrong-123456")
    with FakeOpenAI(key=KEY) as server:
        error = facts_error(engine, at(server, key_env="WRONG_KEY"))
    assert isinstance(error, Unauthorised)
    assert error.is_permanent


@pytest.mark.parametrize("hint", sorted(ALL_HINTS))
def test_a_real_limit_tells_how_long_to_wait(engine: Engine, hint: str) -> None:
    """Whichever way the service tells it, the wait is in the error."""
    limits = RateLimits(rpm=1, minute_s=40.0)
    with FakeOpenAI(limits=limits, hints={hint}) as server:
        reply_of(ask(engine, server))
        with closing(Engine()) as another:  # which has not heard that nothing is left
            error = error_of(ask(another, server))
    assert isinstance(error, RateLimited)
    assert 20 < (error.retry_after_s or 0) <= 40


def test_a_limit_that_fills_up_lets_calls_pass_again(engine: Engine) -> None:
    """The fake's quota comes back with time: waiting as told is enough."""
    with FakeOpenAI(limits=RateLimits(tpm=100, minute_s=0.5, full=0.0)) as server:
        options = {"num_predict": 40}
        error = error_of(ask(engine, server, options=options))
        assert isinstance(error, RateLimited)
        time.sleep((error.retry_after_s or 0) + 0.02)
        assert reply_of(ask(engine, server, options=options)).text
    assert server.limits.refused == 1


def test_calls_run_at_once(engine: Engine) -> None:
    """A service takes eight calls at a time by default."""
    with FakeOpenAI() as server:
        assert engine.server(at(server)).slots == 8
