"""The limits of the gates as settings."""

from __future__ import annotations

import math

import pytest

from pytest_llmbench.errors import SettingsError
from pytest_llmbench.policy.thresholds import PolicyThresholds

WHERE = "[tool.llmbench.policy]"


def test_defaults_are_the_designed_limits() -> None:
    """An empty table gives the limits of the design."""
    assert PolicyThresholds.from_mapping({}, WHERE) == PolicyThresholds(
        max_error_rate=0.05,
        min_runs=3,
        max_variance=0.0025,
        min_restraint=0.80,
        regression_margin=0.0,
    )


def test_given_keys_win() -> None:
    """Keys that are given replace the default, whole numbers too."""
    found = PolicyThresholds.from_mapping({"min_runs": 7, "min_restraint": 1}, WHERE)
    assert (found.min_runs, found.min_restraint) == (7, 1)
    assert found.max_variance == 0.0025


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("min_runs", 1),
        ("max_variance", 0),
        ("max_variance", 0.25),
        ("min_restraint", 0.0),
        ("min_restraint", 1.0),
        ("max_error_rate", 1),
        ("regression_margin", 1.0),
    ],
)
def test_a_value_on_its_bound_is_allowed(key: str, value: float) -> None:
    """The bounds themselves can be set."""
    assert getattr(PolicyThresholds.from_mapping({key: value}, WHERE), key) == value


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        (
            "max_varience",
            0.1,
            "unknown key 'max_varience'; did you mean 'max_variance'?",
        ),
        ("min_runs", 0, "min_runs must be a whole number from 1, not 0"),
        ("min_runs", 3.0, "min_runs must be a whole number from 1, not 3.0"),
        ("min_runs", True, "min_runs must be a whole number from 1, not True"),
        (
            "max_variance",
            0.2501,
            "max_variance must be a number from 0 to 0.25, not 0.2501",
        ),
        ("min_restraint", -0.1, "min_restraint must be a number from 0 to 1, not -0.1"),
        (
            "min_restraint",
            "0.8",
            "min_restraint must be a number from 0 to 1, not '0.8'",
        ),
        (
            "max_error_rate",
            math.nan,
            "max_error_rate must be a number from 0 to 1, not nan",
        ),
        (
            "max_error_rate",
            False,
            "max_error_rate must be a number from 0 to 1, not False",
        ),
        (
            "regression_margin",
            1.5,
            "regression_margin must be a number from 0 to 1, not 1.5",
        ),
        ("max_variance", {}, "max_variance must be a number from 0 to 0.25, not {}"),
    ],
)
def test_a_wrong_key_or_value_is_named(key: str, value: object, fault: str) -> None:
    """The message says where, what was found and what is allowed."""
    with pytest.raises(SettingsError) as caught:
        PolicyThresholds.for_phase({key: value}, "atomic", WHERE)
    assert str(caught.value) == f"{WHERE}: {fault}"


def test_all_faults_come_at_once() -> None:
    """Two faults of one table are two lines of one error."""
    with pytest.raises(SettingsError, match=r"min_run'.*\n.*max_variance must"):
        PolicyThresholds.from_mapping({"min_run": 3, "max_variance": 2}, WHERE)


def test_a_phase_overrides_key_by_key() -> None:
    """The phase's table wins where it speaks and leaves the rest."""
    table = {"min_runs": 5, "max_variance": 0.01, "extended": {"max_variance": 0.02}}
    atomic = PolicyThresholds.for_phase(table, "atomic", WHERE)
    extended = PolicyThresholds.for_phase(table, "extended", WHERE)
    assert atomic == PolicyThresholds(min_runs=5, max_variance=0.01)
    assert extended == PolicyThresholds(min_runs=5, max_variance=0.02)


def test_a_fault_in_any_phase_is_found() -> None:
    """A typo in a phase's table is named with the phase, whichever is asked for."""
    with pytest.raises(SettingsError, match=r"phase 'extended': unknown key 'runs'"):
        PolicyThresholds.for_phase({"extended": {"runs": 3}}, "atomic", WHERE)
