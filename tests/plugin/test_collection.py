"""Suites are collected as real pytest items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bench_project import SMALL_SUITE

if TYPE_CHECKING:
    from bench_project import Bench
    from fake_ollama import FakeOllama

MODEL = ("--model", "fake:1b")


def ids(result: pytest.RunResult) -> list[str]:
    """Return the node ids that `--collect-only -q` printed."""
    return [line for line in result.outlines if ".bench.yaml::" in line]


def test_ids_name_prompt_model_variant_and_run(bench: Bench) -> None:
    """An id reads file::prompt[model-variant-runN]."""
    bench.suite()
    result = bench.run("--model", "lfm2.5-thinking:1.2b", "--collect-only", "-q")
    assert ids(result)[0] == (
        "small.bench.yaml::P1[lfm2.5-thinking:1.2b-native_api-run1]"
    )


def test_order_is_spec_then_run_then_prompt(bench: Bench) -> None:
    """Each model goes through all its runs before the next one starts."""
    bench.suite()
    result = bench.run(
        "--model",
        "a:1b,b:1b",
        "--runs",
        "2",
        "--prompts",
        "P1,P3",
        "--collect-only",
        "-q",
    )
    names = [line.partition("::")[2] for line in ids(result)]
    assert names == [
        f"{prompt}[{model}-native_api-run{run}]"
        for model in ("a:1b", "b:1b")
        for run in (1, 2)
        for prompt in ("P1", "P3")
    ]


def test_a_model_stays_loaded_over_several_suites(bench: Bench) -> None:
    """With two files, all trials of the first model come before the second's."""
    bench.suite()
    bench.suite(name="other", text=_renamed("other"))
    result = bench.run("--model", "a:1b,b:1b", "--collect-only", "-q")
    models = [line.partition("[")[2][:4] for line in ids(result)]
    assert models == ["a:1b"] * 6 + ["b:1b"] * 6


def _renamed(name: str) -> str:
    return SMALL_SUITE.replace("suite: small", f"suite: {name}")


def test_collect_only_calls_no_server_and_writes_nothing(
    bench: Bench, small: FakeOllama
) -> None:
    """Listing the trials costs no call and leaves no file."""
    bench.suite()
    assert bench.run(*MODEL, "--collect-only").ret == pytest.ExitCode.OK
    assert not small.requests
    assert not bench.reports.exists()


@pytest.mark.parametrize(
    ("options", "passed"),
    [
        (("-k", "P1"), 2),
        (("-k", "run2"), 3),
        (("-k", "restraint"), 2),
        (("-m", "smoke"), 2),
        (("-m", "not smoke"), 4),
    ],
)
def test_selection_runs_only_what_is_chosen(
    bench: Bench, small: FakeOllama, options: tuple[str, ...], passed: int
) -> None:
    """`-k` and `-m` see ids, categories and marks; nothing else is asked."""
    text = _renamed("small").replace("- id: P3", "- id: P3\n    marks: [smoke]")
    bench.suite(text)
    result = bench.run(*MODEL, "--runs", "2", *options, "--strict-markers")
    result.assert_outcomes(passed=passed, deselected=6 - passed)
    asked = [r for r in small.requests_to("/api/chat") if r.body and r.body["messages"]]
    assert len(asked) == passed + 1  # and the warm-up's question


def test_stop_at_first_failure_asks_no_more(bench: Bench, small: FakeOllama) -> None:
    """`-x` ends the run; the records of finished trials are there."""
    bench.suite(_renamed("small").replace("exact: READY", "exact: NEVER"))
    result = bench.run(*MODEL, "--runs", "3", "-x")
    result.assert_outcomes(passed=2, failed=1)
    assert [record["outcome"] for record in bench.records()] == ["pass", "pass", "fail"]
    assert small.loads
    result.stdout.fnmatch_lines(["*HOLD: 3 of 9 trials ran*"])


@pytest.mark.parametrize("option", ["--lf", "--sw"])
def test_last_failed_and_stepwise_find_the_trial_again(
    bench: Bench, small: FakeOllama, option: str
) -> None:
    """The cache plugin's options work with trial ids."""
    bench.suite(_renamed("small").replace("exact: READY", "exact: NEVER"))
    options = ("-p", "no:hypothesispytest", *MODEL, option)
    bench.pytester.runpytest_inprocess(*options).assert_outcomes(passed=2, failed=1)
    bench.pytester.runpytest_inprocess(*options).assert_outcomes(failed=1)
    assert small.loads


