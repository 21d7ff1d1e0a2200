"""What the run ran on, as plain JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from fake_nvidia_smi import CARD, SILENT, put_broken_nvidia_smi, put_nvidia_smi

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
    assert set(taken) == {"taken_at", "load_1m", "ram", "disk", "gpus"}
    assert taken["taken_at"] == "2026-11-21T09:00:00+00:00"
    assert taken["load_1m"] is None or taken["load_1m"] >= 0
    assert set(taken["ram"]) == {"total_bytes", "available_bytes"}
    assert 0 < taken["disk"]["free_bytes"] <= taken["disk"]["total_bytes"]
    assert taken["gpus"] is None or isinstance(taken["gpus"], list)


@pytest.mark.parametrize(
    ("row", "gpu"),
    [
        (
            ["NVIDIA X", "24576", "12", "24564", "3", "550.1"],
            ("NVIDIA X", 24576, 12, 24564, 3, "550.1"),
        ),
        (
            ["X", "[N/A]", "[Not Supported]", "[Unknown Error]", "", "1"],
            ("X", None, None, None, None, "1"),
        ),
        (["X"], ("X", None, None, None, None, "")),
        ([], ("", None, None, None, None, "")),
    ],
)
def test_a_gpu_row(row: list[str], gpu: tuple[object, ...]) -> None:
    """Sizes and use are numbers where the driver gives them, else null."""
    assert tuple(_gpu(row).values()) == gpu


def test_nvidia_smi_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each GPU has an entry; each number is the one of its column."""
    busy = {**CARD, "utilization.gpu": "93", "memory.free": "512"}
    put_nvidia_smi(tmp_path, monkeypatch, busy, SILENT)
    first, second = snapshot(tmp_path, NOW)["gpus"]
    assert first == {
        "name": "NVIDIA H200",
        "memory_total_mib": 8192,
        "memory_used_mib": 1024,
        "memory_free_mib": 512,
        "utilization_percent": 93,
        "driver": "570.86",
    }
    assert second["name"] == "Other GPU"
    assert second["memory_free_mib"] is second["utilization_percent"] is None


def test_a_broken_nvidia_smi_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that fails tells of no GPU, and stops nothing."""
    put_broken_nvidia_smi(tmp_path, monkeypatch)
    assert snapshot(tmp_path, NOW)["gpus"] is None
