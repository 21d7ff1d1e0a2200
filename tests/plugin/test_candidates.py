"""Baseline and candidates side by side: order, decisions, what is canonical."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import SMALL_ANSWERS, SMALL_SUITE, steady
from fake_ollama import FakeModel, answers_by_prompt, calls, says

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import FakeOllama

COLD = "fake:1b / atomic / native_api / t60 r0 i0 w0"
WARM = "fake:1b / atomic / native_api / t60 r0 i0 w1"
HOT = "fake:1b / atomic / native_api / t60 r0 i0 w1 temperature=0.9"
SLOW = "fake:1b / atomic / native_api / t120 r0 i0 w1"
OTHER = "two:1b / atomic / native_api / t60 r0 i0 w1"


def axis(*candidates: str, baseline: str = "") -> tuple[str, ...]:
    """Return the options that name a baseline and candidates."""
    named = tuple(word for one in candidates for word in ("--candidate", one))
    return (*named, "--baseline", baseline) if baseline else named


def turns(bench: Bench) -> list[tuple[int, str]]:
    """Return run and spec of the records, in order, each turn once."""
    found = [(record["run"], record["spec"]) for record in bench.records()]
    return list(dict.fromkeys(found))


def decisions(bench: Bench) -> dict[str, Any]:
    """Return the newest run's decisions by spec."""
    return {one["spec"]: one for one in bench.summary()["policy_decisions"]}


def canonical(bench: Bench) -> str:
    """Return the canonical spec of the phase `atomic`; empty without one."""
    path = bench.reports / "canonical.json"
    if not path.exists():
        return ""
    return str(json.loads(path.read_text())["phases"]["atomic"]["spec"])


def test_specs_take_turns_run_by_run(bench: Bench, small: FakeOllama) -> None:
    """Each run asks every spec whole, and begins with another one than the last."""
    bench.suite()
    options = ("--runs", "4", "-v")
    result = bench.run(*axis(WARM, SLOW, baseline=COLD), *options)
    result.assert_outcomes(passed=36)
    order = [COLD, WARM, SLOW]
    assert turns(bench) == [
        (run, spec)
        for run in (1, 2, 3, 4)
        for spec in (order * 2)[(run - 1) % 3 : (run - 1) % 3 + 3]
    ]
    result.stdout.fnmatch_lines([
        "llmbench: 3 specs, 3 prompts, 4 runs = 36 trials; warm-up by spec",
        f"llmbench: baseline {COLD}",
        f"llmbench: candidate {WARM}",
        "*::P1*fake:1b-native_api-t60r0i0w0-run1* PASSED*",
        "*::P1*fake:1b-native_api-t120r0i0w1-run2* PASSED*",
    ])
    assert small.loads
