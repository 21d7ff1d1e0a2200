"""What asking through the plugin costs, as ratios against references beside it.

Whole processes: `pytest suite --model m:1b --concurrency N` against a raw asyncio and
httpx loop, and against a hand-written parametrised test, on a lean fake server, in
turn; medians. Prints Markdown tables, and each measurement as it is made on stderr.

    python benchmarks/engine.py [--repeats N] [--only PART]... [--python PATH]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from commands import Bench
from measured import interleaved, run, served
from scaling import LARGE, MIDDLE, SMALL, measure_scaling, measure_workers
from tables import Goal, Neighbours, print_goals, print_machine, print_table
from truth import measure_truth

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from measured import Command, Series

TRIALS: Final = 1000
SHORT: Final = 3
"""Processes below a second are measured so many times as often."""

CELLS: Final = {
    (50, 50): [("wall_s", "raw loop", 1.8)],
    (50, 10): [("wall_s", "raw loop", 1.2)],
    (0, 1): [("wall_s", "hand-written", 1.25)],
    (0, 10): [("cpu_s", "hand-written", 1.5)],
}
"""(first token in ms, concurrency): what must be reached there."""

GRID: Final = tuple((ms, concurrency) for ms in (0, 50) for concurrency in (1, 10, 50))
_WORDS: Final = {"wall_s": "wall", "cpu_s": "CPU seconds"}


def cell(
    bench: Bench, first_token_ms: int, concurrency: int, repeats: int
) -> dict[str, Series]:
    """Measure 1,000 trials of all three kinds that make sense there."""
    project = bench.suite(TRIALS)
    with served(first_token_ms) as url:
        options = ("--model", "m:1b", "--concurrency", str(concurrency))
        commands = {
            "raw loop": bench.raw_loop(url, TRIALS, concurrency),
            "ours": bench.ours(url, project, TRIALS, *options),
        }
        if not first_token_ms or concurrency == 1:
            commands["hand-written"] = bench.hand_written(url, TRIALS)
        series = interleaved(list(commands.values()), repeats)
    return dict(zip(commands, series, strict=True))


def measure_cells(
    bench: Bench, places: Sequence[tuple[int, int]], repeats: int
) -> list[Goal]:
    """Measure cells, print them whole, return the figures that have limits."""
    goals, rows = [], []
    for first_token_ms, concurrency in places:
        measured = cell(bench, first_token_ms, concurrency, repeats)
        place = f"{first_token_ms} ms, concurrency {concurrency}"
        rows += [_row(place, name, measured) for name in measured]
        for field, reference, limit in CELLS.get((first_token_ms, concurrency), ()):
            ratio = measured["ours"].median(field) / measured[reference].median(field)
            goals.append(Goal(f"{_WORDS[field]}, {place}", reference, ratio, limit))
    head = ["first token, concurrency", "what", "wall (s)", "CPU (s)", "peak (MB)"]
    head += ["wall / raw loop"]
    print_table(f"{TRIALS:,} trials, whole processes", head, rows)
    return goals


def _row(place: str, name: str, measured: dict[str, Series]) -> list[str]:
    one = measured[name]
    ratio = one.median("wall_s") / measured["raw loop"].median("wall_s")
    cells = [one.spread("wall_s"), one.spread("cpu_s"), f"{one.median('peak_mb'):.0f}"]
    return [place, name, *cells, f"{ratio:.2f}"]


def measure_start(bench: Bench, repeats: int) -> list[Goal]:
    """Measure one prompt, and no prompt at all."""
    project = bench.suite(1)
    with served() as url:
        ours, hand = interleaved(
            [
                bench.ours(url, project, 1, "--model", "m:1b"),
                bench.hand_written(url, 1),
            ],
            repeats * SHORT,
        )
    with_plugin, blocked = interleaved(
        [bench.plain(), bench.plain("-p", "no:llmbench")], repeats * SHORT
    )
    names = ("one prompt, ours", "one prompt, hand-written")
    names += ("no suite, plugin installed", "no suite, plugin blocked")
    rows = [
        [
            name,
            one.spread("wall_s"),
            one.spread("cpu_s"),
            f"{one.median('peak_mb'):.0f}",
        ]
        for name, one in zip(names, (ours, hand, with_plugin, blocked), strict=True)
    ]
    print_table("Start", ["what", "wall (s)", "CPU (s)", "peak (MB)"], rows)
    ratio = ours.median("wall_s") / hand.median("wall_s")
    added_ms = (with_plugin.median("wall_s") - blocked.median("wall_s")) * 1e3
    return [
        Goal("one prompt, whole process", "hand-written", ratio, 1.3),
        Goal("no-suite project", "plugin blocked", added_ms, 30, "ms"),
    ]


def warm(bench: Bench) -> None:
    """Run everything once, so that all byte code is on disk."""
    with served() as url:
        first: list[Command] = [
            bench.ours(url, bench.suite(1), 1, "--model", "m:1b"),
            bench.hand_written(url, 1),
            bench.raw_loop(url, 1, 1),
            bench.plain(),
        ]
        for command in first:
            run(command)


PARTS: Final[dict[str, Callable[[Bench, int], list[Goal]]]] = {
    "cells": lambda bench, repeats: measure_cells(bench, list(CELLS), repeats),
    "grid": lambda bench, repeats: measure_cells(bench, GRID, repeats),
    "start": measure_start,
    "truth": measure_truth,
    "scaling": lambda bench, n: measure_scaling(bench, (SMALL, MIDDLE), n),
    "workers": lambda bench, n: measure_workers(bench, (SMALL, MIDDLE), n),
    "long": lambda bench, n: measure_scaling(bench, (SMALL, LARGE), n),
    "long-workers": lambda bench, n: measure_workers(bench, (LARGE,), n),
}
DEFAULT: Final = ("cells", "start", "truth", "scaling", "workers")


def main() -> None:
    """Measure and print."""
    asked = _options()
    neighbours = Neighbours()
    how = f"`{' '.join(['engine.py', *sys.argv[1:]])}`, medians of {asked.repeats}"
    goals: list[Goal] = []
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        bench = Bench(Path(name), asked.python)
        warm(bench)
        print_machine(asked.python, how)
        for part in asked.only or DEFAULT:
            goals += PARTS[part](bench, asked.repeats)
    print_goals(goals)
    neighbours.print()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=_count, default=5, help="default: 5")
    parser.add_argument(
        "--only",
        action="append",
        choices=PARTS,
        help=f"what to measure; may be repeated (default: {', '.join(DEFAULT)})",
    )
    parser.add_argument(
        "--python",
        default=sys.executable,
        help="interpreter of an environment with the package (default: this one)",
    )
    return parser.parse_args()


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        msg = f"{text!r} is no whole number from 1"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


if __name__ == "__main__":
    main()
