"""Markdown tables, and the facts of the machine above them."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from measured import environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

IDLE_LOAD: Final = 0.5
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
    for cells in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(cells) + " |")


def print_machine(python: str, load: float, how: str) -> None:
    """Print where and how the tables were measured.

    Args:
        load: the load average of the last minute, taken before the start.
    """
    asked = [python, "-c", _VERSIONS]
    told = subprocess.run(  # noqa: S603 - fixed command
        asked, env=environment(), capture_output=True, text=True, check=True
    ).stdout
    now, cores = datetime.now(UTC), os.cpu_count()
    print(f"{now:%Y-%m-%d}, {platform.system()}, {cores} cores ({_processor()}),")
    print(f"{told.strip()}; {how}.")
    state = "idle otherwise" if load < IDLE_LOAD else "**shared with other work**"
    print(f"Load before the start {load:.2f}: the machine was {state}.")


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            names = [line for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0].partition(":")[2].strip() if names else platform.machine()
