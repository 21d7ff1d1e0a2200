"""What a used-up quota costs a run beyond the wait that it cannot do without.

Runs pytest with 20 trials against a fake server that refuses every call of the first
QUOTA_S seconds (429, `Retry-After`), once more against one that refuses none, and
prints what came through, whether any call came before its time, and the seconds from
the first call to the last against the least possible, which is the wait and what the
open run takes. All but the runs' own seconds are by the server's clock.

    PYTHONPATH=tests/fakes python benchmarks/rate_limits.py [QUOTA_S] [CONCURRENCY]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fake_ollama import FakeModel, always, says
from limited_ollama import LimitedOllama
from msgspec import Struct

CALLS = 20
PROMPT = "prompt: Reply with exactly READY., expect: {exact: READY}"


class Run(Struct, frozen=True):
    """One pytest run: its seconds, its records, what the server saw."""

    wall_s: float
    records: list[dict[str, Any]]
    server: LimitedOllama


def main() -> None:
    """Measure and print."""
    closed_s = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    concurrency = sys.argv[2] if len(sys.argv) > 2 else "8"  # noqa: PLR2004 - as above
    free, spent = measured(0.0, concurrency), measured(closed_s, concurrency)
    refused = list(
        zip(
            (at_s for at_s, is_refused in spent.server.asked if is_refused),
            spent.server.told_s,
            strict=True,
        )
    )
    opens_s = min((at_s + told_s for at_s, told_s in refused), default=0.0)
    later = [at_s for at_s, is_refused in spent.server.asked if not is_refused]
    # As many as go at once are on their way before the first refusal is told.
    early = max(0, len(refused) - int(concurrency))
    early += sum(at_s < opens_s for at_s in later)
    outcomes = [record["outcome"] for record in spent.records]
    print(f"passed                 {outcomes.count('pass')} of {CALLS}")
    print(
        f"failed or timed out    {outcomes.count('fail') + outcomes.count('timeout')}"
    )
    print(f"refused by the server  {len(refused)}")
    print(f"asked before its time  {early}")
    print(f"opens, first call (s)  {opens_s:.3f} {min(later):.3f}")
    print(f"run, open server (s)   {free.wall_s:.2f}")
    print(f"run, {closed_s:g} s closed (s)   {spent.wall_s:.2f}")
    least_s = opens_s + free.server.asked[-1][0]
    print(f"ratio to the least     {later[-1] / least_s:.3f} of {least_s:.3f} s")
    e2e_ms = max(record["reply"]["timings"]["e2e_ms"] for record in spent.records)
    print(f"longest E2E (ms)       {e2e_ms:.0f}")


def measured(closed_s: float, concurrency: str) -> Run:
    """Run pytest once against a server that is closed for so long."""
    model = FakeModel(name="fake:1b", load_s=0.01, answer=always(says("READY")))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        prompts = "".join(f"  - {{id: P{n}, {PROMPT}}}\n" for n in range(CALLS))
        suite = f"suite: quota\nphase: atomic\nprompts:\n{prompts}"
        place.joinpath("quota.bench.yaml").write_text(suite)
        with LimitedOllama(model, closed_s=closed_s) as server:
            command = [sys.executable, "-m", "pytest", "-q", "--model", "fake:1b"]
            command += ["--disable-warmup", "--concurrency", concurrency]
            started_s = time.perf_counter()
            subprocess.run(  # noqa: S603 - our own interpreter
                command,
                cwd=place,
                env={**os.environ, "OLLAMA_HOST": server.url},
                stdout=subprocess.DEVNULL,
                check=False,
            )
            wall_s = time.perf_counter() - started_s
        [results] = place.glob("reports/2*/*/results.jsonl")
        records = [json.loads(line) for line in results.read_text().splitlines()]
    return Run(wall_s, records, server)


if __name__ == "__main__":
    main()
