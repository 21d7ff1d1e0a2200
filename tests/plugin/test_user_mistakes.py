"""Wrong input gives one clear message and no traceback of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bench_project import Bench
    from fake_ollama import FakeOllama

USAGE = pytest.ExitCode.USAGE_ERROR


def assert_clear(result: pytest.RunResult, *words: str) -> None:
    """Check that the error has the words and shows nothing of our code."""
    text = result.stdout.str() + result.stderr.str()
    for word in words:
        assert word in text
    for trace in ("Traceback", "INTERNALERROR", "pytest_llmbench/"):
        assert trace not in text


def test_server_down(bench: Bench) -> None:
    """Nothing listens: one error, what to do, no trial, no file."""
    bench.suite()
    result = bench.run("--model", "fake:1b")
    assert result.ret == USAGE
    assert_clear(
        result, "http://127.0.0.1:1 cannot be reached", "ollama serve", "OLLAMA_HOST"
    )
    assert not bench.reports.exists()


def test_model_missing(bench: Bench, small: FakeOllama) -> None:
    """The message lists what is pulled and how to get the model."""
    bench.suite()
    result = bench.run("--model", "fake:2b")
    assert result.ret == USAGE
    assert_clear(
        result,
        "has no model 'fake:2b'; did you mean 'fake:1b'?",
        "pulled: fake:1b",
        "ollama pull fake:2b",
    )
    assert not small.requests_to("/api/chat")


def test_one_model_of_two_missing(bench: Bench, small: FakeOllama) -> None:
    """The other model is measured; the missing one's trials are errors."""
    bench.suite()
    result = bench.run("--model", "fake:1b,gone:7b")
    result.assert_outcomes(passed=3, errors=3)
    assert_clear(result, "has no model 'gone:7b'", "(as before)")
    decisions = {d["spec"][:7]: d for d in bench.summary()["policy_decisions"]}
    assert decisions["gone:7b"]["decision"] == "HOLD"
    assert decisions["gone:7b"]["decided_by"] == "evidence"
    assert small.loads


def test_no_model_lists_what_ollama_has(bench: Bench, small: FakeOllama) -> None:
    """Without a model the running server's are named."""
    bench.suite()
    result = bench.run()
    assert result.ret == USAGE
    assert_clear(result, "no model given", "has: fake:1b", "--model embedded")
    assert small.requests_to("/api/tags")


def test_misspelt_suite_key(bench: Bench) -> None:
    """Every fault of the file stands in one report, with its line."""
    bench.suite("suite: s\npromps: []\nphse: x\n")
    result = bench.run("--model", "fake:1b")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert_clear(
        result,
        "small.bench.yaml:1: the file lacks the key 'prompts'",
        "small.bench.yaml:2: unknown key 'promps'; did you mean 'prompts'?",
        "small.bench.yaml:3: unknown key 'phse'; did you mean 'phase'?",
    )


def test_expectation_that_cannot_hold(bench: Bench) -> None:
    """A tool that the suite does not offer is a fault of the file."""
    text = "suite: s\nprompts:\n- {id: A, prompt: hi, expect: {tools: [nope]}}\n"
    bench.suite(text)
    assert_clear(bench.run("--model", "fake:1b"), "small.bench.yaml:3: A: expect.tools")


def test_unknown_prompt_id(bench: Bench) -> None:
    """`--prompts P99` is a usage error with the nearest id."""
    bench.suite()
    result = bench.run("--model", "fake:1b", "--prompts", "P99")
    assert result.ret == USAGE
    assert_clear(result, "--prompts: no prompt 'P99' in any suite")


