"""What judging stored replies again costs: parse, judge, record, sum up, report.

Writes N stored replies to the atomic suite (native calls, calls in the text, prose),
runs `pytest --replay` on them in one process, and the same with N / 10, and prints wall
seconds, peak memory and microseconds per trial of both, and their ratio.

    python benchmarks/replay.py [N]
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SUITE = Path(__file__).parents[1] / "suites" / "atomic"
PROMPTS = 12
TEXTS = (
    "I can't do that without a city.",
    '<tool_call>{"name": "get_weather", "arguments": {"city": "Oslo"}}</tool_call>',
    'Sure! ```json\n{"name": "search_files", "arguments": {"pattern": "*.pdf"}}\n```',
    '[schedule_meeting(title="Plan B", time="Friday 10:00", attendees=["Emma"])]',
)


def main() -> None:
    """Measure and print."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    small, large = measure(wanted // 10), measure(wanted)
    ratio = large[2] / small[2]
    print(f"cost per trial, {wanted:,} against {wanted // 10:,}: {ratio:.2f} x")


def measure(trials: int) -> tuple[float, float, float]:
    """Run one replay; return wall seconds, peak MB and microseconds per trial."""
    runs = max(1, trials // PROMPTS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(SUITE, folder / "atomic")
        write(folder / "stored.jsonl", runs)
        command = [sys.executable, "-m", "pytest", "atomic", "--replay", "stored.jsonl"]
        options = ["--runs", str(runs), "-q", "--tb=no", "-r", "N"]
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - fixed command
            [*command, *options, "-p", "no:cacheprovider"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        _, _, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
    done = runs * PROMPTS
    peak_mb, each_us = usage.ru_maxrss / 1024, wall_s / done * 1e6
    print(
        f"{done:>8,} trials {wall_s:8.1f} s {peak_mb:8.0f} MB {each_us:8.0f} us/trial"
    )
    return wall_s, peak_mb, each_us


def write(path: Path, runs: int) -> None:
    """Write one reply per prompt and run."""
    call = {"name": "get_weather", "arguments": {"city": "Oslo"}}
    with path.open("w", encoding="utf-8") as file:
        for run in range(1, runs + 1):
            for number in range(1, PROMPTS + 1):
                choice = (run + number) % (len(TEXTS) + 1)
                reply = {"tool_calls": [call]} if not choice else {}
                reply["text"] = "" if not choice else TEXTS[choice - 1]
                line = {"model": "m:1b", "prompt_id": f"P{number}", "run": run}
                file.write(json.dumps({**line, "reply": reply}) + "\n")


if __name__ == "__main__":
    main()
