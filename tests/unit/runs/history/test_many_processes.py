"""Twenty processes open, create and write one SQLite history at the same time."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import history_writers
import pytest
from made_runs import put_run, run_id

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(sys.platform == "win32", reason="needs os.fork")
@pytest.mark.parametrize("options", ["", "?vfs=unix-dotfile&uri=true"])
def test_nothing_is_lost(tmp_path: Path, options: str) -> None:
    """Each run is there once and cycles count without gaps, with and without a log."""
    for number in range(5):
        put_run(tmp_path, run_id(18, number))
    url = f"sqlite:///{'file:' if options else ''}{tmp_path}/history.db{options}"
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, history_writers.__file__, url, tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    told: list[dict[str, Any]] = [*map(json.loads, done.stdout.splitlines())]
    history_writers.check_twenty_at_once(url, tmp_path, told)
