"""Words, sentences, bullets and lines: how they are counted, and held to limits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.checks.ranges import MAX_COUNT
from pytest_llmbench.checks.registry import EXPECTATIONS
from pytest_llmbench.checks.reply import Reply
from pytest_llmbench.checks.sentences import count_sentences, count_words, is_bullet
from pytest_llmbench.prompts.suite import Prompt

if TYPE_CHECKING:
    from pytest_llmbench.prompts.suite import Json

PROMPT = Prompt(id="P1", text="Name two.")
SIZES = ("max_words", "max_sentences", "bullets", "lines")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("Oslo", 1),
        ("one two\nthree", 3),
        ("well-known, don't: 3.5", 3),
        ("- a — b *", 2),
        ("... !", 0),
    ],
)
def test_words(text: str, count: int) -> None:
    """A word holds a letter or a digit; signs alone are none."""
    assert count_words(text) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("...", 0),
        ("It rains", 1),
        ("It rains.", 1),
        ("It rains. It pours!", 2),
        ("It rains... It pours?!", 2),
        ("It costs 3.5 kr. Cheap.", 2),
        ("He said “Go.” Then he went.", 2),
        ('"Really?" he asked.', 1),
        ("**Yes.** It does.", 2),
        ("See Mr. Berg and Dr. Dahl, e.g. Today", 1),
        ("J. Berg came. (He is late.)", 2),
        ("I took 5. Then 6.", 2),
        ("Vitamin C. Good", 1),
        ("over two\nlines.", 1),
        ("a heading\n\na paragraph", 2),
        ("- one\n- two\n1. three", 3),
        ("1. One. Two.", 2),
        ("他来了。他走了。", 2),
        ("好。好。", 2),
        ("approx. Five", 1),
    ],
)
def test_sentences(text: str, count: int) -> None:
    """Sentences end where a reader would end them; in doubt they go on."""
    assert count_sentences(text) == count


@pytest.mark.parametrize("mark", ["-", "*", "+", "•", "‣", "◦", "▪", "–"])  # noqa: RUF001 - the en dash is meant
def test_bullet_marks(mark: str) -> None:
    """Each list sign counts before a blank only."""
    assert is_bullet(f"{mark} one")
    assert is_bullet(f"  {mark}\tone")
    assert not is_bullet(f"{mark}one")
    assert not is_bullet(f"one {mark} two")


@pytest.mark.parametrize("line", ["1. one", "1) one", "---", "**bold** text", "-"])
def test_what_is_no_bullet(line: str) -> None:
    """Numbers, rules and bold text are no bullets."""
    assert not is_bullet(line)


@pytest.mark.parametrize(
    ("name", "expected", "text", "why"),
    [
        ("max_words", 2, "one two", ""),
        ("max_words", 2, "one two three", "1 word too many"),
        ("max_words", 2, "one two three four", "2 words too many"),
        ("max_words", 2, "", ""),
        ("max_sentences", 1, "One.", ""),
        ("max_sentences", 1, "One. Two.", "1 sentence too many"),
        ("lines", 2, "a\n\nb\n", ""),
        ("lines", 2, "a", "1 line too few"),
        ("lines", 2, "a\nb\nc", "1 line too many"),
        ("lines", {"min": 2, "max": 3}, "a\nb", ""),
        ("lines", {"min": 2, "max": 3}, "a\nb\nc", ""),
        ("lines", {"min": 2, "max": 3}, "a", "1 line too few"),
        ("lines", {"min": 2, "max": 3}, "a\nb\nc\nd", "1 line too many"),
        ("lines", {"min": 2}, "a\n" * 9, ""),
        ("lines", {"max": 2}, "a", ""),
        ("lines", {"max": 2}, " ", "1 line too few"),
        ("bullets", 2, "- a\n\n* b", ""),
        ("bullets", 2, "- a\n  more of a\n- b", ""),
        ("bullets", 2, "- a\n  - b", ""),
        ("bullets", 2, "- a", "1 bullet too few"),
        ("bullets", 2, "- a\n- b\n- c", "1 bullet too many"),
        ("bullets", 2, "Sure:\n- a\n- b", 'a line is no bullet: "Sure:"'),
        ("bullets", 2, "  Sure:\n- a\n- b", 'a line is no bullet: "  Sure:"'),
        ("bullets", 2, "- a\n- b\nEnjoy!", 'a line is no bullet: "Enjoy!"'),
        ("bullets", 2, "1. a\n2. b", "2 bullets too few"),
        ("bullets", {"max": 3}, "prose", "1 bullet too few"),
    ],
)
def test_size_checks(name: str, expected: Json, text: str, why: str) -> None:
    """Each limit holds at its number and not one beyond."""
    assert EXPECTATIONS[name].faults(expected, PROMPT) == []
    result = EXPECTATIONS[name].check(expected, Reply(text=text), PROMPT)
    assert (result.name, result.passed, result.why) == (name, not why, why)


def test_results_show_both_counts() -> None:
    """A person sees what was asked for and what came."""
    wanted: dict[str, Json] = {
        "max_words": 5,
        "max_sentences": 1,
        "bullets": 2,
        "lines": {"min": 1, "max": 2000},
    }
    shown = {
        name: EXPECTATIONS[name].check(value, Reply(text="- a b"), PROMPT)
        for name, value in wanted.items()
    }
    assert {name: (r.expected, r.got) for name, r in shown.items()} == {
        "max_words": ("at most 5 words", "2 words"),
        "max_sentences": ("at most 1 sentence", "1 sentence"),
        "bullets": ("exactly 2 bullets", "1 bullet"),
        "lines": ("1 to 2,000 lines", "1 line"),
    }


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize(
    "value",
    [0, -1, MAX_COUNT + 1, 10**4000, True, 1.5, "2", None, [2]],
    ids=lambda value: str(value)[:9],
)
def test_a_count_is_a_whole_number_within_bounds(name: str, value: Json) -> None:
    """No other value may reach the check."""
    assert len(EXPECTATIONS[name].faults(value, PROMPT)) == 1


@pytest.mark.parametrize("name", SIZES)
def test_the_bounds_of_a_count(name: str) -> None:
    """One and the largest count are right."""
    assert EXPECTATIONS[name].faults(1, PROMPT) == []
    assert EXPECTATIONS[name].faults(MAX_COUNT, PROMPT) == []


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({}, "must be a number, or a mapping with min, max or both"),
        ({"mn": 1}, "must be a number, or a mapping with min, max or both"),
        ({"min": 0}, "min must be from 1 to 100,000, not 0"),
        ({"min": 1, "max": "2"}, "max must be a whole number"),
        ({"min": 3, "max": 2}, "min is 3, more than max, which is 2"),
    ],
)
def test_bounds_must_make_sense(value: Json, fault: str) -> None:
    """A range that nothing fits, or that is misspelt, is a fault of the suite."""
    assert EXPECTATIONS["lines"].faults(value, PROMPT) == [fault]
    assert EXPECTATIONS["bullets"].faults(value, PROMPT) == [fault]


def test_equal_bounds_are_one_number() -> None:
    """Both ends of a range belong to it."""
    assert EXPECTATIONS["lines"].faults({"min": 2, "max": 2}, PROMPT) == []


@given(st.lists(st.sampled_from(["It rains.", "Is it so?", "Go!"]), max_size=9))
def test_plain_sentences_are_counted_exactly(sentences: list[str]) -> None:
    """Sentences that start with a capital and end with a stop are never merged."""
    assert count_sentences(" ".join(sentences)) == len(sentences)


@pytest.mark.parametrize("text", ["." * 300_000, ". " * 200_000, "- " * 200_000])
def test_counting_is_linear(text: str) -> None:
    """A long, odd text takes no longer than its length."""
    started = time.perf_counter()
    count_sentences(text)
    count_words(text)
    assert time.perf_counter() - started < 2
