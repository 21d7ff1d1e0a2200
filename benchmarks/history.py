"""What the history costs once many runs are stored.

Writes N run folders (one spec each, 12 prompts by 7 runs, of 20 models and 5 phases in
turn, spread over 400 days), has them synced into SQLite, and prints how long each
question then takes, and each command as a process of its own. The same with N / 10, so
that what grows can be seen. `--seed` puts the runs straight into the database, which is
quicker, and leaves folders and commands out.

    PYTHONPATH=tests/fakes python benchmarks/history.py [N] [--seed]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from made_records import MAIN_EXAMPLE, SPEC, make_records
from made_runs import made_summary
from msgspec.structs import replace
from tables import Neighbours, print_machine, print_table

from pytest_llmbench.runs.folder import json_line
from pytest_llmbench.runs.history import History
from pytest_llmbench.runs.history.rows import run_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DAYS: Final = 400
MODELS: Final = 20
PHASES: Final = ("atomic", "extended", "tool_use", "format", "long_context")
REPEATS: Final = 5
_BATCH: Final = 1000
_OPEN: Final = """
import sys, time
start = time.perf_counter()
from pytest_llmbench.runs.history import History
with History.open(sys.argv[1]) as history:
    print(time.perf_counter() - start)
"""


def main() -> None:
    """Measure and print."""
    numbers = [word for word in sys.argv[1:] if not word.startswith("-")]
    many = int(numbers[0]) if numbers else 100_000
    has_folders = "--seed" not in sys.argv
    neighbours = Neighbours()
    small, large = (measure(n, has_folders=has_folders) for n in (many // 10, many))
    rows = [[name, shown(small[name]), shown(large[name])] for name in large]
    head = ["", f"{many // 10:,} runs", f"{many:,} runs"]
    kind = "run folders and SQLite" if has_folders else "SQLite"
    print_machine(sys.executable, f"history of {MODELS} models by {len(PHASES)} phases")
    print_table(f"The history, {kind}", head, rows, "Seconds, median of 5; or MB.")
    neighbours.print()


def shown(value: float) -> str:
    """Show a number to three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004


def measure(many: int, *, has_folders: bool) -> dict[str, float]:
    """Return seconds (or MB) of each figure, by its name."""
    with tempfile.TemporaryDirectory() as name:
        reports = Path(name)
        file = reports / "history.db"
        url = f"sqlite:///{file}"
        found: dict[str, float] = {}
        with History.open(url) as history:
            if has_folders:
                for number, (run_id, text) in enumerate(texts(many)):
                    put(reports, run_id, text)
                    link_results(reports, run_id, number)
                for day in reports.glob("2*"):
                    os.utime(day, (0, 0))  # settled long ago
                found["first sync"] = timed(lambda: history.sync(reports), 1)
            else:
                seed(history, many)
            found["file (MB)"] = file.stat().st_size / 1e6
            found |= questions(history, reports)
        found["open, a new process, imports included"] = statistics.median(
            opened(url) for _ in range(REPEATS)
        )
        if has_folders:
            found |= commands(reports)
        return found


def commands(reports: Path) -> dict[str, float]:
    """Return what commands take as processes of their own, start and end included.

    The loop's first session finds no server and ends: that is pytest's own start.
    """
    first = {"aggregate, the first time": timed(lambda: ran(reports, "aggregate"), 1)}
    loop = ("loop", "suites/atomic", "--baseline", SPEC.replace("m:1b", "m0:1b"))
    asked = {
        "aggregate, nothing new": ("aggregate",),
        "feedback": ("feedback",),
        "feedback --compact": ("feedback", "--compact"),
        "route": ("route", "--phase", "atomic"),
        "loop, to the end of a session without a server": loop,
    }
    return first | {
        name: timed(lambda words=words: ran(reports, *words), 3)
        for name, words in asked.items()
    }


def ran(reports: Path, *words: str) -> None:
    """Run a command from the project's folder; status 1 is an answer, too."""
    code = "from pytest_llmbench.cli import main; raise SystemExit(main())"
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", code, *words, "--reports", str(reports)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OLLAMA_HOST": "127.0.0.1:9"},
    )
    if done.returncode > 1:
        sys.exit(f"{words}: {done.stdout[-500:]}{done.stderr[-500:]}")