@pytest.mark.parametrize("scope", ["function", "class", "module", "package", "session"])
def test_fixtures_of_every_scope_reach_the_items(
    bench: Bench, small: FakeOllama, scope: str
) -> None:
    """Autouse fixtures of the user's conftest run for trials, at any scope."""
    bench.suite()
    bench.pytester.makeconftest(
        f"""
        import pytest
        @pytest.fixture(autouse=True, scope={scope!r})
        def noted(request):
            print("SET UP", request.scope)
            yield
        """
    )
    result = bench.run(*MODEL, "-s")
    result.assert_outcomes(passed=3)
    expected = 3 if scope in {"function", "class"} else 1
    assert result.stdout.str().count("SET UP") == expected
    assert small.loads


def test_a_failing_fixture_is_an_error_of_nobody(
    bench: Bench, small: FakeOllama
) -> None:
    """The user's own set-up failing is recorded as error, not as the model's."""
    bench.suite()
    bench.pytester.makeconftest(
        """
        import pytest
        @pytest.fixture(autouse=True)
        def broken(request):
            if "P2" in request.node.name:
                raise OSError("no disk")
        """
    )
    bench.run(*MODEL).assert_outcomes(passed=2, errors=1)
    record = next(r for r in bench.records() if r["prompt_id"] == "P2")
    assert record["outcome"] == "error"
    assert record["fault"]["kind"] == "fixture"
    assert "no disk" in record["fault"]["message"]
    assert len(small.requests_to("/api/version")) == 1


def test_skip_marks_skip_and_are_recorded(bench: Bench, small: FakeOllama) -> None:
    """A trial skipped by the user's conftest is `skipped`, with the reason."""
    bench.suite()
    bench.pytester.makeconftest(
        """
        import pytest
        def pytest_collection_modifyitems(items):
            items[0].add_marker(pytest.mark.skip(reason="not today"))
        """
    )
    bench.run(*MODEL).assert_outcomes(passed=2, skipped=1)
    outcomes = {r["prompt_id"]: r["outcome"] for r in bench.records()}
    assert outcomes == {"P1": "skipped", "P2": "pass", "P3": "pass"}
    assert small.requests


@pytest.mark.parametrize(
    "options",
    [
        ("-p", "no:terminal"),
        ("-p", "no:xdist"),
        ("-p", "no:rerunfailures"),
        ("-p", "no:junitxml"),
        ("-n0",),
    ],
)
def test_works_without_other_plugins(
    bench: Bench, small: FakeOllama, options: tuple[str, ...]
) -> None:
    """Records and summary are written whatever else is switched off."""
    bench.suite()
    assert bench.run(*MODEL, *options).ret == pytest.ExitCode.OK
    assert bench.summary()["job_summaries"][0]["passed"] == 3
    assert small.requests


def test_ordinary_tests_run_beside_suites(bench: Bench, small: FakeOllama) -> None:
    """A project holds both; neither disturbs the other."""
    bench.suite()
    bench.pytester.makepyfile("def test_a(): pass")
    bench.run(*MODEL).assert_outcomes(passed=4)
    assert len(bench.records()) == 3
    assert small.requests


def test_a_project_without_suites_is_left_alone(bench: Bench) -> None:
    """Without a suite there is no section, no folder and no import of ours."""
    bench.pytester.makepyfile(
        """
        import sys
        def test_a():
            heavy = [m for m in sys.modules if m in ("httpx", "yaml", "jsonschema")]
            ours = [m for m in sys.modules if m.startswith("pytest_llmbench.")]
            assert heavy == []
            light = ("exits", "hookspecs", "option_values", "options", "plugin")
            assert sorted(ours) == [f"pytest_llmbench.{name}" for name in light]
        """
    )
    result = bench.run_apart()
    result.assert_outcomes(passed=1)
    assert "llmbench" not in result.stdout.str().partition("plugins:")[2][40:]
    assert not bench.reports.exists()


def test_the_item_points_at_its_line(bench: Bench, small: FakeOllama) -> None:
    """Pytest's location of a trial is its prompt's line in the suite."""
    bench.suite()
    bench.pytester.makeconftest(
        """
        def pytest_collection_modifyitems(items):
            for item in items:
                print("AT", item.location[0], item.location[1] + 1)
        """
    )
    result = bench.run(*MODEL, "-s")
    result.stdout.fnmatch_lines(["AT small.bench.yaml 11", "AT small.bench.yaml 15"])
    assert small.requests
