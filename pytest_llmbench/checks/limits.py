"""Expectations about time and tokens: what an answer may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from typing_extensions import override

from pytest_llmbench.checks.expectation import Expectation, held
from pytest_llmbench.checks.ranges import Range, count_faults, counted

if TYPE_CHECKING:
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.checks.verdict import CheckResult
    from pytest_llmbench.prompts.suite import Json, Prompt

MAX_MS: Final = 86_400_000
"""The longest time that a suite can allow: a day."""

_NOT_MEASURED: Final = "not measured"


@final
class MaxTtftMs(Expectation):
    """The first delta of any channel came in time, model load set apart."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        return _held_time(
            "max_ttft_ms", expected, reply.timings.ttft_ms, reply.timings.load_ms
        )

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        return _time_faults(expected)


@final
class MaxE2eMs(Expectation):
    """The last byte came in time, model load set apart."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        return _held_time(
            "max_e2e_ms", expected, reply.timings.e2e_ms, reply.timings.load_ms
        )

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        return _time_faults(expected)


@final
class MaxOutputTokens(Expectation):
    """The model generated at most so many tokens, thinking included."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        most = expected if isinstance(expected, int) else 0
        count = reply.usage.output_tokens
        return held(
            "max_output_tokens",
            _tokens_why(most, count),
            expected=f"at most {counted(most, 'token')}",
            got=_NOT_MEASURED if count is None else counted(count, "token"),
        )

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        return count_faults(expected)


def _tokens_why(most: int, count: int | None) -> str:
    if count is None:
        return "the server gave no token count"
    return Range(least=0, most=most).miss(count, "token")


def _held_time(
    name: str, expected: Json, whole_ms: float | None, load_ms: float | None
) -> CheckResult:
    """Hold an interval, less the load inside it, against its limit."""
    limit_ms = float(expected) if isinstance(expected, int | float) else 0.0
    wanted = f"at most {limit_ms:,g} ms"
    if whole_ms is None:
        why = "the time was not measured; the first token's needs a streamed reply"
        return held(name, why, expected=wanted, got=_NOT_MEASURED)
    # Load and the rest come from two clocks: the difference may fall below 0.
    spent_ms = max(0.0, whole_ms - (load_ms or 0.0))
    got = f"{spent_ms:,.0f} ms"
    if load_ms:
        got += f", {load_ms:,.0f} ms of load set apart"
    why = "" if spent_ms <= limit_ms else f"{spent_ms - limit_ms:,.1f} ms too late"
    return held(name, why, expected=wanted, got=got)


def _time_faults(expected: Json) -> list[str]:
    if isinstance(expected, bool) or not isinstance(expected, int | float):
        return ["must be a number of milliseconds"]
    if 1 <= expected <= MAX_MS:
        return []
    return [f"must be from 1 to {MAX_MS:,} milliseconds"]
