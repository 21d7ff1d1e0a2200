"""A whole trial's verdict: each turn's, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from pytest_llmbench.checks.judge import judge
from pytest_llmbench.checks.reply import Reply
from pytest_llmbench.checks.shown import shown_calls
from pytest_llmbench.checks.verdict import CheckResult, Verdict
from pytest_llmbench.conversation import MAX_STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmbench.checks.custom import CustomCheck
    from pytest_llmbench.checks.verdict import Behaviour, FailureMode
    from pytest_llmbench.conversation import Dialogue, TurnReply
    from pytest_llmbench.prompts.suite import Prompt

_WORST_FIRST: Final[tuple[Behaviour, ...]] = (
    "no_reply",
    "malformed",
    "called_wrong",
    "called_right",
    "abstained",
)
"""What several turns amount to: the first of these that one of them is."""


def judged(
    prompt: Prompt, dialogue: Dialogue, custom: Mapping[str, CustomCheck]
) -> Verdict:
    """Judge every turn; the trial passes if all turns do.

    A call that the server could not parse is a malformed attempt of the model.
    """
    if dialogue.error is not None:
        verdict = judge(prompt.of_turn(0), dialogue.reply or Reply(), custom)
        behaviour: Behaviour | None = "malformed" if prompt.tools else None
        return replace(verdict, behaviour=behaviour, mode="wrong_arguments")
    verdicts = [
        _of_turn(prompt.of_turn(index), turn, custom)
        for index, turn in enumerate(dialogue.turns)
    ]
    if len(verdicts) == 1 and not prompt.turns:
        return verdicts[0]
    return _together(verdicts)


def _of_turn(
    prompt: Prompt, turn: TurnReply, custom: Mapping[str, CustomCheck]
) -> Verdict:
    verdict = judge(prompt, turn.reply, custom)
    if turn.is_endless:
        endless = CheckResult(
            name="ends",
            passed=False,
            expected=f"an answer within {MAX_STEPS} replies",
            got=f"{MAX_STEPS} replies, each with calls",
            why="the model went on calling",
        )
        return _spoilt(verdict, endless, "unneeded_call")
    if turn.unscripted:
        offered = {tool.name for tool in prompt.tools}
        is_known = all(call.name in offered for call in turn.unscripted)
        scripted = CheckResult(
            name="tool_results",
            passed=False,
            expected="calls that the suite has results for",
            got=shown_calls(turn.unscripted),
            why="no result is scripted for this call",
        )
        mode: FailureMode = "wrong_arguments" if is_known else "hallucinated_tool"
        return _spoilt(verdict, scripted, mode)
    return verdict


def _spoilt(verdict: Verdict, check: CheckResult, mode: FailureMode) -> Verdict:
    checks = (*verdict.checks, check)
    return replace(verdict, checks=checks, mode=verdict.mode or mode)


def _together(verdicts: Sequence[Verdict]) -> Verdict:
    checks = tuple(
        replace(check, name=f"turn {number}: {check.name}")
        for number, verdict in enumerate(verdicts, 1)
        for check in verdict.checks
    )
    found = {verdict.behaviour for verdict in verdicts}
    modes = [verdict.mode for verdict in verdicts if verdict.mode is not None]
    names = (name for verdict in verdicts for name in verdict.wrong_tools)
    return Verdict(
        checks=checks,
        behaviour=next((word for word in _WORST_FIRST if word in found), None),
        wrong_tools=tuple(dict.fromkeys(names)),
        mode=modes[0] if modes else None,
    )
