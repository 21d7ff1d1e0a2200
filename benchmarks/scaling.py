"""What 84,000 trials cost against 1,000: collection, run and memory, each trial."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from measured import HERE, Series, environment, run, served
from tables import Goal, print_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from commands import Bench
    from measured import Command

PROMPTS: Final = 12
SMALL: Final = 84 * PROMPTS
MIDDLE: Final = 834 * PROMPTS
LARGE: Final = 7000 * PROMPTS

_HEAD: Final = (
    "trials",
    "what",
    "wall (s)",
    "start",
    "collect",
    "run",
    "end",
    "CPU (s)",
    "peak (MB)",
    "ms wall / trial",
    "ms CPU / trial",
)


@dataclass(frozen=True, slots=True)
class Scaled:
    """One command at one size, with the phases of each run in seconds."""

    trials: int
    what: str
    series: Series
    phases: list[dict[str, float]]

    def phase(self, name: str) -> float:
        """Return the median seconds of one phase."""
        return statistics.median(phases[name] for phases in self.phases)

    @property
    def session_s(self) -> float:
        """The wall seconds without the start of Python and pytest."""
        return self.series.median("wall_s") - self.phase("start")

    def row(self) -> list[str]:
        """Return the cells of its row; per trial, the start is left out."""
        cpu_s = self.series.median("cpu_s") - self.phase("start_cpu")
        phases = [f"{self.phase(name):.2f}" for name in ("collect", "run", "end")]
        return [
            f"{self.trials:,}",
            self.what,
            self.series.spread("wall_s"),
            f"{self.phase('start'):.2f}",
            *phases,
            self.series.spread("cpu_s"),
            f"{self.series.median('peak_mb'):.0f}",
            f"{self.session_s / self.trials * 1e3:.3f}",
            f"{cpu_s / self.trials * 1e3:.3f}",
        ]


def measure_scaling(bench: Bench, sizes: Iterable[int], repeats: int) -> list[Goal]:
    """Measure one model's trials in one process; beside it, pytest's own share."""
    rows, ours = [], []
    with served() as url:
        for trials in sizes:
            commands = _one_process(bench, url, trials)
            scaled = _measured(commands, trials, _repeats(trials, repeats))
            ours.append(scaled[0])
            rows += [one.row() for one in scaled]
    print_table("Scaling, 0 ms, concurrency 10", _HEAD, rows)
    return [goal for large in ours[1:] for goal in _goals(ours[0], large)]


def measure_workers(bench: Bench, sizes: Iterable[int], repeats: int) -> list[Goal]:
    """Measure two models' trials on two workers, against one process."""
    if not _has_xdist(bench):
        print("\nNo scaling over workers: pytest-xdist is not installed there.")
        return []
    rows = []
    with served() as url:
        for trials in sizes:
            commands = _two_models(bench, url, trials)
            scaled = _measured(commands, trials, _repeats(trials, repeats))
            rows += [one.row() for one in scaled]
    note = "Peak memory is that of the largest process; collection of the slowest."
    print_table("Scaling over workers, two models, 0 ms", _HEAD, rows, note)
    return []


def _repeats(trials: int, repeats: int) -> int:
    return 1 if trials >= LARGE else repeats


def _one_process(bench: Bench, url: str, trials: int) -> dict[str, Command]:
    project = _project(bench, "ours12")
    options = ("--model", "m:1b", "--runs", str(trials // PROMPTS))
    asked = bench.ours(url, project, trials, *options, "--concurrency", "10")
    listed = bench.ours(url, project, trials, *options, "--collect-only")
    listed = replace(listed, says=f"{trials} tests collected")
    return {
        "ours": asked,
        "ours, --collect-only": listed,
        "pytest alone, empty tests": _empty(bench, trials),
    }


def _two_models(bench: Bench, url: str, trials: int) -> dict[str, Command]:
    project = _project(bench, "ours12")
    options = ["--model", "m:1b,n:1b", "--runs", str(trials // PROMPTS // 2)]
    options += ["--concurrency", "10"]
    return {
        "ours": bench.ours(url, project, trials, *options),
        "ours, -n 2": bench.ours(url, project, trials, *options, "-n", "2", xdist=True),
        "pytest alone, empty tests": _empty(bench, trials),
        "pytest alone, empty tests, -n 2": _empty(bench, trials, workers=2),
    }


def _project(bench: Bench, name: str) -> Path:
    project = bench.suite(PROMPTS) if name == "ours12" else bench.project(name)
    shutil.copy(HERE / "phases.py", project / "conftest.py")
    return project


def _empty(bench: Bench, trials: int, workers: int = 0) -> Command:
    project = _project(bench, "empty")
    text = (
        "import os, pytest\n"
        "@pytest.mark.parametrize('number', range(int(os.environ['TRIALS'])))\n"
        "def test_empty(number): pass\n"
    )
    (project / "test_empty.py").write_text(text, "utf-8")
    many = ["-n", str(workers)] if workers else []
    argv = [*bench.pytest(xdist=bool(workers)), "-p", "no:llmbench", *many]
    command = replace(bench.plain(), argv=argv)
    env = environment(TRIALS=str(trials))
    says = f"{trials} passed"
    return replace(command, name=f"empty {trials}", cwd=project, env=env, says=says)


def _measured(
    commands: dict[str, Command], trials: int, repeats: int
) -> Sequence[Scaled]:
    scaled = [Scaled(trials, what, Series([]), []) for what in commands]
    for _ in range(repeats):
        for one, command in zip(scaled, commands.values(), strict=True):
            for old in command.cwd.glob("phases-*.json"):
                old.unlink()
            usage = run(command)
            ended_s = usage.started_s + usage.wall_s
            one.series.runs.append(usage)
            one.phases.append(_phases(command.cwd, usage.started_s, ended_s))
    return scaled


def _phases(project: Path, started_s: float, ended_s: float) -> dict[str, float]:
    """Return the seconds of each phase; of several processes, the latest end."""
    noted = [json.loads(path.read_text()) for path in project.glob("phases-*.json")]
    start_s = min(times["start"] for times in noted)
    collected_s = max(times.get("collected", 0.0) for times in noted)
    ran_s = max(times["ran"] for times in noted)
    return {
        "start": start_s - started_s,
        "start_cpu": sum(times["start_cpu"] for times in noted),
        "collect": collected_s - start_s,
        "run": ran_s - collected_s,
        "end": ended_s - ran_s,
    }


def _goals(small: Scaled, large: Scaled) -> list[Goal]:
    place = f"at {large.trials:,} trials"
    ratio = large.session_s / large.trials / (small.session_s / small.trials)
    added_mb = large.series.median("peak_mb") - small.series.median("peak_mb")
    added_kb = added_mb * 1e3 / (large.trials - small.trials)
    beside = f"at {small.trials:,}"
    return [
        Goal(f"collection + run per trial, {place}", beside, ratio, 1.3),
        Goal(f"peak memory per added trial, {place}", beside, added_kb, 12, "KB"),
    ]


def _has_xdist(bench: Bench) -> bool:
    asked = [bench.python, "-c", "import xdist"]
    done = subprocess.run(asked, env=environment(), capture_output=True, check=False)  # noqa: S603 - fixed command
    return not done.returncode
