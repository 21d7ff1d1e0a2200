"""`llmbench feedback` and `llmbench route` over runs that pytest has made."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest
from bench_project import SMALL_ANSWERS
from fake_ollama import FakeModel, answers_by_prompt, calls, says
from fake_ollama_atomic import cold_atomic_script
from jsonschema import Draft202012Validator

from pytest_llmbench.report.compact import count_tokens
from pytest_llmbench.runs.schemas import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import FakeOllama

COMMAND: Final = (
    sys.executable,
    "-c",
    "import sys; from pytest_llmbench.cli import main; sys.exit(main())",
)
WRONG: Final = {
    "weather in Oslo": says("It is sunny."),
    "Which tools": calls("get_weather", city="Oslo"),
    "exactly READY": says("READY"),
}
EXTENDED: Final = """
suite: long
phase: extended
prompts:
  - id: E1
    prompt: Reply with exactly READY.
    expect: {exact: READY}
  - id: E2
    prompt: Reply with exactly DONE.
    expect: {exact: DONE}
  - id: E3
    prompt: Reply with exactly OVER.
    expect: {exact: OVER}
"""


def command(bench: Bench, *args: str) -> subprocess.CompletedProcess[str]:
    """Run `llmbench` in a process of its own, in the project."""
    return subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *args],
        cwd=bench.pytester.path,
        capture_output=True,
        text=True,
        check=False,
    )


def routed(bench: Bench) -> list[dict[str, Any]]:
    """Return the lines of routing_decisions.jsonl."""
    text = (bench.reports / "routing_decisions.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_cold_start_or_capability(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """Four failures of eight that lead their sessions are told to be a cold start."""
    bench.atomic()
    for _ in range(2):
        serve(FakeModel(answer=cold_atomic_script(), load_s=0.2))
        bench.run("atomic", "--model", "fake:1b", "--runs", "4", "--disable-warmup")
    found = command(bench, "feedback")
    assert (found.returncode, found.stderr) == (0, "")
    lines = found.stdout.splitlines()
    assert lines[1].startswith("fake:1b  atomic  8     87.5 % (84/96,")
    assert lines[1].endswith("allow for bounded tasks, with warm-up")
    hot = [line for line in lines if "4 of 8" in line]
    assert [line.split()[3] for line in hot] == ["P6", "P7", "P9"]
    assert all(line.endswith("while the model is cold; warm it up") for line in hot)
    compact = command(bench, "feedback", "--compact").stdout
    assert "! atomic cold_start P6 4/8, P7 4/8, P9 4/8" in compact.splitlines()
    route = command(bench, "route", "--phase", "atomic")
    assert (route.returncode, route.stdout.splitlines()[0]) == (0, "fake:1b")
    (line,) = routed(bench)
    assert line["answer"]["requirements"] == ["warm-up"]
    assert len(line["evidence"][0]["hot_failures"]) == 3


def test_command_and_session_agree(bench: Bench, small: FakeOllama) -> None:
    """The same runs give the same harness_feedback.json, whoever writes it."""
    bench.suite()
    bench.suite(EXTENDED, name="long")
    for runs in ("3", "2"):
        bench.run("--model", "fake:1b,fake:1b?temperature=0.5", "--runs", runs)
    bench.run("--model", "fake:1b", "--variant", "native_api,text", "--runs", "5")
    path = bench.reports / "harness_feedback.json"
    by_session = path.read_text("utf-8")
    path.unlink()
    assert command(bench, "feedback").returncode == 0
    assert path.read_text("utf-8") == by_session
    stored = json.loads(by_session)
    schema = Draft202012Validator(load_schema("harness_feedback"))
    assert list(schema.iter_errors(stored)) == []
    assert {"fake:1b::atomic", "fake:1b::extended"} < set(
        stored["model_phase_accuracy"]
    )
    assert stored["hot_failures"]
    assert json.loads(command(bench, "feedback", "--json").stdout) == stored
    assert small.requests


def test_nothing_is_stored_yet(bench: Bench) -> None:
    """An empty project gets a word, no file, and the fallback."""
    found = command(bench, "feedback")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("no stored run yet")
    assert not (bench.reports / "harness_feedback.json").exists()
    route = command(bench, "route", "--phase", "atomic", "--model", "m:1b")
    assert route.returncode == 1
    assert route.stdout.splitlines()[0] == "anthropic/claude-haiku-5-5"
    assert command(bench, "feedback", "--compact").stdout == (
        "llmbench: no stored run\nfallback anthropic/claude-haiku-5-5\n"
    )


def test_a_route_is_answered_and_noted(bench: Bench, small: FakeOllama) -> None:
    """Allowed, denied, observed and unknown: status, first line and the stored line."""
    bench.suite()
    bench.suite(EXTENDED, name="long")
    (bench.pytester.path / "llmbench.toml").write_text(
        '[routing]\nfallback = "big:70b"\n[routing.chat]\nallow_from = 0.5\n', "utf-8"
    )
    bench.run("--model", "fake:1b", "--runs", "2")
    asked = [
        (("--phase", "atomic", "--model", "fake:1b"), 0, "fake:1b", "allow"),
        (("--phase", "atomic", "--model", "ollama/fake:1b"), 0, "fake:1b", "allow"),
        (("--phase", "atomic"), 0, "fake:1b", "allow"),
        (("--phase", "extended", "--model", "fake:1b"), 1, "big:70b", "deny"),
        (("--phase", "extended"), 1, "big:70b", "deny"),
        (("--phase", "chat"), 1, "big:70b", "no_evidence"),
        (("--phase", "atomic", "--model", "fake:2b"), 1, "big:70b", "no_evidence"),
    ]
    for words, status, first, _ in asked:
        found = command(bench, "route", *words)
        assert (found.returncode, found.stderr) == (status, ""), words
        assert found.stdout.splitlines()[0] == first, words
    lines = routed(bench)
    assert [line["answer"]["verdict"] for line in lines] == [one[3] for one in asked]
    assert [line["answer"]["send_to"] for line in lines] == [one[2] for one in asked]
    schema = Draft202012Validator(load_schema("routing_decisions"))
    assert [error for line in lines for error in schema.iter_errors(line)] == []
    assert lines[0]["question"] == {"phase": "atomic", "model": "fake:1b"}
    evidence = lines[0]["evidence"][0]
    assert (evidence["runs"], evidence["trials"]) == (2, 6)
    assert evidence["age_s"] < 3600
    assert evidence["digests"]
    assert small.requests


def test_json_is_the_stored_line(bench: Bench, small: FakeOllama) -> None:
    """What --json prints is what was appended."""
    bench.suite()
    bench.run("--model", "fake:1b")
    found = command(bench, "route", "--phase", "atomic", "--json")
    assert json.loads(found.stdout) == routed(bench)[0]
    assert small.requests


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("route", "--phase", "atomc"),
            (
                "llmbench: route: --phase: no stored run of the phase 'atomc';"
                " did you mean 'atomic'?"
            ),
        ),
        (
            ("route", "--phase", "atomic", "--model", "olama/m:1b"),
            "llmbench: route: --model: unknown provider 'olama'",
        ),
        (
            ("feedback", "--compact", "--budget", "99"),
            "llmbench: feedback: --budget is 99; it takes a whole number from 100",
        ),
        (
            ("feedback", "--budget", "200"),
            "llmbench: feedback: --budget belongs to --compact; give both",
        ),
        (
            ("feedback", "--compact", "--run", "20261121T095724000Z-c8e9bb"),
            "llmbench: feedback: there is no run '20261121T095724000Z-c8e9bb'",
        ),
    ],
)
def test_usage_is_status_2(bench: Bench, words: tuple[str, ...], message: str) -> None:
    """One line on stderr names the option, what it found and what is allowed."""
    found = command(bench, *words)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith(message)
    assert not (bench.reports / "routing_decisions.jsonl").exists()


def test_wrong_settings_are_status_2(bench: Bench) -> None:
    """A misspelt key of the settings stops both commands with the nearest one."""
    path = bench.pytester.path / "llmbench.toml"
    path.write_text("[routing.atomic]\nallow_form = 0.5\n", "utf-8")
    for words in (("feedback",), ("route", "--phase", "atomic")):
        found = command(bench, *words)
        assert found.returncode == 2
        assert found.stderr == (
            f"llmbench: {words[0]}: llmbench.toml: routing phase 'atomic': unknown key"
            " 'allow_form'; did you mean 'allow_from'?\n"
        )


def test_a_session_reads_the_rules_too(bench: Bench, small: FakeOllama) -> None:
    """The same table holds where pytest writes the feedback; config.json keeps it."""
    bench.suite()
    (bench.pytester.path / "llmbench.toml").write_text(
        '[routing.atomic]\nbar_below = 0.7\nfallback = "big:70b"\n', "utf-8"
    )
    bench.run("--model", "fake:1b")
    (advice,) = json.loads((bench.reports / "harness_feedback.json").read_text())[
        "recommendations"
    ]
    assert advice["action"] == "allow_for_bounded_tasks"
    config = json.loads(bench.newest("config.json").read_text("utf-8"))
    assert config["settings"]["routing"]["phases"]["atomic"] == {
        "allow_from": 0.8,
        "bar_below": 0.7,
        "fallback": "big:70b",
    }
    assert small.requests


def test_one_run_alone(bench: Bench, serve: Callable[..., FakeOllama]) -> None:
    """--run looks at that run only and leaves harness_feedback.json as it is."""
    bench.suite()
    serve(FakeModel(answer=answers_by_prompt(WRONG, says("4"))))
    bench.run("--model", "fake:1b", "--runs", "4")
    old = bench.newest("summary.json").parent.name
    serve(FakeModel(answer=answers_by_prompt(SMALL_ANSWERS, says("4"))))
    bench.run("--model", "fake:1b", "--runs", "4")
    before = (bench.reports / "harness_feedback.json").read_text("utf-8")
    found = command(bench, "feedback", "--compact", "--run", old)
    assert found.returncode == 0
    head, fallback, target, *lines = found.stdout.splitlines()
    assert head.endswith(f"; run {old}")
    assert fallback == "fallback anthropic/claude-haiku-5-5"
    assert target.startswith("[fake:1b atomic] 4/12 0.3333 (0.14-0.61) 4 runs: observe")
    assert lines[0] == "! small incapable P1 4/4, P2 4/4"
    assert lines[1].startswith("- small native_api t60 r0 i0 w1: ")
    assert " 0.3333 n4" in lines[1]
    assert (bench.reports / "harness_feedback.json").read_text("utf-8") == before
    whole = command(bench, "feedback", "--json").stdout
    assert json.loads(whole)["model_phase_accuracy"]["fake:1b::atomic"]["total"] == 24


def test_the_compact_text_is_small(bench: Bench, atomic: FakeOllama) -> None:
    """A run of three variants takes a fifth of its summary.md's tokens, or less."""
    bench.atomic()
    words = ("--variant", "native_api,text,few_shot", "--runs", "3")
    bench.run("atomic", "--model", "fake:1b", *words)
    text = command(bench, "feedback", "--compact").stdout
    report = bench.newest("summary.md").read_text("utf-8")
    assert text.count("\n- ") == 3
    assert count_tokens(report) >= 5 * count_tokens(text)
    assert count_tokens(text) <= 400
    assert atomic.requests


