"""Text of models and servers as a page may hold it: long, on many lines, harmless."""

from __future__ import annotations

import re
from typing import Any, Final

LONGEST: Final = 20_000
"""Characters of one text in the page; results.jsonl has all of it."""

_NOT_PLAIN: Final = re.compile(r"[^\n\t\x20-\x7e]")


def visible(text: str, limit: int = LONGEST) -> str:
    r"""Return text with its lines, and all else that does not print written out.

    Terminal escapes, NULs, marks of text direction and lone surrogates become what
    Python writes for them. Of a text that is too long its beginning and end are kept.

    >>> visible("a\n\x1b[31mred\u202e")
    'a\n\\x1b[31mred\\u202e'
    >>> visible("a\r\nb" + "x" * 30, limit=8)
    'a\nbx\n[... 25 of 33 characters are left out here ...]\nxxxx'
    """
    if len(text) <= limit and text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    if len(text) > limit:
        half = limit // 2
        left = f"{len(text) - 2 * half:,} of {len(text):,} characters are left out here"
        text = f"{text[:half]}\n[... {left} ...]\n{text[-half:]}"
    return _NOT_PLAIN.sub(_written, text)


def visible_json(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a JSON value with each text in it made visible; keys too."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(str(key)): visible_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [visible_json(each) for each in value]
    return value


def _written(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")
