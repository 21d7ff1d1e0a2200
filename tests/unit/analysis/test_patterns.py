"""Why a prompt fails: every pattern, its chance and its evidence."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import MAIN_EXAMPLE, make_record, make_records, make_reply

from pytest_llmbench.analysis.patterns import Pattern, find_patterns
from pytest_llmbench.analysis.residency import Residency, residency_at
from pytest_llmbench.analysis.trials import Grid, lay_out

if TYPE_CHECKING:
    from pytest_llmbench.runs.record import Record


def laid_out(records: list[Record], prompts: dict[str, str]) -> Grid:
    """Lay records out on a grid's prompts and runs."""
    return lay_out(records, tuple(prompts), max(map(len, prompts.values())))


def found_in(prompts: dict[str, str], **changes: object) -> dict[str, Pattern | None]:
    """Find the patterns of a grid of letters."""
    return find_patterns(laid_out(make_records(prompts, **changes), prompts))


def only(row: str) -> Pattern:
    """Find the pattern of one prompt alone."""
    pattern = found_in({"P1": row})["P1"]
    assert pattern is not None
    return pattern


@pytest.mark.parametrize(
    ("row", "kind", "p_value", "evidence"),
    [
        ("PPPPPPP", "stable", None, "passed in all 7 judged runs"),
        ("P", "stable", None, "passed in 1 run only: one run cannot show a pattern"),
        ("PP.S", "stable", None, "passed in all 2 judged runs; 2 of 4 runs missing"),
        ("FFFFFFF", "incapable", None, "failed in all 7 judged runs"),
        ("FTF", "incapable", None, "failed in all 3 judged runs"),
        ("F", "incapable", None, "failed in 1 run only: one run cannot show a pattern"),
        (
            "FFE",
            "incapable",
            None,
            "failed in all 2 judged runs; errors in run 3 left out",
        ),
        ("FFPPPPP", "cold_start", 1 / 21, "failed runs 1-2 of 7, chance p = 0.048"),
        ("TFPPPPP", "cold_start", 1 / 21, "failed runs 1-2 of 7, chance p = 0.048"),
        (
            "EFFPPPPP",
            "cold_start",
            1 / 21,
            "failed runs 2-3 of 8, chance p = 0.048; errors in run 1 left out",
        ),
        ("F" + "P" * 19, "cold_start", 0.05, "failed run 1 of 20, chance p = 0.05"),
        (
            "F" + "P" * 18,
            "flaky",
            1 / 19,
            "failed run 1 of 19, chance p = 0.053 is high: it may be luck",
        ),
        (
            "FP",
            "flaky",
            0.5,
            "failed run 1 of 2, chance p = 0.5 is high: it may be luck",
        ),
        ("PPPPPFF", "degrading", 1 / 21, "failed runs 6-7 of 7, chance p = 0.048"),
        (
            "PPF",
            "degrading",
            1 / 3,
            "failed run 3 of 3, chance p = 0.33 is high: it may be luck",
        ),
        ("P" * 19 + "F", "degrading", 0.05, "failed run 20 of 20, chance p = 0.05"),
        ("PFPFPPP", "flaky", None, "failed runs 2, 4 of 7"),
        ("FPPPPPF", "flaky", None, "failed runs 1, 7 of 7"),
        (
            "PFEPFF.",
            "flaky",
            None,
            "failed runs 2, 5-6 of 7; errors in run 3 left out; 1 of 7 runs missing",
        ),
        ("EEE", "infrastructure", None, "errors in runs 1-3 of 3; nothing judged"),
        (
            "PEPPE",
            "infrastructure",
            None,
            "errors in runs 2, 5 of 5; passed the 3 judged",
        ),
    ],
)
def test_table(row: str, kind: str, p_value: float | None, evidence: str) -> None:
    """Each row of outcomes has its pattern, its chance and its evidence."""
    pattern = only(row)
    assert pattern.kind == kind
    assert pattern.p_value == p_value
    assert pattern.evidence == evidence


@pytest.mark.parametrize("row", ["...", "SSS", "S.."])
def test_never_ran_has_no_pattern(row: str) -> None:
    """A prompt without a judged trial or an error shows nothing."""
    assert found_in({"P1": row})["P1"] is None


