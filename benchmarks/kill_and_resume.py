"""Kill a run with `kill -9`, resume it, and compare it with a run of one piece.

`python benchmarks/kill_and_resume.py [TRIALS [KILLED_AT]]`; 1000 and 400 by default.
The status is 0 if each trial has one record and the summaries are equal, times aside.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "fakes"))

from bench_project import QUIET, SMALL_ANSWERS, steady
from fake_ollama import FakeModel, FakeOllama, answers_by_prompt, says

if TYPE_CHECKING:
    from fake_ollama import Answer, FakeCall, Fault

SUITE = """
suite: small
tools:
  - name: get_weather
    parameters: {type: object, properties: {city: {type: string}}}
prompts:
  - id: P1
    category: action
    prompt: What's the weather in Oslo?
    expect: {tools: [get_weather]}
  - {id: P2, category: restraint, prompt: Which tools do you have?, expect: {tools: []}}
  - {id: P3, prompt: Reply with exactly READY., expect: {exact: READY}}
  - {id: P4, prompt: Reply with exactly READY., expect: {exact: SET}}
"""
PROMPTS = 4
RIGHT = answers_by_prompt(SMALL_ANSWERS, says("4"))


def answer(call: FakeCall) -> Answer | Fault:
    """Answer by the prompt, and in one of seven seeds wrong."""
    is_wrong = "READY" in call.last_user_text and (call.seed or 0) % 7 == 0
    return says("no") if is_wrong else RIGHT(call)


def command(*options: str) -> list[str]:
    """Return the command line of one pytest run."""
    return [sys.executable, "-m", "pytest", *QUIET, "--tb=no", "-q", *options]


def killed_at(process: subprocess.Popen[bytes], reports: Path, count: int) -> int:
    """Kill the run once so many records are there; return how many there are."""
    while process.poll() is None:
        for path in reports.glob("2*/*/results.jsonl"):
            if path.read_bytes().count(b"\n") >= count:
                process.kill()
                process.wait()
                return path.read_bytes().count(b"\n")
        time.sleep(0.002)
    message = "the run ended before it could be killed"
    raise SystemExit(message)


def stored(reports: Path) -> tuple[list[str], dict[str, Any]]:
    """Return the trial ids and the summary of the only run."""
    (path,) = reports.glob("2*/*/results.jsonl")
    ids = [json.loads(line)["trial_id"] for line in path.read_text().splitlines()]
    return ids, json.loads(path.with_name("summary.json").read_text())


def main(trials: int, kill_at: int) -> int:
    """Make both runs and print how they compare."""
    run = ["--model", "fake:1b", "--runs", str(trials // PROMPTS), "--reports"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "small.bench.yaml").write_text(SUITE, encoding="utf-8")
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        with FakeOllama(FakeModel(answer=answer)) as server:
            os.environ["OLLAMA_HOST"] = server.url
            whole = subprocess.run(  # noqa: S603 - our own interpreter
                command(*run, "whole"), cwd=folder, capture_output=True, check=False
            )
            server.stop()  # and with it the model is unloaded
            server.start()
            process = subprocess.Popen(  # noqa: S603 - our own interpreter
                command(*run, "cut"), cwd=folder, stdout=subprocess.DEVNULL
            )
            count = killed_at(process, folder / "cut", kill_at)
            print(f"killed with -9 when {count} of {trials} records were written")
            resumed = subprocess.run(  # noqa: S603 - our own interpreter
                command("--resume", "last", "--reports", "cut"),
                cwd=folder,
                capture_output=True,
                check=False,
            )
        return compare(folder, trials, (whole.returncode, resumed.returncode))


def compare(folder: Path, trials: int, statuses: tuple[int, int]) -> int:
    """Print the facts; return 0 if the two runs came to the same."""
    _, one = stored(folder / "whole")
    ids, two = stored(folder / "cut")
    one.pop("resumed")
    print(f"resumed: {two.pop('resumed')}")
    print(f"records {len(ids)}, of different trials {len(set(ids))}")
    differing = [
        key for key in one if steady({key: one[key]}) != steady({key: two[key]})
    ]
    print(f"summaries differ in: {', '.join(differing) or 'nothing but times'}")
    print(f"exit statuses: {statuses[0]} whole, {statuses[1]} resumed")
    is_right = len(ids) == len(set(ids)) == trials and not differing
    return int(not is_right or statuses[0] != statuses[1])


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    sys.exit(main(*[*numbers, *(1000, 400)[len(numbers) :]]))
