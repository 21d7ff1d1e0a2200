"""Prompts that a server has cut, or may have: each way in which it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from asking import ask, error_of, reply_of
from fake_ollama import Answer, FakeModel, FakeOllama

from pytest_llmbench.errors import ContextOverflow, PromptTruncated

if TYPE_CHECKING:
    from pytest_llmbench.calls.engine import Engine

LONG: Final = "word " * 1600
"""2,000 tokens of the fake's, and two of its own."""


def told(counted: int | None, **fields: Any) -> FakeModel:  # noqa: ANN401 - any field
    """Make a model that tells so many prompt tokens, whatever it was sent."""
    answer = Answer(text="Some words.", prompt_tokens=counted, **fields)
    return FakeModel(answer=lambda _call: answer)


def test_a_server_that_refuses(engine: Engine) -> None:
    """`truncate: false` makes a prompt beyond its context a 400, and that an error."""
    with FakeOllama(FakeModel()) as server:
        answer = ask(
            engine, server, LONG, options={"num_ctx": 1024}, expected_tokens=2002
        )
        (request,) = server.requests_to("/api/chat")
    assert isinstance(error_of(answer), ContextOverflow)
    assert (request.body or {})["truncate"] is False


def test_a_context_smaller_than_the_prompt(engine: Engine) -> None:
    """`/api/ps` is read behind the first reply: 1,024 of 4,096 are too few."""
    with FakeOllama(FakeModel(context_length=1024)) as server:
        answer = ask(
            engine, server, "Hi", options={"num_ctx": 4096}, expected_tokens=2002
        )
    error = error_of(answer)
    assert isinstance(error, PromptTruncated)
    assert "gives a context of 1024 tokens where 4096 were asked" in str(error)
    assert error.partial.text


@pytest.mark.parametrize(
    ("counted", "expected", "said"),
    [
        (1400, 2002, "counted 1400 prompt tokens where 2002 were expected"),
        (4096, 3900, "in a context of 4096"),
        (4095, 3900, "in a context of 4096"),
        (2048, 2150, "in a context of 4096"),
        (2050, 2150, "in a context of 4096"),
        (2052, 2150, "in a context of 4096"),
    ],
)
def test_a_count_that_gives_it_away(
    engine: Engine, counted: int, expected: int, said: str
) -> None:
    """Far too few, the whole context, one less, or half of it and a little."""
    with FakeOllama(told(counted)) as server:
        answer = ask(
            engine, server, options={"num_ctx": 4096}, expected_tokens=expected
        )
    error = error_of(answer)
    assert isinstance(error, PromptTruncated)
    assert said in str(error)


@pytest.mark.parametrize(
    ("counted", "expected"), [(2050, 2048), (4095, 4090), (1950, 2002), (2100, 2002)]
)
def test_a_count_as_expected_is_no_cut(
    engine: Engine, counted: int, expected: int
) -> None:
    """A prompt that happens to fill half of its context, or all of it, is whole."""
    with FakeOllama(told(counted)) as server:
        answer = ask(
            engine, server, options={"num_ctx": 4096}, expected_tokens=expected
        )
    assert reply_of(answer).text == "Some words."


@pytest.mark.parametrize(
    ("output", "limit", "is_cut"), [(94, 500, True), (94, 94, False), (50, 500, False)]
)
def test_a_reply_that_ends_with_the_context(
    engine: Engine, output: int, limit: int, *, is_cut: bool
) -> None:
    """Ended for length before its own limit, where prompt and reply fill all."""
    model = told(4000, done_reason="length", hidden_tokens=output - 3)
    with FakeOllama(model) as server:
        options = {"num_ctx": 4096, "num_predict": limit}
        answer = ask(engine, server, options=options, expected_tokens=4000)
    assert (answer.error is not None) == is_cut
    if is_cut:
        error = error_of(answer)
        assert isinstance(error, PromptTruncated)
        assert "the context of 4096 tokens ended behind 4000 of the prompt" in str(
            error
        )


def test_a_server_that_tells_no_count(engine: Engine) -> None:
    """Nothing is held against a reply without a count."""
    with FakeOllama(told(0)) as server:
        options = {"num_ctx": 4096}
        answer = ask(engine, server, options=options, expected_tokens=4000)
    assert reply_of(answer).usage.prompt_tokens is None


def test_what_is_loaded_is_not_asked_twice(engine: Engine) -> None:
    """A model that is there with its context is not looked at again behind a reply."""
    with FakeOllama(told(4000)) as server:
        for _ in range(3):
            options = {"num_ctx": 4096}
            reply_of(ask(engine, server, options=options, expected_tokens=4000))
        looks = len(server.requests_to("/api/ps"))
    # Before and behind the first, and before the second, which finds it loaded.
    assert looks == 3
