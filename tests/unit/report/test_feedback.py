"""The feedback and a routing answer for a reader."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pytest_llmbench.policy.feedback import harness_feedback
from pytest_llmbench.policy.routing import best_for, may_do
from pytest_llmbench.policy.routing_rules import RoutingRules
from pytest_llmbench.policy.window import RunEvidence, last_runs
from pytest_llmbench.report.feedback import age, feedback_lines, routing_lines

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RULES = RoutingRules()


def ran(passed: int, **changes: object) -> RunEvidence:
    """Make one run of ten trials."""
    fields: dict[str, Any] = {
        "model": "small:1b",
        "phase": "atomic",
        "suite": "atomic",
        "run_id": "r1",
        "run": 1,
        "passed": passed,
        "total": 10,
    }
    return RunEvidence(**{**fields, **changes})


COLD = [
    ran(
        9,
        run=number,
        prompts={"P6": "fail"},
        patterns={"P6": "cold_start"},
        at="2026-11-21T12:00:00+00:00",
        digest="new" if number > 1 else "old",
        latency_p50_ms=431.0,
        usd_per_pass=0.0123,
    )
    for number in range(1, 4)
]
WEAK = [ran(4, model="other:7b", phase="extended", suite="long")]


def test_the_tables_whole() -> None:
    """Where nothing limits the width each row is one line."""
    assert feedback_lines(harness_feedback([*COLD, *WEAK]), None) == [
        "model     phase     runs  accuracy               what to do",
        (
            "other:7b  extended  1     40 % (4/10, 17-69 %)   disable for stateful;"
            " send it to anthropic/claude-haiku-5-5"
        ),
        (
            "small:1b  atomic    3     90 % (27/30, 74-97 %)  allow for bounded tasks,"
            " with warm-up"
        ),
        "",
        "failed in more than 2 of the last 8 runs",
        "model     phase   suite   prompt  failed in  cold start or capability?",
        (
            "small:1b  atomic  atomic  P6      3 of 3     cold start: it fails while"
            " the model is cold; warm it up"
        ),
    ]


def test_the_tables_fit_a_terminal() -> None:
    """A long model name and the last column are broken, nothing is cut."""
    name = "registry.example/team/a-model-with-a-long-name:70b-q4"
    feedback = harness_feedback([ran(2, model=name, phase="extended")])
    lines = feedback_lines(feedback, 80)
    assert max(map(len, lines)) <= 80
    named = "".join(line[:17].strip() for line in lines[1:5])
    assert named == name
    assert name in feedback_lines(feedback, None)[1]


def test_a_terminal_may_be_very_narrow() -> None:
    """Where nothing fits there are lines all the same."""
    lines = feedback_lines(harness_feedback([*COLD, *WEAK]), 10)
    assert any("stateful" in line for line in lines)


def test_nothing_stored_and_nothing_hot() -> None:
    """An empty history says how to begin, a healthy one that nothing keeps failing."""
    assert feedback_lines(harness_feedback([]), 80) == [
        "no stored run yet: pytest SUITES --model MODEL --runs 7"
    ]
    lines = feedback_lines(harness_feedback([ran(10)]), 80)
    assert lines[-1] == "no prompt failed in more than 2 of the last 8 runs"
    down = feedback_lines(harness_feedback([ran(0, total=0)]), None)
    assert down[1] == "small:1b  atomic  0     -         no evidence"


def test_names_cannot_write_to_the_terminal() -> None:
    """Control characters in a stored name are shown, not sent."""
    feedback = harness_feedback([ran(10, model="m\x1b[31m")])
    assert "\x1b" not in "".join(feedback_lines(feedback, 80))


def test_a_route_whole() -> None:
    """Who gets the work stands alone on the first line; the evidence follows."""
    found = best_for(last_runs([*COLD, ran(9, model="b")]), "atomic", RULES, NOW)
    assert routing_lines(found) == [
        "small:1b",
        "  phase          atomic",
        "  decision       allow small:1b",
        "  because        atomic accuracy 0.9 (27 of 30 trials, last 3 runs): at least",
        "                 0.80; a cold start was seen",
        "  requires       warm-up",
        "  accuracy       90 % (27/30, 74-97 %) over 3 runs",
        "  latency p50    431 ms",
        "  cost           $0.0123 per passed trial",
        "  newest run     r1, 3 days old",
        "  build          new (2 runs); before it old (1 run)",
        "  hot failure    P6 failed in 3 of 3; cold start: it fails while the model is",
        "                 cold; warm it up",
        "  not chosen     b: allow; 90 % (9/10, 60-98 %)",
    ]


def test_a_denied_route() -> None:
    """The fallback is on the first line, and what the denied model showed below."""
    lines = routing_lines(may_do(last_runs(WEAK), "extended", "other:7b", RULES, NOW))
    assert lines[0] == "anthropic/claude-haiku-5-5"
    assert "  decision       deny other:7b" in lines
    assert "  newest run     r1, of unknown age" in lines


def test_a_fallback_that_is_denied_itself() -> None:
    """Nobody is named, and the setting to change is."""
    rules = RoutingRules(fallback="other:7b")
    lines = routing_lines(may_do(last_runs(WEAK), "extended", "other:7b", rules, NOW))
    assert lines[0] == "nobody"
    assert any("set routing.fallback" in line for line in lines)


def test_ages() -> None:
    """The largest whole unit is shown."""
    shown = [age(value) for value in (0, 60, 3_599, 3_600, 86_400, 200_000)]
    assert shown == [
        *["less than a minute", "1 minute", "59 minutes", "1 hour", "1 day", "2 days"]
    ]
