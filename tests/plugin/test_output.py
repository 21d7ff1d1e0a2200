"""What a person and a dashboard see of trials."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from bench_project import SMALL_ANSWERS, SMALL_SUITE
from fake_ollama import (
    FakeModel,
    FakeOllama,
    FakeSettings,
    answers_by_prompt,
    says,
)

if TYPE_CHECKING:
    from bench_project import Bench

WRONG = SMALL_SUITE.replace("exact: READY", "exact: NEVER")


def test_a_failure_is_a_few_lines(bench: Bench, small: FakeOllama) -> None:
    """Why, prompt, expected and got; nothing of our code."""
    bench.suite(WRONG)
    result = bench.run("--model", "fake:1b", "--runs", "2")
    result.stdout.fnmatch_lines([
        "*P3[[]fake:1b-native_api-run1[]]*",
        "wrong_answer: exact: *",
        "prompt   Reply with exactly READY.",
        'expected "NEVER"',
        'got      "READY"',
        "*P3[[]fake:1b-native_api-run2[]]*",
        "wrong_answer: exact: * (as in an earlier run)",
    ])
    assert "pytest_llmbench/" not in result.stdout.str()
    assert small.loads


def test_verbose_lines_show_outcome_and_latency(
    bench: Bench, small: FakeOllama
) -> None:
    """`-v` shows each trial's outcome word and seconds."""
    bench.suite(WRONG)
    result = bench.run("--model", "fake:1b", "-v")
    result.stdout.re_match_lines([
        r".*P1\[.*\] PASSED \d\.\d\d s",
        r".*P3.*FAILED \d\.\d\d s",
    ])
    assert small.loads


def test_the_summary_fits_80_columns_in_plain_ascii(
    bench: Bench, small: FakeOllama
) -> None:
    """The section is readable on any terminal, without colour."""
    bench.suite(WRONG)
    result = bench.run("--model", "fake:1b", "--runs", "7")
    lines = result.outlines[
        result.outlines.index("fake:1b / atomic / native_api / t60 r0 i0 w1") :
    ]
    assert all(len(line) <= 80 for line in lines if "reports/" not in line)
    assert all(line.isascii() for line in lines)
    assert small.loads


def test_junit_has_one_testcase_per_trial(bench: Bench, small: FakeOllama) -> None:
    """Time is E2E seconds; figures are properties, patterns the suite's."""
    bench.suite(WRONG)
    bench.run("--model", "fake:1b", "--runs", "2", "--junitxml", "out.xml")
    suite = ET.parse(bench.pytester.path / "out.xml").getroot()[0]  # noqa: S314 - our own file
    cases = suite.findall("testcase")
    assert len(cases) == 6
    for case, record in zip(cases, bench.records(), strict=True):
        properties = {p.get("name"): p.get("value") for p in case.iter("property")}
        e2e_ms = record["reply"]["timings"]["e2e_ms"]
        assert float(case.get("time") or 0) == pytest.approx(e2e_ms / 1e3, abs=0.0006)
        assert float(properties["e2e_ms"] or 0) == pytest.approx(e2e_ms)
        assert properties["outcome"] == record["outcome"]
        assert properties["run"] == str(record["run"])
        assert {
            "model",
            "spec",
            "ttft_ms",
            "load_ms",
            "output_tokens",
        } <= properties.keys()
    spec = "fake:1b / atomic / native_api / t60 r0 i0 w1"
    wide = {p.get("name"): p.get("value") for p in suite.findall("properties/property")}
    assert wide[f"pattern {spec} P3"] == "incapable"
    assert wide[f"pattern {spec} P1"] == "stable"
    assert (wide[f"decision {spec}"] or "").startswith("HOLD: ")
    assert small.loads


def test_junit_shows_a_server_fault_as_error_not_failure(
    bench: Bench, small: FakeOllama
) -> None:
    """Dashboards count harness faults apart from the model's failures."""
    from fake_ollama import crashes

    bench.suite(WRONG)
    small.faults.append(crashes().where(prompt_contains="Oslo"))
    bench.run("--model", "fake:1b", "--junitxml", "out.xml")
    suite = ET.parse(bench.pytester.path / "out.xml").getroot()[0]  # noqa: S314 - our own file
    assert (suite.get("errors"), suite.get("failures")) == ("1", "1")


