"""Lines of plain text that fit 80 columns."""

from __future__ import annotations

import re
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from pytest_llmbench.report.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH: Final = 80
_LABEL: Final = 15
_UNIT_SPACE: Final = re.compile(r"(?<=[0-9]) (?=(?:s|ms|%|[KMGT]iB)(?![a-z]))")
_KEEP: Final = "\N{NO-BREAK SPACE}"
"""Stands between a number and its unit while lines are broken."""


class Line(Struct, frozen=True):
    """One line; `colour` is a markup word of pytest's terminal, or empty."""

    text: str = ""
    colour: str = ""


def wrapped(label: str, text: str) -> Iterator[Line]:
    """Lay a text out beside its label, broken under its own start.

    >>> [line.text for line in wrapped("tier", "2")]
    ['  tier           2']
    """
    head = f"  {label.strip():<{_LABEL}}"
    indent = " " * len(head)
    kept = _UNIT_SPACE.sub(_KEEP, plain(text))
    parts = wrap(kept, WIDTH - len(head), break_on_hyphens=False) or [""]
    for number, part in enumerate(parts):
        start = indent if number else head
        yield Line(f"{start}{part.replace(_KEEP, ' ')}")


def cut(text: str, width: int) -> str:
    """Shorten what is too long for its column.

    >>> cut("restraint", 6)
    'restr…'
    """
    return text if len(text) <= width else text[: width - 1] + "…"
