"""The published schemas say what the code writes, no more and no less."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from made_records import MAIN_EXAMPLE, make_plan, make_record, make_reply, make_summary
from made_values import built
from msgspec.structs import replace

from pytest_llmbench.analysis.patterns import PatternKind
from pytest_llmbench.analysis.summary import summarise, variance_report
from pytest_llmbench.calls.request import ModelFacts, WarmupResult
from pytest_llmbench.checks.reply import Backoff, Reply, Timings, ToolCall, Usage
from pytest_llmbench.checks.verdict import Behaviour, CheckResult, FailureMode
from pytest_llmbench.policy.baseline import Baseline
from pytest_llmbench.policy.decision import decide
from pytest_llmbench.policy.feedback import harness_feedback
from pytest_llmbench.policy.thresholds import METHODS, PolicyThresholds
from pytest_llmbench.policy.window import RunEvidence
from pytest_llmbench.prompts.context import SentContext
from pytest_llmbench.runs.record import Attempt, Fault, Outcome, Record
from pytest_llmbench.runs.schemas import load_schema

if TYPE_CHECKING:
    from pytest_llmbench.prompts.suite import Json

OUTCOMES: Final = get_args(Outcome)
PATTERNS: Final = get_args(PatternKind)


def faults(schema: dict[str, Any], value: object) -> list[str]:
    """Return what a validator says of a value, once it has been JSON."""
    stored = json.loads(json.dumps(value, allow_nan=False))
    errors = Draft202012Validator(schema).iter_errors(stored)
    return [f"{error.json_path}: {error.message}" for error in errors]


def part(name: str, definition: str) -> dict[str, Any]:
    """Return the closed schema of one part of a file."""
    whole = load_schema(name)
    return {
        "$ref": f"{whole['$id']}#/$defs/{definition}",
        "unevaluatedProperties": False,
        "$defs": {whole["$id"]: whole},
    }


SLOW: Final = Attempt(outcome="timeout", kind="stalled", message="")
RECORD: Final = load_schema("record")
JOB: Final = part("summary", "job")
DECISION: Final = part("summary", "decision")
VARIANCE: Final = {
    **load_schema("summary")["properties"]["variance"],
    "$defs": load_schema("summary")["$defs"],
}
FEEDBACK: Final = load_schema("harness_feedback")


SCALARS: Final = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
JSON: Final[st.SearchStrategy[Json]] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)
WORD: Final = st.text(max_size=5)
MS: Final = st.none() | st.floats(min_value=0, max_value=1e7)
TOKENS: Final = st.none() | st.integers(0, 10**6)
CALLS: Final = built(
    ToolCall,
    name=WORD,
    arguments=st.none() | st.dictionaries(WORD, JSON, max_size=2),
    channel=st.sampled_from(["native", "text:json", "text:xml"]),
    raw=WORD,
    id=WORD,
    is_salvaged=st.booleans(),
    fault=WORD,
)
REPLIES: Final = built(
    Reply,
    text=WORD,
    thinking=WORD,
    tool_calls=st.lists(CALLS, max_size=2).map(tuple),
    finish_reason=st.none() | WORD,
    usage=built(
        Usage, prompt_tokens=TOKENS, cached_tokens=TOKENS, output_tokens=TOKENS
    ),
    timings=built(Timings, **dict.fromkeys(Timings.__struct_fields__, MS)),
    deltas=st.integers(0, 99),
)
RECORDS: Final = built(
    Record,
    trial_id=WORD,
    suite=WORD,
    phase=WORD,
    model=WORD,
    variant=WORD,
    spec=WORD,
    run=st.integers(1, 99),
    prompt_id=WORD,
    prompt_hash=st.text("0123456789abcdef", min_size=16, max_size=16),
    category=WORD,
    outcome=st.sampled_from(OUTCOMES),
    checks=st.lists(
        built(
            CheckResult,
            name=WORD,
            passed=st.booleans(),
            expected=WORD,
            got=WORD,
            why=WORD,
        ),
        max_size=2,
    ).map(tuple),
    behaviour=st.none() | st.sampled_from(get_args(Behaviour)),
    expects_no_tool=st.booleans(),
    expects_tool=st.booleans(),
    wrong_tools=st.lists(WORD, max_size=2).map(tuple),
    reply=st.none() | REPLIES,
    fault=st.none()
    | built(Fault, kind=st.sampled_from(["busy", "fixture"]), message=WORD),
    attempts=st.integers(1, 9),
    earlier_attempts=st.lists(
        built(
            Attempt,
            outcome=st.sampled_from(["timeout", "error"]),
            kind=st.sampled_from(["stalled", "unreachable", "fixture"]),
            message=WORD,
        ),
        max_size=2,
    ).map(tuple),
    seed=st.none() | st.integers(0, 2**31 - 1),
    started_at=st.just("") | st.datetimes().map(lambda at: f"{at.isoformat()}+00:00"),
    is_resident=st.none() | st.booleans(),
    worker=WORD,
    context=st.none()
    | built(
        SentContext,
        asked_tokens=st.integers(256, 10**6),
        position=st.sampled_from(["start", "middle", "end"]),
        num_ctx=st.none() | st.integers(256, 10**6),
        estimated_tokens=TOKENS,
        sent_chars=TOKENS,
        filler_chars=TOKENS,
        nonce=WORD,
        counted_tokens=TOKENS,
    ),
    backoffs=st.lists(
        built(
            Backoff,
            kind=st.sampled_from(["busy", "rate_limited", "faltered"]),
            message=WORD,
            wait_s=st.floats(min_value=0, max_value=1e6),
            at=st.datetimes().map(lambda at: f"{at.isoformat()}+00:00"),
        ),
        max_size=2,
    ).map(tuple),
)


@given(record=RECORDS)
def test_every_record_is_valid(record: Record) -> None:
    """Whatever a trial comes to, its line fits the schema."""
    assert faults(RECORD, record.to_json()) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("outcome", "passed"),
        ("behaviour", "called"),
        ("run", 0),
        ("run", 1.5),
        ("seed", -1),
        ("prompt_hash", "hash-P1"),
        ("started_at", "yesterday"),
        ("fault", {"kind": "bad luck", "message": ""}),
        ("surprise", 1),
        ("schema_version", 2),
    ],
)
def test_a_wrong_record_is_refused(key: str, value: object) -> None:
    """A value that the code never writes is a fault, and the only one."""
    right = full_record().to_json()
    assert faults(RECORD, right) == []
    assert len(faults(RECORD, {**right, key: value})) == 1


def full_record() -> Record:
    """Make a record in which nothing is left out."""
    call = ToolCall(name="f", arguments={"city": "Oslo"})
    return make_record(
        prompt_hash="0" * 16,
        checks=(CheckResult(name="tools", passed=True),),
        behaviour="called_right",
        reply=replace(make_reply(), tool_calls=(call,)),
        fault=Fault(kind="stalled", message="slow"),
    )


@st.composite
def grids(draw: st.DrawFn) -> dict[str, str]:
    """Draw the outcomes of some prompts over some runs."""
    runs = draw(st.integers(1, 4))
    rows = st.text("PFTES.", min_size=runs, max_size=runs)
    names = st.sampled_from(["P1", "P2", "L1:2048", "L1:8192", "L2:2048"])
    return draw(st.dictionaries(names, rows, min_size=1))


@given(
    grid=grids(),
    tools=st.fixed_dictionaries(
        {"expects_tool": st.booleans(), "expects_no_tool": st.booleans()},
        optional={
            "category": st.sampled_from(["wrong_tool", "action"]),
            "behaviour": st.sampled_from(get_args(Behaviour)),
            "failure_mode": st.sampled_from(get_args(FailureMode)),
            "is_resident": st.booleans(),
            "phase": st.just("tool_use"),
            "earlier_attempts": st.just((SLOW,)),
        },
    ),
    accuracy=st.none() | st.floats(0, 1),
)
def test_every_summary_and_decision_is_valid(
    grid: dict[str, str], tools: dict[str, object], accuracy: float | None
) -> None:
    """Whatever the trials came to, summary, variance and decision fit."""
    summary = make_summary(grid, **tools)
    hashes = {name: f"hash-{name}" for name in ("P1", "P2")}
    base = (
        None
        if accuracy is None
        else Baseline(
            spec="b",
            run_id="r",
            accuracy=accuracy,
            prompt_hashes=hashes,
            prompts=dict.fromkeys(hashes, (2, 3)),
        )
    )
    assert faults(JOB, summary.to_json()) == []
    for method in METHODS:
        limits = PolicyThresholds(method=method)
        decision = decide(summary, limits, base, {"num_ctx": 4096})
        assert faults(DECISION, decision.to_json()) == []
    assert faults(VARIANCE, variance_report([summary])) == []


def test_failure_modes_are_the_judges() -> None:
    """The schema allows the judge's words, and no other."""
    modes = load_schema("summary")["$defs"]["failure_modes"]
    assert modes["propertyNames"]["enum"] == list(get_args(FailureMode))


