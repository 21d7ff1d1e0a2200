"""The judge: one reply held against one prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmbench.checks.always import always_checks
from pytest_llmbench.checks.behaviour import behaviour_of
from pytest_llmbench.checks.called import wrong_tools
from pytest_llmbench.checks.expectation import held
from pytest_llmbench.checks.registry import EXPECTATIONS
from pytest_llmbench.checks.shown import FAULT_LIMIT, one_line, shown_value
from pytest_llmbench.checks.verdict import CheckResult, Verdict

if TYPE_CHECKING:
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.prompts.suite import Json, Prompt


def judge(prompt: Prompt, reply: Reply) -> Verdict:
    """Hold a reply against everything its prompt expects.

    Nothing that a model writes makes it raise.

    >>> from pytest_llmbench.checks.reply import Reply
    >>> from pytest_llmbench.prompts.suite import Prompt
    >>> prompt = Prompt(id="P1", text="Capital of Norway?", expect={"exact": "Oslo"})
    >>> judge(prompt, Reply(text="Oslo ")).passed
    True
    """
    expected = (
        _check(name, value, prompt, reply) for name, value in prompt.expect.items()
    )
    checks = (*always_checks(reply), *expected)
    return Verdict(
        checks=checks,
        behaviour=behaviour_of(prompt, reply, checks),
        wrong_tools=wrong_tools(prompt, reply),
    )


def _check(name: str, expected: Json, prompt: Prompt, reply: Reply) -> CheckResult:
    expectation = EXPECTATIONS.get(name)
    if expectation is None:
        return _unjudged(name, expected, "there is no such expectation")
    try:
        faults = expectation.faults(expected, prompt)
        if faults:
            return _unjudged(name, expected, one_line(faults[0], FAULT_LIMIT))
        return expectation.check(expected, reply, prompt)
    except RecursionError:
        return _unjudged(name, expected, "the values are nested too deeply to compare")


def _unjudged(name: str, expected: Json, why: str) -> CheckResult:
    return held(name, why, expected=shown_value(expected), got="not judged")
