"""JSON Schema that never fetches, never hangs and never crashes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmbench.checks.schemafaults import schema_faults
from pytest_llmbench.checks.schemas import schema_violation

if TYPE_CHECKING:
    from pytest_llmbench.prompts.suite import Json

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "n"]), inner, max_size=3)
    ),
)
KEYWORDS = st.sampled_from(
    [
        "$ref", "$id", "$anchor", "$dynamicRef", "$schema", "$defs", "type", "items",
        "properties", "required", "pattern", "patternProperties", "enum", "const",
        "allOf", "anyOf", "not", "additionalProperties", "unevaluatedProperties",
        "multipleOf", "uniqueItems", "minLength", "x",
    ]
)  # fmt: skip
WORDS = st.sampled_from([
    "#",
    "#/x",
    "#/$defs/a",
    "#a",
    "http://[",
    "urn:x",
    "string",
    "object",
    "a+",
    "(",
])
SCHEMAS = st.recursive(
    st.booleans() | WORDS | st.integers(0, 3) | st.lists(WORDS, max_size=2),
    lambda inner: (
        st.dictionaries(KEYWORDS | st.just("a"), inner, max_size=4)
        | st.lists(inner, max_size=2)
    ),
)


@given(schema=SCHEMAS, value=VALUES)
@settings(max_examples=300)
def test_no_schema_raises(schema: Json, value: object) -> None:
    """Any schema must be refused with words, or judge any value."""
    faults = schema_faults(schema)
    assert "" not in faults
    if not faults:
        assert isinstance(schema_violation(schema, value), str)


@pytest.mark.parametrize(
    ("schema", "good", "bad", "why"),
    [
        ({"type": "integer"}, 5.0, "5", 'the value is "5", not of type "integer"'),
        ({"type": "integer"}, 5, True, 'the value is true, not of type "integer"'),
        ({"type": ["string", "null"]}, None, 1, 'is 1, not of type ["string", "null"]'),
        ({"enum": [1, "a"]}, 1.0, True, 'the value is true, not one of [1, "a"]'),
        ({"const": 1}, 1, True, "the value is true, not 1"),
        ({"pattern": "^a"}, "ab", "ba", 'is "ba", which does not match "^a"'),
        ({"minimum": 2}, 2, 1, "the value is 1, less than 2"),
        ({"maximum": 2}, 2, 3, "the value is 3, more than 2"),
        ({"exclusiveMinimum": 2}, 3, 2, "the value is 2, not more than 2"),
        ({"exclusiveMaximum": 2}, 1, 2, "the value is 2, not less than 2"),
        ({"multipleOf": 2}, 4, 3, "the value is 3, not a multiple of 2"),
        ({"minLength": 2}, "ab", "a", 'the value is "a", shorter than 2 characters'),
        ({"maxLength": 1}, "a", "ab", 'the value is "ab", longer than 1 characters'),
        ({"minItems": 1}, [1], [], "the value has fewer than 1 items"),
        ({"maxItems": 1}, [1], [1, 2], "the value has more than 1 items"),
        ({"uniqueItems": True}, [1, True], [1, 1.0], "has the same item twice"),
        ({"uniqueItems": False}, [1, 1], None, ""),
        ({"required": ["a", "b"]}, {"a": 1, "b": 2}, {"a": 1}, 'lacks the key "b"'),
        ({"not": {"type": "null"}}, 1, None, "the value is null, which is ruled out"),
        ({"properties": {"a": False}}, {}, {"a": 1}, "is 1, but nothing is allowed"),
        (
            {"oneOf": [{"minimum": 1}, {"maximum": 1}]},
            2,
            1,
            "which fits none of the choices or more than one",
        ),
        (
            {"dependentRequired": {"a": ["b"]}},
            {"b": 1},
            {"a": 1},
            "the value: 'b' is a dependency of 'a'",
        ),
        (
            {"properties": {"a": {"items": {"type": "null"}}}},
            {"a": [None]},
            {"a": [None, 1]},
            'a[1] is 1, not of type "null"',
        ),
    ],
)
def test_violations_say_place_value_and_limit(
    schema: Json, good: object, bad: object, why: str
) -> None:
    """A valid value passes; an invalid one is explained in our words."""
    assert schema_faults(schema) == []
    assert schema_violation(schema, good) == ""
    violation = schema_violation(schema, bad)
    assert why in violation
    assert bool(violation) == bool(why)


def test_pattern_properties_and_additional_properties_share_our_engine() -> None:
    """Keys are matched in linear time, anywhere in the key, and extras are named."""
    schema = {
        "properties": {"a": True},
        "patternProperties": {"x[0-9]": {"type": "integer"}},
        "additionalProperties": False,
    }
    assert schema_violation(schema, {"a": "any", "mx1": 5}) == ""
    assert schema_violation(schema, {"x1": "5"}) == 'x1 is "5", not of type "integer"'
    assert schema_violation(schema, {"b": 1}) == (
        'the value has the unexpected key "b"'
    )
    assert schema_violation(schema, "no object") == ""


def test_additional_properties_can_be_a_schema() -> None:
    """Extras are held against the schema given for them."""
    schema = {"properties": {"a": True}, "additionalProperties": {"type": "string"}}
    assert schema_violation(schema, {"a": 1, "b": "x"}) == ""
    assert schema_violation(schema, {"b": 1}) == 'b is 1, not of type "string"'


def test_local_references_work() -> None:
    """A pointer, an anchor and an own id must each be followed."""
    for schema in (
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}},
        {"$ref": "#here", "$defs": {"a": {"$anchor": "here", "type": "string"}}},
        {"$id": "urn:s", "$ref": "urn:s#/$defs/a", "$defs": {"a": {"type": "string"}}},
        {"$ref": "#/x/y", "x": {"y": {"type": "string"}}},
    ):
        assert schema_faults(schema) == []
        assert schema_violation(schema, "text") == ""
        assert schema_violation(schema, 1) == 'the value is 1, not of type "string"'


def test_a_recursive_schema_judges_a_tree() -> None:
    """A reference that consumes the value at each turn is fine."""
    schema = {"type": "object", "properties": {"n": {"$ref": "#"}}}
    assert schema_faults(schema) == []
    assert schema_violation(schema, {"n": {"n": {}}}) == ""
    assert schema_violation(schema, {"n": {"n": 1}}) == 'n.n is 1, not of type "object"'


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ("string", "a JSON Schema is a mapping"),
        ({"type": "strng"}, 'type is "strng"'),
        ({"properties": 5}, 'properties is 5, not of type "object"'),
        ({"$id": 5}, "no valid JSON Schema"),
        ({"$ref": "https://example.com/s.json"}, "no place inside the schema"),
        ({"$ref": "other.json#/a"}, "no place inside the schema"),
        ({"$ref": "file:///etc/passwd"}, "no place inside the schema"),
        ({"$ref": "#/$defs/missing"}, "no place inside the schema"),
        ({"$dynamicRef": "#missing"}, "no place inside the schema"),
        ({"$ref": "#/x/a", "x": [1]}, "no place inside the schema"),
        ({"$ref": "#/x/y", "x": {"y": {"type": "strng"}}}, 'type is "strng"'),
        ({"$ref": "#/x/y", "x": {"y": {"$id": 5}}}, '["$id"] is 5'),
        ({"$ref": "#/x/y/z", "x": {"y": {"$id": 5}}}, "no place inside the schema"),
        ({"$ref": "#"}, "leads back to itself"),
        ({"allOf": [{"$ref": "#"}]}, "leads back to itself"),
        ({"pattern": "(?=a)"}, "no lookahead"),
        ({"items": {"patternProperties": {"(": True}}}, 'pattern "("'),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "only https://"),
        (
            {"items": {"$schema": "http://json-schema.org/draft-07/schema#"}},
            "at the top of a schema only",
        ),
        (
            {"unevaluatedProperties": False, "patternProperties": {}},
            "do not work together",
        ),
        (
            {"unevaluatedProperties": False, "allOf": [{"patternProperties": {}}]},
            "do not work together",
        ),
        (
            {"$id": "urn:x", "properties": {"a": {"$id": "http://["}}},
            "a $id or $ref is no URI",
        ),
    ],
)
def test_unusable_schemas_are_refused(schema: Json, word: str) -> None:
    """What cannot be judged safely must be a fault when the suite is read."""
    faults = schema_faults(schema)
    assert len(faults) == 1
    assert word in faults[0]


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
        {"properties": {"$ref": {"type": "string"}}},
        {"const": {"$ref": "https://example.com"}},
        {"pattern": r"\p{L}"},
        {"items": {"unevaluatedProperties": False}},
    ],
)
def test_usable_schemas_are_not_refused(schema: Json) -> None:
    """Words that only look like references, and RE2's own syntax, are fine."""
    assert schema_faults(schema) == []


