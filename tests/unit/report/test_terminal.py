"""The summary in 80 columns."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import MAIN_EXAMPLE, SPEC, make_reply, make_summary
from msgspec.structs import replace

from pytest_llmbench.policy.baseline import Baseline
from pytest_llmbench.policy.decision import decide
from pytest_llmbench.policy.thresholds import PolicyThresholds
from pytest_llmbench.report.lines import WIDTH
from pytest_llmbench.report.terminal import terminal_lines
from pytest_llmbench.report.view import JobView, RunView, job_view


def job(grid: dict[str, str], **changes: object) -> JobView:
    """Make the view of a grid of letters; changes are the job's fields."""
    summary = make_summary(grid, reply=make_reply(load_ms=9.0, cached_tokens=3))
    decision = decide(summary, PolicyThresholds(), None, {})
    return replace(job_view(summary, decision, None), **changes)


def lines(*jobs: JobView, **changes: object) -> list[str]:
    """Return the summary's lines as text; changes are the run's fields."""
    view = replace(RunView(run_id="r1", jobs=jobs), **changes)
    return [line.text for line in terminal_lines(view)]


def drawn(prompts: int, runs: int, letters: str) -> dict[str, str]:
    """Make a grid of drawn outcomes, the same each time."""
    draw = random.Random(7)  # noqa: S311 - a made-up grid
    return {
        f"P{number}": "".join(draw.choice(letters) for _ in range(runs))
        for number in range(1, prompts + 1)
    }


def test_the_main_example() -> None:
    """Grid, patterns, facts, gates and the decision, in this order."""
    shown = lines(job(MAIN_EXAMPLE))
    assert shown[:3] == [
        SPEC,
        "  prompt  runs 1-7       passed  95 % interval",
        "  P1      P P P P P P P     7/7  65-100 %",
    ]
    assert shown[7] == ("  P6      F F P P P P P     5/7   36-92 %       cold_start")
    assert shown[14:18] == [
        "  runs           75 75 100 100 100 100 100 (accuracy in %)",
        "",
        "  cold_start     P6, P7, P9: failed runs 1-2 of 7, chance p = 0.00011 pooled",
        "                 over P6, P7, P9",
    ]
    gates = shown.index("  gate          observed      limit             margin")
    assert shown[gates + 3] == (
        "  variance      0.0128        <= 0.0025         -0.0103       fail -> HOLD"
    )
    assert shown[-2:] == ["  HOLD: variance 0.01276 is above 0.0025 over 7 runs", ""]


@pytest.mark.parametrize("letters", ["PF", "PFTES", "PE", "E"])
@pytest.mark.parametrize("runs", [1, 2, 7, 16, 17, 40, 100])
@pytest.mark.parametrize("width", [1, 20])
def test_no_line_is_wider_than_80_columns(width: int, runs: int, letters: str) -> None:
    """Ids of up to twenty characters and any number of runs fit, whatever shows."""
    grid = {
        f"P{n}".ljust(width, "x"): row
        for n, row in enumerate(drawn(8, runs, letters).values())
    }
    assert max(map(len, lines(job(grid)))) <= WIDTH


def test_seven_runs_stand_apart_beside_ids_of_twenty_characters() -> None:
    """The usual case is shown whole: ids, runs, counts, interval, pattern."""
    row = lines(job({"x" * 20: "PPFPEPP"}))[2]
    assert row == (
        "  xxxxxxxxxxxxxxxxxxxx  P P F P E P P     5/6   44-97 %       flaky"
    )


def test_longer_ids_are_cut_in_the_grid_only() -> None:
    """The grid shows an id's beginning; the pattern has it whole."""
    shown = lines(job({"x" * 30: "PPFPPPP", "P2": "PPPPPPP"}))
    assert shown[2].startswith(f"  {'x' * 23}…  P P F P P P P ")
    assert any(line.startswith(f"  flaky          {'x' * 30}: ") for line in shown)
    assert max(map(len, shown)) <= WIDTH


def test_many_runs_and_prompts_say_what_they_hide() -> None:
    """A hundred runs of sixty prompts fit, and what is left out is named."""
    grid = drawn(60, 100, "PF")
    shown = lines(job(grid))
    assert max(map(len, shown)) <= WIDTH
    assert "  (20 of 60 prompts not shown: stable, or beyond 40 rows)" in shown
    assert "  (+: runs 40-100 not shown; summary.md has them)" in shown
    assert "  (20 more in summary.md)" in shown
    assert "(accuracy in %, runs 1-36)" in " ".join(" ".join(shown).split())
    row = next(line for line in shown if line.startswith("  P1 "))
    assert row.split()[1] == grid["P1"][:39] + "+"


