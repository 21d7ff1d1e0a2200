"""What the run ran on, as plain JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pytest_llmbench.runs.inventory import _gpu, host_facts, snapshot

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def test_the_host_is_plain_json() -> None:
    """Facts that stay over a run have their keys, known or null."""
    facts = host_facts()
    assert json.loads(json.dumps(facts)) == facts
    assert set(facts) == {"host", "os", "python", "cpu"}
    assert set(facts["cpu"]) == {"model", "count"}
    assert facts["cpu"]["count"] >= 1


def test_a_snapshot_is_plain_json(tmp_path: Path) -> None:
    """What changes over a run has its keys; a folder not yet made has a disk."""
    taken = snapshot(tmp_path / "not" / "yet", NOW)
    assert json.loads(json.dumps(taken)) == taken
    assert set(taken) == {"taken_at", "ram", "disk", "gpus"}
    assert taken["taken_at"] == "2026-11-21T09:00:00+00:00"
    assert set(taken["ram"]) == {"total_bytes", "available_bytes"}
    assert 0 < taken["disk"]["free_bytes"] <= taken["disk"]["total_bytes"]
    assert taken["gpus"] is None or isinstance(taken["gpus"], list)


@pytest.mark.parametrize(
    ("row", "gpu"),
    [
        (["NVIDIA X", "24576", "12", "550.1"], ("NVIDIA X", 24576, 12, "550.1")),
        (["X", "[N/A]", "[Not Supported]", "1"], ("X", None, None, "1")),
        (["X"], ("X", None, None, "")),
        ([], ("", None, None, "")),
    ],
)
def test_a_gpu_row(row: list[str], gpu: tuple[object, ...]) -> None:
    """Sizes are numbers where the driver gives them, else null."""
    assert tuple(_gpu(row).values()) == gpu
