"""OpenAI's own SDK reads our fake as we do: text, calls, counts and errors.

It talks to the same fake with the same scripts; so neither the fake nor our dialect
can drift from what the SDK's authors take the protocol to be.
"""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import openai
import pytest
from asking import LIMITS, WEATHER, error_of, question, reply_of
from fake_limits import RateLimits
from fake_ollama_models import Answer, always, calls, says
from fake_openai import FakeOpenAI
from fake_openai_errors import (
    bad_gateway,
    context_exceeded,
    error_mid_stream,
    invalid_key,
    model_not_found,
    openai_error,
    overloaded,
    quota_spent,
    rate_limited,
    server_error,
    slow_down,
    wrong_country,
)
from fake_openai_models import FLAVOURS, OPENAI, ChatModel, Flavour
from fake_sse import (
    comments,
    framed,
    one_byte_writes,
    paired_writes,
    resets_before_headers,
    slow_first_byte,
)
from msgspec.structs import replace

from pytest_llmbench.calls.engine import Engine
from pytest_llmbench.calls.request import Target
from pytest_llmbench.errors import (
    Busy,
    CallError,
    CallTimeout,
    ContextOverflow,
    Faltered,
    ModelMissing,
    QuotaSpent,
    RateLimited,
    Unauthorised,
    Unreachable,
    Unsupported,
)
from pytest_llmbench.masking import masked_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from fake_sse import StreamFault


KEY: Final = "sk-fake-1234567890"
TOOLS: Final[Any] = [{"type": "function", "function": WEATHER.to_json()}]
HI: Final[Any] = [{"role": "user", "content": "Hi"}]
ANSWERS: Final = {
    "text": says("One two thréé four. 😀"),
    "call": calls("get_weather", city="Ås"),
    "calls": Answer(
        text="Let me look.",
        tool_calls=(("get_weather", {"city": "Ås"}), ("get_weather", {})),
    ),
    "thinking": Answer(thinking="Let me think", text="Yes."),
    "nothing": says(""),
    "hidden": Answer(text="Yes.", hidden_tokens=40),
}


class Heard(NamedTuple):
    """What a client made of a reply."""

    text: str
    calls: list[tuple[str, object, str]]
    finish_reason: str | None
    prompt_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None


def client(server: FakeOpenAI, timeout_s: float = 5.0) -> openai.OpenAI:
    """Return the SDK's client of a fake; it asks once."""
    return openai.OpenAI(
        base_url=server.base_url, api_key=KEY, max_retries=0, timeout=timeout_s
    )


def sdk_streams(server: FakeOpenAI) -> Heard:
    """Ask by the SDK, streamed, and let it put the chunks together."""
    with (
        client(server) as sdk,
        sdk.chat.completions.stream(
            model="gpt-x",
            messages=HI,
            tools=TOOLS,
            stream_options={"include_usage": True},
        ) as stream,
    ):
        return heard(stream.get_final_completion())


def sdk_plain(server: FakeOpenAI) -> Heard:
    """Ask by the SDK without streaming."""
    with client(server) as sdk:
        return heard(
            sdk.chat.completions.create(model="gpt-x", messages=HI, tools=TOOLS)
        )


def heard(completion: Any) -> Heard:  # noqa: ANN401 - of one of two classes
    """Read the SDK's completion."""
    [choice], usage = completion.choices, completion.usage
    message = choice.message
    return Heard(
        text=message.content or "",
        calls=[
            (call.function.name, json.loads(call.function.arguments), call.id[:5])
            for call in message.tool_calls or ()
        ],
        finish_reason=choice.finish_reason,
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.prompt_tokens_details.cached_tokens,
        output_tokens=usage.completion_tokens,
        reasoning_tokens=usage.completion_tokens_details.reasoning_tokens,
    )


def ours(engine: Engine, server: FakeOpenAI) -> Heard:
    """Ask by our dialect."""
    target = Target(provider="openai", model="gpt-x", base_url=server.base_url)
    request = question(model="gpt-x", tools=(WEATHER,))
    reply = reply_of(engine.ask(target, request))
    return Heard(
        text=reply.text,
        calls=[(call.name, call.arguments, call.id[:5]) for call in reply.tool_calls],
        finish_reason=reply.finish_reason,
        prompt_tokens=reply.usage.prompt_tokens,
        cached_tokens=reply.usage.cached_tokens,
        output_tokens=reply.usage.output_tokens,
        reasoning_tokens=reply.usage.reasoning_tokens,
    )


@pytest.mark.parametrize("sdk", [sdk_streams, sdk_plain])
@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
@pytest.mark.parametrize("name", ANSWERS)
def test_the_sdk_hears_what_we_hear(
    engine: Engine, name: str, flavour: Flavour, sdk: Callable[[FakeOpenAI], Heard]
) -> None:
    """Every answer of every kind of server: the same text, calls and counts."""
    model = ChatModel(answer=always(ANSWERS[name]), cached_tokens=1)
    with FakeOpenAI(model, flavour=flavour) as server:
        assert sdk(server) == ours(engine, server)


