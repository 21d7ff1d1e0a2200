"""Retries: time-outs and refused connections are tried again, and nothing else."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import QUIET
from fake_ollama import (
    FakeModel,
    answers_by_prompt,
    crashes,
    queue_full,
    resets_before_headers,
    says,
    stalls,
)
from fault_cases import ADDRESSES, address_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench_project import Bench
    from fake_ollama import FakeOllama, Fault

FAKES = Path(__file__).parents[1] / "fakes"
SOON = ("--reruns-delay", "0.01")
MODEL = ("--model", "fake:1b", *SOON)
READY = "READY"


def too_slow() -> Fault:
    """Fall silent after the first token, so that the call's limit ends the call."""
    return stalls(after_chunks=1).where(prompt_contains=READY)


def refused() -> Fault:
    """Break the connection before an answer."""
    return resets_before_headers().where(prompt_contains=READY)


def trial(bench: Bench, prompt_id: str = "P3") -> dict[str, Any]:
    """Return the one record of a prompt."""
    (record,) = [r for r in bench.records() if r["prompt_id"] == prompt_id]
    return record


def asked(server: FakeOllama) -> int:
    """Count how often the prompt with the faults came to the server."""
    bodies = (request.body or {} for request in server.requests_to("/api/chat"))
    return sum(READY in str(body.get("messages")) for body in bodies)


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["one process", "xdist"])
def test_a_retried_trial_is_one_record(
    bench: Bench, small: FakeOllama, options: tuple[str, ...]
) -> None:
    """A refusal and a time-out are attempts of the trial that then passes."""
    bench.suite()
    small.faults += [refused(), too_slow()]
    given = (*MODEL, "--call-retries", "2", "--call-timeout", "0.5", *options)
    result = bench.run_apart(*given)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*3 passed, 2 rerun*"])
    record = trial(bench)
    assert (record["outcome"], record["attempts"]) == ("pass", 3)
    earlier = [(one["outcome"], one["kind"]) for one in record["earlier_attempts"]]
    assert earlier == [("error", "unreachable"), ("timeout", "timeout")]
    assert all(
        one["message"] and one["started_at"] for one in record["earlier_attempts"]
    )
    assert len(bench.records()) == 3
    assert [r["attempts"] for r in bench.records() if r["prompt_id"] != "P3"] == [1, 1]
    (job,) = bench.summary()["job_summaries"]
    assert job["outcomes"]["pass"] == job["recorded_trials"] == 3
    assert job["latency"]["e2e_ms"]["n"] == job["latency"]["queue_ms"]["n"] == 3
    reasons = {"timeout": 1, "unreachable": 1}
    assert job["retries"] == {"trials": 1, "attempts": 2, "reasons": reasons}
    result.stdout.fnmatch_lines([
        "*retries * 1 trial needed 2 more attempts (1 timeout, 1 unreachable)"
    ])
    assert "reruns of judged trials" not in result.stdout.str()


def test_used_up_retries_leave_the_last_outcome(
    bench: Bench, small: FakeOllama
) -> None:
    """The last attempt is the record: one time-out in N, told with the others."""
    bench.suite()
    small.faults += [refused(), too_slow().always()]
    given = (*MODEL, "--call-retries", "2", "--call-timeout", "0.2")
    result = bench.run(*given)
    result.stdout.fnmatch_lines(["*attempt 3; before: unreachable, timeout"])
    result.stdout.fnmatch_lines(["*1 failed, 2 passed, 2 rerun*"])
    record = trial(bench)
    assert (record["outcome"], record["attempts"]) == ("timeout", 3)
    assert asked(small) == 3
    (job,) = bench.summary()["job_summaries"]
    assert (job["judged_trials"], job["timed_out"]) == (3, 1)


