"""How large report.html is and how fast it is there, at 84 and at 84,000 trials.

Makes stored runs of drawn outcomes and times, has `llmbench report` write the page, and
opens it in headless Chromium: when something is painted first, when the page is ready,
and how long a cell takes to open. Needs the extra `report`, playwright and a Chromium
(`--chromium PATH`, else the one on the PATH).

    python benchmarks/report_page.py
    python benchmarks/report_page.py --only 84 --keep DIR
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from tables import print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

SIZES: Final = {
    "84": (12, 7, 1),
    "420": (12, 7, 5),
    "84000": (12, 7000, 1),
    "84000 of 5 models": (12, 1400, 5),
    "7000 of 1000 prompts": (1000, 7, 1),
}
"""Prompts, runs and models."""

_OPENINGS: Final = 5
_COMMAND: Final = """
import resource, sys
from pytest_llmbench.cli import main
main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
"""The command in a process of its own, which tells its peak memory in KiB."""
_WORDS: Final = (
    *("the", "weather", "in", "Oslo", "is", "mild", "and", "the", "wind", "comes"),
    *("from", "the", "west", "so", "take", "a", "coat", "or", "an", "umbrella"),
)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[*SIZES], action="append")
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    parser.add_argument("--keep", type=Path, help="leave the runs in this folder")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only or SIZES:
            place = (arguments.keep or Path(folder)) / name.replace(" ", "-")
            rows.append([name, *measured(place, SIZES[name], arguments.chromium)])
    head = [
        *("trials", "made in (s)", "peak (MB)", "page (MB)"),
        *("first paint (ms)", "ready (ms)", "a cell opens in (ms)"),
    ]
    print_table("Page", head, rows)


def measured(reports: Path, size: tuple[int, int, int], chromium: str) -> list[str]:
    """Make a run and its page, open it, and return the figures as cells."""
    store(reports, *size)
    path = reports / "report.html"
    words = ["report", "--reports", str(reports), "--out", str(path)]
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", _COMMAND, *words],
        check=True,
        capture_output=True,
        text=True,
    )
    made_s = time.perf_counter() - began
    peak_mb = int(done.stdout.split()[-1]) / 1024
    paint, ready, opened = opening(path, chromium)
    megabytes = path.stat().st_size / 1e6
    return [
        *(f"{made_s:.2f}", f"{peak_mb:.0f}", f"{megabytes:.2f}"),
        *(f"{paint:.0f}", f"{ready:.0f}", f"{opened:.0f}"),
    ]


