"""What a used-up quota costs a run beyond the wait that it cannot do without.

Runs pytest with 20 trials against a fake OpenAI that refuses every call of the first
QUOTA_S seconds (429, `Retry-After`), once more against one that refuses none, and
prints what came through, whether any call came before its time, and the seconds from
the first call to the last against the least possible, which is the wait and what the
open run takes. All but the runs' own seconds are by the service's clock.

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

from closed_at_first import ClosedAtFirst
from fake_ollama import always, says
from fake_openai import FakeOpenAI
from fake_openai_models import ChatModel
from msgspec import Struct

CALLS = 20
PROMPT = "prompt: Reply with exactly READY., expect: {exact: READY}"


class Run(Struct, frozen=True):
    """One pytest run: its seconds, its records, what the service saw."""

    wall_s: float
    records: list[dict[str, Any]]
    limits: ClosedAtFirst


def main() -> None:
    """Measure and print."""
    closed_s = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    concurrency = sys.argv[2] if len(sys.argv) > 2 else "8"  # noqa: PLR2004 - as above
    free, spent = measured(0.0, concurrency), measured(closed_s, concurrency)
    limits, passed_s = spent.limits, spent.limits.passed_s
    # As many as go at once are on their way before the first refusal is told.
    early = max(0, limits.refused - int(concurrency))
    early += sum(at_s < limits.opens_s for at_s in passed_s)
    outcomes = [record["outcome"] for record in spent.records]
    least_s = limits.opens_s + max(free.limits.passed_s)
    e2e_ms = max(record["reply"]["timings"]["e2e_ms"] for record in spent.records)
    print(f"passed                 {outcomes.count('pass')} of {CALLS}")
    print(
        f"failed or timed out    {outcomes.count('fail') + outcomes.count('timeout')}"
    )
    print(f"refused                {limits.refused}")
    print(f"asked before its time  {early}")
    print(f"opens, first call (s)  {limits.opens_s:.3f} {min(passed_s):.3f}")
    print(f"run, open (s)          {free.wall_s:.2f}")
    print(f"run, {closed_s:g} s closed (s)   {spent.wall_s:.2f}")
    print(f"ratio to the least     {max(passed_s) / least_s:.3f} of {least_s:.3f} s")
    print(f"longest E2E (ms)       {e2e_ms:.0f}")


def measured(closed_s: float, concurrency: str) -> Run:
    """Run pytest once with a key that is closed for so long."""
    limits = ClosedAtFirst(closed_s)
    model = ChatModel(answer=always(says("READY")))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        prompts = "".join(f"  - {{id: P{n}, {PROMPT}}}\n" for n in range(CALLS))
        suite = f"suite: quota\nphase: atomic\nprompts:\n{prompts}"
        place.joinpath("quota.bench.yaml").write_text(suite)
        with FakeOpenAI(model, limits=limits, hints={"retry-after"}) as server:
            where = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-fake"}
            command = [sys.executable, "-m", "pytest", "-q", "--model", "openai/gpt-x"]
            command += ["--disable-warmup", "--concurrency", concurrency]
            started_s = time.perf_counter()
            subprocess.run(  # noqa: S603 - our own interpreter
                command,
                cwd=place,
                env={**os.environ, **where},
                stdout=subprocess.DEVNULL,
                check=False,
            )
            wall_s = time.perf_counter() - started_s
        [results] = place.glob("reports/2*/*/results.jsonl")
        records = [json.loads(line) for line in results.read_text().splitlines()]
    return Run(wall_s, records, limits)


if __name__ == "__main__":
    main()
