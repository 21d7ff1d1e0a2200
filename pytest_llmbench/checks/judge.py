"""The judge: one reply held against one prompt."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_llmbench.checks.always import always_checks
from pytest_llmbench.checks.behaviour import behaviour_of
from pytest_llmbench.checks.called import wrong_tools
from pytest_llmbench.checks.calltext import with_text_calls
from pytest_llmbench.checks.custom import NamedCheck
from pytest_llmbench.checks.expectation import NOT_JUDGED, held
from pytest_llmbench.checks.registry import CHECK, EXPECTATIONS
from pytest_llmbench.checks.sameness import CACHE_SIZE, Same
from pytest_llmbench.checks.shown import FAULT_LIMIT, one_line, shown_value
from pytest_llmbench.checks.verdict import Verdict
from pytest_llmbench.prompts.suite import Prompt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmbench.checks.custom import CustomCheck
    from pytest_llmbench.checks.expectation import Expectation
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.checks.verdict import Behaviour, CheckResult, FailureMode
    from pytest_llmbench.prompts.suite import Json, Tool

_NO_CUSTOM: Final[Mapping[str, CustomCheck]] = MappingProxyType({})


def judge(
    prompt: Prompt, reply: Reply, custom: Mapping[str, CustomCheck] = _NO_CUSTOM
) -> Verdict:
    """Hold a reply against everything its prompt expects.

    Nothing that a model writes makes it raise.

    Args:
        custom: the registered Python checks by name.

    Raises:
        CheckBroken: a Python check raised or returned nonsense.

    >>> from pytest_llmbench.checks.reply import Reply
    >>> from pytest_llmbench.prompts.suite import Prompt
    >>> prompt = Prompt(id="P1", text="Capital of Norway?", expect={"exact": "Oslo"})
    >>> judge(prompt, Reply(text="Oslo ")).passed
    True
    >>> judge(prompt, Reply(text="It is Oslo.")).mode
    'format_drift'
    """
    reply = with_text_calls(reply, prompt.tools)
    expected = (
        _check(name, value, prompt, reply, custom)
        for name, value in prompt.expect.items()
    )
    checks = (*always_checks(prompt, reply), *expected)
    behaviour = behaviour_of(prompt, reply, checks)
    wrong = wrong_tools(prompt, reply)
    return Verdict(
        checks=checks,
        behaviour=behaviour,
        wrong_tools=wrong,
        mode=_mode(prompt, reply, checks, behaviour, wrong),
    )


def _mode(
    prompt: Prompt,
    reply: Reply,
    checks: Sequence[CheckResult],
    behaviour: Behaviour | None,
    wrong: Sequence[str],
) -> FailureMode | None:
    if all(check.passed for check in checks):
        return None
    from pytest_llmbench.checks.modes import failure_mode

    return failure_mode(prompt, reply, checks, behaviour, wrong)


def _check(
    name: str,
    expected: Json,
    prompt: Prompt,
    reply: Reply,
    custom: Mapping[str, CustomCheck],
) -> CheckResult:
    try:
        if name == CHECK:
            expectation: Expectation = NamedCheck(custom=custom)
            fault = next(iter(expectation.faults(expected, prompt)), "")
        else:
            fault = _faults(Same((prompt.expect, prompt.tools)))[name]
            expectation = EXPECTATIONS.get(name, NamedCheck())
        if fault:
            return _unjudged(name, expected, one_line(fault, FAULT_LIMIT))
        return expectation.check(expected, reply, prompt)
    except RecursionError:
        return _unjudged(name, expected, "the values are nested too deeply to compare")


@lru_cache(maxsize=CACHE_SIZE)
def _faults(
    stated: Same[tuple[Mapping[str, Json], tuple[Tool, ...]]],
) -> dict[str, str]:
    """Return the first fault of each expectation, or ''.

    They are the same for every trial of a prompt, and finding them takes ten times
    as long as judging.

    Args:
        stated: the expectations, and the tools they can speak of.
    """
    expect, tools = stated.objects
    prompt = Prompt(id="", text="", tools=tools, expect=expect)
    return {name: _first_fault(name, prompt) for name in expect}


def _first_fault(name: str, prompt: Prompt) -> str:
    expectation = EXPECTATIONS.get(name)
    if expectation is None:
        return "there is no such expectation"
    if name == CHECK:
        return ""
    return next(iter(expectation.faults(prompt.expect[name], prompt)), "")


def _unjudged(name: str, expected: Json, why: str) -> CheckResult:
    return held(name, why, expected=shown_value(expected), got=NOT_JUDGED)
