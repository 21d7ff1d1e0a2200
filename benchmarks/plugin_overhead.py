"""What a plain pytest pays for the plugin being installed.

Runs `pytest` on one trivial test in an empty project, in turn with the plugin and
with it blocked (`-p no:llmbench`), and prints ratio and difference pair by pair; then
what our modules cost at import, by `-X importtime`.

    python benchmarks/plugin_overhead.py [PAIRS]
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OURS = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+pytest_llmbench")


def main() -> None:
    """Measure and print."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_one.py").write_text("def test_one(): pass\n", "utf-8")
        run(folder)  # writes the bytecode
        run(folder, "-p", "no:llmbench")
        with_s, without_s = [], []
        for _ in range(pairs):
            with_s.append(run(folder))
            without_s.append(run(folder, "-p", "no:llmbench"))
        added_ms = [(a - b) * 1e3 for a, b in zip(with_s, without_s, strict=True)]
        ratios = [a / b for a, b in zip(with_s, without_s, strict=True)]
        report("with the plugin (s)", with_s)
        report("plugin blocked (s)", without_s)
        report("ratio, pair by pair", ratios)
        report("difference (ms)", added_ms)
        report("our own imports (ms)", [import_ms(folder) for _ in range(5)])


def run(folder: str, *options: str) -> float:
    """Return the seconds of one whole pytest process."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    started = time.perf_counter()
    subprocess.run([*command, *options], cwd=folder, capture_output=True, check=True)  # noqa: S603 - fixed command
    return time.perf_counter() - started


def import_ms(folder: str) -> float:
    """Return the milliseconds spent in our own modules while pytest starts."""
    command = [sys.executable, "-X", "importtime", "-m", "pytest", "-q"]
    done = subprocess.run(  # noqa: S603 - fixed command
        [*command, "-p", "no:cacheprovider"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return sum(int(found[1]) for found in OURS.finditer(done.stderr)) / 1e3


def report(name: str, values: list[float]) -> None:
    """Print minimum, median and maximum."""
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"{name:<24}{low:10.3f}{middle:10.3f}{high:10.3f}   n={len(values)}")


if __name__ == "__main__":
    main()