def test_main_example_is_pooled() -> None:
    """Three prompts failing runs 1 and 2 of 7 pool to (1/21) cubed."""
    patterns = found_in(MAIN_EXAMPLE)
    kinds = {name: found.kind for name, found in patterns.items() if found}
    assert {name for name, kind in kinds.items() if kind == "cold_start"} == {
        "P6",
        "P7",
        "P9",
    }
    assert set(kinds.values()) == {"cold_start", "stable"}
    pattern = patterns["P6"]
    assert pattern is not None
    assert pattern.p_value == 1 / 9261
    assert pattern.pooled_prompts == ("P6", "P7", "P9")
    assert pattern.failing_runs == (1, 2)
    assert pattern.evidence == (
        "failed runs 1-2 of 7, chance p = 0.00011 pooled over P6, P7, P9"
    )


def test_evidence_of_a_seen_cold_start() -> None:
    """What the server showed of loading stands beside the chance."""
    records = [
        make_record(
            name,
            run,
            row[run - 1],
            is_resident=run > 1,
            reply=make_reply(load_ms=1800.0 if (name, run) == ("P1", 1) else 20.0),
        )
        for run in range(1, 8)
        for name, row in MAIN_EXAMPLE.items()
    ]
    pattern = find_patterns(laid_out(records, MAIN_EXAMPLE))["P9"]
    assert pattern is not None
    assert pattern.evidence == (
        "failed runs 1-2 of 7, chance p = 0.00011 pooled over P6, P7, P9; "
        "model not resident when run 1 began; load 1.8 s against 0.02 s later"
    )
    assert pattern.to_json()["residency"] == {
        "run": 1,
        "is_resident": False,
        "load_ms": 1800.0,
        "later_load_ms": 20.0,
    }


def test_other_runs_are_not_pooled() -> None:
    """Only prompts that fail in the very same runs share their chance."""
    patterns = found_in({"P1": "FPPP", "P2": "FPPP", "P3": "FFPP", "P4": "PPPF"})
    values = [found.p_value for found in patterns.values() if found]
    assert values == [1 / 16, 1 / 16, 1 / 6, 1 / 4]


def test_pooling_can_make_a_cold_start() -> None:
    """Two prompts with p = 1/7 each are flaky alone and cold together."""
    assert only("FPPPPPP").kind == "flaky"
    pair = found_in({"P1": "FPPPPPP", "P2": "FPPPPPP"})
    assert [found.kind for found in pair.values() if found] == ["cold_start"] * 2


def test_last_runs_are_pooled_too() -> None:
    """Prompts that fail in the same last runs share their chance."""
    pair = found_in({"P1": "PPPF", "P2": "PPPF"})
    assert [(p.kind, p.p_value) for p in pair.values() if p] == [
        ("degrading", 1 / 16)
    ] * 2


def test_pooled_prompts_keep_their_own_n() -> None:
    """An error in one pooled prompt shrinks that prompt's n only."""
    pair = found_in({"P1": "FPPPP", "P2": "FPPEP"})
    assert [found.p_value for found in pair.values() if found] == [1 / 20, 1 / 20]


def test_huge_pools_do_not_overflow() -> None:
    """Two hundred prompts failing the first half of 40 runs have a chance of 0."""
    row = "F" * 20 + "P" * 20
    pattern = found_in({f"P{number}": row for number in range(200)})["P0"]
    assert pattern is not None
    assert pattern.p_value == 0.0
    assert pattern.kind == "cold_start"


@pytest.mark.parametrize(
    ("is_resident", "load_ms", "later_ms", "kind"),
    [
        (False, None, None, "cold_start"),
        (True, None, None, "flaky"),
        (None, None, None, "flaky"),
        (None, 1000.0, 100.0, "cold_start"),
        (None, 999.9, 100.0, "flaky"),
        (True, 1000.1, 100.0, "cold_start"),
        (None, 1000.0, None, "flaky"),
        (None, None, 100.0, "flaky"),
        (None, 0.0, 0.0, "flaky"),
        (None, 900.0, 0.0, "cold_start"),
    ],
)
def test_a_seen_load_decides_where_chance_does_not(
    is_resident: bool | None,  # noqa: FBT001 - a table
    load_ms: float | None,
    later_ms: float | None,
    kind: str,
) -> None:
    """One failure first of three is cold only if the model was seen loading."""
    records = [
        make_record(
            "P1", 1, "F", is_resident=is_resident, reply=make_reply(load_ms=load_ms)
        ),
        make_record("P1", 2, is_resident=True, reply=make_reply(load_ms=later_ms)),
        make_record("P1", 3, is_resident=True, reply=make_reply(load_ms=later_ms)),
    ]
    pattern = find_patterns(laid_out(records, {"P1": "FPP"}))["P1"]
    assert pattern is not None
    assert pattern.kind == kind
    assert pattern.p_value == 1 / 3
    assert "luck" in pattern.evidence or kind == "cold_start"


