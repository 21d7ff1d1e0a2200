"""Byte-level BPE that llama.cpp reproduces token for token.

In the GGUF it is `tokenizer.ggml.model = gpt2` with `pre = gpt-2`. Two rules
make copying a name into JSON easy to learn: digits never merge, and a leading
space merges only onto a finished piece, so that a word is cut the same way with
and without a space before it.
"""

from __future__ import annotations

import collections
import itertools
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PAD: Final = "<|pad|>"
TURN_START: Final = "<|im_start|>"
TURN_END: Final = "<|im_end|>"
CALL_START: Final = "<tool_call>"
CALL_END: Final = "</tool_call>"
SPECIALS: Final = (PAD, TURN_START, TURN_END, CALL_START, CALL_END)

Merge = tuple[str, str]

_BYTES: Final = 256
_SPLIT_SPECIALS: Final = re.compile("(" + "|".join(map(re.escape, SPECIALS)) + ")")
# GPT-2's cut into words, in Python's classes: equal for all text but the rare
# numerals that are no decimal digits, which training never shows.
_WORD: Final = re.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d"
    r"| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+"
    r"|\s+(?!\S)|\s+"
)


def _byte_letters() -> list[str]:
    """Return GPT-2's printable stand-in for each byte.

    Printable Latin-1 stands for itself; the other bytes take the letters from
    U+0100 on, in their order.
    """
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    stand_ins = itertools.count(_BYTES)
    return [
        chr(byte if byte in printable else next(stand_ins)) for byte in range(_BYTES)
    ]


_LETTER_OF_BYTE: Final = _byte_letters()
_BYTE_OF_LETTER: Final = {letter: byte for byte, letter in enumerate(_LETTER_OF_BYTE)}
_SPACE: Final = _LETTER_OF_BYTE[ord(" ")]


class Tokenizer:
    """Text to token ids and back.

    Attributes:
        merges: the pairs to join, the most urgent first.
        tokens: the text of each id: special tokens, bytes, merged pieces.
        id_of: the id of each token.
    """

    def __init__(self, merges: Iterable[Sequence[str]]) -> None:
        self.merges: list[Merge] = [(left, right) for left, right in merges]
        pieces = (left + right for left, right in self.merges)
        # Two merges may spell one piece, and llama.cpp aborts on a repeated token.
        self.tokens = list(dict.fromkeys([*SPECIALS, *_LETTER_OF_BYTE, *pieces]))
        self.id_of = {token: index for index, token in enumerate(self.tokens)}
        self._rank = {merge: index for index, merge in enumerate(self.merges)}
        self._ids_of_word: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text; special tokens in it are recognised."""
        ids: list[int] = []
        for part in _SPLIT_SPECIALS.split(text):
            if part in SPECIALS:
                ids.append(self.id_of[part])
                continue
            for word in _WORD.findall(part):
                ids.extend(self._encode_word(word))
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of token ids; broken UTF-8 becomes U+FFFD."""
        tokens = (self.tokens[index] for index in ids)
        return b"".join(map(_bytes_of, tokens)).decode(errors="replace")

    def _encode_word(self, word: str) -> list[int]:
        known = self._ids_of_word.get(word)
        if known is None:
            known = [self.id_of[piece] for piece in self._pieces(word)]
            self._ids_of_word[word] = known
        return known

    def _pieces(self, word: str) -> list[str]:
        """Join the most urgent pair, the leftmost first, until none is left."""
        pieces = _letters(word)
        while pairs := [
            (self._rank[pair], index)
            for index, pair in enumerate(itertools.pairwise(pieces))
            if pair in self._rank
        ]:
            _, index = min(pairs)
            pieces[index : index + 2] = [pieces[index] + pieces[index + 1]]
        return pieces


def train_tokenizer(
    texts: Iterable[str], vocabulary: int, *, spaced: int = 192
) -> Tokenizer:
    """Learn the merges from texts.

    Args:
        texts: what to learn from.
        vocabulary: how many tokens to make at most.
        spaced: how many of the merges put a space before a finished piece.
    """
    words = collections.Counter(word for text in texts for word in _words(text))
    bare: collections.Counter[str] = collections.Counter()
    after_space: collections.Counter[str] = collections.Counter()
    for word, count in words.items():
        stem = word[1:] if word[0] == " " and len(word) > 1 else word
        bare[stem] += count
        after_space[stem] += count * (stem != word)
    pieces_of = {word: _letters(word) for word in bare}
    wanted = vocabulary - len(SPECIALS) - _BYTES - spaced
    merges = _pair_merges(pieces_of, bare, wanted)
    starts: collections.Counter[str] = collections.Counter()
    for word, count in after_space.items():
        starts[pieces_of[word][0]] += count
    space_merges = [(_SPACE, piece) for piece, count in starts.most_common() if count]
    return Tokenizer([*merges, *space_merges[:spaced]])


def _pair_merges(
    pieces_of: dict[str, list[str]], count_of: collections.Counter[str], wanted: int
) -> list[Merge]:
    """Merge the commonest pair again and again, changing the pieces in place."""
    merges: list[Merge] = []
    made: set[str] = set()
    while len(made) < wanted:
        pairs: collections.Counter[Merge] = collections.Counter()
        for word, pieces in pieces_of.items():
            for pair in itertools.pairwise(pieces):
                pairs[pair] += count_of[word]
        if not pairs:
            break
        best, _ = max(pairs.items(), key=lambda item: (item[1], item[0]))
        merges.append(best)
        made.add("".join(best))
        for pieces in pieces_of.values():
            _join(pieces, best)
    return merges


def _join(pieces: list[str], pair: Merge) -> None:
    index = 0
    while index < len(pieces) - 1:
        if (pieces[index], pieces[index + 1]) == pair:
            pieces[index : index + 2] = ["".join(pair)]
        index += 1


def _words(text: str) -> Iterator[str]:
    """Cut a text into the words that may become pieces: those without digits."""
    for part in _SPLIT_SPECIALS.split(text):
        if part not in SPECIALS:
            found = _WORD.findall(part)
            yield from (word for word in found if not any(map(str.isdigit, word)))


def _letters(word: str) -> list[str]:
    return [_LETTER_OF_BYTE[byte] for byte in word.encode()]


def _bytes_of(token: str) -> bytes:
    if token in SPECIALS:
        return token.encode()
    return bytes(_BYTE_OF_LETTER[letter] for letter in token)
