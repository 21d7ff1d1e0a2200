"""Twenty processes that write one history at once; run as a script.

It prints one JSON line per process, with what that process was told.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from made_records import SPEC
from made_runs import AT, made_cycle, made_summary, run_id

from pytest_llmbench.runs.history import History

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

MANY = 20


def write(url: str, reports: Path, number: int, start: Barrier) -> dict[str, Any]:
    """Open the history as all others do, write one's own and what others write too."""
    own, shared = made_summary(run_id(20, number)), made_summary(run_id(19))
    start.wait(60)
    with History.open(url) as history:
        return {
            "own": history.add_run(own, at=AT, folder="f"),
            "shared": history.add_run(shared, at=AT, folder="f"),
            "synced": history.sync(reports),
            "cycle": history.add_cycle(made_cycle(number)),
        }


def _child(
    url: str, reports: Path, number: int, start: Barrier, told: Queue[dict[str, Any]]
) -> None:
    try:
        told.put(write(url, reports, number, start))
    except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
        told.put({"error": repr(error)})


def check_twenty_at_once(url: str, reports: Path, told: list[dict[str, Any]]) -> None:
    """Nothing is lost, nothing doubled, and the cycles are 1 to 20.

    Args:
        reports: a folder of five runs that every process has synced.
        told: what the processes were told.
    """
    assert [each for each in told if "error" in each] == []
    assert sorted(each["cycle"] for each in told) == list(range(1, MANY + 1))
    assert [each["own"] for each in told] == [True] * MANY
    assert sum(each["shared"] for each in told) == 1
    assert sum(each["synced"] for each in told) == 5
    with History.open(url) as history:
        assert history.run_count() == len(history.jobs_of_spec(SPEC)) == MANY + 1 + 5
        cycles = history.cycles()
        assert [cycle["cycle_index"] for cycle in cycles] == list(range(1, MANY + 1))
        assert {cycle["run_id"] for cycle in cycles} == {
            run_id(21, number) for number in range(MANY)
        }
        assert history.sync(reports) == 0


def main(url: str, reports: Path) -> None:
    """Start the processes, forked after the imports so that they come at once."""
    context = multiprocessing.get_context("fork")
    start, told = context.Barrier(MANY), context.Queue()
    children = [
        context.Process(target=_child, args=(url, reports, number, start, told))
        for number in range(MANY)
    ]
    for child in children:
        child.start()
    for _ in children:
        sys.stdout.write(json.dumps(told.get(timeout=120)) + "\n")
    for child in children:
        child.join(10)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
