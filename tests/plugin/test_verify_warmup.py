"""`llmbench verify-warmup` against servers whose cold starts are known."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from fake_ollama import FakeModel, refuse
from fake_ollama_atomic import atomic_script
from jsonschema import Draft202012Validator

from pytest_llmbench.runs.schemas import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import FakeOllama

SHORT = ("--runs", "2", "--prompts", "P6,P7,P9,P1")


def verify(bench: Bench, *words: str) -> pytest.RunResult:
    """Run the command in a process of its own."""
    code = "from pytest_llmbench.cli import main; raise SystemExit(main())"
    return bench.pytester.run(sys.executable, "-c", code, "verify-warmup", *words)


def report(bench: Bench) -> dict[str, Any]:
    """Return what was written, once it is known to fit its schema."""
    path = bench.reports / "warm_up_effectiveness_report.json"
    data: dict[str, Any] = json.loads(path.read_text("utf-8"))
    schema = load_schema("warm_up_effectiveness_report")
    Draft202012Validator(schema).validate(data)
    return data


def test_a_cold_start_is_found_and_mended(bench: Bench, cold: FakeOllama) -> None:
    """The cold model fails three of twelve: warm-up gains 25 points, which is PASS."""
    bench.atomic()
    result = verify(bench, "atomic", "--model", "fake:1b", "--runs", "2")
    assert result.ret == 0
    found = report(bench)
    assert found["verdict"] == "PASS"
    assert found["improvement_percent"] == 25.0
    assert found["without_warmup"]["accuracy"] == 0.75
    assert found["with_warmup"]["accuracy"] == 1.0
    assert found["gained"] == ["P6", "P7", "P9"]
    interval = found["interval_percent"]
    assert interval["low"] < 25.0 < interval["high"]
    assert found["run_id"] == bench.summary()["run_id"]
    starts = found["without_warmup"]["starts"]
    assert [start["is_confirmed"] for start in starts] == [True, True]
    assert all(start["load_ms"] >= 200.0 for start in starts)
    assert found["with_warmup"]["load_ms"]["p50"] >= 200.0
    assert found["with_warmup"]["first_call"]["ttft_ms"]["p50"] < 200.0
    assert len([load for load in cold.loads if load.is_finished]) == 4
    feedback = json.loads((bench.reports / "harness_feedback.json").read_text("utf-8"))
    assert feedback["model_phase_accuracy"] == {}
    assert not (bench.reports / "canonical.json").exists()
    result.stdout.fnmatch_lines([
        "*12 prompts, 2 runs = 48 trials*",
        "*mean pass rate * 75 % * 100 %",
        "*cold starts * 2 of 2 confirmed",
        "*better warm * P6, P7, P9",
        "*PASS * +25 points reach the limit of 20, *",
        "*wrote reports/warm_up_effectiveness_report.json",
    ])


def test_without_a_cold_start_there_is_nothing_to_gain(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """A model that is right from its first call: 0 points, which is FAIL."""
    serve(FakeModel(answer=atomic_script(), load_s=0.1))
    bench.atomic()
    result = verify(bench, "--model", "fake:1b", *SHORT)
    assert result.ret == 1
    found = report(bench)
    assert (found["verdict"], found["improvement_percent"]) == ("FAIL", 0.0)
    assert found["faults"] == []


def test_a_model_that_stays_proves_nothing(bench: Bench, cold: FakeOllama) -> None:
    """Where one unloading failed, no claim is made, and the report says why."""
    cold.faults.append(refuse(403, "not allowed").where(path="/api/chat"))
    bench.atomic()
    result = verify(bench, "--model", "fake:1b", *SHORT)
    assert result.ret == 1
    found = report(bench)
    assert (found["verdict"], found["improvement_percent"]) == ("INCONCLUSIVE", None)
    assert found["interval_percent"]["low"] is None
    (fault,) = found["faults"]
    assert fault.startswith("run 1 without warm-up: the model was not unloaded")
    assert "not allowed" in fault
    result.stdout.fnmatch_lines([
        "*cold starts * 1 of 2 confirmed",
        "*INCONCLUSIVE * no claim is made: run 1 *",
    ])


def test_errors_prove_nothing(bench: Bench, cold: FakeOllama) -> None:
    """Too many errors on a side leave the question open."""
    fault = refuse(500, "broken").where(prompt_contains="weather in Tokyo").always()
    cold.faults.append(fault)
    bench.atomic()
    result = verify(bench, "--model", "fake:1b", *SHORT)
    assert result.ret == 1
    found = report(bench)
    assert found["verdict"] == "INCONCLUSIVE"
    assert any("2 of 8 trials without warm-up are errors" in f for f in found["faults"])
    assert "not judged on both sides: P7" in found["faults"]


def test_the_embedded_engine_begins_cold_too(bench: Bench) -> None:
    """Its process ends before every run, and the load is in the first call."""
    bench.atomic()
    words = ("--model", "embedded", "--runs", "1", "--prompts", "P1,P5")
    result = verify(bench, "atomic", *words)
    assert result.ret in {0, 1}
    found = report(bench)
    assert found["faults"] == []
    (start,) = found["without_warmup"]["starts"]
    assert (start["unloaded"], start["is_resident"]) == (True, False)
    assert start["load_ms"] > 0


@pytest.mark.parametrize("model", ["openai/gpt", "claude-code/haiku"])
def test_a_service_has_nothing_to_warm(bench: Bench, model: str) -> None:
    """What can't be unloaded is refused before anything is asked."""
    bench.suite()
    result = verify(bench, "--model", model)
    assert result.ret == 2
    provider = model.partition("/")[0]
    result.stderr.fnmatch_lines([
        f"llmbench: verify-warmup: --model: {model} is asked through {provider}, *"
    ])
    assert not bench.reports.exists()


def test_usage_errors_are_one_line(bench: Bench, small: FakeOllama) -> None:
    """No suite, several phases, an unknown prompt: status 2 and nothing asked."""
    result = verify(bench, "--model", "fake:1b")
    assert result.ret == 2
    result.stderr.fnmatch_lines(["llmbench: verify-warmup: no suite found; *"])
    path = bench.suite()
    text = path.read_text("utf-8").replace("phase: atomic", "phase: other")
    bench.suite(text.replace("suite: small", "suite: two"), "two")
    result = verify(bench, "--model", "fake:1b")
    assert result.ret == 2
    result.stderr.fnmatch_lines(["*choose one with --phase: atomic, other"])
    result = verify(bench, "--model", "fake:1b", "--phase", "othr")
    assert result.ret == 2
    result = verify(bench, "--model", "fake:1b", "--prompts", "P7", "--phase", "other")
    assert result.ret == 2
    result.stderr.fnmatch_lines(["*P7*"])
    assert not [request for request in small.requests if "chat" in request.path]


def test_one_phase_of_several(bench: Bench, small: FakeOllama) -> None:
    """`--phase` leaves the other suites out."""
    path = bench.suite()
    text = path.read_text("utf-8").replace("phase: atomic", "phase: other")
    bench.suite(text.replace("suite: small", "suite: two"), "two")
    verify(bench, "--model", "fake:1b", "--phase", "other", "--runs", "1")
    assert {record["suite"] for record in bench.records()} == {"two"}
    assert report(bench)["phase"] == "other"
    assert small.requests
