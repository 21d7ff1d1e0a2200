"""Print by how many megabytes one faulty call raises a process's peak memory.

    python tests/fakes/peak_growth.py FAULT URL

The server at the URL must be armed with the fault. The peak before is taken once the
model's facts have been read: connections and imports are no part of the growth.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from asking import error_of, target_of
from fault_cases import CASES

from pytest_llmbench.calls.engine import Engine


def main() -> None:
    """Ask once; print megabytes and the error's kind."""
    name, url = sys.argv[1:]
    engine = Engine()
    engine.facts(target_of(url))
    before_mb = _peak_mb()
    answer = engine.ask(target_of(url), CASES[name].row.request)
    sys.stdout.write(f"{_peak_mb() - before_mb:.1f} {error_of(answer).kind}\n")
    engine.close()


def _peak_mb() -> float:
    """Read Linux's high-water mark; getrusage's is also that of who has spawned us."""
    status = Path("/proc/self/status").read_text("ascii")
    peak = re.search(r"VmHWM:\s*(\d+) kB", status)
    assert peak is not None
    return int(peak[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