def test_a_summary_of_nothing_is_valid() -> None:
    """A planned job without a record has nulls where they are allowed."""
    assert faults(JOB, summarise([], make_plan(MAIN_EXAMPLE)).to_json()) == []


def test_the_tier_is_valid() -> None:
    """A tool-use spec carries its tier."""
    plan = make_plan({"P1": "PF"}, phase="tool_use")
    records = [make_record("P1", 1, "P"), make_record("P1", 2, "F")]
    job = summarise(records, plan).to_json()
    assert job["tier"] == 2
    assert faults(JOB, job) == []


EVIDENCE: Final = built(
    RunEvidence,
    model=st.sampled_from(["m", "n:1b"]),
    phase=st.sampled_from(["atomic", "extended", "format"]),
    run_id=st.just("r"),
    run=st.integers(1, 3),
    passed=st.integers(0, 6),
    total=st.just(0) | st.integers(6, 12),
    prompts=st.dictionaries(
        st.sampled_from(["P1", "P2"]), st.sampled_from(["fail", "fail", *OUTCOMES])
    ),
    patterns=st.dictionaries(st.sampled_from(["P1", "P2"]), st.sampled_from(PATTERNS)),
)


@given(history=st.lists(EVIDENCE, max_size=20))
def test_every_feedback_is_valid(history: list[RunEvidence]) -> None:
    """Whatever earlier runs came to, the feedback fits."""
    feedback = {"schema_version": 1, **harness_feedback(history)}
    assert faults(FEEDBACK, feedback) == []


def test_facts_and_warmups_are_valid() -> None:
    """A server that tells nothing of a model, and a failed warm-up, fit."""
    facts = {"model": "m", **ModelFacts(server="s").to_json()}
    assert faults(part("inventory", "model"), facts) == []
    warmup = WarmupResult(model="m", server="s", status="failed", detail="why")
    assert faults(part("inventory", "warmup"), warmup.to_json()) == []
