"""Stored replies, judged again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from bench_project import SMALL_SUITE, steady

if TYPE_CHECKING:
    from bench_project import Bench
    from fake_ollama import FakeOllama

OSLO = {"name": "get_weather", "arguments": {"city": "Oslo"}}
IN_TEXT = '<tool_call>{"name": "get_weather", "arguments": {}}</tool_call>'


def line(prompt_id: str, **reply: object) -> dict[str, object]:
    """Return the smallest line of a stored reply."""
    return {"model": "other/m", "prompt_id": prompt_id, "run": 1, "reply": reply}


FOREIGN = [
    line("P1", text="", tool_calls=[OSLO]),
    line("P2", text="I have one tool."),
    line("P3", text=IN_TEXT),
]


def write(bench: Bench, lines: list[dict[str, object]]) -> str:
    """Write a file of stored replies."""
    path = bench.pytester.path / "stored.jsonl"
    path.write_text(
        "".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8"
    )
    return path.name


def test_an_own_run_is_judged_again_without_asking(
    bench: Bench, small: FakeOllama
) -> None:
    """Same items, same numbers, no call; a changed expectation changes the verdict."""
    path = bench.suite()
    bench.run("--model", "fake:1b", "--runs", "3")
    stored, first = str(bench.newest("results.jsonl")), bench.summary()
    asked = len(small.requests)
    bench.run("--model", "fake:1b", "--runs", "3", "--replay", stored).assert_outcomes(
        passed=9
    )
    again = bench.summary()
    assert again["replay_of"].endswith("results.jsonl")
    for key in ("passed", "accuracy", "variance", "latency"):
        assert again["job_summaries"][0][key] == first["job_summaries"][0][key]
    path.write_text(path.read_text().replace("exact: READY", "exact: SET"))
    result = bench.run("--model", "fake:1b", "--runs", "3", "--replay", stored)
    result.assert_outcomes(passed=6, failed=3)
    result.stdout.fnmatch_lines(["*other versions of these prompts: P3*"])
    assert len(small.requests) == asked


def test_workers_judge_a_replay_without_a_server(
    bench: Bench, small: FakeOllama
) -> None:
    """With `-n` the trials are shared out as `--dist` asks; the summary is the same."""
    bench.suite()
    bench.run("--model", "fake:1b", "--runs", "4")
    small.stop()
    options = ("--replay", str(bench.newest("results.jsonl")), "--runs", "4")
    bench.run_apart(*options).assert_outcomes(passed=12)
    alone = bench.summary()
    bench.run_apart(*options, "-n2").assert_outcomes(passed=12)
    assert steady(bench.summary()) == steady(alone)
    assert {record["worker"] for record in bench.records()} == {"gw0", "gw1"}


def test_foreign_replies_need_little(bench: Bench) -> None:
    """Model, prompt, run and a text are enough; calls in the text are read."""
    bench.suite()
    result = bench.run("--replay", write(bench, FOREIGN))
    result.assert_outcomes(passed=2, failed=1)
    modes = {r["prompt_id"]: r["failure_mode"] for r in bench.records()}
    assert modes["P1"] is None
    assert modes["P3"] is not None
    assert {r["model"] for r in bench.records()} == {"other/m"}


def test_what_is_not_stored_is_skipped_and_said(bench: Bench) -> None:
    """A trial without a reply counts for nobody, and the run is incomplete."""
    bench.suite()
    result = bench.run("--replay", write(bench, FOREIGN[:2]), "-rs")
    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines([
        "*no stored reply in stored.jsonl*",
        "*HOLD: 2 of 3 trials*",
    ])


def test_a_replay_changes_no_baseline_and_no_feedback(
    bench: Bench, small: FakeOllama
) -> None:
    """The same answers are not counted twice."""
    bench.suite()
    bench.run("--model", "fake:1b", "--runs", "3")
    stored = str(bench.newest("results.jsonl"))
    kept = [bench.reports / "canonical.json", bench.reports / "harness_feedback.json"]
    before = [path.read_text() for path in kept]
    bench.run("--model", "fake:1b", "--runs", "3", "--replay", stored)
    assert [path.read_text() for path in kept] == before
    assert small.loads


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no reply; a right line:"),
        ("not json\n", "stored.jsonl:1 is no stored reply"),
        ('{"model": "m"}\n', "stored.jsonl:1 is no stored reply"),
        ("[1]\n", "stored.jsonl:1 is no stored reply"),
    ],
)
def test_a_wrong_file_is_one_clear_error(bench: Bench, text: str, words: str) -> None:
    """The message has file, line, and a right line."""
    bench.suite(SMALL_SUITE)
    (bench.pytester.path / "stored.jsonl").write_text(text)
    result = bench.run("--replay", "stored.jsonl")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stderr.str()


def test_a_missing_file_is_one_clear_error(bench: Bench) -> None:
    """The file's name and the reason are named."""
    bench.suite()
    result = bench.run("--replay", "gone.jsonl")
    assert "gone.jsonl cannot be read: No such file" in result.stderr.str()


def test_timeouts_stay_timeouts_and_errors_stay_nobodys(
    bench: Bench, small: FakeOllama
) -> None:
    """What the model never answered cannot be judged anew."""
    from fake_ollama import crashes, slow_first_byte

    bench.suite()
    small.faults.append(slow_first_byte(1.0).where(prompt_contains="READY"))
    small.faults.append(crashes().where(prompt_contains="Which"))
    bench.run("--model", "fake:1b", "--call-timeout", "0.3")
    stored = str(bench.newest("results.jsonl"))
    bench.run("--model", "fake:1b", "--replay", stored)
    outcomes = {r["prompt_id"]: r["outcome"] for r in bench.records()}
    assert outcomes == {"P1": "pass", "P2": "skipped", "P3": "timeout"}
