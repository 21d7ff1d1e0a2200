"""--cold-start: specs begin from an unloaded model, and say so only if they did."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fake_ollama import refuse
from jsonschema import Draft202012Validator

from pytest_llmbench.runs.schemas import load_schema

if TYPE_CHECKING:
    from bench_project import Bench
    from fake_ollama import FakeOllama

COLD = "fake:1b / atomic / native_api / t60 r0 i0 w0"
WARM = "fake:1b / atomic / native_api / t60 r0 i0 w1"
BOTH = ("atomic", "--baseline", COLD, "--candidate", WARM)


def outcomes(bench: Bench, spec: str, prompt_id: str = "P6") -> str:
    """Return a prompt's outcomes by run, one letter each."""
    jobs = {job["spec"]: job for job in bench.summary()["job_summaries"]}
    prompts = {prompt["prompt_id"]: prompt for prompt in jobs[spec]["prompts"]}
    return "".join(word[0] for word in prompts[prompt_id]["outcomes"])


def pattern(bench: Bench, spec: str) -> dict[str, Any]:
    """Return the pattern of P6."""
    jobs = {job["spec"]: job for job in bench.summary()["job_summaries"]}
    found: dict[str, Any] = jobs[spec]["prompts"][5]["pattern"]
    return found


def warmups(bench: Bench) -> list[tuple[str, int, str, bool | None]]:
    """Return spec, run, status and whether it was unloaded, of each warm-up."""
    return [
        (one["spec"], one["run"], one["status"], one["unloaded"])
        for one in bench.summary()["warmup_result"]
    ]


def test_each_spec_begins_from_an_unloaded_model(
    bench: Bench, cold: FakeOllama
) -> None:
    """A cold baseline shows its cold start; the warmed candidate beats it at once."""
    bench.atomic()
    result = bench.run(*BOTH, "--runs", "4", "--gate", "promote")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([
        "llmbench: local models are unloaded before each spec's first run",
        "  warm-up * unloaded before; skipped: switched off",
        "  warm-up * unloaded before; success in * s*",
    ])
    assert (outcomes(bench, COLD), outcomes(bench, WARM)) == ("fppp", "pppp")
    shown = pattern(bench, COLD)
    assert shown["kind"] == "cold_start"
    assert shown["residency"]["is_resident"] is False
    assert len(cold.loads) == 2
    assert warmups(bench) == [(COLD, 1, "skipped", True), (WARM, 1, "success", True)]
    for name in ("config", "inventory"):
        written = json.loads(bench.newest(f"{name}.json").read_text())
        Draft202012Validator(load_schema(name)).validate(written)


def test_a_warmed_spec_is_warmed_again_behind_a_cold_one(
    bench: Bench, cold: FakeOllama
) -> None:
    """What another spec's unloading took from it is given back at its next run."""
    bench.atomic()
    bench.run("atomic", "--baseline", WARM, "--candidate", COLD, "--runs", "3")
    assert (outcomes(bench, WARM), outcomes(bench, COLD)) == ("ppp", "ffp")
    assert warmups(bench) == [
        (WARM, 1, "success", True),
        (COLD, 1, "skipped", True),
        (WARM, 2, "already_loaded", None),
    ]
    assert len(cold.loads) == 2


def test_each_run_may_begin_cold(bench: Bench, cold: FakeOllama) -> None:
    """Then every run of the cold spec is a first one."""
    bench.atomic()
    bench.run(*BOTH, "--runs", "3", "--cold-start", "run")
    assert (outcomes(bench, COLD), outcomes(bench, WARM)) == ("fff", "ppp")
    assert len(cold.loads) == 6
    assert {unloaded for *_, unloaded in warmups(bench)} == {True}
    assert len(warmups(bench)) == 6


def test_a_model_may_stay_loaded(bench: Bench, cold: FakeOllama) -> None:
    """With `never` the candidate meets what the baseline has left; it is warmed."""
    bench.atomic()
    bench.run(*BOTH, "--runs", "2", "--cold-start", "never")
    assert len(cold.loads) == 1
    assert warmups(bench) == [
        (COLD, 1, "skipped", None),
        (WARM, 1, "already_loaded", None),
    ]


def test_models_can_begin_cold_too(bench: Bench, cold: FakeOllama) -> None:
    """Without candidates it is off, and can be asked for."""
    bench.atomic()
    options = ("atomic", "--model", "fake:1b", "--disable-warmup", "--runs", "2")
    bench.run(*options)
    bench.run(*options)
    assert len(cold.loads) == 1
    bench.run(*options, "--cold-start", "spec")
    assert len(cold.loads) == 2
    assert outcomes(bench, COLD) == "ff"


def test_workers_unload_too(bench: Bench, cold: FakeOllama) -> None:
    """The worker that has the server does, and the controller tells of it."""
    bench.atomic()
    result = bench.run_apart(*BOTH, "--runs", "3", "-n2")
    result.assert_outcomes(passed=69, failed=3)
    assert (outcomes(bench, COLD), outcomes(bench, WARM)) == ("fpp", "ppp")
    assert warmups(bench) == [(COLD, 1, "skipped", True), (WARM, 1, "success", True)]
    assert len(cold.loads) == 2


def test_a_model_that_stays_is_no_cold_start(bench: Bench, cold: FakeOllama) -> None:
    """A failed unloading ends nothing; it is a warning, and stored as what it is."""
    bench.atomic()
    bench.run("atomic", "--model", "fake:1b", "--runs", "2", "--disable-warmup")
    cold.faults.append(refuse(500, "no such thing"))
    result = bench.run(*BOTH, "--runs", "2")
    result.assert_outcomes(passed=48)
    result.stdout.fnmatch_lines([
        "  warm-up * could not be unloaded before; skipped: switched off",
        "*note*fake:1b could not be unloaded before run 1 of*",
    ])
    assert warmups(bench) == [(COLD, 1, "skipped", False), (WARM, 1, "success", True)]
    (first, *_) = bench.summary()["warmup_result"]
    assert "no such thing" in first["unload_fault"]
    assert bench.records()[0]["is_resident"] is True
