"""Phrases that every message about a wrong word shares."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like `word`, or None if none is near.

    >>> closest("expct", ["expect", "title"])
    'expect'
    >>> closest("zzz", ["expect"]) is None
    True
    """
    by_lower = {name.lower(): name for name in known}
    found = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` or the list of what is known.

    >>> did_you_mean("P99", ["P9", "P1"])
    "; did you mean 'P9'?"
    >>> did_you_mean("zzz", ["b", "a"])
    '; known: b, a'
    """
    names = list(known)
    near = closest(word, names)
    return f"; did you mean {near!r}?" if near else f"; known: {', '.join(names)}"
