"""`--resume`: an interrupted run is finished, and is then like one of one piece."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import QUIET, SMALL_ANSWERS, SMALL_SUITE, steady
from fake_ollama import (
    FakeModel,
    FakeOllama,
    FakeSettings,
    answers_by_prompt,
    crashes,
    says,
)
from jsonschema import Draft202012Validator
from made_records import make_record

from pytest_llmbench.runs.folder import RunFolder
from pytest_llmbench.runs.schemas import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench_project import Bench
    from fake_ollama import Answer, FakeCall, Fault

USAGE = pytest.ExitCode.USAGE_ERROR
RIGHT = answers_by_prompt(SMALL_ANSWERS, says("4"))
RUN = ("--model", "fake:1b", "--runs", "3", "--disable-warmup")
"""Nine trials, each one request to /api/chat."""


def asked(server: FakeOllama) -> int:
    """Return how many questions the server has had, warm-ups included."""
    return len(server.requests_to("/api/chat"))


def said(result: pytest.RunResult) -> str:
    """Return all that an inner run has printed."""
    return result.stdout.str() + result.stderr.str()


def assert_published(bench: Bench, *names: str) -> None:
    """Check the newest run's files against their schemas."""
    for name in names:
        written = json.loads(bench.newest(f"{name}.json").read_text("utf-8"))
        Draft202012Validator(load_schema(name)).validate(written)


