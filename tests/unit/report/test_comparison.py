"""Two results side by side in 80 columns."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import make_records

from pytest_llmbench.analysis.comparison import (
    Comparison,
    JobEvidence,
    PromptEvidence,
    compare,
    job_evidence,
)
from pytest_llmbench.analysis.proportion import Proportion
from pytest_llmbench.report.comparison import comparison_lines, gain_lines
from pytest_llmbench.report.lines import WIDTH

A = {"P1": "PPPP", "P2": "PPPF", "P3": "PPPP", "P8": "PPPP"}
B = {"P1": "PPPP", "P2": "PFFF", "P3": "FFFF", "P9": "PPPP"}


def compared(a: dict[str, str], b: dict[str, str]) -> Comparison:
    """Compare two grids of letters."""
    return compare(
        job_evidence("m / atomic / native_api", make_records(a)),
        job_evidence("m / atomic / text", make_records(b, failure_mode="wrong_tool")),
    )


def test_the_whole_of_it() -> None:
    """Sides, table, mean, interval, chance, what stands alone, what was left out."""
    assert comparison_lines(compared(A, B)) == [
        "  A              m / atomic / native_api",
        "  B              m / atomic / text",
        "",
        "  prompt            A            B   B - A  95 % interval",
        "  P1      100 % (4/4)  100 % (4/4)      +0  -49 to +49",
        "  P2       75 % (3/4)   25 % (1/4)     -50  -78.9 to +13.5",
        "  P3      100 % (4/4)    0 % (0/4)    -100  -100 to -30.7",
        "",
        "  mean pass rate A 91.7 %, B 41.7 % over 3 prompts: B - A = -50 points",
        "  95 % interval  -100 to +74.2 points (Student's t over the prompts)",
        "  chance         p = 0.5 (exact, all sign flips; 2 prompts differ)",
        "  B worse alone  P3",
        "  B failed as    7 wrong_tool",
        "  not compared   only in A: P8",
        "  not compared   only in B: P9",
        "",
        "  no difference shown",
    ]


def test_the_documented_example_is_shown_so() -> None:
    """The block in docs/compare.md is what these outcomes print."""
    a = make_records({"P1": "P" * 7, "P2": "PPPPPPF"}, failure_mode="wrong_tool")
    b = make_records({"P1": "P" * 7, "P2": "PPFFFFF"}, failure_mode="wrong_tool")
    found = compare(job_evidence("a", a), job_evidence("b", b))
    page = Path(__file__).parents[3] / "docs" / "compare.md"
    assert "\n".join(comparison_lines(found)[3:]) in page.read_text("utf-8")


def test_a_verdict_says_why() -> None:
    """Worse and better are said of B, with the reason."""
    good, bad = {"P1": "PPPPPP"}, {"P1": "FFFFFF"}
    assert comparison_lines(compared(good, bad))[-1] == (
        "  B is worse: the interval excludes 0"
    )
    gained = comparison_lines(compared(bad, good))
    assert gained[-1] == "  B is better: the interval excludes 0"
    assert "  B better alone P1" in gained
    assert "the prompts show no spread" in " ".join(" ".join(gained).split())


def test_suites_are_named_where_there_are_several() -> None:
    """One id in two suites is two rows with two names."""
    both = [*make_records(A), *make_records(A, suite="more")]
    found = compare(job_evidence("a", both), job_evidence("b", both))
    shown = comparison_lines(found)
    assert any(line.startswith("  atomic/P1  ") for line in shown)
    assert any(line.startswith("  more/P1    ") for line in shown)


def test_gains_are_a_row_per_variant() -> None:
    """Prompts, gain, interval, chance and verdict of each variant, in 80 columns."""
    shown = gain_lines(
        "native_api",
        {"text": compared(A, B), "x" * 30: compared(A, A), "few_shot": compared(B, A)},
    )
    assert shown == [
        "what each variant gains beside native_api, in points of mean pass rate",
        "  variant        prompts    gain  95 % interval     chance   verdict",
        (
            "  text                 3     -50  -100 to +74.2     0.5      "
            "no difference shown"
        ),
        (
            "  xxxxxxxxxxxx…        4      +0  -24.5 to +24.5    1        "
            "no difference shown"
        ),
        (
            "  few_shot             3     +50  -74.2 to +100     0.5      "
            "no difference shown"
        ),
    ]
    assert max(map(len, shown)) <= WIDTH


SIDES = st.dictionaries(
    st.text(max_size=40),
    st.integers(0, 20_000).flatmap(
        lambda n: st.builds(Proportion, hits=st.integers(0, n), n=st.just(n))
    ),
    max_size=6,
)


def side(rows: dict[str, Proportion], label: str) -> JobEvidence:
    """Make a side of any ids and counts."""
    prompts = tuple(
        PromptEvidence(suite="s", prompt_id=key, prompt_hash="h", share=share)
        for key, share in rows.items()
    )
    return JobEvidence(label=label, prompts=prompts)


@given(SIDES, SIDES, st.text())
@settings(deadline=None)
def test_anything_fits(
    a: dict[str, Proportion], b: dict[str, Proportion], label: str
) -> None:
    """Whatever ids, counts and labels: printable, and 80 columns."""
    found = compare(side(a, label), side({**b, **a}, label))
    for line in [*comparison_lines(found), *gain_lines("native_api", {label: found})]:
        assert len(line) <= WIDTH
        assert line.isprintable()
