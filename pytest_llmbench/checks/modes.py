"""How a reply failed: one word, so that failures can be counted by their kind.

The first that fits, in this order:

1. `truncated`: the reply ran into its output limit.
2. `empty`: neither text nor call, thinking aside.
3. `hallucinated_tool`: it called a tool that is not offered.
4. `wrong_tool`: it called an offered tool that was not wanted, where others were.
5. `unneeded_call`: it called, or tried to, where no call was wanted.
6. `wrong_arguments`: the arguments of a call are no JSON object.
7. `format_drift`: it tried to call in a text that cannot be read.
8. `refused`: a call was wanted, and it declined instead.
9. `missing_call`: a wanted call did not come.
10. `unneeded_call`: a wanted call came too often.
11. `wrong_arguments`: the calls are right, their arguments are not.
12. `wrong_tool`: the right calls came in the wrong order.
13. `refused`: an answer was wanted, and it declined instead.
14. `format_drift`: the right content stands there in the wrong form, or nothing but
    the form (words, sentences, bullets, lines, tokens) is wrong.
15. `timeout`: nothing but a time limit of the prompt is broken.
16. `wrong_answer`: anything else.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from pytest_llmbench.checks.behaviour import TOOL_CHECKS
from pytest_llmbench.checks.called import ANY, offered
from pytest_llmbench.checks.expectation import NOT_JUDGED, texts_of
from pytest_llmbench.checks.nearmisses import is_near_miss
from pytest_llmbench.checks.refusals import looks_like_refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.checks.verdict import Behaviour, CheckResult, FailureMode
    from pytest_llmbench.prompts.suite import Prompt

FORM_CHECKS: Final = frozenset({
    "max_words",
    "max_sentences",
    "bullets",
    "lines",
    "max_output_tokens",
})
"""The checks that look at the form of an answer only."""

TIME_CHECKS: Final = frozenset({"max_ttft_ms", "max_e2e_ms"})


def failure_mode(
    prompt: Prompt,
    reply: Reply,
    checks: Sequence[CheckResult],
    behaviour: Behaviour | None,
    wrong_tools: Sequence[str],
) -> FailureMode | None:
    """Name how a reply failed, or None if every check holds."""
    failed = {check.name: check for check in checks if not check.passed}
    if not failed:
        return None
    if reply.is_truncated:
        return "truncated"
    if reply.is_empty:
        return "empty"
    return (
        _stray_call(prompt, reply, wrong_tools)
        or _broken_call(prompt, reply, behaviour, failed)
        or _miscounted_call(prompt, reply, failed)
        or _miscalled(failed)
        or _misanswered(prompt, reply, failed)
    )


def _stray_call(
    prompt: Prompt, reply: Reply, wrong_tools: Sequence[str]
) -> FailureMode | None:
    """Name a call of a tool that should not have been called."""
    if any(call.name not in offered(prompt) for call in reply.tool_calls):
        return "hallucinated_tool"
    if wrong_tools:
        return "unneeded_call" if prompt.expects_no_tool else "wrong_tool"
    is_asked_to_talk = reply.tool_calls and not prompt.expects_tool
    return "unneeded_call" if is_asked_to_talk and not reply.text.strip() else None


def _broken_call(
    prompt: Prompt,
    reply: Reply,
    behaviour: Behaviour | None,
    failed: dict[str, CheckResult],
) -> FailureMode | None:
    """Name an attempt to call that is no call."""
    if behaviour != "malformed" or TOOL_CHECKS.isdisjoint(failed):
        return None
    if prompt.expects_no_tool:
        return "unneeded_call"
    is_decoded = all(call.arguments is not None for call in reply.tool_calls)
    return "format_drift" if is_decoded else "wrong_arguments"


def _miscounted_call(
    prompt: Prompt, reply: Reply, failed: dict[str, CheckResult]
) -> FailureMode | None:
    """Name a wanted call that did not come, or came too often."""
    if TOOL_CHECKS.isdisjoint(failed):
        return None
    called = Counter(call.name for call in reply.tool_calls)
    least, exactly = _wanted_calls(prompt)
    is_any_missing = prompt.expect.get("tools") == ANY and not called
    if is_any_missing or not least <= called:
        is_refusal = not called and looks_like_refusal(reply.text)
        return "refused" if is_refusal else "missing_call"
    is_surplus = any(called[name] > count for name, count in exactly.items())
    return "unneeded_call" if is_surplus else None


def _wanted_calls(prompt: Prompt) -> tuple[Counter[str], Counter[str]]:
    """Return how often tools must be called: at the least, and at the most."""
    expect = prompt.expect
    exactly = Counter(texts_of(expect.get("tools_in_order", [])))
    arguments = expect.get("arguments")
    for name, wanted in arguments.items() if isinstance(arguments, dict) else ():
        if isinstance(wanted, list):
            exactly[name] = max(exactly[name], len(wanted))
    listed = expect.get("tools")
    once = set(texts_of(listed) if isinstance(listed, list) else ())
    for key in ("arguments", "arguments_schema"):
        keyed = expect.get(key)
        once |= keyed.keys() if isinstance(keyed, dict) else set()
    return exactly | Counter(once), exactly


def _miscalled(failed: dict[str, CheckResult]) -> FailureMode | None:
    """Name what is wrong with calls that are the wanted ones by name and number."""
    if not failed.keys().isdisjoint({"arguments", "arguments_schema"}):
        return "wrong_arguments"
    return None if TOOL_CHECKS.isdisjoint(failed) else "wrong_tool"


def _misanswered(
    prompt: Prompt, reply: Reply, failed: dict[str, CheckResult]
) -> FailureMode:
    """Name what is wrong with the text, or with its time."""
    content = failed.keys() - FORM_CHECKS - TIME_CHECKS
    if not content:
        return "timeout" if failed.keys() <= TIME_CHECKS else "format_drift"
    if looks_like_refusal(reply.text):
        return "refused"
    if all(_is_drift(failed[name], prompt, reply) for name in content):
        return "format_drift"
    return "wrong_answer"


def _is_drift(check: CheckResult, prompt: Prompt, reply: Reply) -> bool:
    if check.got == NOT_JUDGED:
        return False
    try:
        return is_near_miss(check.name, prompt.expect[check.name], reply, prompt)
    except RecursionError:
        return False
