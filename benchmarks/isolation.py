"""What making each call in a child process of its own costs.

Asks a fake Ollama on this machine the same question, in turn without and with
isolation, through one engine, and prints calls per second, their ratio pair by pair,
what isolation added to a call, and TTFT both ways: the cost must be in no latency.

    PYTHONPATH=tests/fakes python benchmarks/isolation.py [PAIRS]
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING

from asking import question, reply_of, target_of
from fake_ollama import FakeModel, FakeOllama

from pytest_llmbench.calls.engine import Engine

if TYPE_CHECKING:
    from pytest_llmbench.checks.reply import Timings


def main() -> None:
    """Measure and print."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    engine = Engine()
    with FakeOllama(FakeModel(load_s=0.01)) as server:
        for is_isolated in (False, True):  # opens connections, writes the bytecode
            call(engine, server, is_isolated=is_isolated)
        plain, isolated = [], []
        for _ in range(pairs):
            plain.append(call(engine, server, is_isolated=False))
            isolated.append(call(engine, server, is_isolated=True))
        engine.close()
    both = list(zip(plain, isolated, strict=True))
    report("calls/s", [1 / wall_s for wall_s, _ in plain])
    report("calls/s, isolated", [1 / wall_s for wall_s, _ in isolated])
    report("ratio, pair by pair", [one / other for (one, _), (other, _) in both])
    report("isolation_ms", [times.isolation_ms or 0.0 for _, times in isolated])
    report("TTFT (ms)", [times.ttft_ms or 0.0 for _, times in plain])
    report("TTFT (ms), isolated", [times.ttft_ms or 0.0 for _, times in isolated])


def call(
    engine: Engine, server: FakeOllama, *, is_isolated: bool
) -> tuple[float, Timings]:
    """Make one call; return its seconds as the caller sees them, and its times."""
    started = time.perf_counter()
    answer = engine.ask(target_of(server), question(isolate=is_isolated))
    return time.perf_counter() - started, reply_of(answer).timings


def report(name: str, values: list[float]) -> None:
    """Print minimum, median and maximum."""
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"{name:<22} {low:9.3f} {middle:9.3f} {high:9.3f}")


if __name__ == "__main__":
    main()