def test_debug_log_holds_requests_and_replies(bench: Bench, small: FakeOllama) -> None:
    """`--debug-log` writes every request and each line that came back."""
    bench.suite()
    bench.run("--model", "fake:1b", "--debug-log")
    text = next(bench.reports.glob("2*/*/debug/*.jsonl")).read_text()
    assert '"event": "sent"' in text
    assert "Reply with exactly READY." in text
    assert '"event": "received"' in text
    assert small.loads


@pytest.mark.parametrize("more", [(), ("--isolate-call",)])
def test_debug_log_tells_calls_in_flight_apart(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    """Each event has its call's number and its trial, however they are mixed."""
    right = answers_by_prompt(SMALL_ANSWERS, says("4"))
    model = FakeModel(answer=right, decode_tokens_per_s=50.0)
    bench.suite()
    with FakeOllama(model, settings=FakeSettings(num_parallel=3)) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        bench.run("--model", "fake:1b", "--debug-log", "--concurrency", "3", *more)
    text = next(bench.reports.glob("2*/*/debug/*.jsonl")).read_text("utf-8")
    events = [json.loads(line) for line in text.splitlines()]
    asked = [event for event in events if event["event"] == "sent"]
    assert [event["call"] for event in asked] == list(range(1, len(asked) + 1))
    whole = {}
    for event in asked:
        lines = [
            json.loads(one["line"])
            for one in events
            if one["call"] == event["call"] and one["event"] == "received"
        ]
        assert lines[-1]["done"]
        said = "".join(line["message"]["content"] for line in lines)
        whole[event["body"]["messages"][-1]["content"]] = said, event["trial"]
    assert whole["Reply with exactly READY."] == ("READY", trial_id_of(bench, "P3"))
    assert whole["Which tools do you have?"][1] == trial_id_of(bench, "P2")
    assert whole["What is 2+2?"] == ("4", "")


def trial_id_of(bench: Bench, prompt_id: str) -> str:
    """Return the id of the one trial of a prompt."""
    (found,) = [r for r in bench.records() if r["prompt_id"] == prompt_id]
    return str(found["trial_id"])


def test_without_debug_log_there_is_none(bench: Bench, small: FakeOllama) -> None:
    """Full traffic is kept only when asked for."""
    bench.suite()
    bench.run("--model", "fake:1b")
    assert not list(bench.reports.glob("2*/*/debug"))
    assert small.loads


@pytest.mark.parametrize("at_once", ["1", "4"])
def test_waits_for_a_slot_are_shown_where_calls_overlap(
    bench: Bench, small: FakeOllama, at_once: str
) -> None:
    """The summary has a line for them, beside the latencies that don't hold them."""
    bench.suite()
    bench.run("--model", "fake:1b")
    lines = bench.records()
    for line in lines:
        line["reply"]["timings"]["queue_ms"] = 300.0
    path = bench.pytester.path / "waited.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", "utf-8")
    result = bench.run("--replay", str(path), "--concurrency", at_once)
    shown = "queue          p50 300 ms, p95 at n>=20 (n=3), in none of the above"
    assert (shown in result.stdout.str()) == (at_once == "4")
    assert small.loads


def test_hostile_text_reaches_neither_terminal_nor_markdown(
    bench: Bench, small: FakeOllama
) -> None:
    """Escape sequences and markup in a reply are shown, not obeyed."""
    bench.suite(
        "suite: s\nprompts:\n"
        '- {id: A, prompt: "\\e[31mhi <script>", expect: {exact: "x"}}\n'
    )
    result = bench.run("--model", "fake:1b", "--color=no")
    assert "\x1b" not in result.stdout.str()
    assert "<script>" not in bench.newest("summary.md").read_text()
    assert small.loads


def test_help_lists_every_option(bench: Bench) -> None:
    """`--help` has one group with our options; the golden text says which."""
    text = bench.run("--help").stdout.str()
    start = text.index("prompts as test cases (llmbench):")
    group = text[start : text.index("\n\n", start)]
    for word in (
        "--model=M",
        "--variant=V",
        "--runs=N",
        "--prompts=IDS",
        "--call-timeout=SECONDS",
        "--baseline=SPEC",
        "--gate={none,promote,no-reject}",
        "--reports=DIR",
        "--debug-log",
        "--enable-warmup",
        "--disable-warmup",
    ):
        assert word in group
