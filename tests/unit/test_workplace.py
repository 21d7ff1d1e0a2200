"""What a process knows of where it works."""

from __future__ import annotations

from pytest_llmbench.workplace import Workplace


def test_a_key_is_shared_among_the_workers() -> None:
    """A worker is told how many there are; any other process is alone."""
    assert Workplace({"workerid": "gw1", "workercount": 4}).workers == 4
    assert Workplace({}).workers == 1
