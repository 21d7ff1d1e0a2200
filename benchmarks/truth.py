"""How far TTFT and E2E are from the server's own clock."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Final

from measured import run, served
from tables import print_table

if TYPE_CHECKING:
    from pathlib import Path

    from commands import Bench
    from tables import Goal

FIRST_TOKEN_MS: Final = 50
GAP_MS: Final = 10
TRIALS: Final = {1: 100, 8: 400, 64: 960}
"""How many trials at each concurrency."""

_HEAD: Final = (
    "concurrency",
    "what",
    "n",
    "server's TTFT (ms)",
    "TTFT error (ms): least",
    "median",
    "p95",
    "E2E error (ms): least",
    "median",
    "p95",
)
_NOTE: Final = (
    f"First token after {FIRST_TOKEN_MS} ms, four deltas {GAP_MS} ms apart. Error: the"
    " client's figure less the server's, which counts from reading the request's first"
    " byte to writing the first delta and the last line; below 0 is a client's fault."
)


def measure_truth(bench: Bench, repeats: int) -> list[Goal]:
    """Measure ours and the raw loop alike, at each concurrency."""
    rows = []
    for concurrency, trials in TRIALS.items():
        timed: dict[str, list[dict[str, float]]] = {"raw loop": [], "ours": []}
        with served(FIRST_TOKEN_MS, GAP_MS) as url:
            for _ in range(repeats):
                timed["raw loop"] += _raw_loop(bench, url, trials, concurrency)
                timed["ours"] += _ours(bench, url, trials, concurrency)
        rows += [_row(concurrency, what, calls) for what, calls in timed.items()]
    print_table("Truth of TTFT and E2E", _HEAD, rows, _NOTE)
    return []


def _raw_loop(
    bench: Bench, url: str, trials: int, concurrency: int
) -> list[dict[str, float]]:
    path = bench.folder / "timings.jsonl"
    run(bench.raw_loop(url, trials, concurrency, str(path)))
    return _lines(path)


def _ours(
    bench: Bench, url: str, trials: int, concurrency: int
) -> list[dict[str, float]]:
    project = bench.suite(trials)
    options = ("--model", "m:1b", "--concurrency", str(concurrency))
    run(bench.ours(url, project, trials, *options))
    (path,) = project.glob("reports/*/*/results.jsonl")
    return [_told(record["reply"]["timings"]) for record in _lines(path)]


def _told(timings: dict[str, float]) -> dict[str, float]:
    prefill_ms = timings["prefill_ms"]
    server = {"server_ttft_ms": prefill_ms}
    server["server_e2e_ms"] = prefill_ms + timings["decode_ms"]
    return {"ttft_ms": timings["ttft_ms"], "e2e_ms": timings["e2e_ms"], **server}


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _row(concurrency: int, what: str, calls: list[dict[str, float]]) -> list[str]:
    cells = [f"{statistics.median(call['server_ttft_ms'] for call in calls):.2f}"]
    for name in ("ttft_ms", "e2e_ms"):
        errors = [call[name] - call[f"server_{name}"] for call in calls]
        p95 = statistics.quantiles(errors, n=20, method="inclusive")[18]
        middle = statistics.median(errors)
        cells += [f"{value:.2f}" for value in (min(errors), middle, p95)]
    return [str(concurrency), what, f"{len(calls):,}", *cells]