def test_a_terminal_has_its_width(bench: Bench, small: FakeOllama) -> None:
    """On a terminal lines end at its edge; in a pipe they are whole."""
    bench.suite(EXTENDED, name="long")
    bench.run("--model", "fake:1b")
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": "72"}
    subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, "feedback"],
        cwd=bench.pytester.path,
        stdout=slave,
        env=environment,
        check=True,
    )
    os.close(slave)
    shown = os.read(master, 100_000).decode().replace("\r\n", "\n").splitlines()
    os.close(master)
    assert max(map(len, shown)) <= 72
    piped = command(bench, "feedback").stdout.splitlines()
    assert max(map(len, piped)) > 72
    assert len(piped) < len(shown)
    assert small.requests


def test_twenty_at_once_append_whole_lines(bench: Bench, small: FakeOllama) -> None:
    """Twenty processes that ask at once leave twenty whole lines."""
    bench.suite()
    bench.run("--model", "fake:1b")
    running = [
        subprocess.Popen(  # noqa: S603 - our own command
            [*COMMAND, "route", "--phase", "atomic", "--model", f"fake:{number}b"],
            cwd=bench.pytester.path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for number in range(20)
    ]
    assert [one.communicate()[1] for one in running] == [b""] * 20
    asked = {line["question"]["model"] for line in routed(bench)}
    assert asked == {f"fake:{number}b" for number in range(20)}
    assert len(routed(bench)) == 20
    assert small.requests


def test_a_cut_line_makes_way(bench: Bench, small: FakeOllama) -> None:
    """What a killed writer has left half is gone with the next answer."""
    bench.suite()
    bench.run("--model", "fake:1b")
    for _ in range(2):
        command(bench, "route", "--phase", "atomic")
        with (bench.reports / "routing_decisions.jsonl").open("a") as file:
            file.write('{"schema_version": 1, "at"')
    command(bench, "route", "--phase", "atomic")
    assert len(routed(bench)) == 3
    assert small.requests
