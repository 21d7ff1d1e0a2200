"""Lengths that a model has no room for: skipped, told, and no part of its plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import pytest
from fake_ollama import FakeModel, says
from jsonschema import Draft202012Validator

from pytest_llmbench.runs.schemas import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import FakeOllama

LONG: Final = """
suite: long
phase: long_context
defaults: {options: {num_predict: 32}}
prompts:
  - id: L1
    prompt: Reply with exactly READY.
    context: {tokens: [400, 800, 1600]}
    expect: {exact: READY}
"""
RUN: Final = ("--model", "fake:1b", "--runs", "3")
WHY: Final = (
    "1,600 tokens and a reply of up to 32 need a context of 1,728; fake:1b has 1,024"
)
FIT: Final = "2 of the suite's 3 prompts fit this model's context"
SMALL: Final = "fake:1b / long_context / native_api / t60 r0 i0 w1"
LARGE: Final = "large:1b / long_context / native_api / t60 r0 i0 w1"


@pytest.fixture
def fake(serve: Callable[..., FakeOllama]) -> FakeOllama:
    """Serve `fake:1b` with a context of 1,024 tokens, and `large:1b` with more."""
    return serve(
        FakeModel(answer=lambda _call: says("READY"), context_length=1024),
        FakeModel(name="large:1b", answer=lambda _call: says("READY")),
    )


def job(bench: Bench) -> dict[str, Any]:
    """Return the only entry of the newest run's job summaries."""
    (found,) = bench.summary()["job_summaries"]
    return dict(found)


def test_what_fits_is_a_whole_plan(bench: Bench, fake: FakeOllama) -> None:
    """Runs are complete, accuracy is of what fits, and gates promote it."""
    bench.suite(LONG, "long")
    result = bench.run(*RUN, "--gate", "promote", "--junitxml", "junit.xml")
    result.assert_outcomes(passed=6, skipped=3)
    assert result.ret == pytest.ExitCode.OK
    found = job(bench)
    assert (found["n"], found["total"], found["planned_trials"]) == (3, 2, 6)
    assert (found["accuracy"], found["outcomes"]["skipped"]) == (1, 0)
    assert found["beyond_context"] == {"L1:1600": WHY}
    assert {p["prompt_id"] for p in found["prompts"]} == {"L1:400", "L1:800"}
    (decision,) = bench.summary()["policy_decisions"]
    assert decision["decision"] == "PROMOTE"
    reason = f"all gates pass; {FIT}; no baseline yet, so this becomes it"
    assert decision["reason"] == reason
    assert decision["gates"][0]["reason"] == f"all 6 trials ran, 0 errors; {FIT}"
    assert fake.loads


def test_it_is_shown_everywhere(bench: Bench, fake: FakeOllama) -> None:
    """The reason stands in JUnit, terminal, summary.md, and what schemas allow."""
    bench.suite(LONG, "long")
    result = bench.run(*RUN, "--junitxml", "junit.xml")
    result.stdout.fnmatch_lines([
        "    1,600 * 3 skipped",
        f"  fit * {FIT}",
        "  beyond context skipped L1:1600: 1,600 tokens and a reply of up to 32 need*",
    ])
    assert f"skipped L1:1600: {WHY}" in bench.newest("summary.md").read_text()
    tree = ET.parse(bench.pytester.path / "junit.xml")  # noqa: S314 - our own file
    told = [skip.get("message") for skip in tree.iter("skipped")]
    assert told == [WHY] * 3
    Draft202012Validator(load_schema("summary")).validate(bench.summary())
    for record in bench.records():
        Draft202012Validator(load_schema("record")).validate(record)
    assert fake.loads


def test_a_context_of_the_users_is_no_excuse(bench: Bench, fake: FakeOllama) -> None:
    """What a num_ctx keeps out was planned: the run is not complete."""
    bench.suite(LONG, "long")
    bench.run("--model", "large:1b?num_ctx=1000", "--runs", "3")
    assert (job(bench)["n"], job(bench)["beyond_context"]) == (0, {})
    (decision,) = bench.summary()["policy_decisions"]
    assert (decision["decision"], decision["code"]) == ("HOLD", "incomplete")
    assert fake.loads


