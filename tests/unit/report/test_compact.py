"""The compact text: small, within its budget, and nothing that matters lost."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import MAIN_EXAMPLE, make_plan, make_records

from pytest_llmbench.analysis.summary import JobSummary, summarise
from pytest_llmbench.policy.baseline import Baseline
from pytest_llmbench.policy.decision import decide
from pytest_llmbench.policy.feedback import harness_feedback
from pytest_llmbench.policy.routing_rules import RoutingRules
from pytest_llmbench.policy.thresholds import PolicyThresholds
from pytest_llmbench.policy.window import job_runs, summary_jobs
from pytest_llmbench.report.compact import Compact, compact, count_tokens
from pytest_llmbench.report.markdown import markdown
from pytest_llmbench.report.view import RunView, job_view

RUN_ID: Final = "20261121T095724000Z-c8e9bb"
FALLBACK: Final = "anthropic/claude-haiku-5-5"
TRAILER: Final = re.compile(r"left out for the budget: (.+)")
TARGET: Final = re.compile(
    r"\[(?P<model>\S+) (?P<phase>\S+)\]"
    r"(?: (?P<passed>\d+)/(?P<total>\d+) (?P<accuracy>\S+)"
    r"(?: \((?P<low>[\d.]+)-(?P<high>[\d.]+)\))? (?P<runs>\d+) runs?:"
    r" (?P<action>\w+)(?P<required>(?: \+\S+)*)(?: -> (?P<fallback>\S+))?)?"
)
DECISION: Final = re.compile(
    r"- (?P<suite>\S+) (?P<own>[^:]+): (?P<word>[A-Z]+|baseline)(?: (?P<code>[a-z_]+))?"
    r" (?P<accuracy>[\d.]+|-) n(?P<n>\d+)(?:; (?P<detail>.+))?"
)
HOT: Final = re.compile(r"! (?P<suite>\S+) (?P<pattern>\w+) (?P<prompts>.+)")

COLD: Final = {**MAIN_EXAMPLE, "P6": "FFFFPPP", "P11": "FFFFFFF"}
WEAK: Final = {f"P{number}": "FTFFF" for number in range(1, 9)} | {"P9": "PPPPP"}
GOOD: Final = {f"P{number}": "PPPPPPP" for number in range(1, 13)}


def job(grid: dict[str, str], model: str, phase: str, flags: str) -> JobSummary:
    """Sum up one spec."""
    spec = f"{model} / {phase} / native_api / {flags}"
    fields = {"spec": spec, "model": model, "phase": phase, "suite": phase}
    return summarise(make_records(grid, **fields), make_plan(grid, **fields))


JOBS: Final = (
    job(COLD, "small:1b", "atomic", "t60 r0 i0 w0"),
    job(GOOD, "small:1b", "atomic", "t60 r0 i0 w1"),
    job(COLD, "other:7b", "atomic", "t60 r1 i0 w0 temperature=0.2"),
    job(WEAK, "other:7b", "extended", "t60 r0 i0 w1"),
)


def run_summary(*jobs: JobSummary) -> dict[str, Any]:
    """Return the summary.json of jobs, each held against the first."""
    baseline = Baseline(
        spec=jobs[0].spec,
        run_id=RUN_ID,
        accuracy=jobs[0].accuracy or 0.0,
        prompt_hashes=jobs[0].plan.prompt_hashes,
    )
    return {
        "run_id": RUN_ID,
        "job_summaries": [one.to_json() for one in jobs],
        "policy_decisions": [
            decide(one, PolicyThresholds(), baseline, {}).to_json() for one in jobs
        ],
    }


def feedback_of(summary: dict[str, Any]) -> dict[str, Any]:
    """Return the feedback on one run."""
    runs = [run for one in summary_jobs(summary) for run in job_runs(one)]
    return harness_feedback(runs, RoutingRules(fallback=FALLBACK))


SUMMARY: Final = run_summary(*JOBS)
FEEDBACK: Final = feedback_of(SUMMARY)


def told(budget_tokens: int = 10_000, **changes: Any) -> Compact:  # noqa: ANN401 - inputs
    """Return the text of the example, or of what takes its place."""
    parts = {"feedback": FEEDBACK, "summary": SUMMARY, "fallback": FALLBACK, **changes}
    return compact(**parts, budget_tokens=budget_tokens)


def read(text: str) -> dict[str, Any]:
    """Read a compact text back, as whoever reads it must be able to."""
    head, fallback, *lines = text.splitlines()
    found: dict[str, Any] = {"head": head, "fallback": fallback.split()[1]}
    found |= {"decisions": [], "advice": {}, "hot": [], "left_out": ""}
    model = phase = ""
    for line in lines:
        if trailer := TRAILER.fullmatch(line):
            found["left_out"] = trailer[1]
        elif target := TARGET.fullmatch(line):
            model, phase = target["model"], target["phase"]
            if target["action"]:
                found["advice"][f"{model}::{phase}"] = target.groupdict()
        elif one := DECISION.fullmatch(line):
            own = one["own"].split(" ", 1)
            spec = f"{model} / {phase} / {' / '.join(own)}"
            found["decisions"].append({**one.groupdict(), "spec": spec})
        else:
            hot = HOT.fullmatch(line)
            assert hot is not None, line
            for prompt in hot["prompts"].split(", "):
                name, _, counts = prompt.partition(" ")
                of = (model, phase, hot["suite"], name, hot["pattern"])
                found["hot"].append((*of, *map(int, counts.split("/"))))
    return found


def test_every_decision_is_there() -> None:
    """Spec, suite, decision, code, accuracy and number of runs come back."""
    found = {(one["spec"], one["suite"]): one for one in read(told().text)["decisions"]}
    assert len(found) == len(SUMMARY["job_summaries"]) == 4
    for job_json, decision in zip(
        SUMMARY["job_summaries"], SUMMARY["policy_decisions"], strict=True
    ):
        one = found[job_json["spec"], job_json["suite"]]
        assert one["word"] == decision["decision"]
        assert one["code"] == decision["code"]
        assert float(one["accuracy"]) == pytest.approx(job_json["accuracy"], abs=1e-4)
        assert int(one["n"]) == job_json["n"]
    words = {one["word"] for one in found.values()}
    assert words == {"PROMOTE", "HOLD", "REJECT"} - ({"REJECT"} - words)


def test_every_recommendation_is_there() -> None:
    """Action, requirements, fallback, counts and interval come back."""
    found = read(told().text)
    assert found["fallback"] == FALLBACK
    assert list(found["advice"]) == [
        one["target"] for one in FEEDBACK["recommendations"]
    ]
    for one in FEEDBACK["recommendations"]:
        advice = found["advice"][one["target"]]
        seen = FEEDBACK["model_phase_accuracy"][one["target"]]
        assert advice["action"] == one["action"]
        required = [name.removeprefix("+") for name in advice["required"].split()]
        assert required == one["requirements"]
        assert advice["fallback"] == one["fallback"]
        counts = [int(advice[name]) for name in ("passed", "total", "runs")]
        assert counts == [seen["passed"], seen["total"], seen["runs"]]
        assert float(advice["accuracy"]) == pytest.approx(seen["accuracy"], abs=1e-4)
        assert float(advice["low"]) == pytest.approx(seen["low"], abs=0.005)
    actions = {one["action"] for one in found["advice"].values()}
    assert actions >= {"allow_for_bounded_tasks", "disable_for_stateful"}


def test_every_hot_failure_is_there() -> None:
    """Model, phase, suite, prompt, pattern and counts come back."""
    wanted = [
        (
            *(one["model"], one["phase"], one["suite"], one["prompt_id"]),
            *(one["pattern"], one["failed_in"], one["of"]),
        )
        for one in FEEDBACK["hot_failures"]
    ]
    assert len(wanted) >= 10
    assert {one[4] for one in wanted} >= {"cold_start", "incapable"}
    assert sorted(read(told().text)["hot"]) == sorted(wanted)


def test_a_code_and_more_runs_are_told() -> None:
    """A HOLD says by its code and numbers why, and how many more runs it needs."""
    summary = run_summary(JOBS[0])
    summary["policy_decisions"][0] |= {"more_runs": 4}
    (one,) = read(told(summary=summary).text)["decisions"]
    assert one["code"] == "variance_too_high"
    assert one["detail"].startswith("variance 0.0")
    assert one["detail"].endswith(" > 0.0025, needs 4 more runs")


def test_a_decision_stored_without_a_code() -> None:
    """What an older version has stored is told by its gate's name."""
    summary = run_summary(*JOBS[:2])
    for decision in summary["policy_decisions"]:
        del decision["code"]
        del decision["more_runs"]
    codes = [one["code"] for one in read(told(summary=summary).text)["decisions"]]
    assert codes == ["variance", "promoted"]


