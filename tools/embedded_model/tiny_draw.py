"""Seeded choices from lists, of which every sixth item can be held out."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Axis = Literal["wording", "tool", "entity"]
"""What can be held out: users' wordings, tools' words, names of things."""

_Item = TypeVar("_Item")

_HELD_OUT_EVERY: Final = 6
_MADE_OF_LETTERS: Final = 0.25
_LETTERS: Final = "eeaaiooutnrslcdhmpgbfyvkwxzjq"
_ONSETS: Final = (*"bcdfghjklmnprstvwz", "br", "dr", "gr", "kr", "st", "tr", "sh")
_VOWELS: Final = "aeiou"
_ENDS: Final = ("n", "r", "s", "l", "th", "x", "", "", "m", "k")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A source of choices; the same seed gives the same choices.

    Attributes:
        source: the only state.
        is_split: never draw the held-out items; without it all are drawn.
        held_out: the axes on which, instead, only held-out items are drawn.
        is_lower: names come in lower case, as careless users write.
    """

    source: random.Random
    is_split: bool = False
    held_out: frozenset[Axis] = frozenset()
    is_lower: bool = False

    def with_case(self, *, is_lower: bool) -> Draw:
        """Return the same source with the other case."""
        return replace(self, is_lower=is_lower)

    def cased(self, text: str) -> str:
        """Return the text in this draw's case."""
        return text.lower() if self.is_lower else text

    def chance(self, probability: float) -> bool:
        """Return true with a probability."""
        return self.source.random() < probability

    def number(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return self.source.randint(low, high)

    def any_of(self, items: Sequence[_Item]) -> _Item:
        """Choose among all items: nothing is ever held out here."""
        return self.source.choice(items)

    def some_of(self, items: Sequence[_Item], count: int) -> list[_Item]:
        """Choose several different items, in random order."""
        return self.source.sample(items, count)

    def pick(self, items: Sequence[_Item], axis: Axis = "wording") -> _Item:
        """Choose among the items that this draw may use.

        Lists of fewer than six items have nothing to hold out.
        """
        if not self.is_split or len(items) < _HELD_OUT_EVERY:
            return self.any_of(items)
        wants_held_out = axis in self.held_out
        return self.any_of([
            item
            for index, item in enumerate(items, 1)
            if (index % _HELD_OUT_EVERY == 0) == wants_held_out
        ])

    def entity(self, items: Sequence[str], invented: float = 0.35) -> str:
        """Name a thing: a listed one, or an invented word that is only copied."""
        if self.chance(invented):
            word = self.word()
            return self.cased(word.capitalize() if items[0][0].isupper() else word)
        return self.cased(self.pick(items, "entity"))

    def word(self) -> str:
        """Invent a word, pronounceable most of the time."""
        if self.chance(_MADE_OF_LETTERS):
            return "".join(self.source.choices(_LETTERS, k=self.number(3, 8)))
        syllables = (
            self.any_of(_ONSETS) + self.any_of(_VOWELS)
            for _ in range(self.any_of((2, 2, 3)))
        )
        return "".join(syllables) + self.any_of(_ENDS)


def seeded(
    seed: int, *, is_split: bool = False, held_out: Collection[Axis] = ()
) -> Draw:
    """Return a fresh draw.

    Args:
        seed: what the choices follow from.
        is_split: keep the held-out items out.
        held_out: the axes on which only held-out items are drawn; implies
            the split.
    """
    return Draw(
        source=random.Random(seed),
        is_split=is_split or bool(held_out),
        held_out=frozenset(held_out),
    )
