"""Expectations about the words of a reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from typing_extensions import override

from pytest_llmbench.checks.expectation import (
    Expectation,
    held,
    text_faults,
    text_list_faults,
    texts_of,
)
from pytest_llmbench.checks.regexes import matches_fully, matches_within, regex_fault
from pytest_llmbench.checks.shown import SHORT_LIMIT, one_line, shown_value

if TYPE_CHECKING:
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.checks.verdict import CheckResult
    from pytest_llmbench.prompts.suite import Json, Prompt


@final
class Exact(Expectation):
    """The text is the expected one, white space at both ends aside."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        shown = shown_value(str(expected).strip())
        return _held_whole("exact", texts_of(expected), reply, expected=shown)

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        return text_faults(expected)


@final
class OneOf(Expectation):
    """The text is one of the expected ones, white space at both ends aside."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        shown = f"one of {shown_value(expected)}"
        return _held_whole("one_of", texts_of(expected), reply, expected=shown)

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        return text_list_faults(expected)


def _held_whole(
    name: str, allowed: tuple[str, ...], reply: Reply, *, expected: str
) -> CheckResult:
    text = reply.text.strip()
    why = _whole_why(text, [value.strip() for value in allowed])
    return held(name, why, expected=expected, got=shown_value(text))


def _whole_why(text: str, allowed: list[str]) -> str:
    if text in allowed:
        return ""
    if not text:
        return "there is no text"
    if text.casefold() in {value.casefold() for value in allowed}:
        return "only upper and lower case differ"
    if any(value and value in text for value in allowed):
        return "the expected text is inside, but other text stands around it"
    return "the text differs"


@final
class Regex(Expectation):
    """The whole text matches, white space at both ends aside (RE2 syntax)."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        pattern, text = str(expected), reply.text.strip()
        if matches_fully(pattern, text):
            why = ""
        elif matches_within(pattern, text):
            why = "a part of the text matches, but other text stands around it"
        else:
            why = "the text does not match"
        return held(
            "regex", why, expected=one_line(f"/{pattern}/"), got=shown_value(text)
        )

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        if not isinstance(expected, str):
            return text_faults(expected)
        fault = regex_fault(expected)
        return [fault] if fault else []


@final
class Contains(Expectation):
    """Every given text stands somewhere in the reply's text, case and all."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        wanted = texts_of(expected)
        missing = [value for value in wanted if value not in reply.text]
        why = f"{_listed(missing)} is not in the text" if missing else ""
        shown = f"a text with {_listed(wanted)}"
        return held("contains", why, expected=shown, got=shown_value(reply.text))

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        return _texts_faults(expected)


@final
class NotContains(Expectation):
    """None of the given texts stands in the reply's text, case and all."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        unwanted = texts_of(expected)
        found = [value for value in unwanted if value in reply.text]
        why = f"{_listed(found)} is in the text" if found else ""
        shown = f"a text without {_listed(unwanted)}"
        return held("not_contains", why, expected=shown, got=shown_value(reply.text))

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        return _texts_faults(expected)


def _listed(values: tuple[str, ...] | list[str]) -> str:
    return ", ".join(shown_value(value, SHORT_LIMIT) for value in values)


def _texts_faults(expected: Json) -> list[str]:
    if isinstance(expected, list):
        faults = text_list_faults(expected)
    else:
        faults = [] if isinstance(expected, str) else ["must be a text or a list"]
    if not faults and "" in texts_of(expected):
        return ["must not hold an empty text, which stands in every text"]
    return faults
