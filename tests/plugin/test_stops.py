"""A run that is stopped ends at once and in order: -x, --maxfail, Ctrl-C, SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import time
from typing import TYPE_CHECKING, Final

import pytest
from bench_project import SMALL_SUITE
from fake_ollama_probe import wait_until
from numbered import LATE_S, PARALLEL, asked, numbered_model, numbered_suite

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import FakeOllama

    Serve = Callable[..., FakeOllama]

RUN: Final = ("--model", "fake:1b", "--runs", "1", "--disable-warmup")
SIGTERM_STATUS: Final = 143
LATER: Final = range(4, 13)
AT_CONCURRENCY: Final = pytest.mark.parametrize("slots", [1, 4])
SIGNALS: Final = pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, pytest.ExitCode.INTERRUPTED), (signal.SIGTERM, SIGTERM_STATUS)],
    ids=["SIGINT", "SIGTERM"],
)


def slots_of(count: int) -> tuple[str, str]:
    """Return the option for that many calls in flight."""
    return "--concurrency", str(count)


def recorded(bench: Bench) -> list[int]:
    """Return the numbers of the recorded prompts, as they stand on disk."""
    paths = sorted(bench.reports.glob("2*/*/results.jsonl"))
    return [int(r["prompt_id"][1:]) for r in bench.records()] if paths else []


def start(
    bench: Bench, server: FakeOllama, calls: int, *options: str, is_group: bool = False
) -> subprocess.Popen[bytes]:
    """Start a run of twelve prompts; wait until three are recorded, the rest asked.

    Args:
        calls: how many will have been asked when nothing moves any more.
    """
    bench.suite(numbered_suite(12), "numbered")
    process = bench.start(*RUN, *options, is_group=is_group)
    is_there = wait_until(
        lambda: len(asked(server)) >= calls and len(recorded(bench)) >= 3, 30.0
    )
    if not is_there:
        process.kill()
        pytest.fail(process.communicate()[0].decode())
    return process


def end_of(process: subprocess.Popen[bytes]) -> str:
    """Return what a process that was told to stop has printed; it must end soon."""
    began_s = time.monotonic()
    try:
        text = process.communicate(timeout=LATE_S / 2)[0].decode()
    finally:
        process.kill()
    assert time.monotonic() - began_s < LATE_S / 4
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text
    return text


def assert_cancelled(server: FakeOllama, unanswered: list[int]) -> None:
    """Hold that just these calls were left by their client, and none came later."""
    calls = server.requests_to("/api/chat")
    for call in calls:
        assert call.finished.wait(5.0)
    count = len(calls)
    left = [
        n for n, call in zip(asked(server), calls, strict=True) if call.client_closed
    ]
    assert sorted(left) == unanswered
    time.sleep(0.2)
    assert len(server.requests_to("/api/chat")) == count


@AT_CONCURRENCY
@pytest.mark.parametrize(
    ("option", "wrong"), [("-x", {3}), ("--maxfail=2", {2, 3})], ids=["x", "maxfail"]
)
def test_a_failure_that_stops_cancels_what_is_in_flight(
    bench: Bench, serve: Serve, option: str, wrong: set[int], slots: int
) -> None:
    """Three trials are judged; no more are asked behind them than there are slots."""
    server = serve(numbered_model(wrong=wrong, late=LATER), settings=PARALLEL)
    bench.suite(numbered_suite(12), "numbered")
    text = end_of(process := bench.start(*RUN, *slots_of(slots), option))
    assert process.returncode == pytest.ExitCode.TESTS_FAILED
    assert recorded(bench) == [1, 2, 3]
    assert "HOLD: 3 of 12 trials ran" in text
    in_flight = sorted(asked(server))[3:]
    assert set(in_flight) <= set(list(LATER)[:slots])  # one may be on its way
    assert_cancelled(server, in_flight)


HOLDS: Final = """
import pathlib
import time

def pytest_runtest_teardown(item):
    if "P3[" in item.name:
        pathlib.Path("held").touch()
        time.sleep(60)