def test_a_lasting_refusal_is_an_error_in_full(bench: Bench, small: FakeOllama) -> None:
    """An attempt that is tried again does not make the shown error a repeat."""
    bench.suite()
    small.faults.append(refused().always())
    result = bench.run(*MODEL, "--call-retries", "1")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*This counts for nobody*"])
    result.stdout.no_fnmatch_line("*(as before)*")
    assert trial(bench)["outcome"] == "error"
    assert trial(bench)["attempts"] == 2


@pytest.mark.parametrize(
    ("fault", "kind"), [(crashes(), "server_fault"), (queue_full(), "busy")]
)
def test_an_answered_refusal_is_not_retried(
    bench: Bench, small: FakeOllama, fault: Fault, kind: str
) -> None:
    """A server that answers with a fault is not asked again."""
    bench.suite()
    small.faults.append(fault.where(prompt_contains=READY))
    bench.run(*MODEL, "--call-retries", "3", "-o", "llmbench_backoff_call=0")
    record = trial(bench)
    assert (record["fault"]["kind"], record["attempts"]) == (kind, 1)
    assert asked(small) == 1


def test_a_wrong_answer_is_not_retried(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """With retries a wrong answer stays the only one, whatever reruns are on."""
    server = serve(FakeModel(answer=answers_by_prompt({}, says("no"))))
    bench.suite()
    result = bench.run(
        *MODEL, "--call-retries", "3", "--reruns", "2", "--reruns-mode", "append"
    )
    assert (trial(bench)["outcome"], asked(server)) == ("fail", 1)
    assert "rerun" not in result.stdout.str().splitlines()[-1]


def test_a_failing_fixture_is_not_retried(bench: Bench, small: FakeOllama) -> None:
    """The user's own set-up is none of the retries' business."""
    bench.suite()
    bench.pytester.makeconftest(
        """
        import pytest
        times = []
        @pytest.fixture(autouse=True)
        def broken(request):
            times.append(request.node.name)
            assert len(times) != 1, "not yet"
        """
    )
    bench.run(*MODEL, "--call-retries", "3")
    record = trial(bench, "P1")
    assert (record["fault"]["kind"], record["attempts"]) == ("fixture", 1)
    assert small.url


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["one process", "xdist"])
def test_junit_has_one_testcase(
    bench: Bench, small: FakeOllama, options: tuple[str, ...]
) -> None:
    """A retried trial is one testcase that says how often it was tried."""
    bench.suite()
    small.faults += [refused(), too_slow()]
    given = (*MODEL, "--call-retries", "2", "--call-timeout", "0.5", *options)
    bench.run_apart(*given, "--junitxml", "junit.xml")
    (suite,) = ET.parse(bench.pytester.path / "junit.xml").getroot()  # noqa: S314 - ours
    cases = suite.findall("testcase")
    assert len(cases) == int(suite.attrib["tests"]) == 3
    found = {case.attrib["name"][:2]: properties(case) for case in cases}
    assert found["P3"].count(("attempts", "3")) == 1
    assert found["P3"].count(("outcome", "pass")) == 1
    assert len(found["P3"]) == len(dict(found["P3"]))
    assert "attempts" not in dict(found["P1"])


def properties(case: ET.Element) -> list[tuple[str, str]]:
    """Return a testcase's properties."""
    return [(p.attrib["name"], p.attrib["value"]) for p in case.iter("property")]


def test_exit_first_waits_for_the_retries(bench: Bench, small: FakeOllama) -> None:
    """`-x` stops at a trial that fails for good, not at one that is tried again."""
    bench.suite()
    fault = resets_before_headers().where(prompt_contains="Oslo")
    small.faults.append(fault)
    bench.run(*MODEL, "--call-retries", "1", "-x").assert_outcomes(passed=3)
    small.faults.append(fault.always())
    bench.run(*MODEL, "--call-retries", "1", "-x").assert_outcomes(errors=1)


