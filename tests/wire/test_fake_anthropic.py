"""The fake Anthropic keeps the rules of the API that it stands for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from fake_anthropic import FakeAnthropic
from fake_anthropic_models import (
    NEW_VERSION,
    OLD_VERSION,
    always_answers,
    haiku,
    opus,
)
from fake_limits import RateLimits
from fake_ollama_models import Answer, calls

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY: Final = "sk-ant-right"
HAIKU: Final = "claude-haiku-5-5"
OLD_HAIKU: Final = "claude-haiku-4-5"
OPUS: Final = "claude-opus-5-5"
HI: Final = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def server() -> Iterator[FakeAnthropic]:
    """Serve the three models that it has by itself."""
    with FakeAnthropic(keys=[KEY]) as started:
        yield started


def post(
    server: FakeAnthropic,
    path: str = "/v1/messages",
    headers: dict[str, str] | None = None,
    **fields: Any,  # noqa: ANN401 - JSON
) -> httpx.Response:
    """Send a request; fields given as None are left out."""
    given = {"model": HAIKU, "max_tokens": 99, "messages": HI, **fields}
    body = {key: value for key, value in given.items() if value is not None}
    usual = {"x-api-key": KEY, "anthropic-version": OLD_VERSION}
    sent = {**usual, **(headers or {})}
    return httpx.post(
        server.url + path, json=body, headers={k: v for k, v in sent.items() if v}
    )


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    """Return status, type and message of an error."""
    body = response.json()
    assert body["type"] == "error"
    return response.status_code, body["error"]["type"], body["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-api-key": KEY}, 200),
        ({"x-api-key": "", "authorization": f"Bearer {KEY}"}, 200),
        ({"x-api-key": KEY, "authorization": "Bearer wrong"}, 200),
        ({"x-api-key": "wrong", "authorization": f"Bearer {KEY}"}, 401),
        ({"x-api-key": ""}, 401),
        ({"anthropic-version": ""}, 400),
        ({"anthropic-version": "2020-01-01"}, 400),
        ({"anthropic-version": NEW_VERSION, "anthropic-beta": "a-b,c-d"}, 200),
    ],
)
def test_key_and_version_are_asked_for(
    server: FakeAnthropic, headers: dict[str, str], status: int
) -> None:
    """A key or a token, and one of two versions; the key wins over the token."""
    assert post(server, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("version", "fields", "words"),
    [
        (NEW_VERSION, {"temperature": 1}, "temperature: Extra inputs are"),
        (NEW_VERSION, {"model": OLD_HAIKU, "top_k": 5}, "top_k: Extra inputs"),
        (OLD_VERSION, {"temperature": 0.5}, "`temperature` is deprecated"),
        (OLD_VERSION, {"max_tokens": None}, "max_tokens: Field required"),
        (OLD_VERSION, {"max_tokens": 200_000}, "200000 > 128000"),
        (OLD_VERSION, {"messages": []}, "at least one message"),
        (OLD_VERSION, {"messages": [{"role": "user", "content": ""}]}, "non-empty"),
        (OLD_VERSION, {"thinking": {"type": "enabled"}}, '"thinking.type.enabled"'),
        (
            OLD_VERSION,
            {"model": OPUS, "thinking": {"type": "disabled"}},
            '"thinking.type.disabled" is not supported',
        ),
        (
            OLD_VERSION,
            {"model": OLD_HAIKU, "thinking": {"type": "enabled", "budget_tokens": 5}},
            "greater than or equal to 1024",
        ),
        (
            OLD_VERSION,
            {"model": OLD_HAIKU,
             "thinking": {"type": "enabled", "budget_tokens": 2000}},
            "`max_tokens` must be greater",
        ),
        (OLD_VERSION, {"output_config": {"effort": "huge"}}, "should be one of 'low'"),
        (
            OLD_VERSION,
            {"model": OLD_HAIKU, "output_config": {"effort": "low"}},
            "does not support the effort",
        ),
        (OLD_VERSION, {"tools": [{"name": "f"}]}, "input_schema.type"),
        (OLD_VERSION, {"model": OPUS, "tool_choice": {"type": "any"}}, "tool_choice"),
    ],
)  # fmt: skip
def test_what_the_api_refuses_is_refused(
    server: FakeAnthropic, version: str, fields: dict[str, Any], words: str
) -> None:
    """Each rule of versions and models is a 400 in the API's words."""
    answer = post(server, headers={"anthropic-version": version}, **fields)
    status, kind, message = refusal(answer)
    assert (status, kind) == (400, "invalid_request_error")
    assert words in message


