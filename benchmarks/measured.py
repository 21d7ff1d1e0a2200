"""Whole processes and what they cost; the fake server beside them."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

HERE: Final = Path(__file__).parent
_DROPPED: Final = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
_DROPPED_ENDS: Final = ("_PROXY", "_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one process and all its children took.

    Attributes:
        started_s: start by the machine's monotonic clock.
        cpu_s: user and system time, of ended children too.
        peak_mb: highest resident memory of the largest of these processes.
    """

    started_s: float
    wall_s: float
    cpu_s: float
    peak_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One process to measure, and how to see that it did its work.

    Attributes:
        says: what the end of its output must contain.
        before: called before each start, outside the measured time.
    """

    name: str
    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    says: str = ""
    before: Callable[[], object] | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """All measurements of one command."""

    runs: list[Usage]

    def median(self, field: str) -> float:
        """Return the median of a field of `Usage`."""
        return statistics.median(getattr(run, field) for run in self.runs)

    def spread(self, field: str) -> str:
        """Return median and extremes of a field of `Usage`."""
        values = [getattr(run, field) for run in self.runs]
        middle = f"{statistics.median(values):.2f}"
        many = len(values) > 1
        return f"{middle} ({min(values):.2f}-{max(values):.2f})" if many else middle


def environment(url: str = "", **added: str) -> dict[str, str]:
    """Return this process's environment without what would change the costs.

    Without byte code on disk, every start would compile every module; a test
    runner's own variables and proxies would reach one side only.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _DROPPED
        and not name.endswith(_DROPPED_ENDS)
        and not name.startswith(("PYTEST_", "LLMBENCH_", "COV_"))
    }
    return {**kept, "OLLAMA_HOST": url, **added}


def run(command: Command) -> Usage:
    """Run one process to its end.

    Raises:
        SystemExit: it failed, or did not pass what it should have.
    """
    if command.before:
        command.before()
    with tempfile.TemporaryFile() as output:
        started_s = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - fixed command
            command.argv,
            cwd=command.cwd,
            env=command.env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started_s
        process.returncode = os.waitstatus_to_exitcode(status)
        _check(command, process.returncode, output.fileno())
    cpu_s = usage.ru_utime + usage.ru_stime
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, KiB elsewhere
    peak_mb = usage.ru_maxrss * (1.0 if unit == 1e6 else 1.024) / unit  # noqa: PLR2004
    note = f"{command.name}: {wall_s:.2f} s wall, {cpu_s:.2f} s CPU, {peak_mb:.0f} MB"
    print(note, file=sys.stderr, flush=True)
    return Usage(started_s=started_s, wall_s=wall_s, cpu_s=cpu_s, peak_mb=peak_mb)


def _check(command: Command, status: int, output: int) -> None:
    size = os.fstat(output).st_size
    tail = os.pread(output, 4000, max(0, size - 4000)).decode("utf-8", "replace")
    if status or command.says not in tail:
        called = " ".join(command.argv)
        sys.exit(f"{command.name}: exit status {status}\n{called}\n{tail}")


def interleaved(commands: Sequence[Command], repeats: int) -> list[Series]:
    """Measure all commands in turn, `repeats` times."""
    series = [Series([]) for _ in commands]
    for _ in range(repeats):
        for one, command in zip(series, commands, strict=True):
            one.runs.append(run(command))
    return series


@contextmanager
def served(first_token_ms: float = 0.0, gap_ms: float = 0.0) -> Iterator[str]:
    """Run the fake server in a process of its own; give its URL."""
    pace = ["--first-token-ms", str(first_token_ms), "--gap-ms", str(gap_ms)]
    process = subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, str(HERE / "fast_ollama.py"), "0", *pace],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        port = int(process.stdout.readline())  # it listens once it prints this
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        told, _ = process.communicate(timeout=10)
        if told.strip():
            cost = json.loads(told)
            each_us = cost["cpu_s"] / max(cost["chats"], 1) * 1e6
            note = f"server: {cost['chats']:,} chats, {each_us:.0f} us CPU each"
            print(note, file=sys.stderr, flush=True)