def test_a_cold_model_explains_leading_failures_only() -> None:
    """A model seen loading says nothing of failures elsewhere."""
    prompts = {"P1": "PFP", "P2": "PPF", "P3": "FFF"}
    patterns = found_in(prompts, is_resident=False)
    kinds = [found.kind for found in patterns.values() if found]
    assert kinds == ["flaky", "degrading", "incapable"]


def test_residency_is_that_of_the_first_call_of_the_run() -> None:
    """The call that started first tells, however the records are ordered."""
    records = [
        make_record("P1", 1, is_resident=True, started_at="2026-01-01T00:00:02Z"),
        make_record("P2", 1, is_resident=False, started_at="2026-01-01T00:00:01Z"),
    ]
    grid = laid_out(records, {"P1": "P", "P2": "P"})
    assert residency_at(grid, 1).is_resident is False


def test_residency_skips_calls_that_cannot_tell() -> None:
    """A call the server could not answer for leaves the word to the next."""
    records = [make_record("P1", 1), make_record("P2", 1, is_resident=False)]
    grid = laid_out(records, {"P1": "P", "P2": "P"})
    assert residency_at(grid, 1) == Residency(run=1, is_resident=False)


def test_residency_takes_the_longest_load_against_the_later_median() -> None:
    """One slow load later does not hide the cold one; other prompts count too."""
    loads = {1: (20.0, 1800.0), 2: (20.0, 21.0), 3: (700.0, 19.0)}
    records = [
        make_record(name, run, reply=make_reply(load_ms=pair[index]))
        for run, pair in loads.items()
        for index, name in enumerate(("P1", "P2"))
    ]
    grid = laid_out(records, {"P1": "PPP", "P2": "PPP"})
    assert residency_at(grid, 1) == Residency(run=1, load_ms=1800.0, later_load_ms=20.5)
    assert residency_at(grid, 3).later_load_ms is None


letters = st.sampled_from("PPFFTE.S")
grids = st.integers(1, 7).flatmap(
    lambda runs: st.dictionaries(
        st.sampled_from([f"P{number}" for number in range(6)]),
        st.text(letters, min_size=runs, max_size=runs),
        min_size=1,
    )
)


def chance_by_counting(row: str) -> float:
    """Count the placements of the failures that lie first, of all placements."""
    judged = [letter for letter in row if letter in "PFT"]
    failures = sum(letter in "FT" for letter in judged)
    places = list(combinations(range(len(judged)), failures))
    return sum(place == tuple(range(failures)) for place in places) / len(places)


@given(grids)
def test_chance_is_what_counting_gives(prompts: dict[str, str]) -> None:
    """The pooled chance is the product of counted shares of placements."""
    for found in find_patterns(laid_out(make_records(prompts), prompts)).values():
        if found is not None and found.p_value is not None:
            shares = [
                chance_by_counting(prompts[name]) for name in found.pooled_prompts
            ]
            assert found.p_value == pytest.approx(math.prod(shares), rel=1e-12)
            assert 0 < found.p_value < 1


@given(grids, st.data())
def test_order_of_records_is_free(prompts: dict[str, str], data: st.DataObject) -> None:
    """Records in any order give the same patterns."""
    records = make_records(prompts)
    shuffled = data.draw(st.permutations(records))
    assert find_patterns(laid_out(records, prompts)) == find_patterns(
        laid_out(shuffled, prompts)
    )


@given(grids)
def test_every_row_has_exactly_the_designed_pattern(prompts: dict[str, str]) -> None:
    """Kinds follow from the row alone where no load was seen and pools are known."""
    patterns = find_patterns(laid_out(make_records(prompts), prompts))
    for name, row in prompts.items():
        judged = "".join(
            "P" if letter == "P" else "F" for letter in row if letter in "PFT"
        )
        found = patterns[name]
        if not judged.strip("P"):
            expected = {"infrastructure"} if "E" in row else {"stable"}
            expected = expected if judged or "E" in row else set()
        elif not judged.strip("F"):
            expected = {"incapable"}
        elif "F" not in judged.lstrip("F"):
            expected = {"cold_start", "flaky"}
        elif "F" not in judged.rstrip("F"):
            expected = {"degrading"}
        else:
            expected = {"flaky"}
        assert {found.kind} <= expected if found else not expected
        if found and expected == {"cold_start", "flaky"}:
            assert found.p_value is not None
            assert (found.kind == "cold_start") == (found.p_value <= 0.05)
