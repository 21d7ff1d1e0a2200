"""Thinking that stands in a reply's text: what is only thought calls nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_llmbench.checks.calltext.decoding import Decoder

if TYPE_CHECKING:
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
_EVENT: Final = re.compile(
    "|".join(re.escape(tag) for tag in _TAGS) + r"|\{(?=\s*+[\"}])|\[(?=\s*+[\[{])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A text with its thinking set apart.

    Attributes:
        said: what is no thinking.
        unended: thinking that nothing closes; it runs to the end of the text.
    """

    said: str
    unended: str = ""


def spoken(text: str) -> Spoken:
    """Set the thinking apart: tags may lack the opening or the closing one.

    Tags inside JSON values, or right inside quotes, are words like others.

    >>> spoken("I could call it</think>Hello <think>or not</think>there").said
    'Hello there'
    >>> spoken("Well. <think>Hm.").unended
    'Hm.'
    """
    if not any(tag in text for tag in _TAGS):
        return Spoken(said=text)
    decoder, parts, kept, at = Decoder(text), [], 0, 0
    while event := _EVENT.search(text, at):
        tag, at = event.group(), event.end()
        if tag in "{[":
            decoded = decoder.strict(event.start())
            at = decoded.end if decoded else at
        elif not _is_quoted(text, event.span()):
            if tag in _CLOSINGS:
                parts.append(text[kept : event.start()])
                closing = _CLOSINGS[tag].search(text, at)
                if closing is None:
                    return Spoken(said="".join(parts), unended=text[at:])
                at = closing.end()
            kept = at
    return Spoken(said="".join([*parts, text[kept:]]))


def _is_quoted(text: str, span: Span) -> bool:
    start, end = span
    is_opening = text[start:end] in _CLOSINGS
    beside = text[start - 1 : start] if is_opening else text[end : end + 1]
    return beside in {'"', "'"}