def test_stable_prompts_are_hidden_first() -> None:
    """Among many prompts those with something to look at are shown."""
    grid = {**dict.fromkeys((f"S{n}" for n in range(50)), "PPP"), "bad": "FFF"}
    shown = lines(job(grid))
    assert any(line.startswith("  bad ") for line in shown)
    assert not any(line.startswith("  S1 ") for line in shown)
    assert "  (50 of 51 prompts not shown: stable, or beyond 40 rows)" in shown


def test_a_single_run_has_no_list_of_accuracies() -> None:
    """One run's accuracy is the accuracy."""
    shown = lines(job({"P1": "P"}))
    assert shown[1] == "  prompt  run 1  passed  95 % interval"
    assert not any(line.startswith("  runs ") for line in shown)


def test_long_texts_are_wrapped_under_their_own_start() -> None:
    """Evidence, notes, reasons, baselines and specs never run past the edge."""
    words = "because " * 30
    spec = "hf.co/someone/some-model:q4 / " + "temperature=0.25 " * 8
    shown = lines(
        job(
            {"P1": "FPP"},
            spec=spec,
            reason=words,
            baseline=spec,
            differences=(words,),
            facts=(("accuracy", words),),
        ),
        notes=(words, "x" * 200),
    )
    assert max(map(len, shown)) <= WIDTH
    joined = " ".join(" ".join(shown).split())
    assert joined.count(words.strip()) == 4
    assert joined.count(spec.strip()) == 2
    after = shown[shown.index(next(x for x in shown if x.startswith("  note"))) + 1]
    assert after.startswith(" " * 17 + "because")


def test_a_number_and_its_unit_stay_together() -> None:
    """No line ends between a number and its unit, nor within a name's hyphens."""
    text = " ".join(f"{number} ms a-b" for number in range(60))
    wrapped = lines(job({"P1": "P"}, facts=(("TTFT", text),)))
    fact = [line for line in wrapped if " ms" in line or "a-b" in line]
    assert len(fact) > 3
    assert not any(line.rstrip()[-1].isdigit() for line in fact)
    assert not any(line.rstrip().endswith("-") for line in fact)


def test_paths_are_never_broken() -> None:
    """A path is there to be copied; the default ones fit."""
    folder = "reports/2026-11-21/20261121T090507000Z-abcdef"
    files = (
        ("records", f"{folder}/results.jsonl"),
        ("summary", f"{folder}/summary.json, summary.md"),
        ("feedback", "/" + "x" * 99),
    )
    shown = lines(files=files)
    assert shown == [
        f"records   {folder}/results.jsonl",
        f"summary   {folder}/summary.json, summary.md",
        f"feedback  /{'x' * 99}",
    ]
    assert max(map(len, shown[:2])) <= WIDTH


def test_nothing_reaches_the_terminal_raw() -> None:
    """Escapes in a server's words are shown as text, not obeyed."""
    shown = lines(
        job(
            {"P1": "FPP"},
            reason="a\x1b[31m",
            baseline="b\x07",
            differences=("c\u202e\n\nd",),
            facts=(("x", "e\x9b"),),
        ),
        notes=("warm-up failed:\n  f\x1b]0;",),
    )
    assert all(line.isprintable() for line in shown)
    assert "  differs        c\\u202e d" in shown
    assert "  note           warm-up failed: f\\x1b]0;" in shown


def test_prompts_that_failed_alike_share_a_line() -> None:
    """How prompts failed is said below the patterns, and fits."""
    summary = make_summary(
        {**dict.fromkeys((f"P{n}" for n in range(20)), "PFF"), "Q": "FTP"},
        failure_mode="hallucinated_tool",
        category="tools for the weather",
        expects_tool=True,
    )
    decision = decide(summary, PolicyThresholds(), None, {})
    shown = lines(job_view(summary, decision, None))
    first = shown.index(next(x for x in shown if x.startswith("  failed as")))
    assert shown[first : first + 5] == [
        "  failed as      P0, P1, P2, P3, P4, P5, P6, P7, P8, P9, P10, P11, P12, P13,",
        "                 P14, P15, P16, P17, P18, P19: 2 hallucinated_tool each",
        "  failed as      Q: 1 hallucinated_tool, 1 timeout",
        "",
        "  accuracy       4.8 % median of 3 runs (1 of 21 prompts), variance 0.192",
    ]
    assert "  failures       41 hallucinated_tool, 1 timeout" in shown
    assert max(map(len, shown)) <= WIDTH


