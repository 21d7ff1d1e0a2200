"""Print what every fault of the wire comes to, as a Markdown table, measured here.

Each fault is real: sockets, resets, certificates, a server process that is killed.
Slow answers send one byte per second; the call's limit is 3 s.

    python benchmarks/fault_matrix.py [FAULT ...]
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "fakes"))

from asking import ask, question, target_of
from fault_cases import BRIEF, CASES, EXCESS, SLOW, address_of, new_model
from faulty_process import FaultyProcess
from faulty_server import FaultyOllama

from pytest_llmbench.calls.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fault_cases import FaultCase

    from pytest_llmbench.calls.request import Answer

FAKES = Path(__file__).parents[1] / "tests" / "fakes"
HARMLESS = {
    "closes_unasked": "the server closes after its answer, without a word",
    "more_bytes": "bytes behind the answer",
    "answer_unasked": "a second answer behind the first",
}
"""Spoil the connection for the call after the one they hit."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    about: str
    answer: Answer
    took_s: float

    def markdown(self) -> str:
        """Return the line."""
        error, reply = self.answer.error, self.answer.reply
        outcome = error.outcome if error else "an answer"
        kind = f"`{error.kind}`" if error else ""
        message = re.sub(r"127\.0\.0\.1:\d+", "…", str(error)) if error else ""
        kept = reply or (error.partial if error else None)
        text = shown(kept.text) if kept else "nothing"
        cells = (outcome, kind, message.replace("|", "\\|"), text)
        return f"| {self.about} | {' | '.join(cells)} | {self.took_s:.2f} |"


def shown(text: str) -> str:
    """Return the beginning of a text and its length."""
    return f"`{text[:20]}`, {len(text):,} characters" if text else "times only"


def main() -> None:
    """Run what is asked for, or all of it, and print."""
    names = sys.argv[1:]
    print("| fault | outcome | kind | message | kept | time (s) |")
    print("|---|---|---|---|---|---|")
    for name, case in (CASES | SLOW).items():
        if not names or name in names:
            print(of_case(case).markdown(), flush=True)
    if names:
        return
    for fault, about in HARMLESS.items():
        print(behind(fault, about).markdown())
    print(crossed().markdown())
    for row in restarts():
        print(row.markdown())
    print("\n| excess | peak memory of the client, growth (MB) |\n|---|---|")
    for name, case in EXCESS.items():
        print(f"| {case.about} | {growth_mb(name, case)} |")


def of_case(case: FaultCase) -> Row:
    """Run one fault of the matrix."""
    request = question() if case.row.request is BRIEF else case.row.request
    with engine() as asker, address_of(case) as (url, server):
        if server is not None and case.fault:
            if case.path == "/api/chat":
                ask(asker, url)
            server.arm(case.fault, path=case.path)
        started_s = time.perf_counter()
        answer = asker.ask(target_of(url), request)
        return Row(case.about, answer, time.perf_counter() - started_s)


def behind(fault: str, about: str) -> Row:
    """Run a fault that comes with an answer; return what the next call comes to."""
    with engine() as asker, FaultyOllama(new_model()) as server:
        server.arm(fault)
        ask(asker, server)
        return timed(asker, server.url, f"{about}: the next call")


def crossed() -> Row:
    """Have a server close a kept connection just as a request comes."""
    with engine() as asker, FaultyOllama(new_model()) as server:
        ask(asker, server)
        server.arm("closes_unanswered", on_used=True)
        return timed(asker, server.url, "a close that crosses the request")


def restarts() -> Iterator[Row]:
    """Kill a server process, between calls and in mid-call, and start it again."""
    with engine() as asker, FaultyProcess() as server:
        ask(asker, server.url)
        server.start()
        yield timed(asker, server.url, "killed and started between calls: the next")
        server.start("--fault", "dies", "--once")
        yield timed(asker, server.url, "killed in mid-call: this call")
        server.wait()
        yield timed(asker, server.url, "the call after it, server still down")
        server.start()
        yield timed(asker, server.url, "the call after the server came back")


def timed(asker: Engine, url: str, about: str) -> Row:
    """Ask once."""
    started_s = time.perf_counter()
    answer = ask(asker, url)
    return Row(about, answer, time.perf_counter() - started_s)


def growth_mb(name: str, case: FaultCase) -> str:
    """Return what one such call adds to the peak memory of a process."""
    with FaultyOllama(new_model()) as server:
        server.arm(case.fault, path=case.path)
        command = [sys.executable, str(FAKES / "peak_growth.py"), name, server.url]
        told = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    return told.stdout.split()[0]


@contextmanager
def engine() -> Iterator[Engine]:
    """Give an engine, and close it."""
    made = Engine()
    try:
        yield made
    finally:
        made.close()


if __name__ == "__main__":
    main()
