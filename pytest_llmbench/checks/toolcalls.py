"""Expectations about which tools a reply calls."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, final

from typing_extensions import override

from pytest_llmbench.checks.called import (
    ANY,
    attempt_why,
    names_called,
    naming_faults,
    no_call_why,
    offered,
    text_attempt,
    unknown_tool_faults,
)
from pytest_llmbench.checks.expectation import (
    Expectation,
    held,
    text_list_faults,
    texts_of,
)
from pytest_llmbench.checks.shown import one_line, shown_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.checks.verdict import CheckResult
    from pytest_llmbench.prompts.suite import Json, Prompt


@final
class Tools(Expectation):
    """The set of tools called is the expected one; `any`: some offered tool."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        called = names_called(reply)
        if expected == ANY:
            wanted, why = "any call", _any_why(prompt, reply)
        else:
            wanted = shown_names(texts_of(expected))
            why = _set_why(texts_of(expected), prompt, reply)
        return held("tools", why, expected=wanted, got=shown_names(called))

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        if expected == ANY:
            return [] if prompt.tools else ["the prompt offers no tools"]
        if text_list_faults(expected, may_be_empty=True):
            return ["must be a list of tool names or the word 'any'"]
        return list(naming_faults(texts_of(expected), prompt))


def _any_why(prompt: Prompt, reply: Reply) -> str:
    if not reply.tool_calls:
        return no_call_why(prompt, reply)
    if offered(prompt).keys() & set(names_called(reply)):
        return ""
    return "no tool that is offered was called"


def _set_why(wanted: tuple[str, ...], prompt: Prompt, reply: Reply) -> str:
    called = names_called(reply)
    if called:
        return one_line("; ".join(_set_differences(wanted, called, prompt)))
    if wanted:
        return no_call_why(prompt, reply)
    attempt = text_attempt(prompt, reply)
    return attempt_why(attempt) if attempt else ""


def _set_differences(
    wanted: tuple[str, ...], called: tuple[str, ...], prompt: Prompt
) -> Iterator[str]:
    known = offered(prompt)
    for name in dict.fromkeys(wanted):
        if name not in called:
            yield f"{name} was not called"
    for name in called:
        if name not in known:
            yield f"{name} was called, but no such tool is offered"
        elif name not in wanted:
            yield f"{name} was called, though not expected"


@final
class ToolsInOrder(Expectation):
    """The names called, repeats included, are the expected sequence."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        called = tuple(call.name for call in reply.tool_calls)
        why = one_line(_order_why(texts_of(expected), called))
        return held(
            "tools_in_order",
            why if called else no_call_why(prompt, reply),
            expected=shown_names(texts_of(expected), " → "),
            got=shown_names(called, " → "),
        )

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        shape = text_list_faults(expected)
        return shape or list(naming_faults(texts_of(expected), prompt))


def _order_why(wanted: tuple[str, ...], called: tuple[str, ...]) -> str:
    for number, (want, got) in enumerate(zip_longest(wanted, called), 1):
        if got is None:
            return f"call {number} is missing; expected {want}"
        if want is None:
            return f"call {number} is {got}, though only {len(wanted)} were expected"
        if want != got:
            return f"call {number} is {got}, not {want}"
    return ""


@final
class ForbidTools(Expectation):
    """None of the given tools is called."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        forbidden, called = texts_of(expected), names_called(reply)
        found = [name for name in called if name in forbidden]
        why = f"{shown_names(found)} was called" if found else ""
        wanted = one_line(f"no call of {', '.join(forbidden)}")
        return held("forbid_tools", why, expected=wanted, got=shown_names(called))

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        shape = text_list_faults(expected)
        return shape or list(unknown_tool_faults(texts_of(expected), prompt))
