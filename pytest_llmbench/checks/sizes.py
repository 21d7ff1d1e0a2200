"""Expectations about the size of a text: words, sentences, bullets, lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from typing_extensions import override

from pytest_llmbench.checks.expectation import Expectation, held
from pytest_llmbench.checks.ranges import (
    Range,
    count_faults,
    counted,
    range_faults,
    range_of,
)
from pytest_llmbench.checks.sentences import count_sentences, count_words, is_bullet
from pytest_llmbench.checks.shown import SHORT_LIMIT, shown_value

if TYPE_CHECKING:
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.checks.verdict import CheckResult
    from pytest_llmbench.prompts.suite import Json, Prompt

_INDENTS: Final = (" ", "\t")


@final
class MaxWords(Expectation):
    """The text has at most so many words."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        return _held_most("max_words", "word", expected, count_words(reply.text))

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        return count_faults(expected)


@final
class MaxSentences(Expectation):
    """The text has at most so many sentences."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        count = count_sentences(reply.text)
        return _held_most("max_sentences", "sentence", expected, count)

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        return count_faults(expected)


def _held_most(name: str, noun: str, expected: Json, count: int) -> CheckResult:
    most = expected if isinstance(expected, int) else 0
    return _held_count(name, noun, Range(least=0, most=most), count)


def _held_count(name: str, noun: str, wanted: Range, count: int) -> CheckResult:
    why = wanted.miss(count, noun)
    return held(name, why, expected=wanted.shown(noun), got=counted(count, noun))


@final
class Lines(Expectation):
    """The text has so many lines; blank ones do not count."""

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        count = len(_lines(reply.text))
        return _held_count("lines", "line", range_of(expected), count)

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        return range_faults(expected)


@final
class Bullets(Expectation):
    """The text is a list of so many bullets, and nothing else.

    An indented line belongs to the bullet above it. Any other line is a fault of
    form, as prose around JSON is.
    """

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        lines, wanted = _lines(reply.text), range_of(expected)
        count = sum(map(is_bullet, lines))
        result = _held_count("bullets", "bullet", wanted, count)
        stray = next((line for line in lines if not _is_listed(line)), None)
        if lines and not is_bullet(lines[0]):
            stray = lines[0]
        if stray is None or not result.passed:
            return result
        why = f"a line is no bullet: {shown_value(stray, SHORT_LIMIT)}"
        return held("bullets", why, expected=result.expected, got=result.got)

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        return range_faults(expected)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _is_listed(line: str) -> bool:
    return is_bullet(line) or line.startswith(_INDENTS)
