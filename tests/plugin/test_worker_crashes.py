"""A worker that dies costs its calls in flight, and is never the model's failure."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any, Final

import pytest
from bench_project import SMALL_ANSWERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import FakeOllama

KILLER: Final = """
import os, pathlib, pytest, signal

@pytest.fixture(autouse=True)
def killed_once(request, llmbench_warmup):
    flag = pathlib.Path(__file__).with_name("killed")
    if request.node.name == {name!r} and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
"""
"""A conftest that kills its process, once, as a trial is set up."""

MODEL: Final = ("--model", "fake:1b", "--runs", "4")
VICTIM: Final = "P2[fake:1b-native_api-run2]"


def kills_at(bench: Bench, name: str) -> None:
    """Write a suite of which one trial kills its worker."""
    bench.suite()
    bench.pytester.makeconftest(KILLER.format(name=name))


def asked(server: FakeOllama) -> list[str]:
    """Return the questions of all trials, in order."""
    bodies = [request.body or {} for request in server.requests_to("/api/chat")]
    texts = [body["messages"][-1]["content"] for body in bodies if body["messages"]]
    return [text for text in texts if text != "What is 2+2?"]


def test_a_crash_costs_one_trial(bench: Bench, small: FakeOllama) -> None:
    """Its trial is an error everywhere; a new worker runs the rest, warmed once."""
    kills_at(bench, VICTIM)
    result = bench.run_apart(*MODEL, "-n1", "--junitxml", "junit.xml", "-rE")
    result.stdout.fnmatch_lines([
        "*ERROR small.bench.yaml::P2[[]fake:1b-native_api-run2] - worker gw0 died*"
    ])
    records = bench.records()
    names = [record["trial_id"].partition("::")[2] for record in records]
    runs = [f"P{p}[fake:1b-native_api-run{r}]" for r in range(1, 5) for p in (1, 2, 3)]
    assert names == runs
    crashed = records[runs.index(VICTIM)]
    assert crashed["outcome"] == "error"
    assert crashed["fault"]["kind"] == "worker_crashed"
    assert crashed["worker"] == "gw0"
    assert {r["outcome"] for r in records if r is not crashed} == {"pass"}
    assert {r["prompt_hash"] for r in records if r["prompt_id"] == "P2"} == {
        crashed["prompt_hash"]
    }
    assert len(asked(small)) == 11
    assert bench.summary()["job_summaries"][0]["outcomes"]["error"] == 1
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    suite = ET.parse(bench.pytester.path / "junit.xml").getroot()[0]  # noqa: S314 - ours
    counts = [suite.attrib[name] for name in ("tests", "errors", "failures")]
    assert counts == ["12", "1", "0"]
    (error,) = suite.iter("error")
    assert "worker gw0 died during this trial" in (error.text or "")
    bodies = [request.body or {} for request in small.requests_to("/api/chat")]
    assert len([body for body in bodies if not body["messages"]]) == 1  # one preload


@pytest.mark.parametrize(
    ("victim", "recorded"), [("P1[fake:1b-native_api-run1]", 1), (VICTIM, 5)]
)
def test_without_restart_the_rest_is_missing(
    bench: Bench,
    small: FakeOllama,
    victim: str,
    recorded: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was not run is said and holds the decision, even without any plan sent."""
    kills_at(bench, victim)
    temporary = bench.pytester.mkdir("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    result = bench.run_apart(*MODEL, "-n1", "--max-worker-restart=0")
    result.stdout.fnmatch_lines([f"*HOLD:*{recorded} of 12 trials ran*"])
    assert len(bench.records()) == recorded
    assert bench.records()[-1]["fault"]["kind"] == "worker_crashed"
    assert not list(temporary.glob("llmbench-*"))
    assert "INTERNALERROR" not in result.stdout.str()
    assert small.url


def test_a_suite_changed_before_the_restart_ends_the_run(
    bench: Bench, small: FakeOllama
) -> None:
    """A new worker that finds other trials is told so, and nothing hangs."""
    kills_at(bench, VICTIM)
    conftest = bench.pytester.path / "conftest.py"
    path = bench.pytester.path / "small.bench.yaml"
    change = f"open({str(path)!r}, 'a').write(EXTRA)"
    extra = "  - {id: P4, prompt: Hm?, expect: none}\n"
    text = conftest.read_text().replace("flag.touch()", f"flag.touch(); {change}")
    conftest.write_text(f"EXTRA = {extra!r}\n{text}")
    result = bench.run_apart(*MODEL, "-n1")
    result.stdout.fnmatch_lines(["*Different tests were collected*"])
    assert "INTERNALERROR" not in result.stdout.str()
    assert small.url


def test_a_rerun_of_a_crashed_trial_counts(bench: Bench, small: FakeOllama) -> None:
    """With the user's own `--reruns` the crashed trial is asked again, and passes."""
    kills_at(bench, VICTIM)
    result = bench.run_apart(*MODEL, "-n1", "--reruns", "1")
    job: dict[str, Any] = bench.summary()["job_summaries"][0]
    assert job["outcomes"]["pass"] == 12
    assert "INTERNALERROR" not in result.stdout.str()
    assert len(asked(small)) == 12


def test_a_crash_is_one_attempt_of_a_retried_trial(
    bench: Bench, small: FakeOllama
) -> None:
    """What a dead worker had told of its trial is in the record of the next one."""
    from fake_ollama import resets_before_headers

    bench.suite()
    text = KILLER.format(name="P2[fake:1b-native_api-run1]")
    bench.pytester.makeconftest(
        text.replace(
            ":\n        flag", " and request.node.execution_count == 2:\n        flag"
        )
    )
    readies = resets_before_headers().where(prompt_contains="Which tools")
    small.faults.append(readies)
    given = ("--model", "fake:1b", "-n1", "--call-retries", "3", "--reruns-delay", "0")
    result = bench.run_apart(*given, "--junitxml", "junit.xml")
    result.assert_outcomes(passed=3)
    (record,) = [r for r in bench.records() if r["prompt_id"] == "P2"]
    kinds = [attempt["kind"] for attempt in record["earlier_attempts"]]
    assert kinds == ["unreachable", "worker_crashed"]
    assert (record["attempts"], record["outcome"]) == (3, "pass")
    assert len(bench.records()) == 3
    suite = ET.parse(bench.pytester.path / "junit.xml").getroot()[0]  # noqa: S314 - ours
    assert len(suite.findall("testcase")) == 3


def test_a_crash_during_a_replay_is_recorded_too(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """The model comes from the file, in the controller as well."""
    from fake_ollama import FakeModel, answers_by_prompt, says

    serve(FakeModel(answer=answers_by_prompt(SMALL_ANSWERS, says("4"))))
    bench.suite()
    bench.run_apart(*MODEL)
    stored = bench.newest("results.jsonl")
    kills_at(bench, VICTIM)
    bench.run_apart("--replay", str(stored), "--runs", "4", "-n1")
    outcomes = [record["outcome"] for record in bench.records()]
    assert sorted(outcomes) == ["error"] + ["pass"] * 11