"""


@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize(("option", "per_slot"), [("", 5), ("--maxfail=9", 1)])
def test_a_kill_costs_what_was_asked_and_not_judged(
    bench: Bench, serve: Serve, slots: int, option: str, per_slot: int
) -> None:
    """Behind the last report at most five trials per slot, one where pytest may stop.

    docs/resume.md says so.
    """
    server = serve(numbered_model(), settings=PARALLEL)
    bench.suite(numbered_suite(24), "numbered")
    bench.pytester.makepyfile(holds=HOLDS)
    options = ("-p", "holds", *slots_of(slots), *([option] if option else []))
    process = bench.start(*RUN, *options)
    is_held = wait_until((bench.pytester.path / "held").exists, 30.0)
    time.sleep(0.3)  # calls ahead go on meanwhile
    process.kill()
    text = process.communicate()[0].decode()
    assert is_held, text
    assert recorded(bench) == [1, 2, 3]
    lost = sorted(asked(server))[3:]
    assert lost == list(range(4, 4 + len(lost)))
    assert slots * (per_slot // 2) < len(lost) <= slots * per_slot


@SIGNALS
@AT_CONCURRENCY
def test_a_signal_cancels_what_is_in_flight(
    bench: Bench, serve: Serve, slots: int, number: int, status: int
) -> None:
    """What is finished is on disk, each once, and the summary says what is missing."""
    server = serve(numbered_model(late=LATER), settings=PARALLEL)
    process = start(bench, server, 3 + slots, *slots_of(slots))
    process.send_signal(number)
    text = end_of(process)
    assert process.returncode == status
    assert recorded(bench) == [1, 2, 3]
    assert "HOLD: 3 of 12 trials ran" in text
    assert ("SIGTERM; what is finished is kept" in text) == (status == SIGTERM_STATUS)
    assert bench.summary()["job_summaries"][0]["recorded_trials"] == 3
    assert_cancelled(server, list(LATER)[:slots])


NO_LINE: Final = """
import types

def interrupt():
    raise KeyboardInterrupt

def pytest_runtest_teardown(item):
    if "P3[" in item.name:
        types.FunctionType(interrupt.__code__.replace(co_linetable=b""), globals())()
