"""Words, sentences and bullets, counted in one pass over the text.

Where a dot may end a sentence or an abbreviation, the lower count is taken: a reply
must not fail for the way we count.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

_BULLET: Final = re.compile(r"\s*[-*+\u2022\u2023\u25e6\u25aa\u2013](?=\s)")
"""The signs of Markdown lists, the round and square ones, and the dash."""

_NUMBERED: Final = re.compile(r"\s*\d{1,9}[.)](?=\s)")
_ENDS: Final = (".", "!", "?", "\u2026")
_WIDE_ENDS: Final = re.compile(r"[\u3002\uff01\uff1f]")
_CLOSERS: Final = "\"'\u2019\u201d\u00bb)]}*_`"
_OPENERS: Final = "\"'\u2018\u201c\u00ab([{*_`"
_ABBREVIATIONS: Final = frozenset({
    "approx", "dr", "e.g", "fig", "i.e", "mr", "mrs", "ms", "prof", "st", "vs",
})  # fmt: skip


def is_bullet(line: str) -> bool:
    """Tell whether a line starts a bullet; a numbered line does not.

    >>> is_bullet("- one"), is_bullet("  * two"), is_bullet("1. one"), is_bullet("-1")
    (True, True, False, False)
    """
    return _BULLET.match(line) is not None


def count_words(text: str) -> int:
    """Count the pieces between blanks that hold a letter or a digit.

    >>> count_words("- A well-known town: 7,000 people!")
    5
    """
    return sum(map(_is_word, text.split()))


def _is_word(piece: str) -> bool:
    return any(map(str.isalnum, piece))


def count_sentences(text: str) -> int:
    r"""Count sentences: they end at a full stop, `!`, `?` or a paragraph's end.

    A list item starts a new one. A stop ends none if the next word is in lower
    case, or if it follows a single letter or a well-known abbreviation.

    >>> count_sentences("It is 3.5 km, e.g. by Mr. Oe. Good? Good.")
    3
    >>> count_sentences("One that goes on\nin the next line")
    1
    >>> count_sentences("- one\n- two")
    2
    """
    return sum(_count_in_block(block) for block in _blocks(text))


def _blocks(text: str) -> list[list[str]]:
    """Split a text into the words of its paragraphs and list items."""
    blocks: list[list[str]] = [[]]
    for line in _WIDE_ENDS.sub("! ", text).splitlines():
        marker = _BULLET.match(line) or _NUMBERED.match(line)
        if marker or not line.strip():
            blocks.append([])
        blocks[-1] += line[marker.end() if marker else 0 :].split()
    return blocks


def _count_in_block(words: list[str]) -> int:
    count, is_open = 0, False
    for word, following in pairwise([*words, ""]):
        is_open = is_open or _is_word(word)
        if is_open and (not following or _ends_sentence(word, following)):
            count += 1
            is_open = False
    return count


def _ends_sentence(word: str, following: str) -> bool:
    bare = word.rstrip(_CLOSERS)
    if not bare.endswith(_ENDS) or following.lstrip(_OPENERS)[:1].islower():
        return False
    stem = bare.rstrip(".").lstrip(_OPENERS).casefold()
    is_short = bare.endswith(".") and (len(stem) == 1 or stem in _ABBREVIATIONS)
    return not (is_short and not stem.isdigit())
