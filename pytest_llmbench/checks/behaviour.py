"""What a model did with the tools it was offered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.checks.called import text_attempt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.checks.verdict import Behaviour, CheckResult
    from pytest_llmbench.prompts.suite import Prompt

TOOL_CHECKS: Final = frozenset({
    "tools",
    "tools_in_order",
    "forbid_tools",
    "arguments",
    "arguments_schema",
    "well_formed_calls",
})
"""The checks that a right call must pass."""


def behaviour_of(
    prompt: Prompt, reply: Reply, checks: Iterable[CheckResult]
) -> Behaviour | None:
    """Name the behaviour, or None where no tools are offered.

    An empty reply counts as malformed: servers drop calls they cannot read, and
    silence is no answer that restraint could be seen in.
    """
    if not prompt.tools:
        return None
    if reply.is_truncated:
        return "no_reply"
    if _is_malformed(prompt, reply):
        return "malformed"
    if not reply.tool_calls:
        return "abstained"
    is_right = all(check.passed for check in checks if check.name in TOOL_CHECKS)
    return "called_right" if prompt.expects_tool and is_right else "called_wrong"


def _is_malformed(prompt: Prompt, reply: Reply) -> bool:
    if any(call.arguments is None for call in reply.tool_calls):
        return True
    return reply.is_empty or text_attempt(prompt, reply) is not None
