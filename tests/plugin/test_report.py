"""What a session leaves for people to look at: report.html, curves, the way to both."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from typing import TYPE_CHECKING

# pytester forgets what an inner run has imported, which numpy does not survive.
import matplotlib.figure  # noqa: F401
import pytest
from bench_project import SMALL_ANSWERS, SMALL_SUITE
from fake_ollama import FakeModel, answers_by_prompt, says

from pytest_llmbench.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import FakeOllama

WRONG = SMALL_SUITE.replace("exact: READY", "exact: NEVER")
BASE = "fake:1b / atomic / native_api / t60 r0 i0 w1"
SAME = "fake:1b / atomic / native_api / t120 r0 i0 w1"
WORSE = "bad:1b / atomic / native_api / t60 r0 i0 w1"
LONG = """
suite: long
phase: long_context
defaults: {options: {num_predict: 32}}
prompts:
  - id: L1
    prompt: Reply with exactly READY.
    context: {tokens: [400, 800, 4096]}
    expect: {exact: READY}
"""
BARE = """
import sys, pytest
sys.modules["jinja2"] = None
status = pytest.main(sys.argv[1:])
mine = [name for name in sys.modules if name.startswith("pytest_llmbench.")]
drawn = ("report.html", "report.past", "report.charts", "analysis.trend", "plots")
print("drawn:", [name for name in mine if any(word in name for word in drawn)])
sys.exit(status)
"""


def texts(page: str) -> str:
    """Return a page's text, tags apart by a bar."""
    return re.sub(r"(\s*<[^>]*>\s*)+", " | ", unescape(page))


def test_each_run_leaves_its_page(bench: Bench, small: FakeOllama) -> None:
    """The summary names it, and it is what `llmbench report` makes of the run."""
    bench.suite(WRONG)
    result = bench.run("--model", "fake:1b", "--runs", "3")
    result.stdout.re_match_lines([r"report    reports/.*/report\.html"])
    path = bench.newest("report.html")
    page = path.read_text("utf-8")
    for part in ("HOLD", "Reply with exactly", "P3 run 2: fail", "restraint"):
        assert (part in page) == (part != "Reply with exactly")  # that one is packed
    assert main(["report", "--reports", str(bench.reports)]) == 0
    assert path.read_text("utf-8") == page
    assert small.loads


def test_without_the_extra_one_line_says_how_to_get_it(
    bench: Bench, small: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is whole otherwise."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    bench.suite()
    result = bench.run("--model", "fake:1b")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines([
        "report    pip install 'pytest-llmbench[[]report[]]'*"
    ])
    assert bench.summary()
    assert not list(bench.reports.rglob("report.html"))
    assert small.loads


def test_curves_go_where_they_are_wanted(bench: Bench, small: FakeOllama) -> None:
    """`--plot` writes them, and the summary names the folder."""
    bench.suite()
    result = bench.run("--model", "fake:1b", "--runs", "2", "--plot", "curves")
    result.stdout.fnmatch_lines(["curves    curves"])
    names = {path.name for path in (bench.pytester.path / "curves").iterdir()}
    assert {"accuracy.svg", "accuracy.png", "e2e.svg", "drift.svg"} <= names
    assert small.loads


def test_a_page_that_cannot_be_made_costs_the_run_nothing(
    bench: Bench, small: FakeOllama
) -> None:
    """Files, summary and exit status are there; the line says what went wrong."""
    bench.suite()
    (bench.pytester.path / "curves").write_text("in the way", "utf-8")
    result = bench.run("--model", "fake:1b", "--plot", "curves")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["curves    not written (*Error: *"])
    assert bench.summary()
    assert small.loads


def test_keys_are_in_no_page(
    bench: Bench,
    serve: Callable[..., FakeOllama],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a reply holds of a secret is masked in the packed pieces, too."""
    import base64
    import gzip

    secret = "sk-live-abcdefghijklmnopqrstuvwxyz0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    serve(FakeModel(answer=lambda *_: says(f"your key is {secret}")))
    bench.suite()
    bench.run("--model", "fake:1b")
    page = bench.newest("report.html").read_text("utf-8")
    pieces = re.findall(r'<script type="text/plain" id="piece-\d+">([^<]*)', page)
    text = page + "".join(
        gzip.decompress(base64.b64decode(piece)).decode() for piece in pieces
    )
    assert "your key is ***" in text
    assert secret not in text


def test_candidates_stand_beside_their_baseline(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """The baseline comes first, without a decision; `llmbench report` sees the same."""
    right = answers_by_prompt(SMALL_ANSWERS, says("4"))
    wrong = answers_by_prompt({}, says("no"))
    serve(FakeModel(answer=right), FakeModel(name="bad:1b", answer=wrong))
    bench.suite()
    specs = ("--baseline", BASE, "--candidate", WORSE, "--candidate", SAME)
    bench.run(*specs, "--runs", "auto:10")
    page = bench.newest("report.html").read_text("utf-8")
    told = bench.summary()["sequential"]
    assert told["candidates"][SAME]["verdict"] is None  # ten runs don't tell
    text = texts(page)
    for part in (
        "Candidates beside their baseline, suite small | spec | decision",
        "fake:1b / t60 | baseline | 100 % |",
        "bad:1b / t60 | REJECT | 33.3 % | 3 | -66.7 | pass: 0 % errors",
        "below_baseline",
        "--runs auto: 10 runs of 10 at most, 0 calls saved",
        f"{WORSE} | worse | ",
        f"{SAME} | not certain | - | 30 |",
        f"run 1 of {SAME} | yes |",
        "before each spec",
    ):
        assert part in text
    places = [page.index(f"</span> {spec}</h3>") for spec in (BASE, WORSE, SAME)]
    assert places == sorted(places)
    assert main(["report", "--reports", str(bench.reports)]) == 0
    assert bench.newest("report.html").read_text("utf-8") == page


def test_lengths_have_their_curves(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """Tables, charts and lines by length; a length beyond the model is no row."""
    serve(
        FakeModel(
            answer=lambda *_: says("READY"),
            prefill_tokens_per_s=5000.0,
            context_length=2048,
        )
    )
    bench.suite(LONG)
    bench.run("--model", "fake:1b", "--runs", "3", "--plot", "curves")
    page = bench.newest("report.html").read_text("utf-8")
    text = texts(page)
    for part in (
        "| Context length | TTFT by prompt length | ",
        "Constraint adherence by prompt length | ",
        "How times grow with the prompt, and where adherence falls | ",
        "By length: fake:1b | ",
        "| 4,096 | - | 0 | - | - | - | - | - | - | 3 skipped | - |",
        "2 of the suite's 3 prompts fit this model's context",
        '<polyline class="line fit"',
    ):
        assert part in (page if part.startswith("<") else text)
    assert 'aria-label="L1:800 run 1: pass"' in page
    assert "L1:4096 run" not in page
    (slope,) = re.findall(r"prefill \| E2E .*?fake:1b \| ([\d.]+) ms per 1,000", text)
    assert float(slope) == pytest.approx(200, rel=0.1)
    assert (bench.pytester.path / "curves" / "context_ttft.png").exists()
    assert main(["report", "--reports", str(bench.reports)]) == 0
    assert bench.newest("report.html").read_text("utf-8") == page


def test_nothing_is_drawn_without_the_extra(bench: Bench, small: FakeOllama) -> None:
    """A session that can't write the page imports none of what would draw it."""
    bench.suite()
    words = [sys.executable, "-c", BARE, "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [*words, "--model", "fake:1b"],
        cwd=bench.pytester.path,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0
    assert "drawn: []" in done.stdout
    assert small.loads
