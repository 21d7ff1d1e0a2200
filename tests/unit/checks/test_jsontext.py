"""JSON alone, as asked, or buried among other words."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_llmbench.checks.compare import first_difference
from pytest_llmbench.checks.jsontext import (
    MAX_DEPTH,
    embedded_values,
    parse_only_json,
    starts_with_json,
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(value=VALUES)
def test_only_json_round_trips(value: object) -> None:
    """What is written as JSON must be read as the same value."""
    parsed = parse_only_json(f" \n{json.dumps(value)}\t\r\n")
    assert parsed.why == ""
    assert first_difference(value, parsed.value) == ""


@given(text=st.text(st.characters(codec=None, exclude_categories=())))
@settings(deadline=None)
@example("[" * 100_000)
@example('{"a":' * 100_000)
@example('["' * 50_000)
def test_no_text_raises(text: str) -> None:
    """Any text must be read or explained."""
    parsed = parse_only_json(text)
    assert parsed.why or json.loads(text) == parsed.value
    assert isinstance(list(embedded_values(text)), list)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there is no text"),
        (" \n", "there is no text"),
        ("[NaN]", "NaN is no JSON value"),
        ("Infinity", "Infinity is no JSON value"),
        ("-Infinity", "-Infinity is no JSON value"),
        ('{"a": 1, "a": 1}', 'key "a" stands twice'),
        ('[{"a": {"b": 1, "b": 2}}]', 'key "b" stands twice'),
        ("1" * 5000, "a number has too many digits to be read"),
        ("nope", "no valid JSON: expecting value at character 1"),
        ("5 apples", "no valid JSON: extra data at character 3"),
        ('{"a": 1', "no valid JSON: expecting ',' delimiter at character 8"),
        ("{'a': 1}", None),
        ('Here: {"a": 1}', "valid JSON is inside, but text stands around it"),
        ('{"a": 1} Done.', "valid JSON is inside, but text stands around it"),
        ('{"a": 1}{"b": 2}', "valid JSON is inside, but text stands around it"),
        (
            '```json\n{"a": 1}\n```\n',
            "valid JSON is inside, but a code fence stands around it",
        ),
        (
            '```json\n{"a": 1}\n```\nAs you asked.',
            "valid JSON is inside, but text stands around it",
        ),
    ],
)
def test_what_is_not_only_json_is_explained(text: str, why: str | None) -> None:
    """Prose, fences, NaN, double keys and broken JSON each have their own words."""
    found = parse_only_json(text).why
    assert found == why if why is not None else found.startswith("no valid JSON")


def test_nesting_has_a_limit() -> None:
    """The last allowed level passes and the next one fails, at any stack depth."""
    allowed = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_only_json(allowed).why == ""
    assert parse_only_json(f"[{allowed}]").why == (
        "the JSON is nested more than 100 levels deep"
    )
    mapping = '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH
    assert parse_only_json(mapping).why == ""
    endless = "[" * 100_000 + "]" * 100_000
    assert "nested" in parse_only_json(endless).why


def test_embedded_values_are_outermost_and_in_order() -> None:
    """Values inside a found value are not found again; broken ones are passed by."""
    text = 'a {bad} [1, {"b": 2}] and {"c": [3]} {"d": '
    assert list(embedded_values(text)) == [[1, {"b": 2}], {"c": [3]}]


def test_a_value_after_a_broken_opening_is_found() -> None:
    """A bracket that opens nothing must not hide what follows."""
    assert list(embedded_values('[{"a": 1}')) == [{"a": 1}]
    assert list(embedded_values('{{"a": 1}')) == [{"a": 1}]
    assert list(embedded_values(f'[{{"a": 1}}, {"9" * 5000}]')) == [{"a": 1}]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 400_000,
        "[" * 900 + "1," * 200_000,
        "[" * 900 + '"' + "x" * 400_000,
        '{"a":' * 80_000,
        ("[" * 900 + "x") * 400,
        "[" + "9" * 5000 + "[" * 100_000,
        '["' * 200_000,
    ],
)
def test_slow_text_is_searched_in_linear_time(text: str) -> None:
    """Text made to be slow must not hang the search."""
    started_s = time.perf_counter()
    list(embedded_values(text))
    assert time.perf_counter() - started_s < 5


@pytest.mark.parametrize("length", range(4070, 4100))
def test_values_across_a_window_are_found(length: int) -> None:
    """A value longer than what is read at once must be found whole."""
    value = {"a": "x" * (length - 24), "n": [True, -12.5], "e": "\U0001f600"}
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert list(embedded_values(f"- {text} {{")) == [value]
        assert list(embedded_values(text[:-1])) == [[True, -12.5]]


@given(value=st.dictionaries(st.text(), SCALARS, min_size=1), text=st.text("ab ,:"))
def test_any_value_among_words_is_found(value: dict[str, object], text: str) -> None:
    """Words around a value must not hide it."""
    (found,) = embedded_values(f"{text}{json.dumps(value)}{text}")
    assert first_difference(value, found) == ""


def test_starts_with_json_asks_the_first_bracket() -> None:
    """Only the first bracket decides."""
    assert starts_with_json('x {"a": 1} {')
    assert not starts_with_json('{ {"a": 1}')
    assert not starts_with_json("none")
