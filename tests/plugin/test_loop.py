"""`llmbench loop`: real cycles against the fake Ollama."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import pytest
from bench_project import QUIET, SMALL_ANSWERS, SMALL_SUITE
from fake_ollama import FakeModel, answers_by_prompt, calls, says
from fake_ollama_faults import error_mid_stream
from fake_ollama_models import wrong_while_cold
from jsonschema import validate

from pytest_llmbench.runs.schemas import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench_project import Bench
    from fake_ollama import FakeOllama

COLD: Final = "fake:1b / atomic / native_api / t60 r1 i0 w0"
WARM: Final = "fake:1b / atomic / native_api / t60 r1 i0 w1"
RIGHT: Final = answers_by_prompt(SMALL_ANSWERS, says("4"))
PLACED: Final = """
suite: atomic
prompts:
  - id: L1
    prompt: Reply with exactly READY.
    context: {tokens: [400]}
    expect: {exact: READY}
"""
COMMAND: Final = "from pytest_llmbench.cli import main; raise SystemExit(main())"


@pytest.fixture(autouse=True)
def _quiet_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out of each cycle's session what all inner runs go without."""
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(QUIET))


def start(bench: Bench, *words: str) -> subprocess.Popen[str]:
    """Start the loop in a process group of its own, as a terminal would."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", COMMAND, "loop", *words],
        cwd=bench.pytester.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A background job may have been started with Ctrl-C switched off.
        preexec_fn=lambda: signal.signal(  # noqa: PLW1509 - no threads in there
            signal.SIGINT, signal.default_int_handler
        ),
    )


def loop(bench: Bench, *words: str) -> tuple[int, str]:
    """Run the loop to its end; return status and output."""
    process = start(bench, *words)
    output = process.communicate(timeout=60)[0]
    return process.returncode, output


def read(bench: Bench, name: str) -> Any:  # noqa: ANN401 - whatever is written
    """Return a JSON file of the reports folder."""
    return json.loads((bench.reports / name).read_text("utf-8"))


def cycles(bench: Bench) -> list[dict[str, Any]]:
    """Return the exported cycles."""
    found: list[dict[str, Any]] = read(bench, "meta_loop_history.json")
    return found


def lines(bench: Bench) -> list[str]:
    """Return the lines of results.jsonl of all runs."""
    paths: list[Path] = sorted(bench.reports.glob("2*/*/results.jsonl"))
    return [line for path in paths for line in path.read_text("utf-8").splitlines()]


def wait_for_lines(bench: Bench, count: int) -> None:
    """Wait until that many trials are recorded."""
    deadline = time.monotonic() + 20
    while len(lines(bench)) < count and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.fixture
def unhurried(serve: Callable[..., FakeOllama]) -> FakeOllama:
    """Serve `fake:1b`, right, at 0.05 s per call."""
    return serve(FakeModel(answer=RIGHT, first_token_delay_s=0.05))


def test_a_cold_start_is_found_cured_and_leaves_nothing_to_try(
    bench: Bench, cold: FakeOllama
) -> None:
    """From w0 the first cycle promotes w1 and says what it gained; then it is over."""
    bench.atomic()
    status, text = loop(bench, "atomic", "--baseline", COLD, "--runs", "5")
    assert status == 0, text
    assert text.splitlines()[-1] == (
        "llmbench loop: nothing left to try, after 1 cycle of 3"
    )
    (cycle,) = cycles(bench)
    assert (cycle["baseline"], cycle["new_canonical"]) == (COLD, WARM)
    assert cycle["policy_decisions"][WARM]["decision"] == "PROMOTE"
    assert not cycle["interrupted"]
    pattern, effect = cycle["learned"]
    assert (pattern["kind"], pattern["prompt_ids"]) == (
        "cold_start",
        ["P6", "P7", "P9"],
    )
    assert (effect["knob"], effect["from"], effect["to"]) == ("warm_up", "0", "1")
    assert effect["low"] <= effect["difference"] <= effect["high"]
    assert (effect["difference"], effect["prompts"], effect["runs"]) == (0.05, 12, 5)
    report = (bench.reports / "SELF_OPTIMIZING_REPORT.md").read_text("utf-8")
    assert "- warm-up improved accuracy by 5 points (95 % interval" in report
    assert "n = 12 prompts, 5 runs" in report
    assert "Nothing is left to try against" in report
    assert read(bench, "canonical.json")["phases"]["atomic"]["spec"] == WARM
    for name in ("meta_loop_history", "loop_state"):
        validate(read(bench, f"{name}.json"), load_schema(name))
    state = read(bench, "loop_state.json")
    assert (state["status"], state["done"], state["baseline"]) == ("ended", 1, WARM)
    assert cold.loads


def test_a_loop_that_knows_nothing_measures_its_baseline_first(
    bench: Bench, small: FakeOllama
) -> None:
    """Without evidence and with warm-up on, the baseline runs alone; all is well."""
    bench.suite()
    words = ("--baseline", WARM, "--runs", "3")
    status, text = loop(bench, ".", *words)
    assert status == 0, text
    (cycle,) = cycles(bench)
    assert cycle["candidates"] == []
    assert cycle["baseline_results"][0]["n"] == 3
    assert "it runs alone" in text
    asked = len(small.requests_to("/api/chat"))
    status, text = loop(bench, ".", *words)
    assert (status, len(small.requests_to("/api/chat"))) == (0, asked)
    assert "nothing left to try, after 0 cycles of 3" in text


def test_given_candidates_are_tried_once_even_if_the_canonical_is_another(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """In order, no more per cycle than asked for; the winner becomes canonical."""
    serve(FakeModel(answer=RIGHT))
    bench.suite()
    other = "fake:1b / atomic / text / t9 r0 i0 w1"
    bench.run("--model", "fake:1b", "--runs", "3")  # the canonical: t60 r0
    given = [WARM.replace("t60", "t30"), other]
    words = (".", "--baseline", WARM, "--candidates", *given, "--max-candidates", "1")
    status, text = loop(bench, *words, "--runs", "3", "--", "-q")
    assert status == 0, text
    first, *later = cycles(bench)
    assert list(first["policy_decisions"]) == given[:1]
    assert first["candidates"][0]["knob"] == "timeout"
    assert first["new_canonical"] == given[0]
    assert [list(one["policy_decisions"]) for one in later] == [[other]]
    assert later[0]["baseline"] == given[0]
    best = later[0]["new_canonical"] or given[0]
    assert read(bench, "canonical.json")["phases"]["atomic"]["spec"] == best


def test_wrong_answers_ask_for_other_variants(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """A model that calls no tool through the API is put to it in text, and wins."""
    wrong = {**SMALL_ANSWERS, "weather in Oslo": says("Sunny.")}
    bad, good = answers_by_prompt(wrong, says("4")), RIGHT
    serve(FakeModel(answer=lambda call: bad(call) if call.tools else good(call)))
    bench.suite()
    words = ("--baseline", WARM, "--runs", "3", "--cycles", "2")
    status, text = loop(bench, ".", *words)
    assert status == 0, text
    alone, second = cycles(bench)
    assert alone["candidates"] == []
    assert {one["knob"] for one in second["candidates"]} == {"variant"}
    assert len(second["candidates"]) == 4
    assert " / native_api / " not in second["new_canonical"]


def test_a_server_that_is_down_stops_the_loop_and_can_come_back(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """Status 1 and a clear word; --resume runs the cycle once the server is up."""
    bench.suite()
    spec = COLD.replace("r1", "r0")
    status, text = loop(bench, ".", "--baseline", spec, "--runs", "3")
    assert status == 1, text
    assert "cycle 1 gave no evidence: pytest ended with status 4" in text
    assert "Traceback" not in text
    assert read(bench, "loop_state.json")["status"] == "stopped"
    serve(FakeModel(answer=RIGHT))
    status, text = loop(bench, "--resume")
    assert status == 0, text
    (cycle,) = cycles(bench)
    assert cycle["new_canonical"] == WARM.replace("r1", "r0")


def test_trials_that_all_err_are_no_evidence(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """Nothing judged: no cycle is stored, no decision taken, and it says so."""
    bench.suite()
    serve(FakeModel(answer=RIGHT)).faults.append(error_mid_stream().always())
    status, text = loop(bench, ".", "--baseline", COLD, "--runs", "2")
    assert status == 1, text
    assert "cycle 1 gave no evidence: no trial was judged" in text
    assert not (bench.reports / "canonical.json").exists()
    assert not (bench.reports / "meta_loop_history.json").exists()


@pytest.mark.parametrize(
    ("number", "to_group"),
    [(signal.SIGINT, True), (signal.SIGTERM, False)],
    ids=["ctrl-c", "sigterm-to-the-loop"],
)
def test_an_interrupted_loop_finishes_its_cycle_later(
    bench: Bench,
    unhurried: FakeOllama,
    number: signal.Signals,
    to_group: bool,  # noqa: FBT001 - one fact
) -> None:
    """No traceback, nothing lost: --resume asks only what is missing, and goes on."""
    bench.suite()
    process = start(bench, ".", "--baseline", COLD, "--runs", "4", "--cycles", "1")
    wait_for_lines(bench, 5)
    send = os.killpg if to_group else os.kill
    send(process.pid, number)
    text = process.communicate(timeout=30)[0]
    assert process.returncode == 1, text
    assert "Traceback" not in text
    assert text.splitlines()[-1] == (
        "llmbench loop: interrupted in cycle 1 of 1; go on with: llmbench loop --resume"
    )
    before = lines(bench)
    assert 5 <= len(before) < 24
    assert read(bench, "loop_state.json")["status"] == "interrupted"
    validate(read(bench, "loop_state.json"), load_schema("loop_state"))
    status, text = loop(bench, "--resume")
    assert status == 0, text
    after = lines(bench)
    assert after[: len(before)] == before
    assert len(after) == 24
    (cycle,) = cycles(bench)
    assert cycle["interrupted"]
    assert {job["n"] for job in cycle["candidate_results"]} == {4}
    status, text = loop(bench, "--resume")
    assert (status, "has ended (1 cycle done)" in text) == (2, True)
    assert unhurried.requests


def test_an_interrupt_of_the_loop_alone_ends_its_session_too(
    bench: Bench, unhurried: FakeOllama
) -> None:
    """A session that has not heard of it is told some seconds later."""
    bench.suite()
    process = start(bench, ".", "--baseline", COLD, "--runs", "100")
    wait_for_lines(bench, 3)
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=20)[0]
    assert process.returncode == 1, text
    assert read(bench, "loop_state.json")["status"] == "interrupted"
    assert 3 <= len(lines(bench)) < 600
    assert unhurried.requests


def test_a_second_ctrl_c_is_no_traceback_either(
    bench: Bench, unhurried: FakeOllama
) -> None:
    """Whoever presses twice still gets the state on disk."""
    bench.suite()
    process = start(bench, ".", "--baseline", COLD, "--runs", "10")
    wait_for_lines(bench, 3)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=30)[0]
    assert process.returncode == 1, text
    assert "Traceback" not in text
    assert read(bench, "loop_state.json")["status"] == "interrupted"
    assert unhurried.requests


def test_what_was_learned_and_tried_is_remembered(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """A later loop tries nothing twice; a changed prompt is new evidence."""
    wrong = calls("get_weather", city="Paris")
    script = wrong_while_cold(RIGHT, ("exactly READY",), 3, wrong)
    server = serve(FakeModel(answer=script, load_s=0.1))
    bench.suite()
    words = (".", "--baseline", COLD, "--runs", "3")
    assert loop(bench, *words)[0] == 0
    asked = len(server.requests_to("/api/chat"))
    status, text = loop(bench, *words)
    assert (status, len(server.requests_to("/api/chat"))) == (0, asked), text
    bench.suite(SMALL_SUITE.replace("exactly READY.", "exactly READY now."))
    status, text = loop(bench, *words, "--cycles", "1")
    assert status == 0, text
    newest = cycles(bench)[-1]
    assert list(newest["policy_decisions"]) == [WARM]
    assert newest["candidates"][0]["reason"].startswith("no stored run shows")
    assert len(server.requests_to("/api/chat")) > asked


def test_what_was_tried_with_the_task_elsewhere_is_remembered(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """The place that the settings give is part of the question, before as after."""
    server = serve(FakeModel(answer=lambda _call: says("READY")))
    bench.suite(PLACED)

    def questions(position: str) -> int:
        """Let a loop do what it finds to do; return how much was asked by then."""
        place = bench.pytester.path / "llmbench.toml"
        place.write_text(f"context_position = {position!r}\n", "utf-8")
        words = (".", "--baseline", COLD, "--runs", "3", "--variants", "text")
        status, text = loop(bench, *words)
        assert "nothing left to try" in text, (status, text)
        return len(server.requests_to("/api/chat"))

    asked = questions("start")
    assert questions("start") == asked > 0
    assert questions("end") > asked


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "canonical.json has no baseline; name the spec to beat: --baseline '"),
        (
            ("--baseline", "fake:1b / atomic"),
            "--baseline: spec 'fake:1b / atomic' lacks",
        ),
        (("--baseline", "m atomic txt"), "unknown variant 'txt'; did you mean 'text'?"),
        (("--baseline", "m sums text"), "there is no folder suites/sums; name the"),
        (
            (".", "--baseline", COLD, "--candidates", "fake:1b / long / text / t60"),
            "is of phase long, the baseline is of atomic; a loop has one phase",
        ),
        ((".", "--baseline", COLD, "--candidates", COLD), "is the baseline itself"),
        ((".", "--baseline", COLD, "--variants", "xlm"), "did you mean 'xml'?"),
        (("--resume",), "--resume: no loop has run in"),
        (("--resume", "--runs", "3"), "leave --runs out"),
        ((".", "--baseline", COLD, "--runs", "few"), "'few' is no whole number from 1"),
    ],
)
def test_wrong_usage_is_told_in_one_line(
    bench: Bench, words: tuple[str, ...], message: str
) -> None:
    """Status 2, what is wrong and what is right; nothing is run."""
    bench.suite()
    status, text = loop(bench, *words)
    assert (status, "Traceback" in text) == (2, False), text
    assert message in " ".join(text.split())
    assert not list(bench.reports.glob("2*"))