def test_last_failed_forgets_what_a_retry_has_mended(
    bench: Bench, small: FakeOllama
) -> None:
    """`--lf` runs what failed in the end, and only that."""
    bench.suite()
    oslo = resets_before_headers().where(prompt_contains="Oslo")
    small.faults += [oslo, too_slow(), too_slow()]
    given = (*MODEL, "--call-retries", "1", "--call-timeout", "0.3")
    cached = ("-p", "cacheprovider")
    bench.pytester.runpytest_inprocess(*given, *cached)
    again = bench.pytester.runpytest_inprocess(*given, *cached, "--lf")
    again.assert_outcomes(passed=1)
    assert trial(bench)["attempts"] == 1


def test_a_warm_up_is_done_again(bench: Bench, small: FakeOllama) -> None:
    """A retry of the trial whose warm-up failed finds the model warmed."""
    bench.suite()
    small.faults += [
        resets_before_headers(),  # of the preload
        resets_before_headers().where(prompt_contains="Oslo"),
    ]
    bench.run(*MODEL, "--call-retries", "1").assert_outcomes(passed=3)
    (warmup,) = bench.summary()["warmup_result"]
    assert warmup["status"] == "already_loaded"
    assert trial(bench, "P1")["attempts"] == 2


class StopEarly:
    """A plugin that ends the run once calls made ahead have met the fault."""

    def __init__(self, server: FakeOllama) -> None:
        self.server = server

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Let the engine get ahead of the first trial, and stop there."""
        until_s = time.monotonic() + 10.0
        while self.server.faults and time.monotonic() < until_s:
            time.sleep(0.01)
        time.sleep(0.2)
        item.session.shouldstop = "enough"


@pytest.mark.parametrize(("retries", "kept"), [("0", 1), ("1", 0)])
def test_an_attempt_asked_ahead_is_no_trial(
    bench: Bench, small: FakeOllama, retries: str, kept: int
) -> None:
    """A run that ends early keeps no fault which a retry would have asked again."""
    bench.suite()
    small.faults.append(refused())
    bench.pytester.runpytest_inprocess(
        *QUIET, *MODEL, "--call-retries", retries, plugins=[StopEarly(small)]
    )
    ids = [record["prompt_id"] for record in bench.records()]
    assert (ids.count("P1"), ids.count("P3")) == (1, kept)


class Restart:
    """A plugin that stops the server before the first trial, and starts it again."""

    def __init__(self, server: FakeOllama, after_s: float) -> None:
        self.server = server
        self.timer = threading.Timer(after_s, server.start)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        """Stop it once the plan is made and the models are known to be there."""
        self.server.stop()
        self.timer.start()

    def pytest_sessionfinish(self) -> None:
        """Leave no timer behind."""
        self.timer.join()


def test_a_server_that_restarts_is_met_again(bench: Bench, small: FakeOllama) -> None:
    """A server that is gone for a while costs attempts, not trials."""
    bench.suite()
    bench.pytester.runpytest_inprocess(
        *QUIET,
        *("--model", "fake:1b", "--call-retries", "20", "--reruns-delay", "0.1"),
        plugins=[Restart(small, after_s=0.3)],
    ).assert_outcomes(passed=3)
    kinds = {one["kind"] for one in trial(bench, "P1")["earlier_attempts"]}
    assert kinds == {"unreachable"}
    (warmup,) = bench.summary()["warmup_result"]
    assert warmup["status"] == "success"


@pytest.fixture
def late_server(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server process that listens only after the trials are collected."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("OLLAMA_HOST", f"http://127.0.0.1:{port}")
    collected = bench.pytester.path / "collected"
    bench.pytester.makeconftest(
        f"""
        from pathlib import Path
        def pytest_collection_modifyitems():
            Path({str(collected)!r}).touch()
        """
    )
    code = (
        f"import os, sys, time; sys.path.insert(0, {str(FAKES)!r})\n"
        "from fake_ollama import FakeModel, FakeOllama, answers_by_prompt, says\n"
        "from bench_project import SMALL_ANSWERS\n"
        "answer = answers_by_prompt(SMALL_ANSWERS, says('4'))\n"
        f"server = FakeOllama(FakeModel(answer=answer), port={port})\n"
        f"while not os.path.exists({str(collected)!r}): time.sleep(0.01)\n"
        "time.sleep(0.5)\n"
        "server.start()\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])  # noqa: S603 - ours
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["one process", "xdist"])
def test_a_server_that_starts_late_is_waited_for(
    bench: Bench, late_server: subprocess.Popen[bytes], options: tuple[str, ...]
) -> None:
    """The look at the server before the first trial is tried as often as a trial."""
    bench.suite()
    given = ("--model", "fake:1b", "--call-retries", "50", "--reruns-delay", "0.2")
    bench.run_apart(*given, *options).assert_outcomes(passed=3)
    assert {r["outcome"] for r in bench.records()} == {"pass"}
    assert late_server.poll() is None


def test_nobody_waits_for_another_certificate(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What seconds can't change ends the run at once, whatever the retries."""
    bench.suite()
    case = ADDRESSES["untrusted_certificate"]
    words = ("--model", "fake:1b", "--call-retries", "5", "--reruns-delay", "600")
    with address_of(case) as (url, _server):
        monkeypatch.setenv("OLLAMA_HOST", url)
        result = bench.pytester.runpytest_subprocess(*QUIET, *words, timeout=60)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "CERTIFICATE_VERIFY_FAILED" in result.stderr.str()


