"""The limits of the gates as settings."""

from __future__ import annotations

import math

import pytest

from pytest_llmbench.errors import SettingsError
from pytest_llmbench.policy.thresholds import PolicyThresholds, policy_table

WHERE = "[tool.llmbench.policy]"


def test_defaults_are_the_designed_limits() -> None:
    """An empty table gives the limits of the design."""
    assert PolicyThresholds.from_mapping({}, WHERE) == PolicyThresholds(
        max_error_rate=0.05,
        min_runs=3,
        max_variance=0.0025,
        min_restraint=0.80,
        regression_margin=0.0,
        method="default",
        non_inferiority_margin=0.05,
        confidence=0.95,
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
        ("non_inferiority_margin", 0),
        ("non_inferiority_margin", 0.5),
        ("confidence", 0.5),
        ("confidence", 0.999),
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
        (
            "non_inferiority_margin",
            0.51,
            "non_inferiority_margin must be a number from 0 to 0.5, not 0.51",
        ),
        ("confidence", 1.0, "confidence must be a number from 0.5 to 0.999, not 1.0"),
        ("confidence", 0.4, "confidence must be a number from 0.5 to 0.999, not 0.4"),
        ("confidance", 0.9, "unknown key 'confidance'; did you mean 'confidence'?"),
        (
            "method",
            "statistcal",
            "unknown method 'statistcal'; did you mean 'statistical'?",
        ),
        ("method", "bayes", "unknown method 'bayes'; known: default, statistical"),
        ("method", 1, "method must be 'default' or 'statistical', not 1"),
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


def test_a_phase_has_its_own_method() -> None:
    """The method, its margin and confidence can be set for one phase."""
    table = {"extended": {"method": "statistical", "non_inferiority_margin": 0.1}}
    found = PolicyThresholds.for_phase(table, "extended", WHERE)
    assert (found.method, found.non_inferiority_margin) == ("statistical", 0.1)
    assert PolicyThresholds.for_phase(table, "atomic", WHERE).method == "default"


def test_alpha_is_the_rest_of_the_confidence() -> None:
    """What `--runs auto` may err is 1 less the confidence."""
    assert PolicyThresholds(confidence=0.9).alpha == pytest.approx(0.1)


def test_a_plain_word_is_the_method() -> None:
    """`policy = "statistical"` is short for a table with that method."""
    assert policy_table("statistical", WHERE) == {"method": "statistical"}
    assert policy_table("default", WHERE) == {"method": "default"}
    assert policy_table({"min_runs": 5}, WHERE) == {"min_runs": 5}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("statistic", ": unknown method 'statistic'; did you mean 'statistical'?"),
        (3, " must be a table, 'default' or 'statistical', not 3"),
        ([], " must be a table, 'default' or 'statistical', not []"),
    ],
)
def test_another_plain_value_is_refused(value: object, fault: str) -> None:
    """Another word or kind of value is named with what is allowed."""
    with pytest.raises(SettingsError) as caught:
        policy_table(value, WHERE)
    assert str(caught.value) == WHERE + fault
