"""Filler says nothing: no order, no number, no word of the prompt, and any length."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.prompts.filler import filler, shared_words, shortage

TENS_OF_THINGS = "the barrels, basins and baskets beside a wide, cold river in winter"


@given(seed=st.integers(0, 2**64 - 1), chars=st.integers(60, 5000))
def test_any_length_is_filled(seed: int, chars: int) -> None:
    """It is never too long, and a few characters short at most."""
    assert chars - 12 < len(filler(seed, chars)) <= chars


def test_no_room_gives_nothing() -> None:
    """Where no sentence fits there is none, and no half one."""
    assert filler(1, 0) == filler(1, 20) == ""


@given(seed=st.integers(0, 2**64 - 1))
def test_it_is_plain_prose(seed: int) -> None:
    """Sentences of words alone: no digit, quote, bracket, colon or line of a list."""
    text = filler(seed, 4000)
    assert re.fullmatch(r"[A-Za-z ,.\n]+", text)
    sentences = re.split(r"(?<=\.)\s+", text)
    assert all(re.fullmatch(r"[A-Z][a-z ,]+\w\.", one) for one in sentences)
    starts = {sentence.split()[0] for sentence in sentences}
    assert starts <= {"The", "A", "During", "Nobody", "Most", "Each", "It", "Close"}


def test_it_is_the_same_for_a_seed() -> None:
    """A seed gives one text, another seed another; a longer text begins alike."""
    assert filler(7, 3000) == filler(7, 3000) != filler(8, 3000)
    assert filler(7, 9000).startswith(filler(7, 3000)[:2900])


def test_it_shares_no_word_with_the_prompt() -> None:
    """Words of the prompt are left out in every ending."""
    plain = filler(3, 20_000)
    found = shared_words(plain, TENS_OF_THINGS)
    assert {"barrel", "basin", "cold", "winter"} <= found
    assert not shared_words(filler(3, 20_000, TENS_OF_THINGS), TENS_OF_THINGS)


def test_a_prompt_may_use_all_its_words() -> None:
    """A prompt that leaves nothing to say is told by what runs out."""
    assert shortage(TENS_OF_THINGS) == ""
    assert shortage(filler(3, 20_000)) == "things"


def test_tokens_grow_evenly() -> None:
    """Each stretch has the same mixture of words: their mean length hardly varies."""
    words = filler(5, 60_000).split()
    stretches = [words[at : at + 800] for at in range(0, 8000, 800)]
    means = [sum(map(len, stretch)) / 800 for stretch in stretches]
    assert max(means) / min(means) < 1.02
