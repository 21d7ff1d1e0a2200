"""How each kind of setting is read, from a text or from TOML."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.calls.providers import SPOKEN, open_provider
from pytest_llmbench.calls.request import LoadedModel, Occupancy, Target
from pytest_llmbench.option_values import (
    GATES,
    read_count,
    read_gate,
    read_names,
    read_retries,
    read_seconds,
    read_streak,
    read_switch,
    read_text,
    read_usd,
    read_wait,
)
from pytest_llmbench.options import OPTIONS, Option
from pytest_llmbench.policy.guard import Machine, sighting
from pytest_llmbench.runs.schemas import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (read_retries, "0", 0),
        (read_retries, 100, 100),
        (read_streak, "3", 3),
        (read_streak, "0", 0),
        (read_streak, False, 0),
        (read_usd, "2.50", 2.5),
        (read_usd, 1, 1.0),
        (read_names, "P6", ("P6",)),
        (read_names, " P6 ,P7,, P6\nP8 ", ("P6", "P7", "P8")),
        (read_names, ["a,b", "c", "a"], ("a", "b", "c")),
        (read_names, "m?a=1&b=2", ("m?a=1&b=2",)),
        (read_count, "1", 1),
        (read_count, "007", 7),
        (read_count, 12, 12),
        (read_seconds, "0.5", 0.5),
        (read_seconds, 3, 3.0),
        (read_seconds, 2.5, 2.5),
        (read_seconds, "1e3", 1000.0),
        (read_seconds, 86_400, 86_400.0),
        (read_wait, "0", 0.0),
        (read_wait, 2.5, 2.5),
        (read_switch, True, True),
        (read_switch, False, False),
        (read_switch, "true", True),
        (read_switch, "Yes", True),
        (read_switch, "ON", True),
        (read_switch, "1", True),
        (read_switch, "false", False),
        (read_switch, "no", False),
        (read_switch, "off", False),
        (read_switch, "0", False),
        *((read_gate, gate, gate) for gate in GATES),
        (read_text, " reports/x ", "reports/x"),
    ],
)
def test_what_is_accepted(
    read: Callable[[object], object], value: object, expected: object
) -> None:
    """A text and its TOML twin give the same value, of one type."""
    found = read(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("read", "allowed", "values"),
    [
        (read_names, "a text or a list of texts", [3, None, [1], ["a", 2], {}, True]),
        (read_names, "at least one name", ["", " ", ",", "\n", [], [","]]),
        (
            read_count,
            "a whole number from 1",
            [
                "0",
                0,
                -1,
                "-1",
                "x",
                "",
                "1.0",
                1.0,
                "1e3",
                True,
                None,
                [1],
                "٣",
                "+1",
                " 1",
                "1_0",
                "9" * 5000,
            ],
        ),
        (
            read_usd,
            "US dollars above 0 and up to 1000000",
            ["0", 0, -1, "x", "", "$2", "nan", "inf", 1_000_001, True, None, [1]],
        ),
        (
            read_seconds,
            "seconds above 0 and up to 86400",
            [
                "0",
                0,
                -1,
                "x",
                "",
                "nan",
                "inf",
                math.nan,
                math.inf,
                86401,
                True,
                None,
                [1],
                10**400,
                "1e400",
                "5s",
            ],
        ),
        (
            read_retries,
            "a whole number from 0 to 100",
            ["", "-1", -1, 101, 1.0, True, None, "two"],
        ),
        (
            read_streak,
            (
                "a whole number from 1, or nothing at all; before a path write"
                " --fail-fast=3"
            ),
            ["suites/atomic", "", -1, True, None, 1.5, ["3"]],
        ),
        (read_switch, "true or false", ["", "2", "maybe", 1, 0, None, [True], 1.0]),
        (
            read_gate,
            "one of none, promote, no-reject",
            ["", "PROMOTE", "reject", None, ["none"], True],
        ),
        (read_text, "a text", ["", "  ", None, 3, ["a"]]),
    ],
)
def test_what_is_refused(
    read: Callable[[object], object], allowed: str, values: list[object]
) -> None:
    """Each wrong value is a ValueError that says what is allowed."""
    for value in values:
        with pytest.raises(ValueError, match=f"^{allowed}$"):
            read(value)


@given(st.sampled_from(OPTIONS), st.text() | st.integers() | st.floats() | st.none())
def test_any_value_is_read_or_refused(option: Option, value: object) -> None:
    """Reading a setting raises nothing but a ValueError."""
    try:
        found: Any = option.read(value)
    except ValueError:
        return
    assert found is not None


def test_every_default_reads_back() -> None:
    """A default could have been written by the user, or means `not set`."""
    for option in OPTIONS:
        value: Any = option.default
        if value in (None, "", ()):
            continue
        written = list(value) if isinstance(value, tuple) else value
        assert option.read(written) == value


def test_options_are_told_apart() -> None:
    """No key and no flag stands twice; each has its help and its unit."""
    keys = [option.key for option in OPTIONS]
    flags = [option.flag for option in OPTIONS if option.flag]
    assert len(set(keys)) == len(keys)
    assert len(set(flags)) == len(flags)
    for option in OPTIONS:
        assert option.help
        assert not option.flag or option.flag == f"--{option.key.replace('_', '-')}"
        is_switch = option.read is read_switch
        assert bool(option.metavar) == (bool(option.flag) and not is_switch)


def help_of(key: str) -> str:
    """Return what `--help` says of an option."""
    (option,) = [option for option in OPTIONS if option.key == key]
    return option.help


def test_the_default_of_concurrency_is_every_providers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What help and schema call the default is what the dialects have."""
    words = "1 for ollama and embedded, 2 for claude-code, 8 for other services"
    monkeypatch.setenv("ANTHROPIC_API_KEY", "made-up")
    told = {"ollama": 1, "embedded": 1, "claude-code": 2}
    for provider in SPOKEN:
        target = Target(provider=provider, model="m", base_url="http://127.0.0.1:1")
        slots = open_provider(target, SystemClock(), None).slots
        assert slots == told.get(provider, 8)
    assert words in help_of("concurrency")
    assert words in str(load_schema("config"))


def test_any_server_may_be_busy() -> None:
    """Another model is other work at a server on any machine: the help says no less."""
    elsewhere = Occupancy(
        server="ollama at there",
        is_local=False,
        loaded=(LoadedModel(name="other:7b"),),
    )
    found = sighting(Machine(), [elsewhere]).at_least("busy")
    assert [one.finding for one in found] == ["other_model"]
    assert "if a server is busy" in help_of("require_idle")
    assert "local" not in help_of("require_idle")