def test_the_dialect_word_does_not_bring_back_the_slow_engine() -> None:
    """A pattern must stay linear when the schema names its dialect."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": {"a": {"pattern": "^(a*)*b$"}, "n": {"$ref": "#"}},
        "patternProperties": {"^(x*)*y$": False},
        "additionalProperties": False,
    }
    started_s = time.perf_counter()
    assert schema_violation(schema, {"n": {"a": "a" * 5000}})
    assert schema_violation(schema, {"x" * 5000: 1})
    assert time.perf_counter() - started_s < 2


def test_choices_that_multiply_end_with_a_reason() -> None:
    """A recursive schema with choices must not run for ever on a deep value."""
    branch = {"properties": {"n": {"$ref": "#"}}, "required": ["a"]}
    schema = {"oneOf": [branch, branch]}
    value: dict[str, Json] = {}
    for _ in range(40):
        value = {"n": value}
    assert schema_faults(schema) == []
    assert schema_violation(schema, value) == (
        "checking the schema takes more than 100,000 steps"
    )


def test_many_mixed_items_are_compared_in_linear_time() -> None:
    """Uniqueness of a long list must not take the square of its length."""
    items = [[kind, number] for number in range(8_000) for kind in (1, "a", None)]
    started_s = time.perf_counter()
    assert schema_violation({"uniqueItems": True}, items) == ""
    assert time.perf_counter() - started_s < 5


def test_a_large_honest_list_is_judged() -> None:
    """Ten thousand items with references must stay below the limit of steps."""
    schema = {"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"type": "integer"}}}
    assert schema_violation(schema, [1] * 10_000) == ""


def test_values_beyond_arithmetic_fail_with_words() -> None:
    """Numbers that overflow and values too deep must not raise."""
    assert "cannot be checked" in schema_violation({"multipleOf": 0.5}, 10**400)
    deep: list[Json] = []
    for _ in range(5000):
        deep = [deep]
    assert "too deeply" in schema_violation({"items": {"$ref": "#"}}, deep)
