"""Values as short, safe, one-line text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.checks.reply import ToolCall
from pytest_llmbench.checks.shown import (
    LIMIT,
    one_line,
    shown_call,
    shown_calls,
    shown_names,
    shown_path,
    shown_value,
)

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


def test_what_is_cut_off_shows_no_half_of_a_secret() -> None:
    """A secret is masked before a text is cut within it."""
    assert one_line("key sk-planted-31 and more", 12) == "key *** and … (16 chars)"


@given(text=ANY_TEXT, limit=st.integers(0, 50))
def test_one_line_prints_safely_within_its_limit(text: str, limit: int) -> None:
    """Any text must become printable characters of bounded number."""
    shown = one_line(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit + len(f"… ({len(text)} chars)")
    shown.encode()


def test_a_text_as_long_as_the_limit_is_not_cut() -> None:
    """Only a text beyond the limit is cut, and says how long it was."""
    assert one_line("x" * LIMIT) == "x" * LIMIT
    assert one_line("x" * (LIMIT + 1)) == "x" * LIMIT + f"… ({LIMIT + 1} chars)"


def test_an_escape_is_not_cut_in_two() -> None:
    """A character whose escape does not fit is left out whole."""
    assert one_line("ab\x1b", limit=5) == "ab… (3 chars)"
    assert one_line("ab\x1b", limit=6) == r"ab\x1b"


def test_terminal_and_direction_codes_are_escaped() -> None:
    """Neither colours nor right-to-left marks may reach the terminal."""
    assert shown_value("\x1b[31m\u202e\x9b") == r'"\u001b[31m\u202e\x9b"'


def test_a_value_that_json_cannot_hold_is_still_shown() -> None:
    """Too deep, too large or circular values must have a text too."""
    circular: list[object] = []
    circular.append(circular)
    assert shown_value(circular) == "a value too deep or too large to show"
    assert shown_value(10**5000) == "a value too deep or too large to show"
    assert shown_value({("a",): 1}) == "a value too deep or too large to show"
    assert shown_value({1j}) == '"{1j}"'


def test_calls_are_shown_in_order() -> None:
    """Several calls must stand in the order they came."""
    calls = [
        ToolCall(name="b", arguments={"x": "1"}),
        ToolCall(name="a", arguments=None),
    ]
    assert shown_calls(calls) == 'b(x="1"), a(<not a JSON object>)'
    assert shown_calls([]) == "no call"


def test_long_arguments_are_cut() -> None:
    """A call with a huge argument must stay one short line."""
    assert len(shown_call("f", {"x": "y" * 9999})) < LIMIT + 30


def test_names_and_paths_have_words_for_nothing() -> None:
    """An empty list of names and an empty path must read well."""
    assert shown_names([]) == "no call"
    assert shown_path([]) == "the value"
    assert shown_path(["a", 0, "b c", "d"]) == 'a[0]["b c"].d'
