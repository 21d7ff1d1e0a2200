"""What judging a reply says."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Behaviour = Literal[
    "called_right", "called_wrong", "abstained", "malformed", "no_reply"
]
"""What the model did with the tools it was offered: five outcomes kept apart.

`malformed` tried to call and could not; it never counts as abstaining.
`no_reply` is an error, a timeout, or a reply cut off before its end.
"""

FailureMode = Literal[
    "format_drift",
    "hallucinated_tool",
    "wrong_tool",
    "wrong_arguments",
    "missing_call",
    "unneeded_call",
    "refused",
    "truncated",
    "empty",
    "wrong_answer",
    "timeout",
]
"""How a reply failed: one word each, decided in `checks.modes`."""


class CheckResult(Struct, frozen=True, kw_only=True):
    """One expectation held against one reply.

    Attributes:
        expected: what was asked for, as short text.
        got: what came, as short text.
        why: one sentence that says what is wrong; empty when passed.
    """

    name: str
    passed: bool
    expected: str = ""
    got: str = ""
    why: str = ""


class Verdict(Struct, frozen=True, kw_only=True):
    """One reply judged against one prompt.

    Attributes:
        checks: every expectation of the prompt, in file order, after the
            checks that always apply.
        behaviour: None where the prompt offers no tools.
        wrong_tools: names called that the prompt does not expect, each once.
        mode: why it failed; None where every check holds.
    """

    checks: tuple[CheckResult, ...]
    behaviour: Behaviour | None = None
    wrong_tools: tuple[str, ...] = ()
    mode: FailureMode | None = None

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)