"""


def test_an_interrupt_between_two_lines_has_its_summary(
    bench: Bench, serve: Serve
) -> None:
    """Where Python tells no line of what was interrupted, pytest needs none."""
    serve(numbered_model(), settings=PARALLEL)
    bench.suite(numbered_suite(12), "numbered")
    bench.pytester.makepyfile(no_line=NO_LINE)
    process = bench.start(*RUN, "-p", "no_line")
    text = end_of(process)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert re.search(r"HOLD: \d+ of 12 trials ran", text)


@SIGNALS
@pytest.mark.parametrize("is_group", [False, True], ids=["controller", "all"])
def test_a_signal_ends_workers_too(
    bench: Bench, serve: Serve, number: int, status: int, *, is_group: bool
) -> None:
    """Sent to the controller, or by `timeout` to all: calls end, reports are kept."""
    server = serve(numbered_model(late=LATER), settings=PARALLEL)
    options = (*slots_of(4), "-n2")
    process = start(bench, server, 7, *options, is_group=is_group)
    if is_group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    text = end_of(process)
    assert process.returncode == status, text
    assert recorded(bench) == [1, 2, 3]
    assert "HOLD: 3 of 12 trials ran" in text
    assert "worker_crashed" not in text
    assert_cancelled(server, list(LATER)[:4])


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "worker"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_answered_ahead_is_kept(
    bench: Bench, serve: Serve, number: int, workers: tuple[str, ...]
) -> None:
    """Answers that came before pytest got to their items are judged and written."""
    server = serve(numbered_model(late={4, 9, 10, 11}), settings=PARALLEL)
    process = start(bench, server, 11, *slots_of(4), *workers)
    assert wait_until(
        lambda: sum(c.finished.is_set() for c in server.requests_to("/api/chat")) == 7
    )
    time.sleep(0.2)
    process.send_signal(number)
    end_of(process)
    assert recorded(bench) == [1, 2, 3, 5, 6, 7, 8]
    assert {r["outcome"] for r in bench.records()} == {"pass"}
    assert_cancelled(server, [4, 9, 10, 11])


def test_what_was_answered_ahead_is_kept_at_a_failure(
    bench: Bench, serve: Serve
) -> None:
    """Under -x too: an answer that is there is a record; no other trial is asked."""
    model = numbered_model(wrong={1}, slow_s={1: 1.0}, late=range(4, 13))
    server = serve(model, settings=PARALLEL)
    bench.suite(numbered_suite(12), "numbered")
    end_of(bench.start(*RUN, *slots_of(3), "-x"))
    assert recorded(bench) == [1, 2, 3]
    assert [r["outcome"] for r in bench.records()] == ["fail", "pass", "pass"]
    assert sorted(asked(server)) in ([1, 2, 3], [1, 2, 3, 4])


def test_a_terminated_run_goes_on(bench: Bench, serve: Serve) -> None:
    """`--resume` asks just what was not answered."""
    server = serve(numbered_model(late=LATER), settings=PARALLEL)
    process = start(bench, server, 7, *slots_of(4))
    process.terminate()
    end_of(process)
    server = serve(numbered_model(), settings=PARALLEL)
    bench.run("--resume", "last").assert_outcomes(passed=12)
    assert sorted(asked(server)) == list(LATER)
    assert sorted(recorded(bench)) == list(range(1, 13))


RAISES: Final = "os.kill(os.getpid(), signal.SIGTERM)"
PLACES: Final = {
    "a fixture": """
        @pytest.fixture(autouse=True)
        def told(request, llmbench_warmup):
            if "P3" in request.node.name:
                {kill}
    """,
    "a hook that swallows it": """
        def pytest_runtest_setup(item):
            if "P3" in item.name:
                try:
                    {kill}
                except BaseException:
                    pytest.skip("not now")
    """,
    "a report": """
        def pytest_runtest_logreport(report):
            if "P2" in report.nodeid and report.when == "call":
                {kill}
    """,
    "making a report": """
        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_makereport(item, call):
            if "P2" in item.name and call.when == "call":
                {kill}
    """,
    "a report that is made": """
        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            if "P2" in item.name and call.when == "call":
                {kill}
            return report
    """,
    "before judging": """
        def pytest_runtest_call(item):
            if "P2" in item.name:
                {kill}
    """,
    "again at the end": """
        def pytest_runtest_setup(item):
            if "P3" in item.name:
                {kill}

        def pytest_sessionfinish(session):
            {kill}

        def pytest_terminal_summary():
            {kill}
    """,
}


@pytest.mark.parametrize("place", PLACES)
def test_sigterm_anywhere_keeps_two_trials(
    bench: Bench, small: FakeOllama, place: str
) -> None:
    """Wherever it comes, and however often, two trials are written and summed up."""
    code = PLACES[place].format(kill=RAISES)
    bench.suite(SMALL_SUITE)
    bench.pytester.makeconftest(f"import os, pytest, signal\n{_dedented(code)}")
    result = bench.run_apart("--model", "fake:1b", "--runs", "2")
    assert result.ret == SIGTERM_STATUS
    records = bench.records()
    judged = [record["prompt_id"] for record in records if record["run"] == 1]
    assert judged[:2] == ["P1", "P2"]
    assert [r for r in records if r["run"] == 2] == []
    assert "of 6 trials ran" in result.stdout.str()
    assert bench.summary()["policy_decisions"][0]["decision"] == "HOLD"
    assert small.loads


def _dedented(code: str) -> str:
    import textwrap

    return textwrap.dedent(code)


def test_sigterm_while_the_summary_is_printed_changes_nothing(
    bench: Bench, small: FakeOllama
) -> None:
    """A run that is over ends with its own exit status."""
    bench.suite(SMALL_SUITE)
    bench.pytester.makeconftest(
        f"import os, signal\ndef pytest_terminal_summary(): {RAISES}"
    )
    result = bench.run_apart("--model", "fake:1b")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*llmbench*"])
    assert small.loads


def test_sigterm_ends_pytest_while_it_collects(bench: Bench, small: FakeOllama) -> None:
    """Before there is a run to lose, the signal does what it does by default."""
    bench.suite(SMALL_SUITE)
    bench.pytester.makeconftest(
        f"import os, signal\ndef pytest_itemcollected(): {RAISES}"
    )
    assert bench.run_apart("--model", "fake:1b").ret == -signal.SIGTERM
    assert not list(bench.reports.glob("**/*"))
    assert not small.requests


def test_the_users_own_handler_stays(bench: Bench, small: FakeOllama) -> None:
    """Who handles SIGTERM already goes on doing so."""
    bench.suite(SMALL_SUITE)
    bench.pytester.makeconftest(f"""
        import os, signal
        signal.signal(signal.SIGTERM, lambda *_: print("MINE"))
        def pytest_terminal_summary(): {RAISES}
    """)
    result = bench.run_apart("--model", "fake:1b", "-s")
    result.stdout.fnmatch_lines(["*MINE*"])
    assert result.ret == pytest.ExitCode.OK
    assert small.loads


def test_a_process_that_a_test_forks_dies_of_it(
    bench: Bench, small: FakeOllama
) -> None:
    """`Process.terminate` in a test ends its process as it does without a suite."""
    bench.suite(SMALL_SUITE)
    bench.pytester.makepyfile("""
        import os, signal, time

        def test_fork():
            child = os.fork()
            if child == 0:
                try:
                    time.sleep(10)
                finally:
                    os._exit(0)
            time.sleep(0.1)
            os.kill(child, signal.SIGTERM)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -15
    """)
    result = bench.run_apart("--model", "fake:1b", "-W", "ignore")
    result.assert_outcomes(passed=4)
    assert small.loads


def test_the_handler_is_given_back(bench: Bench, small: FakeOllama) -> None:
    """After a session in this process SIGTERM is what it was."""
    bench.suite(SMALL_SUITE)
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        bench.run("--model", "fake:1b").assert_outcomes(passed=3)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
    assert small.loads


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_worker_without_its_controller_asks_nothing_more(
    bench: Bench, serve: Serve, number: int
) -> None:
    """However the controller ends, its worker ends at once, and not seconds later."""
    server = serve(numbered_model(slow_s=dict.fromkeys(range(1, 31), 0.6)))
    bench.suite(numbered_suite(30), "numbered")
    process = bench.start(*RUN, "-n1")
    assert wait_until(lambda: len(recorded(bench)) >= 3, 30.0)
    process.send_signal(number)
    count = len(asked(server))
    end_of(process)
    assert len(asked(server)) <= count + 4  # it has eight more to run
    assert_cancelled(server, asked(server)[-1:])
