"""Markdown tables, and the facts of the machine above them."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from measured import environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

IDLE_SHARE: Final = 0.05
"""Below this share of the CPU time, other work counts as none."""

_VERSIONS: Final = """
import importlib.metadata as m, platform
names = "pytest", "pytest-llmbench", "httpx", "pytest-xdist"
found = {d.metadata["Name"].lower(): d.version for d in m.distributions()}
shown = [f"{name} {found.get(name, '-')}" for name in names]
print(", ".join(["Python " + platform.python_version(), *shown]))
"""


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure that has a limit.

    Attributes:
        value: a ratio, or a number in `unit`.
    """

    name: str
    reference: str
    value: float
    limit: float
    unit: str = "x"

    def row(self) -> list[str]:
        """Return the cells of its row."""
        sign = "+" if self.unit == "ms" else ""
        verdict = "yes" if self.value <= self.limit else "**no**"
        shown = f"{self.value:{sign}.{2 if self.unit == 'x' else 1}f} {self.unit}"
        limit = f"<= {self.limit:{sign}g} {self.unit}"
        return [self.name, self.reference, limit, shown, verdict]


def print_goals(goals: Iterable[Goal]) -> None:
    """Print the figures that have a limit."""
    rows = [goal.row() for goal in goals]
    if rows:
        head = ["figure", "reference", "limit", "measured", "reached"]
        print_table("Must reach", head, rows)


def print_table(
    title: str, head: Sequence[str], rows: Iterable[Sequence[str]], note: str = ""
) -> None:
    """Print one table under its title."""
    print(f"\n### {title}\n")
    if note:
        print(f"{note}\n")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for cells in rows:
        print(f"| {' | '.join(cells)} |")


def print_machine(python: str, how: str) -> None:
    """Print where and how the tables were measured."""
    asked = [python, "-c", _VERSIONS]
    told = subprocess.run(  # noqa: S603 - fixed command
        asked, env=environment(), capture_output=True, text=True, check=True
    ).stdout
    now, cores = datetime.now(UTC), os.cpu_count()
    print(f"{now:%Y-%m-%d}, {platform.system()}, {cores} cores ({_processor()}),")
    print(f"{told.strip()};")
    print(f"{how}.")


class Neighbours:
    """What else ran on the machine meanwhile; known on Linux only."""

    def __init__(self) -> None:
        self._started_s = time.monotonic()
        self._others_s = _others_s()

    def print(self) -> None:
        """Print whether the machine was shared."""
        if self._others_s is None:
            print("\nNot known: whether the machine was shared with other work.")
            return
        wall_s = time.monotonic() - self._started_s
        others_s = max(0.0, (_others_s() or 0.0) - self._others_s)
        share = others_s / (wall_s * (os.cpu_count() or 1))
        state = "idle otherwise" if share < IDLE_SHARE else "**shared**"
        print(
            f"\nThe machine was {state}: other work took {share:.0%} of its CPU time."
        )


def _others_s() -> float | None:
    """Return the CPU seconds that the machine has spent on others since its start."""
    try:
        ticks = Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _idle, _wait, *rest = map(int, ticks)
    interrupts_and_steal = sum(rest[:3])
    all_s = (user + nice + system + interrupts_and_steal) / os.sysconf("SC_CLK_TCK")
    own = os.times()
    return all_s - (own.user + own.system + own.children_user + own.children_system)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line for line in lines if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()
