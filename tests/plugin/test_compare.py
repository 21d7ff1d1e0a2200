"""`llmbench compare` on runs that pytest has made."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from bench_project import SMALL_ANSWERS
from fake_ollama import FakeModel, answers_by_prompt, calls, says

from pytest_llmbench.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from bench_project import Bench
    from fake_ollama import FakeOllama

WRONG = {
    "weather in Oslo": says("It is sunny."),
    "Which tools": calls("get_weather", city="Oslo"),
    "exactly READY": says("I am READY!"),
}


def run(bench: Bench, *args: str) -> str:
    """Run the small suite; return the run's id."""
    known = set(bench.reports.glob("2*/*"))
    bench.run("--model", "fake:1b", "--runs", "5", *args)
    (folder,) = set(bench.reports.glob("2*/*")) - known
    return folder.name


def test_a_worse_run_fails_the_command(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """Two runs of one suite, a right and a wrong model: status 1, and why."""
    bench.suite()
    serve(FakeModel(answer=answers_by_prompt(SMALL_ANSWERS, says("4"))))
    good = run(bench)
    serve(FakeModel(answer=answers_by_prompt(WRONG, says("4"))))
    bad = run(bench)
    command = "import sys; from pytest_llmbench.cli import main; sys.exit(main())"
    found = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", command, "compare", good, bad],
        cwd=bench.pytester.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (1, "")
    lines = found.stdout.splitlines()
    assert "  P1      100 % (5/5)    0 % (0/5)    -100  -100 to -38.6" in lines
    assert "  B worse alone  P1, P2, P3" in lines
    assert lines[-1] == "  B is worse: the interval excludes 0"
    failed = next(line for line in lines if line.startswith("  B failed as"))
    assert "5 missing_call" in failed
    assert "5 unneeded_call" in failed


def test_runs_of_the_same_model_show_no_difference(
    bench: Bench, small: FakeOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    """A spec names a run of it; equal runs are not worse."""
    bench.suite()
    ids = [run(bench), run(bench)]
    spec = bench.summary()["job_summaries"][0]["spec"]
    capsys.readouterr()
    assert main(["compare", ids[0], spec, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["comparisons"]
    # Two runs that began in the same second have no order.
    assert found["b"]["run_id"] in ids
    assert found["b"]["specs"] == [spec]
    assert (found["verdict"], found["difference"]) == ("no difference shown", 0.0)
    assert small.requests


def test_variants_have_the_same_questions(
    bench: Bench, small: FakeOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run of two variants compares them over every prompt."""
    bench.suite()
    run_id = run(bench, "--variant", "native_api,text")
    capsys.readouterr()
    main(["compare", run_id, "--json"])
    (found,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert [row["prompt_id"] for row in found["prompts"]] == ["P1", "P2", "P3"]
    assert not any(found["left_out"].values())
    assert " / text / " in found["b"]["specs"][0]
    assert main(["compare", run_id]) in {0, 1}
    assert "what each variant gains beside native_api" in capsys.readouterr().out
    assert small.requests