def interrupt(bench: Bench, keep: int) -> str:
    """Make the newest run one that ended after some trials; return its id."""
    path = bench.newest("results.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:keep]))
    for name in ("summary.json", "summary.md"):
        (path.parent / name).unlink()
    return path.parent.name


def interrupted(bench: Bench, keep: int = 4, *options: str) -> str:
    """Make a run that was interrupted after some trials; return its id."""
    bench.suite()
    bench.run(*RUN, *options)
    return interrupt(bench, keep)


def start(bench: Bench, *options: str) -> subprocess.Popen[bytes]:
    """Start pytest in a process of its own."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "pytest", *QUIET, *options],
        cwd=bench.pytester.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for_records(reports: Path, count: int) -> None:
    """Wait until some trials are recorded."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for path in reports.glob("2*/*/results.jsonl"):
            if path.read_bytes().count(b"\n") >= count:
                return
        time.sleep(0.01)


def partly_wrong(call: FakeCall) -> Answer | Fault:
    """Answer one prompt wrong in some runs, by their seeds."""
    is_wrong = "READY" in call.last_user_text and (call.seed or 0) % 5 == 0
    return says("no") if is_wrong else RIGHT(call)


@pytest.mark.parametrize("options", [(), ("-n2",)])
def test_a_killed_run_ends_like_one_of_one_piece(
    bench: Bench, serve: Callable[..., FakeOllama], options: tuple[str, ...]
) -> None:
    """After `kill -9` and `--resume`: each record once, and the same summary."""
    bench.suite()
    server = serve(FakeModel(answer=partly_wrong))
    found = []
    for reports, kill_at in (("whole", 0), ("cut", 50)):
        run = ["--model", "fake:1b", "--runs", "40", "--reports", reports]
        if kill_at:
            process = start(bench, *run)
            wait_for_records(bench.pytester.path / reports, kill_at)
            process.kill()
            process.wait()
            run = ["--resume", "last", "--reports", reports, *options]
        result = bench.run_apart("--tb=no", *run)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        (path,) = (bench.pytester.path / reports).glob("2*/*/results.jsonl")
        records = [json.loads(line) for line in path.read_text().splitlines()]
        assert len({r["trial_id"] for r in records}) == len(records) == 120
        summary = json.loads(path.with_name("summary.json").read_text())
        found.append((summary.pop("resumed"), steady(summary)))
        server.stop()  # and with it the model is unloaded
        server.start()
    assert found[0][0] is None
    assert found[1][0]["times"] == 1
    assert 50 <= found[1][0]["trials_before"] < 120
    assert found[0][1] == found[1][1]
    # Three warm-ups of two requests, and the call that was in flight.
    assert asked(server) <= 2 * 120 + 6 + 1


def test_a_killed_run_has_what_resuming_needs(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """Settings, plan, facts and warm-up are on disk before the first record."""
    serve(FakeModel(answer=RIGHT, first_token_delay_s=0.05))
    bench.suite()
    process = start(bench, "--model", "fake:1b", "--runs", "50")
    wait_for_records(bench.reports, 1)
    process.kill()
    process.wait()
    config = json.loads(bench.newest("config.json").read_text())
    assert config["settings"]["runs"] == 50
    assert list(config["plans"][0]["prompt_hashes"]) == ["P1", "P2", "P3"]
    inventory = json.loads(bench.newest("inventory.json").read_text())
    assert inventory["models"][0]["digest"]
    assert inventory["warmups"][0]["status"] == "success"
    assert inventory["snapshots"]["after"] is None
    assert_published(bench, "config", "inventory")


def test_only_what_is_left_is_asked(bench: Bench, small: FakeOllama) -> None:
    """Finished trials are reported as they were, and are not written again."""
    run_id = interrupted(bench, 4)
    before = asked(small)
    result = bench.run("--resume", run_id)
    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines([
        "llmbench: 1 spec, 3 prompts, 3 runs = 9 trials; warm-up off",
        f"llmbench: run {run_id} goes on: 4 of 9 trials are finished*",
        "*note *4 of 9 trials were*",
    ])
    assert asked(small) - before == 5
    assert len(bench.records()) == 9
    assert bench.newest("summary.json").parent.name == run_id
    assert bench.summary()["resumed"] == {"times": 1, "trials_before": 4}


def test_stored_outcomes_are_those_of_the_items(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """A stored failure fails its item with the stored reasons, in JUnit too."""
    serve(FakeModel(answer=answers_by_prompt(SMALL_ANSWERS, says("4"))))
    bench.suite(SMALL_SUITE.replace("exact: READY", "exact: NEVER"))
    bench.run(*RUN, "--gate", "promote")
    run_id = interrupt(bench, 3)
    result = bench.run("--resume", run_id, "--junitxml", "junit.xml")
    result.assert_outcomes(passed=6, failed=3)
    text = (bench.pytester.path / "junit.xml").read_text()
    assert text.count("NEVER") >= 2
    assert 'failures="3"' in text
    result.stdout.fnmatch_lines(["--gate promote: met"])
    assert result.ret == pytest.ExitCode.OK


def test_errors_and_skips_are_asked_again(bench: Bench, small: FakeOllama) -> None:
    """What counts for nobody is tried anew, and the later record holds."""
    bench.suite()
    small.faults.append(crashes().where(prompt_contains="READY"))
    bench.run(*RUN)
    assert bench.summary()["job_summaries"][0]["outcomes"]["error"] == 1
    before = asked(small)
    bench.run("--resume", "last").assert_outcomes(passed=9)
    assert asked(small) - before == 1
    assert len(bench.records()) == 10
    job = bench.summary()["job_summaries"][0]
    assert (job["outcomes"]["pass"], job["outcomes"]["error"]) == (9, 0)


def test_a_complete_run_is_only_shown_again(bench: Bench, small: FakeOllama) -> None:
    """Nothing is asked and no file of it changes; the summary is printed."""
    bench.suite()
    bench.run(*RUN)
    folder = bench.newest("summary.json").parent
    kept = {path: path.read_bytes() for path in bench.reports.rglob("*.*")}
    before = len(small.requests)
    result = bench.run("--resume", folder.name)
    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines([
        f"llmbench: run {folder.name} is complete; nothing is asked",
        "  PROMOTE: *",
        "*note *9 of 9 trials were finished before; nothing was asked now",
    ])
    assert {path: path.read_bytes() for path in bench.reports.rglob("*.*")} == kept
    assert len(small.requests) == before


def test_a_run_that_lacks_only_its_summary_gets_it(
    bench: Bench, small: FakeOllama
) -> None:
    """Killed between the last record and the summary, it is summed up unasked."""
    run_id = interrupted(bench, 9)
    before = asked(small)
    bench.run("--resume", run_id).assert_outcomes(passed=9)
    assert asked(small) == before
    assert bench.summary()["policy_decisions"][0]["decision"] == "PROMOTE"


def test_a_cut_last_line_makes_way(bench: Bench, small: FakeOllama) -> None:
    """What a kill has left of a line is dropped, and its trial asked again."""
    run_id = interrupted(bench, 4)
    path = bench.newest("results.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    before = asked(small)
    bench.run("--resume", run_id).assert_outcomes(passed=9)
    assert asked(small) - before == 6
    assert len(bench.records()) == 9


def test_an_unreadable_line_is_named(bench: Bench, small: FakeOllama) -> None:
    """File and line stand in the message, and nothing is deleted."""
    run_id = interrupted(bench, 4)
    path = bench.newest("results.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b'{"half": \n', *lines[2:]]))
    kept, before = path.read_bytes(), asked(small)
    result = bench.run("--resume", run_id)
    assert result.ret == USAGE
    assert "results.jsonl:2 is no record" in said(result)
    assert path.read_bytes() == kept
    assert asked(small) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--runs", "5"), "--runs is 5, but that run has 3"),
        (("--model", "two:1b"), "--model is two:1b, but that run has fake:1b"),
        (("--variant", "text"), "--variant is text, but that run has native_api"),
        (("--call-timeout", "9"), "--call-timeout is 9.0, but that run has 60.0"),
        (("--prompts", "P1"), "--prompts is P1, but that run has not set"),
        (("--enable-warmup",), "--disable-warmup is true, but that run has false"),
        (("--replay", "x.jsonl"), "--resume and --replay exclude each other"),
    ],
)
def test_another_measurement_is_refused(
    bench: Bench, small: FakeOllama, options: tuple[str, ...], words: str
) -> None:
    """The message has both values; what is equal may be said again."""
    run_id = interrupted(bench)
    before = asked(small)
    result = bench.run("--resume", run_id, *options)
    assert result.ret == USAGE
    assert words in said(result)
    assert asked(small) == before


def test_settings_come_from_the_run_and_not_from_todays_file(
    bench: Bench, small: FakeOllama
) -> None:
    """What the settings file says now is for new runs; equal options may stand."""
    run_id = interrupted(bench, 4, "--gate", "promote")
    settings = "runs = 9\ncall_timeout = 5\nprompts = ['P1']\nmodel = 'gone:1b'\n"
    (bench.pytester.path / "llmbench.toml").write_text(settings)
    result = bench.run("--resume", run_id, "--runs", "3")
    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines(["--gate promote: met"])
    assert small.loads


def test_another_alias_is_refused(bench: Bench, small: FakeOllama) -> None:
    """An alias that now sends other options is another measurement."""
    bench.suite()
    file = bench.pytester.path / "llmbench.toml"
    text = f"[models.it]\nmodel = 'fake:1b'\nbase_url = '{small.url}'\n"
    file.write_text(text + "options = {temperature = 0.1}\n")
    bench.run("--model", "it", "--runs", "3")
    run_id = interrupt(bench, 2)
    file.write_text(text + "options = {temperature = 0.9}\n")
    result = bench.run("--resume", run_id)
    assert result.ret == USAGE
    words = 'options of models.it is {"temperature": 0.9}, but that run has'
    assert words in said(result)
    file.write_text(text + "options = {temperature = 0.1}\n")
    bench.run("--resume", run_id).assert_outcomes(passed=9)


def test_runs_are_found_by_id_by_its_beginning_and_as_the_last(
    bench: Bench, small: FakeOllama
) -> None:
    """`last` passes over complete runs; what begins several ids is refused."""
    first = interrupted(bench)
    bench.run(*RUN)
    second = bench.newest("summary.json").parent.name
    result = bench.run("--resume", "2")
    assert result.ret == USAGE
    assert f"2 runs begin so: {second}, {first}" in said(result)
    result = bench.run("--resume", f"{first[:-1]}x")
    assert result.ret == USAGE
    assert f"did you mean {first}?; the newest runs: {second}" in said(result)
    bench.run("--resume", "last").assert_outcomes(passed=9)
    assert json.loads(
        (bench.newest("results.jsonl").parents[1] / first / "summary.json").read_text()
    )["resumed"]
    result = bench.run("--resume", "last")
    assert result.ret == USAGE
    assert "every stored run is complete" in said(result)
    bench.run("--resume", first[:-2]).assert_outcomes(passed=9)
    assert small.loads


def test_an_empty_folder_of_reports(bench: Bench) -> None:
    """Where nothing is stored, that is said."""
    bench.suite()
    result = bench.run("--resume", "2026", "--model", "fake:1b")
    assert result.ret == USAGE
    assert "no such run in " in said(result)
    assert "it holds none" in said(result)


def test_a_run_without_its_config_is_refused(bench: Bench, small: FakeOllama) -> None:
    """A run from before config.json was written early can't go on."""
    run_id = interrupted(bench)
    bench.newest("config.json").unlink()
    result = bench.run("--resume", run_id)
    assert result.ret == USAGE
    assert "config.json is missing" in said(result)
    assert small.loads


def test_a_replay_is_refused(bench: Bench, small: FakeOllama) -> None:
    """A replay asks nothing, so nothing of it is left to ask."""
    bench.suite()
    bench.run(*RUN)
    stored = str(bench.newest("results.jsonl"))
    bench.run("--model", "fake:1b", "--runs", "3", "--replay", stored)
    result = bench.run("--resume", bench.newest("summary.json").parent.name)
    assert result.ret == USAGE
    assert "it is a replay of reports" in said(result)
    assert small.loads


def test_a_live_run_is_refused(bench: Bench, serve: Callable[..., FakeOllama]) -> None:
    """While a process writes a run no other may; after it has ended one may."""
    serve(FakeModel(answer=RIGHT, first_token_delay_s=0.05))
    bench.suite()
    process = start(bench, "--model", "fake:1b", "--runs", "100")
    wait_for_records(bench.reports, 2)
    result = bench.run("--resume", "last")
    assert result.ret == USAGE
    assert "is being written by another process" in said(result)
    assert process.poll() is None
    process.kill()
    process.wait()


def test_two_cannot_resume_one_run(bench: Bench, small: FakeOllama) -> None:
    """The second is refused before it asks, whatever the first does."""
    run_id = interrupted(bench)
    holder = RunFolder(bench.newest("results.jsonl").parent)
    holder.hold()
    before = asked(small)
    result = bench.run("--resume", run_id)
    assert result.ret == USAGE
    assert f"run {run_id} is being written by another process" in said(result)
    assert asked(small) == before
    holder.close()
    bench.run("--resume", run_id).assert_outcomes(passed=9)


CHANGES = [
    ("Reply with exactly READY.", "Reply with READY.", "P3 has changed"),
    ("exact: READY", "exact: SET", "P3 has changed"),
    ("city: {type: string}", "city: {type: integer}", "P1 has changed"),
    ("phase: atomic", "phase: atomic\nsystem: Be brief.", "P2 has changed"),
    ("- id: P3", "- id: P4", "P3 is not in the suite any more"),
    ("- id: P3", "- id: P4", "P4 is new in the suite"),
]


@pytest.mark.parametrize(("old", "new", "words"), CHANGES)
def test_a_changed_suite_is_refused(
    bench: Bench, small: FakeOllama, old: str, new: str, words: str
) -> None:
    """Other questions make another run; the message names the prompts."""
    run_id = interrupted(bench)
    bench.suite(SMALL_SUITE.replace(old, new))
    before = asked(small)
    result = bench.run("--resume", run_id)
    assert result.ret == USAGE
    assert f"suite small: {words}" in said(result)
    assert asked(small) == before
    assert not list(bench.reports.glob("2*/*/summary.json"))


def test_another_selection_is_refused(bench: Bench, small: FakeOllama) -> None:
    """Other paths or -k would leave trials out; the message says which."""
    run_id = interrupted(bench)
    result = bench.run("--resume", run_id, "-k", "P1")
    assert result.ret == USAGE
    assert "suite small: P2 is left out by -k, -m or --lf" in said(result)
    bench.suite(SMALL_SUITE.replace("suite: small", "suite: other"), "other")
    result = bench.run("--resume", run_id, "other.bench.yaml")
    assert result.ret == USAGE
    assert "suite small: not collected (small.bench.yaml)" in said(result)
    assert "suite other: not in that run" in said(result)
    bench.run("--resume", run_id, "small.bench.yaml").assert_outcomes(passed=9)
    assert small.loads


def test_another_digest_is_refused(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """A name that now means another file is another model."""
    serve(FakeModel(answer=RIGHT, digest="a" * 64))
    run_id = interrupted(bench)
    server = serve(FakeModel(answer=RIGHT, digest="b" * 64))
    for options in ((), ("-n2",)):
        result = bench.run_apart("--resume", run_id, *options)
        assert f"fake:1b is another model now: digest {'b' * 12}" in said(result)
        assert "Traceback" not in said(result)
        assert result.ret != pytest.ExitCode.OK
    assert not asked(server)


def test_another_server_is_noted(
    bench: Bench, small: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same model at another version or address goes on, and that is said."""
    run_id = interrupted(bench)
    newer = FakeSettings(version="0.34.1")
    with FakeOllama(FakeModel(answer=RIGHT), settings=newer) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        result = bench.run("--resume", run_id)
    result.assert_outcomes(passed=9)
    text = " ".join(result.stdout.str().split())
    assert f"address ollama at {server.url}, before ollama at {small.url}" in text
    assert "version 0.34.1, before 0.33.0" in text


def test_workers_know_what_is_finished(bench: Bench, small: FakeOllama) -> None:
    """Under `-n 2` too: asked once, written once, summed up as a whole."""
    run_id = interrupted(bench, 4)
    before = asked(small)
    result = bench.run_apart("--resume", run_id, "-n2")
    result.assert_outcomes(passed=9)
    assert asked(small) - before == 5
    assert len(bench.records()) == 9
    assert bench.summary()["resumed"] == {"times": 1, "trials_before": 4}
    kept = bench.newest("results.jsonl").read_bytes()
    result = bench.run_apart("--resume", run_id, "-n2")
    result.stdout.fnmatch_lines(["*note *9 of 9 trials were finished before*"])
    assert bench.newest("results.jsonl").read_bytes() == kept


def test_a_changed_suite_is_refused_under_xdist(
    bench: Bench, small: FakeOllama
) -> None:
    """Workers refuse it, by the same words, and nothing is asked."""
    run_id = interrupted(bench)
    bench.suite(SMALL_SUITE.replace("exact: READY", "exact: SET"))
    before = asked(small)
    result = bench.run_apart("--resume", run_id, "-n2")
    assert "suite small: P3 has changed" in said(result)
    assert "INTERNALERROR" not in said(result)
    assert result.ret != pytest.ExitCode.OK
    assert asked(small) == before


def test_only_models_with_trials_left_are_warmed(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """A model that is done stays cold; the summary keeps the first warm-up."""
    server = serve(FakeModel(answer=RIGHT), FakeModel(name="two:1b", answer=RIGHT))
    bench.suite()
    bench.run("--model", "fake:1b,two:1b", "--runs", "2")
    first = bench.summary()["warmup_result"]
    run_id = interrupt(bench, 8)
    server.stop()  # and with it both models are unloaded
    server.start()
    loads = len(server.loads)
    bench.run("--resume", run_id).assert_outcomes(passed=12)
    assert {load.model for load in server.loads[loads:]} == {"two:1b"}
    assert bench.summary()["warmup_result"] == first


def test_collecting_leaves_an_interrupted_run_as_it_is(
    bench: Bench, small: FakeOllama
) -> None:
    """`--collect-only` shows the trials, and writes, locks and asks nothing."""
    run_id = interrupted(bench)
    live = RunFolder(bench.newest("results.jsonl").parent)
    live.hold()
    kept = bench.newest("results.jsonl").read_bytes()
    before = len(small.requests)
    result = bench.run("--resume", run_id, "--collect-only")
    live.close()
    assert result.ret == pytest.ExitCode.OK
    assert bench.newest("results.jsonl").read_bytes() == kept
    assert not list(bench.reports.glob("2*/*/summary.json"))
    assert len(small.requests) == before


def test_a_run_can_be_interrupted_again(bench: Bench, small: FakeOllama) -> None:
    """Each time counts, and the last says what was there before."""
    run_id = interrupted(bench, 2)
    bench.run("--resume", run_id)
    interrupt(bench, 6)
    bench.run("--resume", run_id).assert_outcomes(passed=9)
    assert bench.summary()["resumed"] == {"times": 2, "trials_before": 6}
    config: dict[str, Any] = json.loads(bench.newest("config.json").read_text())
    assert [one["trials_before"] for one in config["resumed"]] == [2, 6]
    assert_published(bench, "config", "inventory", "summary")
    assert small.loads


def test_a_moved_suite_file_does_not_ask_twice(bench: Bench, small: FakeOllama) -> None:
    """Trials are told apart by spec, suite, prompt and run, not by their path."""
    run_id = interrupted(bench, 4)
    bench.suite(name="moved").with_name("small.bench.yaml").unlink()
    before = asked(small)
    bench.run("--resume", run_id).assert_outcomes(passed=9)
    assert asked(small) - before == 5
    assert bench.summary()["job_summaries"][0]["recorded_trials"] == 9


def test_a_line_of_a_later_version_is_named(bench: Bench, small: FakeOllama) -> None:
    """A record with a field that is not known is no record of this version."""
    run_id = interrupted(bench, 4)
    path = bench.newest("results.jsonl")
    line = json.dumps({**make_record().to_json(), "colour": "red"})
    path.write_text(path.read_text() + line + "\n")
    result = bench.run("--resume", run_id)
    assert result.ret == USAGE
    assert "results.jsonl:5 is no record" in said(result)
    assert small.loads