@pytest.mark.parametrize(
    "fields",
    [
        {"model": OLD_HAIKU, "temperature": 0.5},
        {"temperature": 1},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
        {"context_management": {"edits": []}, "metadata": {"user_id": "u"}},
    ],
)
def test_what_the_api_takes_is_taken(
    server: FakeAnthropic, fields: dict[str, Any]
) -> None:
    """The same options are taken where version and model allow them."""
    assert post(server, **fields).status_code == 200


USE: Final = {"type": "tool_use", "id": "toolu_x", "name": "f", "input": {}}
RESULT: Final = {"type": "tool_result", "tool_use_id": "toolu_x", "content": "1"}
WORDS: Final = {"type": "text", "text": "And?"}


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ([RESULT, WORDS], 200),
        ([WORDS, RESULT], 400),
        ([WORDS], 400),
        ([{**RESULT, "tool_use_id": "toolu_y"}], 400),
    ],
)
def test_each_call_needs_its_result(
    server: FakeAnthropic, content: list[dict[str, Any]], status: int
) -> None:
    """Results stand first in the message behind their calls, one for each."""
    messages = [
        *HI,
        {"role": "assistant", "content": [USE]},
        {"role": "user", "content": content},
    ]
    assert post(server, messages=messages).status_code == status


def test_signed_thinking_must_come_back() -> None:
    """A call that came with a signature is refused without it."""
    with FakeAnthropic(opus(always_answers(calls("f", a=1)))) as server:
        content = post(server, model=OPUS).json()["content"]
        result = {**RESULT, "tool_use_id": content[-1]["id"]}
        turns = [
            [*HI, {"role": "assistant", "content": blocks},
             {"role": "user", "content": [result]}]
            for blocks in (content, content[1:])
        ]  # fmt: skip
        statuses = [
            post(server, model=OPUS, messages=turn).status_code for turn in turns
        ]
    assert statuses == [200, 400]


@pytest.mark.parametrize(
    ("thinking", "shown"),
    [(None, ""), ({"type": "adaptive", "display": "summarized"}, "Well.")],
)
def test_thinking_is_shown_where_asked(
    thinking: dict[str, str] | None, shown: str
) -> None:
    """A model that hides its thinking shows it when asked to."""
    said = Answer(thinking="Well.", text="Yes.")
    with FakeAnthropic(opus(always_answers(said))) as server:
        first, second = post(server, model=OPUS, thinking=thinking).json()["content"]
    assert (first["thinking"], second["text"]) == (shown, "Yes.")
    assert first["signature"]


def test_the_events_come_in_order(server: FakeAnthropic) -> None:
    """Start, block, ping, deltas, end: each event's name is its data's type."""
    lines = post(server, stream=True).text.splitlines()
    names = [line[7:] for line in lines if line.startswith("event: ")]
    assert names[:4] == [
        "message_start", "content_block_start", "ping", "content_block_delta",
    ]  # fmt: skip
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    data = [line for line in lines if line.startswith("data: ")]
    assert all(
        f'"type": "{name}"' in line for name, line in zip(names, data, strict=True)
    )


def test_unknown_models_and_routes_are_not_found(server: FakeAnthropic) -> None:
    """A 404 names the model; a retired model is not there either."""
    server.models.append(replace(haiku(name="claude-2"), lifecycle="retired"))
    for name in ("claude-9", "claude-2"):
        answer = post(server, model=name)
        assert refusal(answer) == (404, "not_found_error", f"model: {name}")
    assert post(server, path="/v1/complete").status_code == 404


def test_a_body_may_be_too_large(server: FakeAnthropic) -> None:
    """A request beyond the limit is a 413."""
    server.max_body_bytes = 50
    assert refusal(post(server))[:2] == (413, "request_too_large")


def test_limits_are_told_and_kept() -> None:
    """Each answer tells what is left; the one too many is a 429 with its wait."""
    with FakeAnthropic(limits=RateLimits(rpm=1, tpm=1000)) as server:
        first, second = post(server), post(server)
    assert first.headers["anthropic-ratelimit-requests-limit"] == "1"
    assert first.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert first.headers["anthropic-ratelimit-input-tokens-limit"] == "1000"
    assert first.headers["anthropic-ratelimit-tokens-reset"].endswith("Z")
    assert first.headers["request-id"] != second.headers["request-id"]
    assert refusal(second)[:2] == (429, "rate_limit_error")
    assert 50 < int(second.headers["retry-after"]) <= 60


def test_a_script_that_breaks_is_the_tests_fault() -> None:
    """A bug in a script is a 500, and is raised when the server is left."""
    broken = haiku(lambda _call: 1 / 0)  # type: ignore[arg-type,return-value]
    with pytest.raises(ZeroDivisionError), FakeAnthropic(broken) as server:
        assert post(server).status_code == 500
