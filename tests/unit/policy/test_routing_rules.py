"""The rules of routing, as the settings file sets them."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llmbench.errors import SettingsError
from pytest_llmbench.policy.routing_rules import (
    DEFAULT_FALLBACK,
    PhaseRule,
    RoutingRules,
)


def read(**table: Any) -> RoutingRules:  # noqa: ANN401 - a table of a TOML file
    """Read a settings table."""
    return RoutingRules.from_mapping(table, "routing")


def test_defaults() -> None:
    """Atomic work is granted from 0.80 on, extended work barred below 0.50."""
    rules = read()
    assert rules == RoutingRules()
    assert rules.of("atomic") == PhaseRule(allow_from=0.80)
    assert rules.of("extended") == PhaseRule(bar_below=0.50)
    assert rules.of("other") == PhaseRule()
    assert rules.fallback_of("other") == DEFAULT_FALLBACK


def test_a_phase_has_its_own_rule() -> None:
    """Its keys win over the defaults; those left out keep them."""
    rules = read(
        fallback="big",
        extended={"allow_from": 0.9, "fallback": "bigger"},
        chat={"bar_below": 0.3},
    )
    assert rules.of("extended") == PhaseRule(
        allow_from=0.9, bar_below=0.50, fallback="bigger"
    )
    assert rules.of("chat") == PhaseRule(bar_below=0.3)
    assert rules.of("atomic") == PhaseRule(allow_from=0.80)
    found = [rules.fallback_of(phase) for phase in ("extended", "chat", "none")]
    assert found == ["bigger", "big", "big"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"falback": "x"},
            (
                "routing: unknown key 'falback'; did you mean 'fallback'?, or a phase's"
                " table"
            ),
        ),
        (
            {"atomic": {"allow_form": 0.5}},
            (
                "routing phase 'atomic': unknown key 'allow_form';"
                " did you mean 'allow_from'?"
            ),
        ),
        ({"fallback": ""}, "routing: fallback must name a model, not ''"),
        ({"fallback": 3}, "routing: fallback must name a model, not 3"),
        (
            {"atomic": {"allow_from": 1.5}},
            "routing phase 'atomic': allow_from must be a number from 0 to 1, not 1.5",
        ),
        (
            {"atomic": {"allow_from": True}},
            "routing phase 'atomic': allow_from must be a number from 0 to 1, not True",
        ),
        (
            {"atomic": {"bar_below": 0.9}},
            (
                "routing phase 'atomic': bar_below (0.9) must not lie above allow_from"
                " (0.8)"
            ),
        ),
    ],
)
def test_what_cannot_be_is_refused(table: dict[str, Any], message: str) -> None:
    """The message names place, key, value and what is allowed."""
    with pytest.raises(SettingsError) as refused:
        RoutingRules.from_mapping(table, "routing")
    assert str(refused.value) == message


def test_all_faults_are_told_at_once() -> None:
    """Two wrong keys are two lines."""
    with pytest.raises(SettingsError) as refused:
        read(fallback=1, atomic={"bar_below": 2})
    assert len(str(refused.value).splitlines()) == 2


def test_bounds_may_meet() -> None:
    """0 and 1 are shares, and one limit may both bar and grant."""
    rules = read(atomic={"allow_from": 1}, chat={"allow_from": 0, "bar_below": 0})
    assert rules.of("atomic").allow_from == 1
    assert rules.of("chat") == PhaseRule(allow_from=0, bar_below=0)
