"""Limits of time and tokens: held less load, and never by what was not measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmbench.checks.limits import MAX_MS
from pytest_llmbench.checks.registry import EXPECTATIONS
from pytest_llmbench.checks.reply import Reply, Timings, Usage
from pytest_llmbench.prompts.suite import Prompt

if TYPE_CHECKING:
    from pytest_llmbench.checks.verdict import CheckResult
    from pytest_llmbench.prompts.suite import Json

PROMPT = Prompt(id="P1", text="Quick!")
TIMES = {"max_ttft_ms": "ttft_ms", "max_e2e_ms": "e2e_ms"}


def held(name: str, limit: Json, **timings: float | None) -> CheckResult:
    """Hold a reply with these timings against a limit."""
    reply = Reply(text="ok", timings=Timings(**timings))
    return EXPECTATIONS[name].check(limit, reply, PROMPT)


@pytest.mark.parametrize(("name", "interval"), TIMES.items())
def test_a_limit_holds_at_its_number(name: str, interval: str) -> None:
    """What takes exactly the limit is in time, a little more is not."""
    assert held(name, 500, **{interval: 500.0}).passed
    late = held(name, 500, **{interval: 500.5})
    assert (late.why, late.expected, late.got) == (
        "0.5 ms too late",
        "at most 500 ms",
        "500 ms",
    )


@pytest.mark.parametrize(("name", "interval"), TIMES.items())
def test_load_is_set_apart(name: str, interval: str) -> None:
    """Loading is no latency; a load longer than the whole counts as nothing left."""
    result = held(name, 500, **{interval: 2400.0, "load_ms": 2000.0})
    assert result.passed
    assert result.got == "400 ms, 2,000 ms of load set apart"
    assert held(name, 1, **{interval: 100.0, "load_ms": 101.0}).got.startswith("0 ms")
    assert not held(name, 500, **{interval: 2500.5, "load_ms": 2000.0}).passed


@pytest.mark.parametrize("name", TIMES)
def test_what_was_not_measured_fails(name: str) -> None:
    """A missing time is never a fast one, and each limit has its own interval."""
    result = held(name, MAX_MS)
    assert result.why.startswith("the time was not measured")
    assert (result.passed, result.got) == (False, "not measured")
    (other,) = set(TIMES.values()) - {TIMES[name]}
    assert not held(name, MAX_MS, **{other: 1.0}).passed


@pytest.mark.parametrize(
    ("count", "why", "got"),
    [
        (None, "the server gave no token count", "not measured"),
        (0, "", "0 tokens"),
        (20, "", "20 tokens"),
        (21, "1 token too many", "21 tokens"),
        (2020, "2,000 tokens too many", "2,020 tokens"),
    ],
)
def test_output_tokens(count: int | None, why: str, got: str) -> None:
    """The server's own count is held against the limit."""
    reply = Reply(text="ok", usage=Usage(output_tokens=count))
    result = EXPECTATIONS["max_output_tokens"].check(20, reply, PROMPT)
    assert (result.why, result.passed, result.got) == (why, not why, got)
    assert result.expected == "at most 20 tokens"


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", [1, 0.5 + 0.5, 1500, MAX_MS])
def test_usable_times(name: str, value: Json) -> None:
    """From a millisecond to a day, whole or not."""
    assert EXPECTATIONS[name].faults(value, PROMPT) == []


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize(
    "value", [0, 0.99, -1, MAX_MS + 1, 10**400, float("nan"), float("inf"), True, "5"]
)
def test_unusable_times(name: str, value: Json) -> None:
    """No limit that always or never holds may reach the check."""
    assert len(EXPECTATIONS[name].faults(value, PROMPT)) == 1
