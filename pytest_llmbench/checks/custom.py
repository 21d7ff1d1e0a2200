"""Checks written in Python and registered by name; a suite only names them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, final

from typing_extensions import override

from pytest_llmbench.checks.expectation import Expectation, held
from pytest_llmbench.checks.shown import FAULT_LIMIT, SHORT_LIMIT, one_line, shown_value
from pytest_llmbench.checks.verdict import CheckResult
from pytest_llmbench.errors import CheckBroken
from pytest_llmbench.prompts.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.prompts.suite import Json, Prompt

_NO_REASON = "the check gave no reason"
_HINT = "; return False or a text to fail a reply"


class CustomCheck(Protocol):
    """A Python check: it reads a reply and says whether it will do."""

    def __call__(
        self, reply: Reply, prompt: Prompt, /
    ) -> CheckResult | bool | str | None:
        """Judge one reply.

        Returns:
            None, True or an empty text if the reply passes; False or the reason
            if it does not; or a whole CheckResult.
        """
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCheck(Expectation):
    """The Python check registered under the given name holds."""

    custom: Mapping[str, CustomCheck] = field(default_factory=dict)

    @override
    def check(self, expected: Json, reply: Reply, prompt: Prompt) -> CheckResult:
        name = str(expected)
        result = _asked(name, self.custom[name], reply, prompt)
        why = "" if result.passed else one_line(result.why, FAULT_LIMIT) or _NO_REASON
        return held(
            "check",
            why,
            expected=one_line(result.expected or name),
            got=one_line(result.got) or shown_value(reply.text),
        )

    @override
    def faults(self, expected: Json, prompt: Prompt) -> list[str]:
        return named_faults(expected, self.custom)


def named_faults(expected: Json, names: Collection[str]) -> list[str]:
    """Return the fault of a name under which no check is registered.

    >>> named_faults("polit", ["polite"])
    ["no check 'polit' is registered; did you mean 'polite'?"]
    """
    if not isinstance(expected, str):
        return ["must be the name of a registered check"]
    if expected in names:
        return []
    if not names:
        return ["no check is registered"]
    return [f"no check {expected!r} is registered{did_you_mean(expected, names)}"]


def _asked(name: str, custom: CustomCheck, reply: Reply, prompt: Prompt) -> CheckResult:
    """Ask a check, and bring what it says into one shape.

    Raises:
        CheckBroken: it raised, or returned something else than it may.
    """
    try:
        said: object = custom(reply, prompt)
    except Exception as error:
        hint = _HINT if isinstance(error, AssertionError) else ""
        msg = f"check {name!r} raised {_described(error)}{hint}"
        raise CheckBroken(msg) from error
    if isinstance(said, CheckResult):
        return said
    if said is None or isinstance(said, bool | str):
        why = said if isinstance(said, str) else ""
        is_passed = said is None or said is True or said == ""
        return CheckResult(name=name, passed=is_passed, why=why)
    msg = f"check {name!r} returned {type(said).__name__}{_HINT}, True or None to pass"
    raise CheckBroken(msg)


def _described(error: Exception) -> str:
    text = one_line(str(error), SHORT_LIMIT)
    kind = type(error).__name__
    return f"{kind}: {text}" if text else kind
