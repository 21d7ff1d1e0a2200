"""What goes wrong with the responses API, over real sockets."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from asking import error_of, reply_of
from asking_responses import MODEL, put, says
from fake_limits import RateLimits
from fake_responses import (
    KEY,
    FakeResponses,
    error_event,
    failed,
    refused,
)
from fake_responses_checks import FakeReasoner
from fake_responses_events import Said
from fake_sse import (
    empty_stream,
    ends_early,
    garbage,
    hangs_up,
    no_end_marker,
    non_utf8,
    resets,
    slow_first_byte,
    stalls,
)

from pytest_llmbench.calls.engine import Engine
from pytest_llmbench.calls.request import Limits
from pytest_llmbench.errors import (
    Busy,
    CallError,
    CallTimeout,
    ContextOverflow,
    Faltered,
    ModelMissing,
    ProtocolFault,
    QuotaSpent,
    RateLimited,
    ServerFault,
    StreamTruncated,
    Unauthorised,
    Unsupported,
)

if TYPE_CHECKING:
    from fake_sse import StreamFault


TEXT = "One two thréé 四 five."


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the fake's key, where the vendor documents it."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.mark.parametrize(
    "fault", [no_end_marker(), ends_early(), hangs_up(), resets(), empty_stream()]
)
def test_a_stream_without_its_end_is_no_reply(
    engine: Engine, fault: StreamFault
) -> None:
    """However it is cut, what came is kept and the sample has failed."""
    with says(Said(text=TEXT)) as server:
        server.faults.append(fault)
        error = error_of(put(engine, server))
    assert isinstance(error, StreamTruncated)
    assert error.partial is not None
    assert TEXT.startswith(error.partial.text)


@pytest.mark.parametrize("fault", [garbage(), non_utf8()])
def test_what_is_no_event_is_a_protocol_fault(
    engine: Engine, fault: StreamFault
) -> None:
    """Bytes that are no JSON are named, not guessed at."""
    with says(Said(text=TEXT)) as server:
        server.faults.append(fault)
        assert type(error_of(put(engine, server))) is ProtocolFault


@pytest.mark.parametrize(
    ("fault", "kind", "wait_s"),
    [
        (error_event("server_error"), Faltered, None),
        (error_event("rate_limit_exceeded", "Please try again in 1.5s."),
         RateLimited, 1.5),
        (error_event("server_is_overloaded"), Busy, None),
        (error_event("insufficient_quota"), QuotaSpent, None),
        (error_event("context_length_exceeded"), ContextOverflow, None),
        (failed("server_error"), Faltered, None),
        (failed("rate_limit_exceeded", "Try again in 20s"), RateLimited, 20.0),
        (failed("invalid_prompt"), ServerFault, None),
    ],
)  # fmt: skip
def test_a_failure_in_mid_stream(
    engine: Engine, fault: StreamFault, kind: type[CallError], wait_s: float | None
) -> None:
    """An error after HTTP 200 is what its code says; the text so far is kept."""
    with says(Said(text=TEXT)) as server:
        server.faults.append(fault)
        error = error_of(put(engine, server))
    assert type(error) is kind
    assert getattr(error, "retry_after_s", None) == wait_s
    assert "in mid-reply" in str(error)
    assert error.partial is not None


@pytest.mark.parametrize(
    ("fault", "kind", "wait_s"),
    [
        (refused(400, "no", code="unsupported_value"), Unsupported, None),
        (refused(403, "country"), Unauthorised, None),
        (refused(429, "Please try again in 1.2s.", kind="tokens",
                 code="rate_limit_exceeded"), RateLimited, 1.2),
        (refused(429, "slow", kind="rate_limit_error", code="slow_down",
                 headers={"retry-after-ms": "250"}), RateLimited, 0.25),
        (refused(429, "spent", kind="insufficient_quota",
                 code="credit_balance_exhausted"), QuotaSpent, None),
        (refused(429, "spent", kind="insufficient_quota"), QuotaSpent, None),
        (refused(500, "oops", kind="server_error"), Faltered, None),
        (refused(503, "later", kind="service_unavailable_error",
                 code="server_is_overloaded", headers={"retry-after": "3"}), Busy, 3),
        (refused(502, "bad gateway"), Faltered, None),
        (refused(418, "teapot", kind="odd"), ServerFault, None),
    ],
)  # fmt: skip
def test_a_refusal(
    engine: Engine, fault: StreamFault, kind: type[CallError], wait_s: float | None
) -> None:
    """Each status with its code becomes its error, with the wait it asks for."""
    with says(Said(text=TEXT)) as server:
        server.faults.append(fault)
        error = error_of(put(engine, server))
    assert type(error) is kind
    assert getattr(error, "retry_after_s", None) == wait_s


def test_what_a_model_refuses(engine: Engine) -> None:
    """Unknown models, options that thinkers refuse, long prompts, used-up limits."""
    models = {MODEL: FakeReasoner(context_tokens=50)}
    with FakeResponses(models=models, limits=RateLimits(rpm=3)) as server:
        missing = error_of(put(engine, server, model="gpt-none"))
        hot = error_of(put(engine, server, options={"temperature": 0.2}))
        long = error_of(put(engine, server, "word " * 100))
        reply_of(put(engine, server))
        with closing(Engine()) as another:  # which has not heard that nothing is left
            limited = error_of(put(another, server))
    assert isinstance(missing, ModelMissing)
    assert "`gpt-none` does not exist" in str(missing)
    assert isinstance(hot, Unsupported)
    assert "'temperature' does not support 0.2" in str(hot)
    assert isinstance(long, ContextOverflow)
    assert isinstance(limited, RateLimited)
    assert 10 < (limited.retry_after_s or 0) <= 20


def test_a_wrong_key_is_not_shown(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's refusal is told, the key is in no message."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-secret-key")
    with says(Said(text=TEXT)) as server:
        error = error_of(put(engine, server))
    assert isinstance(error, Unauthorised)
    assert "Incorrect API key" in str(error)
    assert "secret" not in str(error)


def test_without_a_key_nothing_is_asked(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named, and no request is made."""
    monkeypatch.delenv("OPENAI_API_KEY")
    with says(Said(text=TEXT)) as server:
        error = error_of(put(engine, server))
    assert isinstance(error, Unauthorised)
    assert "OPENAI_API_KEY" in str(error)
    assert server.requests == []


@pytest.mark.parametrize("fault", [stalls(), slow_first_byte(3.0)])
def test_a_slow_service_is_left(engine: Engine, fault: StreamFault) -> None:
    """The call's limit holds before and behind the first byte."""
    with says(Said(text=TEXT)) as server:
        server.faults.append(fault)
        error = error_of(put(engine, server, limits=Limits(call_s=0.2)))
        assert isinstance(error, CallTimeout)
        assert server.requests[0].finished.wait(3.0)
        assert server.requests[0].client_closed