@pytest.mark.parametrize(
    ("options", "reruns"),
    [
        (("--reruns", "5"), 2),
        (("--reruns", "5", "--reruns-mode", "append"), 2),
        (("--force-reruns", "5"), 2),
        (("--force-reruns", "1"), 1),
    ],
)
def test_retries_and_reruns_do_not_add_up(
    bench: Bench, small: FakeOllama, options: tuple[str, ...], reruns: int
) -> None:
    """Never more than `r` retries, whatever else is set; `--force-reruns` may cut."""
    bench.suite()
    small.faults.append(refused().always())
    result = bench.run(*MODEL, "--call-retries", "2", *options)
    assert trial(bench)["attempts"] == asked(small) == 1 + reruns
    result.stdout.fnmatch_lines(["llmbench: --call-retries rules trials, not *"])


def test_a_suites_own_flaky_mark_steps_back(bench: Bench, small: FakeOllama) -> None:
    """With retries on, a suite's `flaky` mark reruns no trial."""
    text = "suite: small\ndefaults: {marks: [flaky]}\nprompts:\n  - id: P3\n"
    bench.suite(f"{text}    prompt: exactly READY\n    expect: {{exact: NEVER}}\n")
    bench.run(*MODEL, "--call-retries", "1")
    assert asked(small) == 1
    bench.run(*MODEL)
    assert asked(small) == 3
    assert trial(bench)["outcome"] == "fail"


def test_a_flaky_mark_put_first_takes_the_retries_place(
    bench: Bench, small: FakeOllama
) -> None:
    """Its rerun is the user's: the time-out that it runs again stands."""
    bench.suite()
    bench.pytester.makeconftest(
        """
        import pytest
        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.flaky(reruns=1), append=False)
        """
    )
    small.faults.append(too_slow())
    result = bench.run(*MODEL, "--call-timeout", "0.3", "--call-retries", "3")
    result.stdout.fnmatch_lines(["*3 passed, 1 rerun*"])
    assert (trial(bench)["outcome"], trial(bench)["attempts"]) == ("timeout", 1)


