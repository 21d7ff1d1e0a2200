"""What messages say about a wrong word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.prompts.wording import closest, did_you_mean


@pytest.mark.parametrize(
    ("word", "known", "near"),
    [
        ("expct", ["expect", "title"], "expect"),
        ("EXPECT", ["expect", "title"], "expect"),
        ("p9", ["P1", "P9"], "P9"),
        ("zzz", ["expect"], None),
        ("", ["expect"], None),
        ("x", [], None),
    ],
)
def test_the_nearest_word(word: str, known: list[str], near: str | None) -> None:
    """Case does not matter; what is far from all is near none."""
    assert closest(word, known) == near


@given(st.text(), st.lists(st.text()))
def test_a_suggestion_is_always_a_known_word(word: str, known: list[str]) -> None:
    """Whatever is asked, the answer is one of the known words or none."""
    assert closest(word, known) in {None, *known}


def test_known_words_may_come_from_an_iterator() -> None:
    """Words are read once, whether they help or are only listed."""
    assert did_you_mean("expct", iter(["expect"])) == "; did you mean 'expect'?"
    assert did_you_mean("zzz", iter(["b", "a"])) == "; known: b, a"
