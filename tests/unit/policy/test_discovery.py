"""Which specs are tried against a baseline, and why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_cycles import make_job
from made_records import MAIN_EXAMPLE, make_reply

from pytest_llmbench.policy.discovery import (
    LADDER_S,
    Symptoms,
    as_given,
    discover,
    symptoms_of,
)
from pytest_llmbench.prompts.spec import Spec, parse_spec

BASE = parse_spec("m:1b / atomic / native_api / t60 r1 i0 w1")
COLD = parse_spec("m:1b / atomic / native_api / t60 r1 i0 w0")
VARIANTS = ("native_api", "text", "xml")
WELL = Symptoms(runs=7, p95_ms=900.0)


def make_symptoms(**fields: Any) -> Symptoms:  # noqa: ANN401 - fields
    """Make symptoms; Hypothesis can't read their types, which only mypy imports."""
    return Symptoms(**fields)


def moves(
    spec: Spec, symptoms: Symptoms | None, asked: tuple[str, ...] = ()
) -> list[str]:
    """Return knob and value of each discovered candidate."""
    found = discover(spec, symptoms, VARIANTS, asked)
    return [f"{one.knob} {one.before} -> {one.to}" for one in found]


def test_a_healthy_baseline_leaves_nothing_to_try() -> None:
    """No fault seen, nothing that a knob could cure; nor without any evidence."""
    assert moves(BASE, WELL) == []
    assert moves(COLD, WELL) == []
    assert moves(BASE, None) == []


def test_a_cold_start_asks_for_warm_up() -> None:
    """The pattern of the main example leads to w1 and to nothing else."""
    symptoms = symptoms_of([make_job(MAIN_EXAMPLE)])
    assert symptoms is not None
    assert symptoms.cold_start == ("P6", "P7", "P9")
    assert symptoms.failing == ()
    (found,) = discover(COLD, symptoms, VARIANTS)
    assert found.spec == "m:1b / atomic / native_api / t60 r1 i0 w1"
    assert found.reason == "cold start: P6, P7, P9 failed first, then passed"
    assert found.is_cure


def test_no_evidence_lets_a_cold_baseline_try_warm_up() -> None:
    """With nothing stored, warm-up is the one knob worth a guess."""
    assert moves(COLD, None) == ["warm_up 0 -> 1"]
    assert not discover(COLD, None, VARIANTS)[0].is_cure


@pytest.mark.parametrize(
    ("timeout_s", "p95_ms", "expected"),
    [
        (60, 55_000.0, ["timeout 60 -> 120"]),
        (60, 4_000.0, ["timeout 60 -> 120", "timeout 60 -> 30"]),
        (60, None, ["timeout 60 -> 120"]),
        (45, 4_000.0, ["timeout 45 -> 60", "timeout 45 -> 30"]),
        (300, 290_000.0, []),
        (20, 4_000.0, ["timeout 20 -> 30"]),
    ],
)
def test_timeouts_move_one_rung(
    timeout_s: int, p95_ms: float | None, expected: list[str]
) -> None:
    """Up where calls timed out, also down where the others leave room."""
    spec = parse_spec(f"m:1b / atomic / native_api / t{timeout_s} r2 i0 w1")
    assert moves(spec, Symptoms(runs=7, timed_out=2, p95_ms=p95_ms)) == expected
    assert moves(spec, Symptoms(runs=7, timed_out_once=2, p95_ms=p95_ms)) == expected


def test_retries_need_what_a_retry_asks_again() -> None:
    """Refused connections and timeouts count, other errors do not, and 2 is the end."""
    refused = Symptoms(runs=7, errors={"unreachable": 3})
    assert moves(BASE, refused) == ["retries 1 -> 2"]
    assert "retries 1 -> 2" in moves(BASE, Symptoms(runs=7, timed_out=1))
    assert moves(BASE, Symptoms(runs=7, errors={"server_fault": 3})) == []
    assert moves(parse_spec("m:1b atomic native_api r2"), refused) == []


def test_isolation_needs_a_crash() -> None:
    """On where our process broke, off where the child did."""
    crashed = Symptoms(runs=7, errors={"worker_crashed": 1})
    died = Symptoms(runs=7, errors={"isolation_failed": 1})
    isolated = parse_spec("m:1b atomic native_api i1")
    assert moves(BASE, crashed) == ["isolation 0 -> 1"]
    assert moves(isolated, crashed) == []
    assert moves(isolated, died) == ["isolation 1 -> 0"]


