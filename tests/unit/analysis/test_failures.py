"""How failed trials are counted by mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from made_records import make_plan, make_record

from pytest_llmbench.analysis.failures import failure_modes
from pytest_llmbench.analysis.summary import summarise

if TYPE_CHECKING:
    from pytest_llmbench.checks.verdict import FailureMode
    from pytest_llmbench.runs.record import Record


def failed(prompt_id: str, run: int, mode: FailureMode | None) -> Record:
    """Make a failed trial of one mode."""
    return make_record(prompt_id, run, "F", failure_mode=mode)


RECORDS = [
    failed("P1", 1, "wrong_tool"),
    failed("P1", 2, "wrong_tool"),
    failed("P2", 1, "empty"),
    make_record("P2", 2, "T"),
    make_record("P3", 1, "P"),
    make_record("P3", 2, "E"),
]


def test_the_commonest_mode_is_first() -> None:
    """Counts fall, equals are in the order of their words."""
    assert list(failure_modes(RECORDS).items()) == [
        ("wrong_tool", 2),
        ("empty", 1),
        ("timeout", 1),
    ]


def test_only_failures_have_a_mode() -> None:
    """A pass or an error is in no count, nor is a failure stored without a mode."""
    assert failure_modes([make_record(letter="P"), make_record(letter="E")]) == {}
    assert failure_modes([failed("P1", 1, None)]) == {}


def test_modes_reach_spec_and_prompts() -> None:
    """The spec's counts are the sum of its prompts'."""
    plan = make_plan({"P1": "FF", "P2": "FT", "P3": "PE"})
    job = summarise(RECORDS, plan)
    assert job.failure_modes == failure_modes(RECORDS)
    assert [dict(prompt.failure_modes) for prompt in job.prompts] == [
        {"wrong_tool": 2},
        {"empty": 1, "timeout": 1},
        {},
    ]
    stored = job.to_json()
    assert list(stored["failure_modes"]) == ["wrong_tool", "empty", "timeout"]
    assert stored["prompts"][0]["failure_modes"] == {"wrong_tool": 2}