def test_a_prompt_of_another_suite_is_known(bench: Bench, small: FakeOllama) -> None:
    """An id that one of two suites has is no mistake."""
    bench.suite()
    other = "suite: o\nprompts:\n- {id: Q1, prompt: hi, expect: none}\n"
    bench.suite(other, name="other")
    bench.run("--model", "fake:1b", "--prompts", "Q1").assert_outcomes(passed=1)
    assert small.requests


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--model", "olama/x"), "unknown provider 'olama' in 'olama/x'"),
        (("--model", "openai/"), "'openai/' names a provider but no model"),
        (("--model", "m?temprature=1"), "did you mean 'temperature'?"),
        (("--runs", "0"), "--runs is '0'; it takes a whole number from 1"),
        (("--runs", "x"), "--runs is 'x'; it takes a whole number from 1"),
        (("--call-timeout", "-1"), "--call-timeout is '-1'; it takes seconds"),
        (
            ("--variant", "native"),
            "unknown variant 'native'; did you mean 'native_api'",
        ),
        (("--gate", "x"), "--gate is 'x'; it takes one of none, promote, no-reject"),
        (("--baseline", "x / y"), "lacks variant"),
        (("--baseline", "x / y / z t0"), "t takes seconds above 0"),
        (("--baseline", "x / atomic / native_api"), "no stored run of 'x / atomic"),
    ],
)
def test_wrong_options(bench: Bench, options: tuple[str, ...], words: str) -> None:
    """Each wrong option names itself, what was found and what is allowed."""
    bench.suite()
    result = bench.run("--model", "fake:1b", *options)
    assert result.ret == USAGE
    assert_clear(result, words)


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("runz = 3", "unknown key 'runz'; did you mean 'runs'?"),
        ("runs = 0", "llmbench.toml: runs is 0; it takes a whole number from 1"),
        ("runs = ", "llmbench.toml: "),
        ("[policy]\nmin_run = 3", "unknown key 'min_run'; did you mean 'min_runs'?"),
        ("[policy.atomic]\nmin_runs = 'x'", "min_runs"),
        ("[models.a]\nmodle = 'x'", "unknown key 'modle'; did you mean 'model'?"),
        ("[models.a]\nprovider = 'x'\nmodel = 'y'", "provider 'x'"),
        (
            "[models.a]\nmodel = 'x'\nbase_url = 3",
            "base_url must be an address or a list of addresses, not 3",
        ),
        ("[models.ollama]\nmodel = 'x'", "'ollama' is a provider's word"),
        ("[models.a]\nmodel = 'x'\nprovider = 3", "provider must be a text, not 3"),
        ("[models.a]\nprovider = 'ollama'", "models.a lacks the key 'model'"),
        ("[routing]\nx = 1", "unknown key 'x'"),
        ("models = 3", "must be a table, not 3"),
        (
            "policy = 'statistcal'",
            "unknown method 'statistcal'; did you mean 'statistical'?",
        ),
        ("policy = 3", "policy must be a table, 'default' or 'statistical', not 3"),
    ],
)
def test_wrong_settings_file(bench: Bench, toml: str, words: str) -> None:
    """A wrong settings file names the file, the key and the nearest one."""
    bench.suite()
    (bench.pytester.path / "llmbench.toml").write_text(toml, encoding="utf-8")
    result = bench.run("--model", "fake:1b")
    assert result.ret == USAGE
    assert_clear(result, words)


def test_a_wrong_settings_file_without_any_option(bench: Bench) -> None:
    """With every setting in the file, its faults are as clear."""
    bench.suite()
    (bench.pytester.path / "llmbench.toml").write_text("runz = 3", encoding="utf-8")
    result = bench.run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert_clear(result, "llmbench.toml: unknown key 'runz'; did you mean 'runs'?")


def test_settings_in_two_files(bench: Bench) -> None:
    """Settings in both files are refused: neither wins in silence."""
    bench.suite()
    (bench.pytester.path / "llmbench.toml").write_text("runs = 2")
    bench.pytester.makepyprojecttoml("[tool.llmbench]\nruns = 3\n")
    assert_clear(bench.run("--model", "fake:1b"), "keep them in one")


def test_two_suites_of_one_name(bench: Bench) -> None:
    """Their records could not be told apart, so the second is refused."""
    bench.suite()
    bench.suite(name="twin")
    result = bench.run("--model", "fake:1b")
    assert_clear(result, "suite name 'small' stands in small.bench.yaml too")
