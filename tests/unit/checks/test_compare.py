"""Equality that looks at types before values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.checks.compare import first_difference, identity, plain_faults

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
def test_every_value_equals_itself(value: object) -> None:
    """No value may differ from itself."""
    assert first_difference(value, value) == ""


@given(one=VALUES, two=VALUES)
def test_identity_agrees_with_difference(one: object, two: object) -> None:
    """Two values share a key exactly if they do not differ, in both directions."""
    same = identity(one) == identity(two)
    assert same == (first_difference(one, two) == "")
    assert same == (first_difference(two, one) == "")


@pytest.mark.parametrize(
    ("expected", "got", "why"),
    [
        (1, True, "the value is true, not 1"),
        (False, 0, "the value is 0, not false"),
        (5, "5", 'the value is "5", not 5'),
        (None, "null", 'the value is "null", not null'),
        ("a", "A", 'the value is "A", not "a"'),
        ("a", "a ", 'the value is "a ", not "a"'),
        (5, 5.5, "the value is 5.5, not 5"),
        ([], {}, "the value is {}, not []"),
        ({"a": 1}, {}, "a is missing"),
        ({}, {"a": 1}, "a is not expected"),
        ({"a": None}, {}, "a is missing"),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "a.b[1] is 3, not 2"),
        ([1, 2], [1], "the value has 1 items, not 2"),
        ([1], [1, 2], "the value has 2 items, not 1"),
        ([1, 2], [2, 1], "the value[0] is 2, not 1"),
    ],
)
def test_difference_names_place_and_both_values(
    expected: object, got: object, why: str
) -> None:
    """A difference must be found and said in words."""
    assert first_difference(expected, got) == why.replace("the value[", "[")


@pytest.mark.parametrize(
    ("one", "two"),
    [(5, 5.0), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), (0, -0.0), ([1], [1.0])],
)
def test_equal_values(one: object, two: object) -> None:
    """Integers equal floats of the same number, and key order means nothing."""
    assert first_difference(one, two) == ""


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ({"a": [1, "x", None, True, 1.5]}, []),
        ([float("nan")], ["NaN is no JSON value"]),
        ({"a": float("-inf")}, ["-Infinity is no JSON value"]),
        ({1: "a"}, ["key 1 is no text"]),
        ([b"x"], ["\"b'x'\" is no JSON value"]),
    ],
)
def test_values_that_json_cannot_hold_are_faults(
    value: object, faults: list[str]
) -> None:
    """An expected value that no JSON can equal must be reported."""
    assert list(plain_faults(value)) == faults