@pytest.mark.parametrize(
    "fault",
    [one_byte_writes(), paired_writes(), framed(line_end="\r\n", space=""), comments()],
)
def test_the_sdk_hears_it_however_it_is_written(
    engine: Engine, fault: StreamFault
) -> None:
    """Splits, line ends and comments do not matter to either."""
    with FakeOpenAI(ChatModel(answer=always(ANSWERS["calls"]))) as server:
        server.faults.append(fault.always())
        assert sdk_streams(server) == ours(engine, server)


ERRORS: Final[dict[str, tuple[StreamFault, type[Exception], type[CallError]]]] = {
    "key": (invalid_key(), openai.AuthenticationError, Unauthorised),
    "country": (wrong_country(), openai.PermissionDeniedError, Unauthorised),
    "model": (model_not_found(), openai.NotFoundError, ModelMissing),
    "context": (context_exceeded(), openai.BadRequestError, ContextOverflow),
    "rate": (rate_limited(), openai.RateLimitError, RateLimited),
    "ramp": (slow_down(), openai.RateLimitError, RateLimited),
    "quota": (quota_spent(), openai.RateLimitError, QuotaSpent),
    "server": (server_error(), openai.InternalServerError, Faltered),
    "overloaded": (overloaded(), openai.InternalServerError, Busy),
    "gateway": (bad_gateway(), openai.InternalServerError, Faltered),
    "reset": (resets_before_headers(), openai.APIConnectionError, Unreachable),
    "silence": (slow_first_byte(5.0), openai.APITimeoutError, CallTimeout),
    "mid_stream": (
        error_mid_stream(openai_error("The server had an error", "server_error")),
        openai.APIError,
        Faltered,
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_the_sdk_raises_where_we_do(engine: Engine, name: str) -> None:
    """Each error has one class there and one here; the SDK's words are in ours."""
    fault, theirs, kind = ERRORS[name]
    with FakeOpenAI() as server:
        server.faults.append(fault.always())
        with client(server, 0.3) as sdk, pytest.raises(theirs) as caught:
            list(sdk.chat.completions.create(model="gpt-x", messages=HI, stream=True))
        target = Target(provider="openai", model="gpt-x", base_url=server.base_url)
        limits = replace(LIMITS, call_s=0.3)
        answer = engine.ask(target, question(model="gpt-x", limits=limits))
    assert isinstance(error_of(answer), kind)
    body = getattr(caught.value, "body", None)
    if isinstance(body, dict):
        assert masked_text(str(body["message"])) in str(error_of(answer))


def test_a_refused_parameter_is_a_bad_request_to_both(engine: Engine) -> None:
    """A model of another family refuses the same fields from whoever sends them."""
    model = ChatModel(name="gpt-6-sol", is_reasoning=True)
    with FakeOpenAI(model) as server:
        with client(server) as sdk, pytest.raises(openai.BadRequestError) as caught:
            sdk.chat.completions.create(model="gpt-6-sol", messages=HI, temperature=0.2)
        target = Target(provider="openai", model="gpt-6-sol", base_url=server.base_url)
        request = question(model="gpt-6-sol", options={"temperature": 0.2})
        error = error_of(engine.ask(target, request))
    assert caught.value.code == "unsupported_value"
    assert isinstance(error, Unsupported)


def test_the_sdk_lists_the_models_we_list(engine: Engine) -> None:
    """Both read the same list."""
    with FakeOpenAI(ChatModel(name="a"), ChatModel(name="b")) as server:
        with client(server) as sdk:
            theirs = [model.id for model in sdk.models.list()]
        target = Target(provider="openai", model="a", base_url=server.base_url)
        assert engine.model_names(target) == theirs


def test_the_sdk_waits_as_long_as_we_are_told(engine: Engine) -> None:
    """Its retries get through the fake's limit by the same header that we read."""
    limits = RateLimits(rpm=1, minute_s=2.0)
    with FakeOpenAI(limits=limits, hints={"retry-after-ms"}) as server:
        target = Target(provider="openai", model="gpt-x", base_url=server.base_url)
        request = question(model="gpt-x")
        reply_of(engine.ask(target, request))
        with closing(Engine()) as another:  # which has not heard that nothing is left
            error = error_of(another.ask(target, request))
        with client(server) as once:
            sdk = once.with_options(max_retries=3)
            sdk.chat.completions.create(model="gpt-x", messages=HI)
    assert isinstance(error, RateLimited)
    assert 0 < (error.retry_after_s or 0) <= 2.0
    assert limits.refused >= 2


def test_the_key_and_the_account_are_sent_as_the_sdk_sends_them(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Address, key, organisation and project: the same variables, the same headers."""
    names = ("authorization", "openai-organization", "openai-project")
    with FakeOpenAI(key=KEY, flavour=OPENAI) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
        with openai.OpenAI() as sdk:
            sdk.chat.completions.create(model="gpt-x", messages=HI)
        target = Target(provider="openai", model="gpt-x")
        reply_of(engine.ask(target, question(model="gpt-x")))
        theirs, own = server.requests
    assert [own.headers[name] for name in names] == [
        theirs.headers[name] for name in names
    ]
    assert own.path == theirs.path
