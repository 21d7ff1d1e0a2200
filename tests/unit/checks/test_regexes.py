"""Regular expressions in linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_llmbench.checks.regexes import (
    any_matches_within,
    matches_fully,
    matches_within,
    regex_fault,
)

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize("pattern", [r"\d+", r"(?i)oslo", r"\p{L}+", r"a{1000}", ""])
def test_usable_patterns_have_no_fault(pattern: str) -> None:
    """What the engine supports must load."""
    assert regex_fault(pattern) == ""


@pytest.mark.parametrize(
    ("pattern", "word"),
    [
        ("(?=a)", "no lookahead"),
        ("(?!a)", "no lookahead"),
        ("(?<=a)", "lookbehind"),
        ("(?>a)", "atomic group"),
        (r"(?P<x>a)(?P=x)", "named backreference"),
        (r"(a)\1", "no backreference"),
        (r"\Z", "no such escape"),
        ("a{1001}", "at most 1000"),
        ("(", "missing )"),
        ("[a", "missing ]"),
        ("\ud800", "surrogate"),
    ],
)
def test_faults_say_what_the_engine_lacks(pattern: str, word: str) -> None:
    """An author must learn what is wrong with a pattern."""
    fault = regex_fault(pattern)
    assert fault.startswith("no valid pattern: ")
    assert word in fault


def test_a_broken_pattern_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """The engine must not write its own messages to the terminal."""
    assert regex_fault("(")
    assert capfd.readouterr() == ("", "")


def test_full_and_partial_match_differ() -> None:
    """A full match needs the whole text."""
    assert matches_fully("a+", "aaa")
    assert not matches_fully("a+", "aab")
    assert matches_within("a+", "baa")
    assert not matches_within("a+", "b")
    assert any_matches_within(["x", "a"], "ba")
    assert not any_matches_within(["x", "y"], "ba")


def test_a_line_end_needs_its_flag() -> None:
    """A dot matches no line end, unless the pattern says so."""
    assert not matches_fully("a.b", "a\nb")
    assert matches_fully("(?s)a.b", "a\nb")


@given(text=ANY_TEXT)
@example("\ud800")
@example("\udfff")
def test_any_text_can_be_matched(text: str) -> None:
    """Halves of surrogate pairs and null bytes must not raise."""
    assert matches_fully("(?s).*", text)


def test_catastrophic_patterns_end_soon() -> None:
    """A pattern that hangs a backtracking engine must end at once."""
    started_s = time.perf_counter()
    assert not matches_fully("(a*)*b", "a" * 100_000)
    assert time.perf_counter() - started_s < 2
