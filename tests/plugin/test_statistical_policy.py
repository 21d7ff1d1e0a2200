"""`policy = "statistical"`: an interval against stored runs decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fake_ollama import crashes

if TYPE_CHECKING:
    from bench_project import Bench
    from fake_ollama import FakeOllama

SPEC = "fake:1b / atomic / native_api / t60 r0 i0 w1"


def by_interval(bench: Bench) -> None:
    """Choose the policy by its plain word."""
    settings = 'policy = "statistical"\n'
    (bench.pytester.path / "llmbench.toml").write_text(settings, encoding="utf-8")


def decided(bench: Bench, runs: int, *options: str) -> dict[str, Any]:
    """Run the atomic suite and return the one decision."""
    result = bench.run("atomic", "--model", "fake:1b", "--runs", f"{runs}", *options)
    (decision,) = bench.summary()["policy_decisions"]
    shown = " ".join(result.stdout.str().split())  # long lines are wrapped
    assert f" {decision['decision']}: {decision['reason']} " in shown
    return dict(decision)


def test_a_hold_says_how_many_runs_are_missing(
    bench: Bench, atomic: FakeOllama
) -> None:
    """Three equal runs are too few for an interval; the terminal says how many."""
    bench.atomic()
    by_interval(bench)
    assert decided(bench, 3)["code"] == "no_baseline"
    second = decided(bench, 3)
    assert (second["decision"], second["code"]) == ("HOLD", "maybe_below_baseline")
    assert second["more_runs"] == 4
    assert second["reason"].endswith("needs about 4 more runs of both")
    assert atomic.loads


def test_seven_equal_runs_are_promoted(bench: Bench, atomic: FakeOllama) -> None:
    """The stored baseline's shares by prompt are read back and suffice."""
    bench.atomic()
    by_interval(bench)
    decided(bench, 7)
    second = decided(bench, 7)
    assert (second["decision"], second["code"]) == ("PROMOTE", "promoted")
    assert second["baseline_spec"] == SPEC
    assert atomic.loads


@pytest.mark.parametrize("policy", ["default", "statistical"])
def test_a_baseline_of_errors_is_no_missing_baseline(
    bench: Bench, atomic: FakeOllama, policy: str
) -> None:
    """`--baseline` of a run in which nothing was judged holds; it promotes nobody."""
    bench.atomic()
    settings = f'policy = "{policy}"\n'
    (bench.pytester.path / "llmbench.toml").write_text(settings, encoding="utf-8")
    atomic.faults.append(crashes().always())
    decided(bench, 3)
    atomic.faults.clear()
    found = decided(bench, 3, "--baseline", SPEC, "--gate", "promote")
    assert (found["decision"], found["code"]) == ("HOLD", "baseline_not_judged")
    assert bench.summary()["gate_is_met"] is False