def test_a_baseline_of_the_session_is_named_as_such() -> None:
    """A spec without a decision is what the others were held against."""
    summary = run_summary(*JOBS[:2])
    del summary["policy_decisions"][0]
    first, second = read(told(summary=summary).text)["decisions"]
    assert (first["word"], first["code"]) == ("baseline", None)
    assert second["word"] == "PROMOTE"


def test_no_run_at_all() -> None:
    """Without a history the fallback is all there is to say."""
    found = compact(harness_feedback([]), None, FALLBACK)
    assert found.text == f"llmbench: no stored run\nfallback {FALLBACK}\n"


ORDER: Final = ("detail", "interval", "hot failure", "advice", "decision")


def in_text(text: str) -> dict[str, int]:
    """Count what a text tells, by kind."""
    found = read(text)
    return {
        "detail": sum(bool(one["detail"]) for one in found["decisions"]),
        "interval": sum(bool(one["low"]) for one in found["advice"].values()),
        "hot failure": len(found["hot"]),
        "advice": len(found["advice"]),
        "decision": len(found["decisions"]),
    }


WHOLE: Final = in_text(told().text)


@given(budget=st.integers(20, 500))
def test_a_budget_is_kept_and_what_it_costs_is_said(budget: int) -> None:
    """What is told and what is counted as left out are all there is, in order."""
    found = told(budget)
    kept = in_text(found.text)
    lost: dict[str, int] = dict(found.left_out.items())
    assert found.tokens == count_tokens(found.text)
    assert found.tokens <= budget or not any(kept.values())
    for kind in ("hot failure", "advice", "decision"):
        assert kept[kind] + lost.get(kind, 0) == WHOLE[kind], kind
    assert bool(lost) == bool(read(found.text)["left_out"])
    assert re.findall(r"\d+", read(found.text)["left_out"]) == [
        str(number) for number in lost.values()
    ]
    later = ORDER[1:]
    for kind, next_kind in zip(ORDER, later, strict=False):
        if lost.get(next_kind):
            assert kept[kind] == 0, (kind, next_kind)