def test_the_users_rerun_of_a_timeout_does_not_count(
    bench: Bench, small: FakeOllama
) -> None:
    """A time-out is judged: only a retry of ours replaces it."""
    bench.suite()
    small.faults.append(too_slow())
    result = bench.run(*MODEL, "--call-timeout", "0.3", "--reruns", "1")
    result.stdout.fnmatch_lines([
        "llmbench: --reruns 1 changes no result: *",
        "*1 reruns of judged trials were left out*",
        "*3 passed, 1 rerun*",
    ])
    assert result.ret == pytest.ExitCode.OK
    record = trial(bench)
    assert (record["outcome"], record["attempts"]) == ("timeout", 1)
    (job,) = bench.summary()["job_summaries"]
    assert (job["timed_out"], job["retries"]["trials"]) == (1, 0)


def test_the_users_rerun_of_an_error_is_an_attempt(
    bench: Bench, small: FakeOllama
) -> None:
    """After an error the rerun is the trial, and its record tells of the error."""
    bench.suite()
    small.faults.append(crashes().where(prompt_contains=READY))
    bench.run(*MODEL, "--reruns", "1").assert_outcomes(passed=3)
    assert len(bench.records()) == 3
    record = trial(bench)
    assert [one["kind"] for one in record["earlier_attempts"]] == ["server_fault"]


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["one process", "xdist"])
def test_retries_need_rerunfailures(
    bench: Bench, small: FakeOllama, options: tuple[str, ...]
) -> None:
    """Without the plugin that reruns, one message says what to install."""
    bench.suite()
    given = ("--model", "fake:1b", "--call-retries", "2", *options)
    result = bench.run_apart(*given, "-p", "no:rerunfailures")
    text = result.stdout.str() + result.stderr.str()
    assert "--call-retries (or the setting call_retries) is 2" in text
    assert "pip install 'pytest-llmbench[parallel]'" in text
    assert result.ret != pytest.ExitCode.OK
    assert "INTERNALERROR" not in text
    assert small.requests_to("/api/chat") == []


def test_retries_and_the_debugger(bench: Bench, small: FakeOllama) -> None:
    """`--pdb` allows no reruns: that is said before the first trial."""
    bench.suite()
    result = bench.run(*MODEL, "--call-retries", "2", "--pdb")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*use --call-retries 0 with --pdb*"])
    assert small.requests_to("/api/chat") == []


def test_no_retries_no_marker(bench: Bench, small: FakeOllama) -> None:
    """Without retries a trial has no marker; with them all share one."""
    bench.suite()
    bench.pytester.makeconftest(
        """
        def pytest_collection_finish(session):
            marks = [m for i in session.items for m in i.iter_markers("flaky")]
            print("marks", len(marks), len({id(mark) for mark in marks}))
        """
    )
    bench.run(*MODEL, "-s").stdout.fnmatch_lines(["marks 0 0"])
    result = bench.run(*MODEL, "-s", "--call-retries", "1")
    result.stdout.fnmatch_lines(["marks 3 1"])
    result.stdout.fnmatch_lines(["llmbench: up to 1 retry after a time-out or *"])
    assert small.url


def test_a_replay_retries_nothing(bench: Bench, small: FakeOllama) -> None:
    """A stored time-out comes out the same, so it is judged once."""
    bench.suite()
    small.faults.append(too_slow())
    bench.run(*MODEL, "--call-timeout", "0.3")
    stored = str(bench.newest("results.jsonl"))
    result = bench.run("--replay", stored, *SOON, "--call-retries", "2")
    assert "rerun" not in result.stdout.str().splitlines()[-1]
    assert trial(bench)["attempts"] == 1


def test_the_default_delay_is_a_second(bench: Bench, small: FakeOllama) -> None:
    """A retry waits, and the wait is part of no latency."""
    bench.suite()
    small.faults.append(refused())
    begun_s = time.monotonic()
    bench.run("--model", "fake:1b", "--call-retries", "1")
    assert time.monotonic() - begun_s > 1.0
    assert trial(bench)["reply"]["timings"]["e2e_ms"] < 1000.0
    assert trial(bench)["reply"]["timings"]["queue_ms"] < 1000.0
