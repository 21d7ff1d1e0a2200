"""The published schemas as documents: valid, whole, explained, printable."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, get_args

import pytest
from jsonschema import Draft202012Validator

from pytest_llmbench.analysis.comparison import IntervalMethod
from pytest_llmbench.analysis.latency import RateSource
from pytest_llmbench.analysis.patterns import PatternKind
from pytest_llmbench.calls.request import WarmupStatus
from pytest_llmbench.checks.verdict import Behaviour
from pytest_llmbench.cli import main
from pytest_llmbench.errors import CallError
from pytest_llmbench.option_values import GATES
from pytest_llmbench.policy.decision import DecisionWord, PromotionCode
from pytest_llmbench.policy.discovery import Knob
from pytest_llmbench.policy.feedback import Action
from pytest_llmbench.policy.gate import GateCode, GateName
from pytest_llmbench.policy.guard import FindingKind, Level, Unit
from pytest_llmbench.policy.thresholds import METHODS, PolicyThresholds
from pytest_llmbench.runs.loop_state import Status
from pytest_llmbench.runs.record import BEYOND_CONTEXT, Outcome
from pytest_llmbench.runs.schemas import SCHEMAS, load_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITTEN: Final = [name for name in SCHEMAS if name != "suite"]
OUTCOMES: Final = get_args(Outcome)
PATTERNS: Final = get_args(PatternKind)


def subclasses(base: type[CallError]) -> Iterator[type[CallError]]:
    """Yield a class and everything below it."""
    yield base
    for child in base.__subclasses__():
        yield from subclasses(child)


def properties(value: object, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every property that a schema describes, with its place."""
    if isinstance(value, dict):
        if isinstance(value.get("properties"), dict):
            for key, inner in value["properties"].items():
                yield f"{path}/{key}", inner
        for key, inner in value.items():
            yield from properties(inner, f"{path}/{key}")


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_valid(name: str) -> None:
    """Each is a JSON Schema 2020-12 under its own name and version."""
    schema = load_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:pytest-llmbench:{name}:1"
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"]


@pytest.mark.parametrize("name", WRITTEN)
def test_every_field_is_described(name: str) -> None:
    """No field of a file is left for the reader to guess."""
    bare = [
        place
        for place, inner in properties(load_schema(name))
        if not inner.get("description")
    ]
    assert not bare


@pytest.mark.parametrize("name", WRITTEN)
def test_null_is_explained(name: str) -> None:
    """A field that can be null says when it is."""
    schema = load_schema(name)
    others = {key: part for key, part in schema["$defs"].items() if ":" in key}
    own = {key: part for key, part in schema["$defs"].items() if key not in others}
    silent = [
        place
        for place, inner in properties({**schema, "$defs": own})
        if "null" not in inner["description"].lower()
        and Draft202012Validator({**inner, "$defs": {**own, **others}}).is_valid(None)
    ]
    assert not silent


def test_a_schema_is_whole_and_the_callers_own() -> None:
    """What others refer to is inside, and changing one result changes no other."""
    first = load_schema("canonical")
    others = {f"urn:pytest-llmbench:{name}:1" for name in ("summary", "inventory")}
    assert others <= set(first["$defs"])
    for name in SCHEMAS:
        load_schema(name)["$defs"].clear()
    assert load_schema("canonical") == first


def test_an_unknown_schema() -> None:
    """A name that is none raises KeyError."""
    with pytest.raises(KeyError, match="sumary"):
        load_schema("sumary")


@pytest.mark.parametrize(
    ("name", "place", "words"),
    [
        ("record", "$defs/outcome", OUTCOMES),
        ("record", "$defs/behaviour", get_args(Behaviour)),
        ("summary", "$defs/outcome_or_none", (*OUTCOMES, None)),
        ("summary", "$defs/pattern_kind", PATTERNS),
        ("summary", "$defs/gate_name", get_args(GateName)),
        ("summary", "$defs/gate_code", get_args(GateCode)),
        (
            "summary",
            "$defs/decision/properties/code/anyOf/1",
            get_args(PromotionCode),
        ),
        ("config", "$defs/limits/properties/method", METHODS),
        ("summary", "$defs/decision/properties/decision", get_args(DecisionWord)),
        (
            "summary",
            "$defs/latency/properties/rate_source",
            (*get_args(RateSource), None),
        ),
        ("inventory", "$defs/warmup/properties/status", get_args(WarmupStatus)),
        ("inventory", "$defs/finding/properties/finding", get_args(FindingKind)),
        ("inventory", "$defs/finding/properties/level", get_args(Level)),
        ("inventory", "$defs/finding/properties/unit", get_args(Unit)),
        ("config", "$defs/settings/properties/gate", GATES),
        (
            "meta_loop_history",
            "$defs/decision/properties/decision",
            get_args(DecisionWord),
        ),
        (
            "harness_feedback",
            "$defs/recommendation/properties/action",
            get_args(Action),
        ),
        (
            "harness_feedback",
            "$defs/hot_failure/properties/pattern",
            (*PATTERNS, None),
        ),
        ("meta_loop_history", "$defs/knob", (*get_args(Knob), None)),
        (
            "meta_loop_history",
            "$defs/effect/properties/interval_method",
            (*get_args(IntervalMethod), None),
        ),
        ("loop_state", "properties/status", get_args(Status)),
        (
            "record",
            "$defs/fault/properties/kind",
            (
                *(error.kind for error in subclasses(CallError)),
                *("fixture", "check_broken", "worker_crashed", "skipped", "given_up"),
                BEYOND_CONTEXT,
            ),
        ),
    ],
)
def test_words_are_the_codes(name: str, place: str, words: tuple[object, ...]) -> None:
    """A list of words in a schema is the code's own list."""
    found: Any = load_schema(name)
    for step in place.split("/"):
        found = found[int(step)] if step.isdecimal() else found[step]
    assert sorted(map(str, found["enum"])) == sorted(map(str, words))


@pytest.mark.parametrize(
    ("definition", "keys"),
    [("outcomes", OUTCOMES), ("behaviours", get_args(Behaviour))],
)
def test_counted_words_are_the_codes(definition: str, keys: tuple[str, ...]) -> None:
    """A table of counts has one key per word."""
    table = load_schema("summary")["$defs"]["job"]["properties"][definition]
    assert list(table["properties"]) == list(keys)


def test_limits_are_the_codes() -> None:
    """The policy's limits in config.json are the gates' thresholds."""
    parts = load_schema("config")["$defs"]
    names = list(PolicyThresholds.__struct_fields__)
    assert list(parts["limits"]["properties"]) == names
    assert list(parts["policy"]["properties"]) == names


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_command_prints_a_schema(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`llmbench schema NAME` prints it whole."""
    assert main(["schema", name]) == 0
    assert json.loads(capsys.readouterr().out) == load_schema(name)


def test_the_command_prints_the_suites_schema_by_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`llmbench schema` is for authors of suites first."""
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == load_schema("suite")


def test_the_command_helps_with_a_wrong_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A misspelt name is a usage error that offers the right one."""
    assert main(["schema", "sumary"]) == 2
    told = capsys.readouterr()
    assert told.err == "llmbench: schema: no schema 'sumary'; did you mean 'summary'?\n"
    assert not told.out