def test_the_whole_text_says_of_no_loss() -> None:
    """With room for all there is no last line."""
    found = told(10_000)
    assert found.left_out == {}
    assert "left out" not in found.text


def test_what_fits_exactly_is_whole() -> None:
    """A budget of just the size keeps all; one token less does not."""
    size = told().tokens
    assert told(size).left_out == {}
    assert told(size - 1).left_out
    assert told(size - 1).tokens <= size - 1
    partly = told(150)
    assert told(partly.tokens) == partly


def test_the_rarest_hot_failures_go_first() -> None:
    """What fails most often stays longest."""
    budgets = range(told().tokens, 20, -1)
    partly = next(
        found
        for found in map(told, budgets)
        if 0 < found.left_out.get("hot failure", 0) < WHOLE["hot failure"]
    )
    failed = sorted(one["failed_in"] for one in FEEDBACK["hot_failures"])
    kept = sorted(one[5] for one in read(partly.text)["hot"])
    assert kept == failed[-len(kept) :]


def test_promotions_stay_longest() -> None:
    """Of decisions those that change what runs next go last."""
    budgets = range(told().tokens, 20, -1)
    last = next(
        found for found in map(told, budgets) if in_text(found.text)["decision"] == 1
    )
    assert read(last.text)["decisions"][0]["word"] == "PROMOTE"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("abcd", 1),
        ("abcde", 2),
        ("123", 1),
        ("1234", 2),
        ("a_b", 3),
        ("é", 2),
        ("日本", 6),
        ("a" + " " * 15, 4),
    ],
)
def test_tokens_are_counted_high(text: str, tokens: int) -> None:
    """Pieces of four letters or three digits, marks one by one, bytes of the rest."""
    assert count_tokens(text) == tokens


@given(st.text(), st.text())
def test_a_longer_text_has_no_fewer_tokens(text: str, more: str) -> None:
    """The count grows with the text, and is never below a quarter of its length."""
    assert count_tokens(text + more) >= count_tokens(text) >= len(text) / 4


def test_it_is_much_smaller_than_what_it_stands_for() -> None:
    """The run's summary.md and harness_feedback.json take five times the tokens."""
    jobs = tuple(
        job_view(one, decide(one, PolicyThresholds(), None, {}), None) for one in JOBS
    )
    report = markdown(RunView(run_id=RUN_ID, jobs=jobs))
    stored = json.dumps({"schema_version": 1, **FEEDBACK}, indent=2)
    size = told().tokens
    assert count_tokens(report) >= 5 * size
    assert count_tokens(report + stored) >= 8 * size
