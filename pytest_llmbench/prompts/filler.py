"""Neutral prose of any length: it tells of things, asks nothing, and is always new.

Generated, so that it is in no model's training data and holds no instruction, no
number, no quote and no bracket. Words are dealt like cards: each one comes once
before any comes again, so that every stretch has the same mixture and its tokens
grow evenly with its characters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "things": _words("""
        barrel basin basket bench blanket bottle boulder branch bridge broom bucket
        button cabin candle carpet cellar chain chimney cloak coat copper curtain
        door drawer fence feather ferry field forest fountain garden gate glove
        hammer harbour hedge hill jar kettle ladder lamp lantern lawn leaf meadow
        mill mirror mountain needle path pebble pillow pipe plank pond pot quilt
        rail raft river roof rope saddle sail saucer scarf shed shelf shoe shore
        shovel spoon stable stair stone stove stream table tent thread tower train
        tree trunk tunnel valley vase village wagon wall wharf wheel willow window
        """),
    "qualities": _words("""
        bare blue bright broad brown calm clean coarse cold cool crooked curved damp
        dark deep dim dry dull dusty faded faint familiar flat foggy fragile frozen
        gentle golden grey hard heavy high hollow large light little lonely long
        low mild misty modest narrow neat pale patient plain polished quiet
        rough round rusty shallow sharp shiny silent silver simple slender slow
        small smooth soft solid steady steep still straight strong tall tangled
        thick thin tidy tired warm weathered wet white wide wooden worn young
        """),
    "doings": _words("""
        bent brightened cooled creaked crumbled darkened drifted dried dripped
        faded flickered floated gleamed glistened glowed hung lay leaned lingered
        loomed nestled rattled rested rocked rolled rusted sagged settled shifted
        shimmered shone slid slumbered sparkled stood swayed swung tilted
        trembled vanished waited warmed wavered withered
        """),
    "places": _words("""
        above against along among behind below beneath beside beyond by near over
        past toward under
        """),
    "times": _words("""
        afternoon autumn century dawn decade dusk evening harvest holiday midnight
        month morning night noon season spring storm summer sunrise sunset thaw
        twilight week weekend winter
        """),
}
"""What sentences are made of; none takes "an"."""

_SENTENCES: Final = (
    "The {qualities} {things} {doings} {places} the {things}.",
    "During the {times}, a {qualities} {things} {doings} {places} a {things}.",
    "Nobody had moved the {qualities} {things} since the {times}.",
    "A {things} {doings} there, and the {qualities} {things} {doings} too.",
    "Most of it was {qualities}, though the {things} seemed {qualities}.",
    "Each {times} the {things} {doings} a little {places} the {things}.",
    "It had been a {qualities} {times}, and a {things} {doings} {places} the {things}.",
)
_CLOSING: Final = "Close to it there was a "
_NEXT: Final = ", a "
_LEAST_LEFT: Final = 8
"""Words that a list must keep once those of the prompt are out."""

_PARAGRAPH: Final = 8
"""Sentences of a paragraph."""

_MASK: Final = 2**64 - 1
_WORD: Final = re.compile(r"[^\W\d_]+")
_SLOT: Final = re.compile(r"\{(\w+)\}")
_ENDINGS: Final = ("ing", "ed", "es", "s")
_STEM_LETTERS: Final = 3

FUNCTION_WORDS: Final = frozenset(
    _words("""
    a an and at been behind by close during each had in is it its little most near
    nobody of on over past seemed since that the there though to too under was were
    above against along among below beneath beside beyond toward
    """)
)
"""Words without a subject of their own; filler may share them with a prompt."""


def filler(seed: int, chars: int, payload: str = "") -> str:
    """Return prose of at most so many characters, and a few less at most.

    A longer one of the same seed and payload begins as a shorter one does, but for
    its last sentences.

    Args:
        seed: 64 bits.
        payload: a text with which it shares no word but `FUNCTION_WORDS`.

    Returns:
        An empty text where there is no room for a sentence.

    >>> len(filler(7, 1000)) > 990, filler(7, 400)[:99] == filler(7, 900)[:99]
    (True, True)
    """
    lists = _without(payload)
    parts: list[str] = []
    length = 0
    reserve = len(_CLOSING) + max(map(len, lists["things"])) + 1
    for number, sentence in enumerate(_sentences(seed, lists)):
        joint = "" if not number else " " if number % _PARAGRAPH else "\n\n"
        more = len(joint) + len(sentence)
        if length + more + reserve > chars:
            break
        parts += (joint, sentence)
        length += more
    joint = " " if parts else ""
    closing = _closing(seed, lists["things"], chars - length - len(joint))
    return "".join([*parts, joint, closing]) if closing else "".join(parts)


def shared_words(text: str, payload: str) -> set[str]:
    """Return the words of a text that a payload has too, in whatever ending."""
    known = _stems(payload)
    words = {word.lower() for word in _WORD.findall(text)} - FUNCTION_WORDS
    return {word for word in words if _stem(word) in known}


def shortage(payload: str) -> str:
    """Name what a payload leaves too few words of; empty where enough are left."""
    left = _without(payload)
    return next((name for name in left if len(left[name]) < _LEAST_LEFT), "")


def _without(payload: str) -> dict[str, list[str]]:
    known = _stems(payload)
    return {
        name: [w for w in words if w in FUNCTION_WORDS or _stem(w) not in known]
        for name, words in _LISTS.items()
    }


def _stems(text: str) -> set[str]:
    return {_stem(word) for word in _WORD.findall(text.lower())}


def _stem(word: str) -> str:
    """Take an ending off, roughly.

    >>> _stem("lamps"), _stem("rolled"), _stem("bus")
    ('lamp', 'roll', 'bus')
    """
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _STEM_LETTERS:
            return word.removesuffix(ending)
    return word


def _sentences(seed: int, lists: Mapping[str, Sequence[str]]) -> Iterator[str]:
    kinds = _Deck(_SENTENCES, seed)
    decks = {
        name: _Deck(words, seed + place)
        for place, (name, words) in enumerate(lists.items(), 1)
    }
    while True:
        yield _SLOT.sub(lambda slot: decks[slot[1]].deal(), kinds.deal())


def _closing(seed: int, things: Sequence[str], chars: int) -> str:
    """Return a last sentence that fills the room that is left, to a few characters."""
    deck = _Deck(things, seed + len(_LISTS) + 1)
    said = ""
    while True:
        head = _NEXT if said else _CLOSING
        room = chars - len(said) - len(head) - 1
        word = deck.deal()
        if room < len(word):  # the last one: the longest that fits
            fitting = [one for one in things if len(one) <= room]
            last = max(fitting, key=len, default="")
            said += head + last if last else ""
            return f"{said}." if said else ""
        said += head + word


class _Deck:
    """Deals words in a random order, each once before any comes again."""

    def __init__(self, words: Sequence[str], seed: int) -> None:
        self._words = list(words)
        self._state = seed & _MASK
        self._left: list[str] = []

    def deal(self) -> str:
        if not self._left:
            self._left = self._shuffled()
        return self._left.pop()

    def _shuffled(self) -> list[str]:
        words = list(self._words)
        for last in range(len(words) - 1, 0, -1):
            other = self._random() % (last + 1)
            words[last], words[other] = words[other], words[last]
        return words

    def _random(self) -> int:
        """Return the next 64 bits of SplitMix64.

        Source: G. L. Steele, D. Lea and C. H. Flood, "Fast Splittable Pseudorandom
        Number Generators", OOPSLA 2014.
        """
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)