def test_many_ways_of_failing_are_cut() -> None:
    """Beyond forty lines the rest is in summary.md."""
    rows = job({f"P{n}": "PF" for n in range(60)}).rows
    named = tuple(replace(row, failures=f"{n} empty") for n, row in enumerate(rows, 1))
    shown = lines(job({"P1": "PF"}, rows=named))
    assert "  (20 more in summary.md)" in shown
    assert sum(line.startswith("  failed as") for line in shown) == 40


def test_colours_follow_decision_and_gate() -> None:
    """Colour is an extra: each coloured line says the same in words."""
    view = RunView(
        run_id="r1",
        jobs=(job(MAIN_EXAMPLE),),
        gate="--gate promote: FAILED",
        gate_is_met=False,
    )
    coloured = {line.text.strip(): line.colour for line in terminal_lines(view)}
    assert coloured[SPEC] == "bold"
    assert coloured["--gate promote: FAILED"] == "red"
    assert coloured["HOLD: variance 0.01276 is above 0.0025 over 7 runs"] == "yellow"
    assert {text.split()[0] for text, colour in coloured.items() if colour} == {
        *("m:1b", "P6", "P7", "P9", "variance", "HOLD:", "--gate")
    }
    met = terminal_lines(replace(view, jobs=(), gate="met", gate_is_met=True))
    assert [(line.text, line.colour) for line in met] == [("", ""), ("met", "green")]


def test_a_run_without_jobs_has_no_lines() -> None:
    """Nothing ran, nothing is shown, nothing stumbles."""
    assert lines() == []


def test_a_baseline_is_named_before_the_decision() -> None:
    """What the spec was held against stands right above what came of it."""
    summary = make_summary(MAIN_EXAMPLE)
    base = Baseline(
        spec="b / a / n", run_id="r0", accuracy=1.0, prompt_hashes={}, comparability={}
    )
    decision = decide(summary, PolicyThresholds(), base, {})
    shown = lines(job_view(summary, decision, None))
    assert "  baseline       b / a / n" in shown
    assert shown[shown.index("  baseline       b / a / n") + 1].startswith("  HOLD: ")


GRIDS = st.integers(1, 45).flatmap(
    lambda runs: st.dictionaries(
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,40}", fullmatch=True),
        st.text("PFTES.", min_size=runs, max_size=runs),
        min_size=1,
        max_size=5,
    )
)


@given(GRIDS)
@settings(max_examples=40, deadline=None)
def test_any_grid_fits(grid: dict[str, str]) -> None:
    """Whatever the ids, runs and outcomes: 80 columns, one line per prompt."""
    shown = lines(job(grid))
    assert max(map(len, shown)) <= WIDTH
    assert all(line == line.rstrip() for line in shown)
    for prompt_id in grid:
        start = f"  {prompt_id[:23]}"
        assert any(line.startswith(start) for line in shown)


def test_a_bar_shows_where_the_time_goes() -> None:
    """The slowest spec has the longest bar; # is what passes before the first token."""
    quick, slow = job({"P1": "P"}), job({"P1": "P"})
    quick = replace(quick, ttft_ms=50.0, e2e_ms=500.0)
    slow = replace(slow, ttft_ms=750.0, e2e_ms=1000.0)
    bars = [line.strip() for line in lines(quick, slow) if "#: TTFT" in line]
    assert [len(bar.split()[0]) for bar in bars] == [22, 45]
    assert [bar.count("#") - 1 for bar in bars] == [2, 34]


def test_a_narrow_terminal_has_no_bar() -> None:
    """Words may be broken by it; a drawing is none then."""
    view = RunView(run_id="r1", jobs=(job({"P1": "P"}),))
    wide, narrow = (
        [line.text for line in terminal_lines(view, columns)]
        for columns in (WIDTH, WIDTH - 1)
    )
    assert [line for line in wide if line not in narrow] == [
        line for line in wide if "#: TTFT" in line
    ]
    assert len(wide) == len(narrow) + 1


def test_no_bar_is_drawn_without_both_times() -> None:
    """Without streaming there is no TTFT, and nothing to draw."""
    shown = lines(replace(job({"P1": "P"}), ttft_ms=None))
    assert not [line for line in shown if "#: TTFT" in line]
