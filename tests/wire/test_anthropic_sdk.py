"""The vendor's own package and we, at the same fake: both must read the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anthropic
import pytest
from asking import WEATHER, error_of, reply_of
from asking_anthropic import HAIKU, KEY, OLD_HAIKU, OPUS, ask_claude, sent
from fake_anthropic import FakeAnthropic
from fake_anthropic_faults import (
    error_event,
    fails,
    overloaded,
    pings,
    rate_limited,
    unknown_event,
)
from fake_anthropic_models import always_answers, haiku, old_haiku, opus
from fake_ollama_models import Answer
from fake_sse import framed, one_byte_writes, paired_writes

from pytest_llmbench.errors import (
    Busy,
    CallError,
    Faltered,
    ModelMissing,
    RateLimited,
    Unauthorised,
    Unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fake_sse import StreamFault

    from pytest_llmbench.calls.engine import Engine

SAID: Final = Answer(
    thinking="It may be Oslo or Tromsø 🐟.",
    text="Let me look.",
    tool_calls=(("get_weather", {"city": "Tromsø", "days": 2}), ("now", {})),
)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant a key, and no other variable of the vendor's."""
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


@pytest.fixture
def server() -> Iterator[FakeAnthropic]:
    """Serve three models that say the same."""
    script = always_answers(SAID)
    models = (haiku(script), old_haiku(script), opus(script))
    with FakeAnthropic(*models, keys=[KEY]) as started:
        yield started


def streamed(server: FakeAnthropic, body: dict[str, Any]) -> Any:  # noqa: ANN401 - the package's own
    """Send a body through the package; return its final message."""
    asked = {key: value for key, value in body.items() if key != "stream"}
    with (
        anthropic.Anthropic(base_url=server.url, max_retries=0) as client,
        client.messages.stream(**asked) as stream,
    ):
        return stream.get_final_message()


def joined(message: Any, kind: str) -> str:  # noqa: ANN401 - the package's own
    """Return the text of all blocks of a kind."""
    texts = (getattr(b, kind) for b in message.content if b.type == kind)
    return "".join(texts)


def check_agreement(
    engine: Engine, server: FakeAnthropic, model: str, **options: object
) -> None:
    """Ask twice, once through each, and compare all that both know."""
    answer = ask_claude(engine, server, model=model, tools=(WEATHER,), options=options)
    ours = reply_of(answer)
    theirs = streamed(server, sent(server))
    assert ours.text == joined(theirs, "text")
    assert ours.thinking == joined(theirs, "thinking")
    assert [(call.name, call.arguments) for call in ours.tool_calls] == [
        (block.name, block.input)
        for block in theirs.content
        if block.type == "tool_use"
    ]
    assert ours.finish_reason == theirs.stop_reason
    usage = theirs.usage
    assert ours.usage.output_tokens == usage.output_tokens
    assert ours.usage.prompt_tokens == (
        usage.input_tokens
        + usage.cache_creation_input_tokens
        + usage.cache_read_input_tokens
    )
    details = usage.output_tokens_details
    assert ours.usage.reasoning_tokens == (details and details.thinking_tokens)
    assert [block["type"] for block in ours.carried] == [
        block.type for block in theirs.content
    ]


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (HAIKU, {}),
        (HAIKU, {"effort": "high"}),
        (OLD_HAIKU, {"effort": "low"}),
        (OPUS, {}),
        (HAIKU, {"num_predict": 2}),
    ],
)
def test_both_read_the_same_reply(
    engine: Engine, server: FakeAnthropic, model: str, options: dict[str, object]
) -> None:
    """Text, thinking, calls, stop reason and counts are those the package reads."""
    check_agreement(engine, server, model, **options)


@pytest.mark.parametrize(
    "fault",
    [
        one_byte_writes(),
        paired_writes(),
        framed(line_end="\r\n"),
        pings(),
        unknown_event(),
    ],
)
def test_both_bear_the_same_streams(
    engine: Engine, server: FakeAnthropic, fault: StreamFault
) -> None:
    """What the protocol allows changes nothing, for neither."""
    server.faults.append(fault.where(path="/v1/messages").always())
    check_agreement(engine, server, HAIKU, effort="low")


@pytest.mark.parametrize(
    ("fault", "kind", "name"),
    [
        (overloaded(), Busy, "OverloadedError"),
        (rate_limited(), RateLimited, "RateLimitError"),
        (fails(500, "api_error"), Faltered, "InternalServerError"),
        (fails(504, "timeout_error"), Faltered, "GatewayTimeoutError"),
        (fails(409, "conflict_error"), Faltered, "ConflictError"),
        (fails(401, "authentication_error"), Unauthorised, "AuthenticationError"),
        (fails(404, "not_found_error"), ModelMissing, "NotFoundError"),
        (fails(400, "invalid_request_error"), Unsupported, "BadRequestError"),
        (error_event("overloaded_error"), Busy, "APIStatusError"),
        (error_event("api_error"), Faltered, "APIStatusError"),
    ],
)
def test_both_see_the_same_error(
    engine: Engine,
    server: FakeAnthropic,
    fault: StreamFault,
    kind: type[CallError],
    name: str,
) -> None:
    """Where the package raises an error, so do we, of the kind that it means."""
    server.faults.append(fault.where(path="/v1/messages").always())
    error = error_of(ask_claude(engine, server))
    with pytest.raises(getattr(anthropic, name)) as caught:
        streamed(server, sent(server))
    assert type(error) is kind
    told = caught.value.api_message.rstrip(".")
    assert kind is ModelMissing or told in str(error)


def test_both_list_the_same_models(server: FakeAnthropic, engine: Engine) -> None:
    """The package's pages hold what ours do."""
    from asking_anthropic import claude

    with anthropic.Anthropic(base_url=server.url) as client:
        theirs = [model.id for model in client.models.list(limit=1)]
        entry = client.models.retrieve(OLD_HAIKU)
    assert engine.model_names(claude(server)) == theirs
    facts = engine.facts(claude(server, OLD_HAIKU))
    assert (facts.digest, facts.context_length) == (entry.id, entry.max_input_tokens)
    assert entry.capabilities
    assert entry.capabilities.thinking.types.enabled.supported
    assert not entry.capabilities.effort.supported


def test_the_package_can_do_without_streams(server: FakeAnthropic) -> None:
    """The fake answers whole as well, with the same content."""
    with anthropic.Anthropic(base_url=server.url) as client:
        asked: dict[str, Any] = {
            "model": OPUS,
            "max_tokens": 100,
            "messages": [{"role": "user", "content": "Hi"}],
        }
        whole = client.messages.create(**asked)
        counted = client.messages.count_tokens(model=OPUS, messages=asked["messages"])
    message = streamed(server, asked)
    assert [block.type for block in whole.content] == [
        block.type for block in message.content
    ]
    assert whole.usage.output_tokens == message.usage.output_tokens
    assert counted.input_tokens == whole.usage.input_tokens == 1
