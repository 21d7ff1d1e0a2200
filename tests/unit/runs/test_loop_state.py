"""Where a loop stands, on disk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from jsonschema import validate

from pytest_llmbench.errors import SettingsError
from pytest_llmbench.policy.discovery import Candidate
from pytest_llmbench.policy.learning import candidate_json
from pytest_llmbench.runs.loop_state import (
    STATE,
    LoopState,
    OpenCycle,
    only_loop,
    read_state,
    write_state,
)
from pytest_llmbench.runs.schemas import load_schema

if TYPE_CHECKING:
    from pathlib import Path

CYCLE = OpenCycle(
    position=2,
    run_id="20261121T095724000Z-c8e9bb",
    candidates=(candidate_json(Candidate(spec="m:1b / a / text / t60 r0 i0 w1")),),
)
LOOP = LoopState(
    loop_id="L1",
    at="2026-11-21T09:57:24+00:00",
    first_baseline="a",
    baseline="b",
    suites=("suites/atomic",),
    pytest_args=("-k", "P1"),
    cycle=CYCLE,
)


def test_a_state_reads_back(tmp_path: Path) -> None:
    """What is written follows its schema and comes back equal."""
    path = write_state(tmp_path, LOOP)
    validate(json.loads(path.read_text("utf-8")), load_schema("loop_state"))
    assert read_state(tmp_path) == LOOP


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "--resume: no loop has run in"),
        ("{", "cannot be read"),
        ('{"loop_id": 1}', "cannot be read"),
    ],
)
def test_a_state_that_cannot_be_read_is_a_usage_error(
    tmp_path: Path, text: str | None, message: str
) -> None:
    """Missing, cut off or of another shape: one line that says what to do."""
    if text is not None:
        (tmp_path / STATE).write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message) as caught:
        read_state(tmp_path)
    assert "start" in str(caught.value)


def test_two_loops_do_not_share_their_reports(tmp_path: Path) -> None:
    """The second is refused while the first runs, and may run afterwards."""
    with only_loop(tmp_path):
        second = only_loop(tmp_path)
        with pytest.raises(SettingsError, match="another loop runs in"):
            second.__enter__()
    with only_loop(tmp_path):
        assert (tmp_path / ".loop.lock").exists()
