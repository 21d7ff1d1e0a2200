"""Print what each call parser is tried with, whether it holds, and how fast it is."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "fakes"))

from call_cases import cases
from call_writers import TOOLS, WRITERS, format_of

from pytest_llmbench.checks.calltext import read_calls
from pytest_llmbench.checks.calltext.reading import LAST, MARKED, PLAIN

ROUNDS = 200
CALL = ("run_command", {"text": "ps aux", "count": 5})
PROSE = "The disk is nearly full; df -h shows 97 % in use, so look at run_command. "


def took_us(text: str) -> float:
    """Return the processor time of one reading in microseconds, none repeated."""
    texts = [f"{text}\n{number}" for number in range(ROUNDS)]
    started_s = time.process_time()
    for each in texts:
        read_calls(each, TOOLS)
    return 1e6 * (time.process_time() - started_s) / ROUNDS


def main() -> None:
    """Print one row per format, then the speed on words without any call."""
    tried, read = Counter[str](), Counter[str]()
    for case in cases():
        found = read_calls(case.text, TOOLS)
        calls = [(call.name, call.arguments) for call in found.calls]
        is_read = calls == list(case.calls) and not found.malformed
        tried[case.format] += 1
        read[case.format] += is_read
    print("| format | ways of writing | cases | read exactly | one call (us) |")
    print("|---|---|---|---|---|")
    for name in dict.fromkeys(parser.name for parser in (*MARKED, *PLAIN, *LAST)):
        writers = [writer for writer in WRITERS if format_of(writer) == name]
        us = took_us(WRITERS[writers[0]]([CALL]))
        print(f"| {name} | {len(writers)} | {tried[name]} | {read[name]} | {us:.0f} |")
    kilobytes = 16
    us = took_us(PROSE * (kilobytes * 1024 // len(PROSE)))
    print(f"\nwords without a call, {kilobytes} KB: {us / kilobytes:.1f} us per KB")


if __name__ == "__main__":
    main()
