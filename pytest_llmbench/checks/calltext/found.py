"""What a parser finds in a text, and what a parser is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmbench.checks.calltext.offered import Offered
    from pytest_llmbench.prompts.suite import Json

    Span = tuple[int, int]
    """Where something stands: from, and the place after its end."""

NAME: Final = r"[^\W\d][\w.:/-]{0,127}+"
"""What is taken for a tool's name behind a mark, offered or not.

It gives nothing back once it has matched, so that no pattern gets slow with it.
"""

MAX_CALLS: Final = 256
"""Calls read from one text; a model that writes more is going in circles."""

_SPACE: Final = re.compile(r"\s*")


class Written(Struct, frozen=True, kw_only=True):
    """One call as a model wrote it.

    Attributes:
        is_salvaged: what was written breaks the rules of its format.
    """

    name: str
    arguments: Mapping[str, Json]
    is_salvaged: bool = False


class Found(Struct, frozen=True, kw_only=True):
    """What one format found in a text.

    Attributes:
        spans: what belongs to calls, readable or not; in order.
        is_broken: something tries to be a call and cannot be read.
    """

    calls: tuple[Written, ...] = ()
    spans: tuple[Span, ...] = ()
    is_broken: bool = False

    @property
    def start(self) -> int:
        """Where the first call begins."""
        return self.spans[0][0]


class CallFormat(Protocol):
    """One way in which models write tool calls as text."""

    @property
    def name(self) -> str:
        """The word that stands in a call's channel: `text:<name>`."""

    def read(self, text: str, tools: Offered) -> Found | None:
        """Read all calls of this format; None where the text shows no sign of it.

        Raises nothing, and takes time linear in the length of the text.

        Args:
            text: what a model said, thinking left out.
            tools: the tools it was offered.
        """


class Finding:
    """Collects calls while a text is read."""

    def __init__(self) -> None:
        self._calls: list[Written] = []
        self._spans: list[Span] = []
        self._is_broken = False

    @property
    def is_full(self) -> bool:
        """Whether there are as many calls, or attempts, as are read."""
        return max(len(self._calls), len(self._spans)) >= MAX_CALLS

    def add(self, calls: Sequence[Written], span: Span) -> None:
        """Keep calls that stand in a span; a call too many is a broken one."""
        self._calls.extend(calls)
        self._spans.append(span)
        if self.is_full:
            self._is_broken = True
            del self._calls[MAX_CALLS:]

    def broke(self, span: Span) -> None:
        """Keep a span that cannot be read."""
        self._spans.append(span)
        self._is_broken = True

    def take(self, calls: Sequence[Written], span: Span, *, is_broken: bool) -> None:
        """Keep calls that stand in a span, beside which others may be broken."""
        self.add(calls, span)
        self._is_broken = self._is_broken or is_broken

    def found(self) -> Found | None:
        """Return everything kept, or None if nothing was."""
        if not self._spans:
            return None
        return Found(
            calls=tuple(self._calls),
            spans=tuple(self._spans),
            is_broken=self._is_broken,
        )


def after_space(text: str, at: int) -> int:
    """Return the next place that holds no white space."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def after_mark(text: str, at: int, mark: str) -> int:
    """Return the place after white space and a mark, or `at` where it is missing."""
    start = after_space(text, at)
    return start + len(mark) if mark and text.startswith(mark, start) else at