def test_other_sets_do_not_compare(bench: Bench, fake: FakeOllama) -> None:
    """A model that was asked more is held: its baseline has seen less."""
    bench.suite(LONG, "long")
    result = bench.run("--baseline", SMALL, "--candidate", LARGE, "--runs", "3")
    result.assert_outcomes(passed=15, skipped=3)
    (decision,) = bench.summary()["policy_decisions"]
    assert (decision["decision"], decision["code"]) == (
        "HOLD",
        "baseline_not_comparable",
    )
    told = "baseline not comparable: its model had no room for L1:1600; docs/context"
    assert told in decision["reason"]
    assert not any("beyond" in text for text in decision["differences"])
    assert {one["n"] for one in bench.summary()["job_summaries"]} == {3}
    assert fake.loads


def test_who_has_room_for_most_becomes_canonical(
    bench: Bench, fake: FakeOllama
) -> None:
    """A model that was asked less, and was quicker, is none that others must beat."""
    assert fake.url
    bench.suite(LONG, "long")
    bench.run("--model", "large:1b,fake:1b", "--runs", "3")
    decisions = {one["decision"] for one in bench.summary()["policy_decisions"]}
    assert decisions == {"PROMOTE"}
    canonical = json.loads((bench.reports / "canonical.json").read_text("utf-8"))
    assert LARGE in json.dumps(canonical)
    assert SMALL not in json.dumps(canonical)


def test_runs_may_end_by_themselves(bench: Bench, fake: FakeOllama) -> None:
    """A skipped length neither keeps a run from being whole nor counts as a pair."""
    bench.suite(LONG, "long")
    other = SMALL.replace("t60", "t90")
    options = ("--baseline", SMALL, "--candidate", other, "--runs", "auto:4")
    bench.run(*options)
    summary = bench.summary()
    assert summary["sequential"]["runs"] == 4
    assert summary["sequential"]["candidates"][other]["pairs"] == 8
    assert {one["n"] for one in summary["job_summaries"]} == {4}
    assert fake.loads


def test_nothing_that_fits_is_no_evidence(bench: Bench, fake: FakeOllama) -> None:
    """With no length left, nothing was asked, and the reason says why."""
    bench.suite(LONG.replace("[400, 800, 1600]", "[1600, 3200]"), "long")
    bench.run(*RUN).assert_outcomes(skipped=6)
    (decision,) = bench.summary()["policy_decisions"]
    assert (decision["decision"], decision["code"]) == ("HOLD", "nothing_judged")
    assert "0 of the suite's 2 prompts fit this model's context" in decision["reason"]
    assert "READY" not in str([request.body for request in fake.requests])


def test_a_replay_knows_it_too(bench: Bench, fake: FakeOllama) -> None:
    """A stored skip for the context stays one."""
    bench.suite(LONG, "long")
    bench.run(*RUN)
    before = job(bench)
    bench.run("--replay", str(bench.newest("results.jsonl")), "--runs", "3")
    after = job(bench)
    assert after["beyond_context"] == before["beyond_context"] == {"L1:1600": WHY}
    assert (after["n"], after["accuracy"]) == (3, 1)
    assert fake.loads


def test_a_run_that_goes_on_knows_it_too(bench: Bench, fake: FakeOllama) -> None:
    """What was cut off the plan is planned again, and cut off again."""
    bench.suite(LONG, "long")
    bench.run(*RUN)
    path = bench.newest("results.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4]))
    (path.parent / "summary.json").unlink()
    bench.run("--resume", "last").assert_outcomes(passed=6, skipped=3)
    assert (job(bench)["n"], list(job(bench)["beyond_context"])) == (3, ["L1:1600"])
    config = json.loads(bench.newest("config.json").read_text())
    assert "L1:1600" in config["plans"][0]["prompt_ids"]
    assert fake.loads