def test_variants_need_a_wrong_answer_or_the_users_word() -> None:
    """All known ones where prompts are answered wrong; asked ones come first."""
    failing = Symptoms(runs=7, failing=("P1",))
    assert moves(BASE, failing) == [
        "variant native_api -> text",
        "variant native_api -> xml",
    ]
    assert moves(BASE, WELL, ("xml", "native_api")) == ["variant native_api -> xml"]
    assert moves(BASE, failing, ("xml",)) == [
        "variant native_api -> xml",
        "variant native_api -> text",
    ]


def test_timeouts_are_no_wrong_answers() -> None:
    """A prompt that only times out asks for no other variant; a wrong one does."""
    symptoms = symptoms_of([make_job({"P1": "TPTPTP", "P2": "FPFPPP", "P3": "PPPPPP"})])
    assert symptoms is not None
    assert symptoms.failing == ("P2",)
    assert symptoms.timed_out == 3
    assert symptoms.p95_ms is None


def test_too_few_runs_are_no_evidence() -> None:
    """One run cannot show that there is no cold start."""
    assert symptoms_of([]) is None
    assert symptoms_of([make_job({"P1": "P"})]) is None
    assert symptoms_of([make_job({"P1": "PP"}), make_job({"P1": "P"})]) is None


def test_several_suites_are_taken_together() -> None:
    """Prompts of both are named, and the slower p95 counts."""
    grid = {f"P{number}": "PPPPP" for number in range(1, 6)}
    assert make_reply().timings.e2e_ms == 1000
    quick = make_job(grid, latency={"e2e_ms": {"p95": 500.0}})
    both = [quick, make_job({"Q1": "FPFPF", **grid})]
    symptoms = symptoms_of(both)
    assert symptoms is not None
    assert (symptoms.failing, symptoms.p95_ms) == (("Q1",), 1000)


def test_given_candidates_name_their_knob() -> None:
    """One knob away is said so; anything else is no move of a knob."""
    one = as_given(BASE, parse_spec("m:1b atomic native_api t60 r1 w0"))
    assert (one.knob, one.before, one.to) == ("warm_up", "1", "0")
    assert as_given(BASE, parse_spec("m:1b atomic text t60 r1")).knob == "variant"
    assert as_given(BASE, parse_spec("m:1b atomic text t60 r0")).knob is None
    assert as_given(BASE, parse_spec("m:2b atomic native_api t60 r1")).knob is None


@given(
    timeout_s=st.sampled_from([*LADDER_S, 1.0, 45.0, 1000.0]),
    retries=st.integers(0, 3),
    flags=st.tuples(st.booleans(), st.booleans()),
    symptoms=st.none()
    | st.builds(
        make_symptoms,
        runs=st.integers(2, 9),
        cold_start=st.sampled_from([(), ("P1",)]),
        failing=st.sampled_from([(), ("P2",)]),
        timed_out=st.integers(0, 2),
        timed_out_once=st.integers(0, 2),
        errors=st.dictionaries(
            st.sampled_from(["unreachable", "worker_crashed", "isolation_failed"]),
            st.integers(1, 3),
        ),
        p95_ms=st.none() | st.floats(1, 1e6),
    ),
)
def test_every_candidate_is_one_knob_away(
    timeout_s: float, retries: int, flags: tuple[bool, bool], symptoms: Symptoms | None
) -> None:
    """Whatever is seen: no candidate twice, none the baseline, each one knob away."""
    words = f"t{timeout_s:f} r{retries} i{int(flags[0])} w{int(flags[1])}"
    spec = parse_spec(f"m:1b atomic text {words}")
    found = discover(spec, symptoms, VARIANTS)
    texts = [one.spec for one in found]
    assert len(set(texts)) == len(texts)
    for one in found:
        given_back = as_given(spec, parse_spec(one.spec))
        assert given_back.knob == one.knob is not None
        assert (given_back.before, given_back.to) == (one.before, one.to)
        assert one.before != one.to
        assert one.reason
