"""Which tools a reply calls, and which ones its prompt offers and expects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.checks.calltext import read_calls
from pytest_llmbench.checks.expectation import texts_of
from pytest_llmbench.prompts.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_llmbench.checks.reply import Reply
    from pytest_llmbench.prompts.suite import Prompt, Tool

ANY: Final = "any"
"""The value of `tools` that asks for at least one call."""

_LISTING: Final = ("tools", "tools_in_order")
_KEYED: Final = ("arguments", "arguments_schema")


def names_called(reply: Reply) -> tuple[str, ...]:
    """Return the names called, each once, in the order of their first call."""
    return tuple(dict.fromkeys(call.name for call in reply.tool_calls))


def offered(prompt: Prompt) -> dict[str, Tool]:
    """Return the tools of a prompt by name."""
    return {tool.name: tool for tool in prompt.tools}


def expected_names(prompt: Prompt) -> frozenset[str] | None:
    """Return the tools that a prompt expects, or None if any tool may be called."""
    expect = prompt.expect
    stated = [key for key in (*_LISTING, *_KEYED) if key in expect]
    if not stated or expect.get("tools") == ANY:
        return None
    names = {name for key in _LISTING for name in texts_of(expect.get(key))}
    for key in _KEYED:
        keyed = expect.get(key)
        names.update(keyed if isinstance(keyed, dict) else ())
    return frozenset(names)


def wrong_tools(prompt: Prompt, reply: Reply) -> tuple[str, ...]:
    """Return the names called that are not offered, forbidden or not expected."""
    forbidden = frozenset(texts_of(prompt.expect.get("forbid_tools")))
    allowed = frozenset(offered(prompt)) - forbidden
    expected = expected_names(prompt)
    if expected is not None:
        allowed &= expected
    return tuple(name for name in names_called(reply) if name not in allowed)


def text_attempt(prompt: Prompt, reply: Reply) -> str | None:
    """Return the format of a call in the text that cannot be read, or None.

    Where the API's own calls came, the text is only words.
    """
    is_native = any(call.channel == "native" for call in reply.tool_calls)
    if is_native or not prompt.tools:
        return None
    return read_calls(reply.text, prompt.tools).malformed or None


def no_call_why(prompt: Prompt, reply: Reply) -> str:
    """Say how a reply without any call missed to call."""
    attempt = text_attempt(prompt, reply)
    return attempt_why(attempt) if attempt else "no tool was called"


def attempt_why(attempt: str) -> str:
    """Say that a call in the text cannot be read.

    >>> attempt_why("hermes")
    'tried to call a tool in the text, which cannot be read (hermes)'
    """
    return f"tried to call a tool in the text, which cannot be read ({attempt})"


def naming_faults(names: Iterable[str], prompt: Prompt) -> Iterator[str]:
    """Yield why the named tools cannot all be called.

    Args:
        names: the tools that one expectation of the prompt asks for.
    """
    listed, forbidden = prompt.expect.get("tools"), prompt.expect.get("forbid_tools")
    names = list(dict.fromkeys(names))
    yield from unknown_tool_faults(names, prompt)
    for name in names:
        if isinstance(listed, list) and name not in listed:
            yield f"expect.tools does not list {name!r}, so both cannot hold"
        if name in texts_of(forbidden):
            yield f"expect.forbid_tools lists {name!r}, so both cannot hold"


def unknown_tool_faults(names: Iterable[str], prompt: Prompt) -> Iterator[str]:
    """Yield a fault for each name that the prompt does not offer."""
    known = offered(prompt)
    for name in names:
        if not known:
            yield f"tool {name!r}: the prompt offers no tools"
        elif name not in known:
            yield f"tool {name!r} is not offered{did_you_mean(name, known)}"
