"""The least that asks prompts concurrently: asyncio, httpx, one client per slot.

    python raw_loop.py URL TRIALS CONCURRENCY [TIMINGS]

TIMINGS is a file for one JSON line per call: TTFT and E2E by this loop's clock and by
the server's, in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import httpx

ANSWER = "The answer is 4"


async def slot(url: str, waiting: list[int], timings: list[dict[str, float]]) -> None:
    """Ask what is waiting, one prompt after the other."""
    # No prompt goes over TLS; loading the certificates costs each client 20 ms.
    async with httpx.AsyncClient(timeout=60, verify=False) as client:  # noqa: S501
        while waiting:
            timings.append(await ask(client, url, waiting.pop()))


async def ask(client: httpx.AsyncClient, url: str, number: int) -> dict[str, float]:
    """Ask one prompt, judge the answer, return the times."""
    message = {"role": "user", "content": f"question {number}"}
    body = {"model": "m:1b", "messages": [message], "stream": True}
    text, first_s, line = "", 0.0, {}
    started_s = time.perf_counter()
    async with client.stream("POST", f"{url}/api/chat", json=body) as response:
        response.raise_for_status()
        async for data in response.aiter_lines():
            line = json.loads(data)
            text += line["message"]["content"]
            first_s = first_s or time.perf_counter()
    ended_s = time.perf_counter()
    if text != ANSWER:
        sys.exit(f"wrong answer: {text!r}")
    prefill_ms = line["prompt_eval_duration"] / 1e6
    return {
        "ttft_ms": (first_s - started_s) * 1e3,
        "e2e_ms": (ended_s - started_s) * 1e3,
        "server_ttft_ms": prefill_ms,
        "server_e2e_ms": prefill_ms + line["eval_duration"] / 1e6,
    }


async def ask_all(url: str, trials: int, concurrency: int) -> list[dict[str, float]]:
    """Ask all trials; return the times of each."""
    waiting = list(reversed(range(trials)))
    timings: list[dict[str, float]] = []
    await asyncio.gather(*(slot(url, waiting, timings) for _ in range(concurrency)))
    return timings


def main() -> None:
    """Ask, and write the times where they are wanted."""
    url, trials, concurrency, *path = sys.argv[1:]
    timings = asyncio.run(ask_all(url, int(trials), int(concurrency)))
    if path:
        lines = "".join(json.dumps(timing) + "\n" for timing in timings)
        Path(path[0]).write_text(lines, "utf-8")
    print(f"{len(timings)} passed")


if __name__ == "__main__":
    main()
