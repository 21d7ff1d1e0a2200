"""The error tree: drawn whole, told apart, each with its outcome."""

from __future__ import annotations

import re

import pytest

from pytest_llmbench import errors
from pytest_llmbench.errors import (
    CallError,
    CallTimeout,
    LlmbenchError,
    MalformedCall,
    OverBudget,
    SpecError,
    UsageFault,
)

_NODE = re.compile(r"(?P<branches>[ │├└─]*)(?P<name>[A-Z][A-Za-z]+)(?:\s|$)")


def classes() -> dict[str, type[LlmbenchError]]:
    """Return every error class of the module by name."""
    found = vars(errors).values()
    kinds = (v for v in found if isinstance(v, type) and issubclass(v, LlmbenchError))
    return {kind.__name__: kind for kind in kinds}


def calls() -> list[type[CallError]]:
    """Return CallError and every class below it."""
    return [kind for kind in classes().values() if issubclass(kind, CallError)]


def drawn() -> list[tuple[str, str]]:
    """Return the tree of the module's docstring as (class, parent) pairs."""
    tree = (errors.__doc__ or "").split("::\n\n")[1].split("\n\n")[0]
    path: list[tuple[int, str]] = []
    pairs = []
    for line in tree.splitlines():
        node = _NODE.match(line)
        assert node, line
        depth, name = len(node["branches"]), node["name"]
        path = [step for step in path if step[0] < depth]
        pairs.append((name, path[-1][1] if path else "Exception"))
        path.append((depth, name))
    return pairs


@pytest.mark.parametrize("kind", [LlmbenchError, CallError, UsageFault])
def test_no_message_holds_a_secret(kind: type[LlmbenchError]) -> None:
    """What a server has echoed is masked where the error is made."""
    error = kind("refused: sk-planted-31415926", 7)
    assert error.args == ("refused: ***", 7)


def test_the_drawing_is_the_tree() -> None:
    """The docstring names every class once, under the class it derives from."""
    expected = {name: kind.__bases__[0].__name__ for name, kind in classes().items()}
    assert dict(drawn()) == expected
    assert len(drawn()) == len(expected)


def test_every_call_error_has_its_own_word() -> None:
    """Records and JUnit tell errors apart by kind."""
    kinds = [kind.kind for kind in calls()]
    assert len(set(kinds)) == len(kinds)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", kind) for kind in kinds)


@pytest.mark.parametrize("kind", calls(), ids=lambda kind: kind.__name__)
def test_outcomes(kind: type[CallError]) -> None:
    """Too slow, malformed and never made have outcomes of their own; else errors."""
    own: dict[type[CallError], str]
    own = {CallTimeout: "timeout", MalformedCall: "fail", OverBudget: "skipped"}
    words = [word for base, word in own.items() if issubclass(kind, base)]
    assert [kind("x").outcome] == (words or ["error"])


def test_permanent_errors() -> None:
    """Only what no later call can mend is given up for the session."""
    permanent = {kind.__name__ for kind in calls() if kind.is_permanent}
    assert permanent == {
        "Unauthorised",
        "ModelMissing",
        "Unsupported",
        "QuotaSpent",
        "EngineMissing",
        "OverBudget",
    }


def test_an_error_has_no_partial_reply_of_another() -> None:
    """What had come by then belongs to one error only."""
    one, other = CallError("a"), CallError("b")
    one.partial = None
    assert other.partial is None
    assert str(one) == "a"


def test_the_users_mistakes_are_one_family() -> None:
    """Whoever catches the root or a usage fault gets a wrong spec, too."""
    assert issubclass(SpecError, UsageFault)
    assert issubclass(UsageFault, LlmbenchError)
    assert not issubclass(UsageFault, CallError)


def test_only_silence_is_retried() -> None:
    """A retry asks again after a time-out or without an answer, and only then."""
    retried = {kind.__name__ for kind in calls() if kind.is_retried}
    timeouts = {"CallTimeout", "FirstByteTimeout", "StallTimeout"}
    assert retried == {*timeouts, "Unreachable"}