def opening(path: Path, chromium: str) -> tuple[float, float, float]:
    """Return medians in ms: first paint, page ready, a cell opened."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        found = [once(browser, path) for _ in range(_OPENINGS)]
        browser.close()
    paints, readies, opened = zip(*found, strict=True)
    return median(paints), median(readies), median(opened)


def once(browser: Browser, path: Path) -> tuple[float, float, float]:
    """Open the page in a fresh context, and a cell of it."""
    page = browser.new_context().new_page()
    page.goto(path.as_uri())
    # The page's policy forbids `eval`, which waiting for a function would need.
    paint: float = page.evaluate(
        """() => new Promise((done) => {
          new PerformanceObserver((list) => {
            const found = list.getEntriesByName("first-contentful-paint")[0];
            if (found) done(found.startTime);
          }).observe({type: "paint", buffered: true});
        })"""
    )
    ready: float = page.evaluate(
        "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    )
    opened: float = page.evaluate(
        """() => new Promise((done) => {
          const from = performance.now();
          const dialog = document.getElementById("shown");
          new MutationObserver(() => {
            if (dialog.querySelector("table")) done(performance.now() - from);
          }).observe(dialog, {childList: true, subtree: true});
          document.querySelector("button.c").click();
        })"""
    )
    page.context.close()
    return paint, ready, opened


def store(reports: Path, prompts: int, runs: int, models: int) -> None:
    """Write a stored run whose outcomes, times and texts are drawn."""
    draw = random.Random(7)  # noqa: S311 - the same run each time
    folder = reports / "2026-11-21" / "20261121T080000000Z-abcdef"
    folder.mkdir(parents=True)
    ids = [f"P{number}" for number in range(1, prompts + 1)]
    plans = [plan(f"model-{m}:{m + 1}b", ids, runs) for m in range(models)]
    config = {
        "schema_version": 1,
        "run_id": folder.name,
        "settings": {"gate": "none", "concurrency": None, "aliases": {}},
        "plans": plans,
        "options": {plan["spec"]: {"temperature": 0.7} for plan in plans},
        "prompts": [asked(name) for name in ids],
        "resumed": [],
    }
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    with (folder / "results.jsonl").open("w", encoding="utf-8") as file:
        for number, one in enumerate(plans):
            for record in records(one, number, draw):
                file.write(json.dumps(record) + "\n")


def plan(model: str, ids: list[str], runs: int) -> dict[str, Any]:
    """Return a plan as config.json has it."""
    return {
        "spec": f"{model} / atomic / native_api / t60 r0 i0 w1",
        "model": model,
        "phase": "atomic",
        "variant": "native_api",
        "suite": "atomic",
        "prompt_ids": ids,
        "runs": runs,
        "suite_prompt_ids": ids,
        "prompt_hashes": {name: f"hash-{name}" for name in ids},
    }


def asked(name: str) -> dict[str, Any]:
    """Return a prompt as config.json has it."""
    return {
        "suite": "atomic",
        "prompt_id": name,
        "title": f"question {name}",
        "text": f"What's the weather in town {name}?",
        "system": "You are an assistant with access to tools.",
        "tools": ["get_weather", "search_files"],
        "expect": {"tools": ["get_weather"]},
        "turns": [],
    }


def records(
    plan: dict[str, Any], number: int, draw: random.Random
) -> Iterator[dict[str, Any]]:
    """Yield the trials of a plan, run by run."""
    for run in range(1, plan["runs"] + 1):
        for place, name in enumerate(plan["prompt_ids"]):
            hardness = (place * 7 + number * 3) % 10 / 25
            yield record(plan, name, run, draw, hardness=hardness)


def record(
    plan: dict[str, Any], name: str, run: int, draw: random.Random, *, hardness: float
) -> dict[str, Any]:
    """Return one trial as results.jsonl has it."""
    passed = draw.random() > hardness
    words = draw.choices(_WORDS, k=draw.randint(5, 60))
    ttft = draw.lognormvariate(4.5, 0.4)
    call = {"name": "get_weather", "arguments": {"city": name}, "channel": "native"}
    check = {
        "name": "tools",
        "passed": passed,
        "expected": "get_weather",
        "got": "get_weather" if passed else "no call",
        "why": "" if passed else "get_weather was not called",
    }
    timings = dict.fromkeys((
        "ttfc_ms",
        "queue_ms",
        "load_ms",
        "prefill_ms",
        "decode_ms",
        "isolation_ms",
    ))
    kept = {key: plan[key] for key in ("suite", "phase", "model", "variant", "spec")}
    return {
        "schema_version": 1,
        **kept,
        "trial_id": f"atomic.bench.yaml::{name}[{plan['model']}-run{run}]",
        "run": run,
        "prompt_id": name,
        "prompt_hash": f"hash-{name}",
        "category": "action",
        "outcome": "pass" if passed else "fail",
        "checks": [check],
        "behaviour": "called_right" if passed else "abstained",
        "expects_no_tool": False,
        "expects_tool": True,
        "wrong_tools": [],
        "failure_mode": None if passed else "missing_call",
        "reply": {
            "text": " ".join(words),
            "thinking": "",
            "tool_calls": [call] if passed else [],
            "finish_reason": "stop",
            "usage": {"prompt_tokens": 312, "output_tokens": len(words) + 9},
            "timings": {
                **timings,
                "ttft_ms": ttft,
                "e2e_ms": ttft + len(words) * 11.0,
                "backoff_ms": 0.0,
            },
            "deltas": len(words),
            "parts": 1,
        },
        "transcript": [],
        "fault": None,
        "attempts": 1,
        "earlier_attempts": [],
        "seed": draw.randrange(2**31),
        "started_at": f"2026-11-21T08:00:00.{run:06}+00:00",
        "is_resident": True,
        "worker": "",
        "server": "http://127.0.0.1:11434",
        "backoffs": [],
    }


if __name__ == "__main__":
    main()
