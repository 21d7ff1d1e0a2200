"""The summary as Markdown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import MAIN_EXAMPLE, make_summary
from msgspec.structs import replace

from pytest_llmbench.policy.decision import decide
from pytest_llmbench.policy.thresholds import PolicyThresholds
from pytest_llmbench.report.markdown import escaped, markdown, pr_comment
from pytest_llmbench.report.view import RunView, job_view


def view(**changes: object) -> RunView:
    """Make the view of the main example; changes are the job's fields."""
    summary = make_summary(MAIN_EXAMPLE)
    decision = decide(summary, PolicyThresholds(), None, {})
    job = replace(job_view(summary, decision, None), **changes)
    return RunView(run_id="r1", jobs=(job,))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", "a\\|b"),
        ("<script>", "\\<script\\>"),
        ("&lt;", "\\&lt;"),
        ("`x`", "\\`x\\`"),
        ("a_b *c* ~d~", "a\\_b \\*c\\* \\~d\\~"),
        ("[x](y)", "\\[x\\](y)"),
        ("# x", "\\# x"),
        ("#12, a@b, @", "\\#<!-- -->12, a@<!-- -->b, @"),
        ("a\\b", "a\\\\b"),
        ("a\n\n  b\t\r\nc", "a b c"),
        ("\x1b[31mred", "\\\\x1b\\[31mred"),
        ("", ""),
    ],
)
def test_special_characters_are_shown_as_they_are(text: str, shown: str) -> None:
    """Nothing a model or server wrote becomes markup, a cell or a line."""
    assert escaped(text) == shown


@given(st.text())
def test_any_text_is_one_printable_line(text: str) -> None:
    """Escaped text holds no line end, no control character and no bare markup."""
    shown = escaped(text).replace("<!-- -->", "")
    assert shown.isprintable()
    for character in "<>|`&":
        assert shown.count(character) == shown.count(f"\\{character}")


def test_the_decision_stands_before_the_tables() -> None:
    """A reader sees what was decided and why before anything else."""
    text = markdown(view())
    assert text.splitlines()[:5] == [
        "# llmbench run r1",
        "",
        "| spec | suite | decision | why |",
        "|---|---|---|---|",
        (
            "| m:1b / atomic / native\\_api / t60 r0 i0 w0 | atomic | HOLD"
            " | variance 0.01276 is above 0.0025 over 7 runs |"
        ),
    ]
    assert "| P6 |  | FFPPPPP | 5/7 | 36-92 % | cold\\_start |  |" in text
    assert "| variance | 0.0128 | \\<= 0.0025 | -0.0103 | fail -\\> HOLD |" in text
    assert "- **cold_start** P6, P7, P9: failed runs 1-2 of 7, chance" in text


def test_failures_stand_beside_their_prompt() -> None:
    """How a prompt failed is a cell of its row."""
    summary = make_summary({"P1": "PF"}, failure_mode="wrong_tool")
    decision = decide(summary, PolicyThresholds(), None, {})
    run = RunView(run_id="r1", jobs=(job_view(summary, decision, None),))
    assert "| degrading | 1 wrong\\_tool |" in markdown(run)


def test_tables_are_whole() -> None:
    """Every row has its head's cells, whatever the cells hold."""
    nasty = "a|b\n| c \\| <script> \x1b[0m"
    text = markdown(view(facts=(("x", nasty),), reason=nasty, spec=nasty))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    heads = {"| spec", "| gate", "| prompt", "| measure"}
    cells = 0
    for row in rows:
        bare = row.replace("\\\\", "").replace("\\|", "")
        if any(row.startswith(head) for head in heads):
            cells = bare.count("|")
        assert bare.count("|") == cells
    assert "\x1b" not in text
    assert "<script>" not in text


def test_gate_baseline_differences_and_notes_are_told() -> None:
    """What there is to say beyond the tables is said."""
    run = view(baseline="b / a / n", differences=("num_ctx: 1 then, 2 now",))
    run = replace(run, gate="--gate promote: FAILED", notes=("warm-up failed",))
    text = markdown(run)
    assert "\n**--gate promote: FAILED**\n" in text
    assert "\nBaseline: b / a / n\n" in text
    assert "\n- differs from the baseline's run: num\\_ctx: 1 then, 2 now\n" in text
    assert text.endswith("\n\n- warm-up failed\n")


def test_a_run_without_jobs_is_a_table_without_rows() -> None:
    """Nothing ran: the file says so by being empty, not by failing."""
    text = markdown(RunView(run_id="r1", jobs=()))
    assert text.endswith("|---|---|---|---|\n")


def test_a_comment_that_fits_is_the_summary() -> None:
    """Within the limit nothing is cut and nothing added."""
    run = view()
    assert pr_comment([run]) == markdown(run)


@pytest.mark.parametrize("limit", [500, 900, 1500, 2500, 4000])
def test_a_comment_keeps_its_limit_and_its_decisions(limit: int) -> None:
    """Figures go first, then grids, then gates; the table of decisions stays."""
    run = view()
    wide = replace(run, jobs=run.jobs * 3, notes=("a note",))
    text = pr_comment([wide], limit)
    assert len(text) <= limit
    assert text.startswith("# llmbench run r1\n\n| spec | suite | decision |")
    assert "parts are left out" in text
    assert text.count("## ") <= 3
    tables = [line for line in text.splitlines() if line.startswith("|---")]
    assert tables
    if "| measure | value |" in text:
        assert text.count("| prompt | category |") == 3


def test_a_comment_on_many_specs_is_cut_within_its_first_table() -> None:
    """A table of decisions that alone is too long loses whole rows."""
    run = view()
    text = pr_comment([replace(run, jobs=run.jobs * 2000)], 10_000)
    assert len(text) <= 10_000
    last = [line for line in text.splitlines() if line.startswith("| m:1b")][-1]
    assert last.endswith(" |")
