"""Sampling options: words, kinds and how they are read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.errors import SpecError
from pytest_llmbench.prompts.options import OPTION_KINDS, option_fault, parse_option
from pytest_llmbench.prompts.schema import suite_schema


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("temperature=0.2", ("temperature", 0.2)),
        ("temperature=1", ("temperature", 1)),
        ("temperature=1.0", ("temperature", 1.0)),
        ("temperature=-.5", ("temperature", -0.5)),
        ("top_p=1e-1", ("top_p", 0.1)),
        ("top_k=40", ("top_k", 40)),
        ("num_predict=-1", ("num_predict", -1)),
        ("effort=high", ("effort", "high")),
        ("effort=none", ("effort", "none")),
    ],
)
def test_options_are_read(text: str, expected: tuple[str, object]) -> None:
    """Numbers and words are read to the kind they are written in."""
    found = parse_option(text)
    assert found == expected
    assert type(found[1]) is type(expected[1])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("temprature=1", "unknown option 'temprature'; did you mean 'temperature'?"),
        ("temperature=hot", "temperature must be a number, not 'hot'"),
        ("temperature=", "temperature must be a number, not ''"),
        ("temperature", "temperature must be a number, not ''"),
        ("temperature=nan", "temperature must be a number, not 'nan'"),
        ("temperature=inf", "temperature must be a number, not 'inf'"),
        ("temperature=1e999", "temperature must be a number, not inf"),
        ("temperature=1_0", "temperature must be a number, not '1_0'"),
        ("temperature= 1", "temperature must be a number, not ' 1'"),
        ("temperature=true", "temperature must be a number, not 'true'"),
        ("top_k=1.5", "top_k must be an integer, not 1.5"),
        ("num_ctx=8k", "num_ctx must be an integer, not '8k'"),
        ("effort=1", "effort must be one of none, minimal, low, medium, high, max"),
        ("effort=High", "effort must be one of none, minimal, low, medium, high, max"),
    ],
)
def test_a_wrong_option_is_named(text: str, fault: str) -> None:
    """The message says what was found and what is allowed."""
    with pytest.raises(SpecError) as caught:
        parse_option(text)
    assert str(caught.value).startswith(fault)


def test_an_unknown_option_far_from_all_lists_them() -> None:
    """Where nothing is near, every known word is shown."""
    fault = option_fault("zzzz", 1)
    assert fault is not None
    assert all(name in fault for name in OPTION_KINDS)


@pytest.mark.parametrize("value", [True, None, [], {}, math.nan, math.inf, "0.2"])
def test_no_other_value_is_a_number(value: object) -> None:
    """Settings files may hold what a spec can't; it is refused too."""
    for name in ("temperature", "num_ctx", "effort"):
        assert option_fault(name, value) is not None  # type: ignore[arg-type] # on purpose


@given(st.sampled_from(sorted(OPTION_KINDS)), st.text())
def test_any_text_is_a_value_or_a_spec_error(name: str, raw: str) -> None:
    """Reading an option raises nothing but a SpecError."""
    try:
        key, value = parse_option(f"{name}={raw}")
    except SpecError:
        return
    assert key == name
    assert option_fault(name, value) is None


def test_the_suite_schema_knows_the_same_options() -> None:
    """Spec and suite file offer the same words of the same kinds."""
    kinds = {"a number": "number", "an integer": "integer"}
    schema = suite_schema()["$defs"]["options"]["properties"]
    assert set(schema) == set(OPTION_KINDS)
    for name, kind in OPTION_KINDS.items():
        efforts = "one of " + ", ".join(schema[name].get("enum", ()))
        assert schema[name].get("type") == kinds.get(kind)
        assert kind in {*kinds, efforts}
