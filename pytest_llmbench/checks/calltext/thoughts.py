"""Thinking that stands in a reply's text: what is only thought calls nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmbench.checks.calltext.found import Span

_CLOSINGS: Final = {
    "<think>": re.compile(re.escape("</think>")),
    "<thinking>": re.compile(re.escape("</thinking>")),
    "[THINK]": re.compile(re.escape("[/THINK]")),
    "<|START_THINKING|>": re.compile(re.escape("<|END_THINKING|>")),
    # gpt-oss: the next message may begin without the end of this one.
    "<|channel|>analysis<|message|>": re.compile(
        r"<\|end\|>|(?=<\|start\|>|<\|channel\|>)"
    ),
}
_LOST_OPENINGS: Final = ("</think>", "</thinking>", "[/THINK]", "<|END_THINKING|>")
_TAGS: Final = (*_CLOSINGS, *_LOST_OPENINGS)
_TAG: Final = re.compile("|".join(re.escape(tag) for tag in _TAGS))


class Spoken(Struct, frozen=True, kw_only=True):
    """A text with its thinking set apart.

    Attributes:
        said: what is no thinking.
        unended: thinking that nothing closes; it runs to the end of the text.
    """

    said: str
    unended: str = ""


def has_thinking(text: str) -> bool:
    """Tell whether any tag of thinking stands in a text."""
    return any(tag in text for tag in _TAGS)


def spoken(text: str, kept: Sequence[Span] = ()) -> Spoken:
    """Set the thinking apart: tags may lack the opening or the closing one.

    Args:
        kept: where tags are words like others, such as in an argument; in order.

    >>> spoken("I could call it</think>Hello <think>or not</think>there").said
    'Hello there'
    >>> spoken("Well. <think>Hm.").unended
    'Hm.'
    """
    parts: list[str] = []
    waiting = list(reversed(kept))
    start = at = 0
    while tag := _TAG.search(text, at):
        at = tag.end()
        while waiting and waiting[-1][1] <= tag.start():
            waiting.pop()
        if waiting and waiting[-1][0] < tag.start():
            continue
        if tag.group() in _CLOSINGS:
            parts.append(text[start : tag.start()])
            closing = _CLOSINGS[tag.group()].search(text, at)
            if closing is None:
                return Spoken(said="".join(parts), unended=text[at:])
            at = closing.end()
        start = at
    return Spoken(said="".join([*parts, text[start:]]))
