"""The seam between the judge and the expectations it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from pytest_llmbench.checks.verdict import CheckResult

if TYPE_CHECKING:
    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.prompts.suite import Json, Prompt

NOT_JUDGED: Final = "not judged"
"""What is shown as got where a value cannot be judged by."""


class Expectation(Protocol):
    """One kind of expectation; it keeps no state."""

    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        """Hold a reply against the expected value.

        Called only with a value in which `faults` finds nothing. A model's
        reply, whatever it holds, raises nothing but RecursionError.
        """
        ...

    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        """Return what is wrong with the value as the author wrote it.

        Each fault is one sentence without the expectation's name. An empty
        list means that `check` can judge by this value.
        """
        ...


def held(name: str, why: str, *, expected: str, got: str) -> CheckResult:
    """Return the result of a check, which passed if there is nothing to explain.

    >>> held("exact", "", expected='"Oslo"', got='"Oslo"').passed
    True
    """
    return CheckResult(name=name, passed=not why, expected=expected, got=got, why=why)


def texts_of(expected: Json) -> tuple[str, ...]:
    """Return a text, or each text of a list, as a tuple.

    >>> texts_of("a"), texts_of(["a", "b"])
    (('a',), ('a', 'b'))
    """
    values = expected if isinstance(expected, list) else [expected]
    return tuple(value for value in values if isinstance(value, str))


def text_faults(expected: Json) -> list[str]:
    """Return the fault of a value that must be a text."""
    return [] if isinstance(expected, str) else ["must be a text"]


def text_list_faults(expected: Json, *, may_be_empty: bool = False) -> list[str]:
    """Return the fault of a value that must be a list of texts."""
    if not isinstance(expected, list):
        return ["must be a list of texts"]
    if not expected and not may_be_empty:
        return ["must not be an empty list"]
    is_clean = all(isinstance(value, str) for value in expected)
    return [] if is_clean else ["must hold texts only"]
