"""Safe YAML: plain values, lines, and limits."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmbench.prompts import yamlmarks
from pytest_llmbench.prompts.yamlmarks import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    Fault,
    MarkedYaml,
    plain_scalar,
    read_yaml,
)

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcé-_ <", max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)

LOADERS = [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("tRue", "tRue"),
        ("false", False),
        ("FALSE", False),
        ("", None),
        ("~", None),
        ("null", None),
        ("NULL", None),
        ("nUll", "nUll"),
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("007", 7),
        ("0x1F", 31),
        ("0o17", 15),
        ("0b11", "0b11"),
        ("-0x1F", "-0x1F"),
        ("7.5", 7.5),
        (".5", 0.5),
        ("7.", 7.0),
        ("1e3", 1000.0),
        ("-1.5E-2", -0.015),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-11-21", "2026-11-21"),
        ("1.2.3", "1.2.3"),
        ("9" * 301, "9" * 301),
        ("٣", "٣"),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    """Only the core schema's words and numbers are more than text."""
    found = plain_scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_a_quoted_scalar_is_text() -> None:
    """Quotes and block scalars keep words and numbers as text."""
    document = read_yaml("""{a: "7", b: 'true', c: "~"}""")
    assert document.value == {"a": "7", "b": "true", "c": "~"}
    assert read_yaml("a: |\n  7\nb: >-\n  null\n").value == {"a": "7\n", "b": "null"}


def test_lines_of_keys_and_items() -> None:
    """Each key and item has its own line; below a scalar the parent's counts."""
    document = read_yaml(
        "a: 1\nb:\n  - x\n  - c: >\n      folded\n      text\n    d: 2\n"
    )
    assert document.lines == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 1): 4,
        ("b", 1, "c"): 4,
        ("b", 1, "d"): 7,
    }
    assert document.line(("b", 1, "missing")) == 4
    assert document.line(("elsewhere",)) == 1
    assert MarkedYaml().line(("a", 0)) == 1


@pytest.mark.parametrize(
    ("text", "value", "faults"),
    [
        ("a: 1\nb: 2\na: 3", {"a": 1, "b": 2}, [Fault(3, "key 'a' stands twice")]),
        (
            "x: 1\na: !!python/object/apply:os.system [ls]",
            {"x": 1, "a": ["ls"]},
            [Fault(2, "tags (!...) are not read; quote a text instead")],
        ),
        (
            "a: ! x",
            {"a": "x"},
            [Fault(1, "tags (!...) are not read; quote a text instead")],
        ),
        (
            "a: &x {b: 1}\nc:\n  <<: *x",
            {"a": {"b": 1}, "c": {}},
            [Fault(3, "merge keys (<<) are not read; write the keys out")],
        ),
        ("? [1]\n: 2", {}, [Fault(1, "a key must be a plain word")]),
        ("a: &x [*x]", None, [Fault(1, "not YAML we read: an alias contains itself")]),
        ("a: *x", None, [Fault(1, "not YAML: found undefined alias")]),
        ("a: 1\n---\nb: 2", None, [Fault(2, "not YAML: but found another document")]),
        ("a: 'x\nb: 1", None, [Fault(2, "not YAML: found unexpected end of stream")]),
        (
            "a: é\nb: \x07",
            None,
            [Fault(2, "the character U+0007 may not stand in YAML")],
        ),
    ],
)
def test_what_is_refused_has_its_line(
    text: str, value: object, faults: list[Fault]
) -> None:
    """A fault has one line of text and its place; the rest is still read."""
    document = read_yaml(text)
    assert document.value == value
    assert document.faults == faults


def test_a_quoted_merge_key_is_a_key() -> None:
    """Whoever quotes `<<` means the two characters."""
    assert read_yaml('{"<<": 1, "7": 2}').value == {"<<": 1, "7": 2}


def test_an_alias_is_a_copy() -> None:
    """An alias stands for its anchor's value, which may come more than once."""
    document = read_yaml("a: &x [1, {b: 2}]\nc: *x\nd: *x")
    assert document.faults == []
    assert document.value == {key: [1, {"b": 2}] for key in "acd"}


def test_nesting_is_limited() -> None:
    """The deepest allowed nesting is read; one level more is a fault."""
    deepest = read_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert deepest.faults == []
    deeper = read_yaml("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))
    assert deeper.value is None
    assert deeper.faults == [
        Fault(1, f"not YAML we read: nested deeper than {MAX_DEPTH} levels")
    ]


def test_a_bracket_avalanche_is_refused_at_once() -> None:
    """Depth is refused while reading, not when the stack is used up."""
    faults = read_yaml("[" * 100_000).faults
    assert [fault.message for fault in faults] == [
        f"not YAML we read: nested deeper than {MAX_DEPTH} levels"
    ]


def test_size_is_limited() -> None:
    """A text over the limit is not parsed at all."""
    document = read_yaml("x" * (MAX_BYTES + 1))
    assert document.value is None
    assert document.faults == [
        Fault(1, "4,194,305 characters; a suite has at most 4,194,304")
    ]


def test_aliases_are_expanded_under_a_limit() -> None:
    """Ten lines that would grow to a billion values are refused."""
    lines = ["a0: &a0 [" + ", ".join("x" * 10) + "]"]
    lines += [f"a{n}: &a{n} [" + f"*a{n - 1}, " * 10 + "]" for n in range(1, 9)]
    document = read_yaml("\n".join(lines))
    assert document.value is None
    assert document.faults == [
        Fault(1, f"not YAML we read: more than {MAX_NODES:,} values (aliases expanded)")
    ]


@given(JSON_VALUES)
def test_json_is_read_as_yaml(value: object) -> None:
    """Every JSON document reads to its own value, without a fault."""
    document = read_yaml(json.dumps(value, ensure_ascii=False))
    if "<<" in json.dumps(value) and document.faults:
        return
    assert document.faults == []
    assert document.value == value


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    "text", ['a: "\\ud800"', 'a: "\\UFFFFFFFF"', "a: \ud800", "a: \x00", "\ufffe"]
)
def test_bad_characters_are_faults_with_either_loader(
    text: str, loader: type[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no UTF-8 file can hold is a fault, whether or not libyaml is there."""
    monkeypatch.setattr(yamlmarks, "_LOADER", loader)
    assert len(read_yaml(text).faults) == 1


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("&*!|>'\"{}[]:-?#\n ")))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_or_has_faults(text: str) -> None:
    """Reading never raises; lines are counted from 1."""
    document = read_yaml(text)
    assert all(fault.line >= 1 for fault in document.faults)
    assert all(len(fault.message.splitlines()) == 1 for fault in document.faults)
