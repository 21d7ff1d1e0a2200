"""Text that is safe to print: what a server or a model wrote may hold anything."""

from __future__ import annotations

from typing import Final

from pytest_llmbench.checks.shown import one_line

_LONGEST: Final = 10_000


def plain(text: str) -> str:
    r"""Return text on one line, its blanks single, what does not print escaped.

    >>> plain("a \n b\x1b[31m")
    'a b\\x1b[31m'
    """
    return one_line(" ".join(text.split()), _LONGEST)
