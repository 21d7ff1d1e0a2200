"""Python checks: what they may say, and what happens when they are broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_llmbench.checks.judge import judge
from pytest_llmbench.checks.registry import expectation_faults
from pytest_llmbench.checks.reply import Reply
from pytest_llmbench.checks.verdict import CheckResult
from pytest_llmbench.errors import CheckBroken
from pytest_llmbench.prompts.suite import Prompt

if TYPE_CHECKING:
    from pytest_llmbench.checks.custom import CustomCheck

PROMPT = Prompt(id="P1", text="A rhyme.", expect={"check": "rhymes"})
REPLY = Reply(text="a cat, a hat")


def said(result: Any) -> CheckResult:  # noqa: ANN401 - whatever a user's check returns
    """Judge by a check that returns this."""
    verdict = judge(PROMPT, REPLY, {"rhymes": lambda _reply, _prompt: result})
    (check,) = verdict.checks
    assert verdict.passed == check.passed
    return check


@pytest.mark.parametrize("result", [None, True, ""])
def test_what_passes(result: object) -> None:
    """Nothing to say, yes, and no reason all mean that the reply will do."""
    expected = CheckResult(
        name="check", passed=True, expected="rhymes", got='"a cat, a hat"'
    )
    assert said(result) == expected


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (False, "the check gave no reason"),
        ("no rhyme", "no rhyme"),
        ("no\nrhyme\x1b", r"no\nrhyme\x1b"),
        (CheckResult(name="x", passed=False), "the check gave no reason"),
        (CheckResult(name="x", passed=False, why="no rhyme"), "no rhyme"),
    ],
)
def test_what_fails(result: object, why: str) -> None:
    """No, a reason and a failed result fail, with a why on one safe line."""
    check = said(result)
    assert (check.name, check.passed, check.why) == ("check", False, why)


def test_a_whole_result_is_shown() -> None:
    """What the check says it expected and got is kept, under our name and safe."""
    whole = CheckResult(name="x", passed=True, expected="a\trhyme", got="one", why="?")
    assert said(whole) == CheckResult(
        name="check", passed=True, expected=r"a\trhyme", got="one"
    )
    assert len(said("x" * 10_000).why) < 600


def test_the_check_sees_reply_and_prompt() -> None:
    """A check judges by all that came and all that was asked."""
    seen: list[object] = []

    def rhymes(reply: Reply, prompt: Prompt) -> None:
        seen.extend([reply, prompt])

    judge(PROMPT, REPLY, {"rhymes": rhymes})
    assert seen == [REPLY, PROMPT]


def fail(error: Exception) -> CustomCheck:
    """Make a check that raises."""

    def rhymes(_reply: Reply, _prompt: Prompt) -> NoReturn:
        raise error

    return rhymes


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("no\nword"), r"check 'rhymes' raised ValueError: no\nword"),
        (KeyError(), "check 'rhymes' raised KeyError"),
        (RecursionError("deep"), "check 'rhymes' raised RecursionError: deep"),
        (
            AssertionError(),
            (
                "check 'rhymes' raised AssertionError"
                "; return False or a text to fail a reply"
            ),
        ),
    ],
)
def test_a_check_that_raises_is_broken(error: Exception, message: str) -> None:
    """Its fault must not be taken for the model's, and its cause is kept."""
    with pytest.raises(CheckBroken) as caught:
        judge(PROMPT, REPLY, {"rhymes": fail(error)})
    assert str(caught.value) == message
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("result", [0, 1, [], {"passed": True}])
def test_a_check_that_says_nonsense_is_broken(result: object) -> None:
    """A forgotten comparison must not pass every reply."""
    with pytest.raises(CheckBroken, match=f"'rhymes' returned {type(result).__name__}"):
        said(result)


def test_a_name_must_be_registered() -> None:
    """A misspelt name is a fault of the suite, and is not judged."""
    assert expectation_faults(PROMPT, ["rhymes"]) == []
    assert expectation_faults(PROMPT, ["rhyme"]) == [
        ("check", "no check 'rhymes' is registered; did you mean 'rhyme'?")
    ]
    assert expectation_faults(PROMPT) == [
        ("check", "no check is registered"),
    ]
    (check,) = judge(PROMPT, REPLY).checks
    assert (check.passed, check.got) == (False, "not judged")
    odd = Prompt(id="P1", text="?", expect={"check": ["rhymes"]})
    assert expectation_faults(odd, ["rhymes"]) == [
        ("check", "must be the name of a registered check")
    ]