def questions(history: History, reports: Path) -> dict[str, float]:
    """Return how long each question takes."""
    found = {}
    if any(reports.glob("2*")):
        found["sync, nothing new"] = timed(lambda: history.sync(reports))
        new = iter(range(REPEATS))

        def one_more() -> None:
            number = next(new)
            put(
                reports,
                *next(texts(1, first=datetime(2030, 1, 1 + number, tzinfo=UTC))),
            )
            history.sync(reports)

        found["sync, one new run"] = timed(one_more)
    added = iter(texts(REPEATS, first=datetime(2031, 1, 1, tzinfo=UTC)))

    def add_one() -> None:
        run_id, text = next(added)
        history.add_run(json.loads(text), at="2031-01-01", folder=run_id)

    spec = history.specs()[0]["spec"]
    return {
        **found,
        "add_run": timed(add_one),
        "add_cycle": timed(lambda: history.add_cycle({"at": "2031-01-01"})),
        "newest_jobs": timed(history.newest_jobs),
        "jobs_of_spec": timed(lambda: history.jobs_of_spec(spec)),
        "jobs of that spec": len(history.jobs_of_spec(spec)),
        "specs": timed(history.specs),
    }


def timed(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median wall seconds of a call."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def opened(url: str) -> float:
    """Return what opening takes in a new process."""
    words = [sys.executable, "-c", _OPEN, url]
    done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603
    return float(done.stdout)


def texts(
    many: int, first: datetime = datetime(2025, 1, 1, tzinfo=UTC)
) -> Iterator[tuple[str, str]]:
    """Yield run ids and summaries, oldest first."""
    step = timedelta(days=DAYS) / many
    for number in range(many):
        at = first + number * step
        run_id = f"{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03d}Z-{number:06x}"
        yield (
            run_id,
            template(number % MODELS, PHASES[number // MODELS % len(PHASES)])(run_id),
        )


@cache
def template(number: int, phase: str) -> Callable[[str], str]:
    """Return what makes the summary of a run of one model and phase from its id."""
    model = f"m{number}:1b"
    spec = SPEC.replace("m:1b", model).replace("/ atomic", f"/ {phase}")
    hashes = {
        prompt_id: f"{number:064x}" for number, prompt_id in enumerate(MAIN_EXAMPLE)
    }
    job = {
        "model": model,
        "phase": phase,
        "spec": spec,
        "suite": phase,
        "comparability": {"prompts": hashes, "model": model, "model_digest": "0" * 12},
    }
    text = json.dumps(made_summary("RUN-ID", MAIN_EXAMPLE, job=job))
    return partial(text.replace, "RUN-ID")


def put(reports: Path, run_id: str, text: str) -> None:
    """Write a run's folder."""
    folder = reports / f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}" / run_id
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(text, "utf-8")


def link_results(reports: Path, run_id: str, number: int) -> None:
    """Give a run the records of its model and phase; runs share one file each."""
    model, phase = number % MODELS, PHASES[number // MODELS % len(PHASES)]
    records = reports / f".{model}-{phase}.jsonl"
    if not records.exists():
        name = f"m{model}:1b"
        spec = SPEC.replace("m:1b", name).replace("/ atomic", f"/ {phase}")
        made = make_records(MAIN_EXAMPLE, spec=spec, suite=phase)
        told = (replace(one, model=name, phase=phase) for one in made)
        records.write_text("".join(json_line(one.to_json()) for one in told), "utf-8")
    day = f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}"
    os.link(records, reports / day / run_id / "results.jsonl")


def seed(history: History, many: int) -> None:
    """Put runs straight into the database, a thousand at a time."""
    batch: list[Any] = []
    for run_id, text in texts(many):
        at = f"{run_id[:15]}.{run_id[15:18]}+00:00"
        batch.append(run_rows(json.loads(text), at=at, folder=run_id))
        if len(batch) == _BATCH:
            history.add_rows(batch)
            batch.clear()
    history.add_rows(batch)


if __name__ == "__main__":
    main()
