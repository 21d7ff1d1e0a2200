"""How many tokens the compact feedback takes, beside the reports that it stands for.

Runs the atomic suite against the fake Ollama, whose model is wrong while it is cold:
1, 5 and 10 specs of 7 runs. Prints tokens of summary.md, of harness_feedback.json and
of `llmbench feedback --compact`, all by the same count, and what was left out.

    PYTHONPATH=tests/fakes python benchmarks/compact_feedback.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from fake_ollama import FakeModel, FakeOllama
from fake_ollama_atomic import cold_atomic_script

from pytest_llmbench.report.compact import count_tokens

SUITE = Path(__file__).parents[1] / "suites" / "atomic"
VARIANTS = ("native_api", "text", "few_shot", "xml", "step_by_step")
COMMAND = "import sys; from pytest_llmbench.cli import main; sys.exit(main())"


def main() -> None:
    """Measure and print."""
    print("| specs | summary.md | harness_feedback.json | compact | ratio | left out |")
    print("|---|---|---|---|---|---|")
    for models, variants in ((1, 1), (1, 5), (2, 5)):
        for budget in (400, 10_000):
            print(row(models, variants, budget))


def row(models: int, variants: int, budget: int) -> str:
    """Run once and return the table's row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(folder, models, variants)
        text = compact(folder, budget)
        (report,) = folder.glob("reports/2*/*/summary.md")
        stored = folder / "reports" / "harness_feedback.json"
        sizes = [count_tokens(path.read_text("utf-8")) for path in (report, stored)]
    size = count_tokens(text)
    last = text.splitlines()[-1]
    left_out = last.partition("budget: ")[2] or "nothing"
    cells = (f"{models * variants}", *map(str, sizes), f"{size} (of {budget})")
    return f"| {' | '.join(cells)} | {sizes[0] / size:.1f} x | {left_out} |"


def run(folder: Path, models: int, variants: int) -> None:
    """Run the suite; of several models each is cold once."""
    shutil.copytree(SUITE, folder / "atomic")
    names = [f"fake:{number}b" for number in range(1, models + 1)]
    fakes = [
        FakeModel(name=name, answer=cold_atomic_script(), load_s=0.1) for name in names
    ]
    server = FakeOllama(*fakes)
    server.start()
    try:
        words = ["--model", ",".join(names), "--variant", ",".join(VARIANTS[:variants])]
        more = ["--runs", "7", "--disable-warmup", "-q", "--tb=no"]
        subprocess.run(  # noqa: S603 - fixed command
            [sys.executable, "-m", "pytest", "atomic", *words, *more],
            cwd=folder,
            env={**os.environ, "OLLAMA_HOST": server.url},
            stdout=subprocess.DEVNULL,
            check=False,
        )
    finally:
        server.stop()


def compact(folder: Path, budget: int) -> str:
    """Return what `llmbench feedback --compact` prints."""
    words = ["feedback", "--compact", "--budget", str(budget)]
    done = subprocess.run(  # noqa: S603 - fixed command
        [sys.executable, "-c", COMMAND, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    main()
