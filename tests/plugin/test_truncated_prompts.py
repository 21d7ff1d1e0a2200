"""Prompts that a server cuts, each way it can, through a whole run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from fake_ollama import Answer, FakeModel, FakeSettings, says

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import FakeCall, FakeOllama

GRANTED: Final = 900
SUITE: Final = """
suite: long
phase: long_context
defaults: {options: {num_predict: 300}}
prompts:
  - id: L1
    prompt: Reply with exactly READY.
    context: {tokens: [400, 1600]}
    expect: {exact: READY}
"""
WAYS: Final[dict[str, tuple[FakeSettings, str, str]]] = {
    "refused": (FakeSettings(), "context_overflow", "exceeds the available context"),
    "shown in /api/ps": (
        FakeSettings(knows_truncate=False),
        "truncated",
        "gives a context of 900 tokens where 2048 were asked for",
    ),
    "half of a context that is not shown": (
        FakeSettings(knows_truncate=False, shows_grant=False),
        "truncated",
        "counted 452 prompt tokens where",
    ),
    "all of a context that is not shown": (
        FakeSettings(knows_truncate=False, shows_grant=False, cuts_to="whole"),
        "truncated",
        "counted 900 prompt tokens where",
    ),
}


def ready(_call: FakeCall) -> Answer:
    """Say READY to everything, whole or not."""
    return says("READY")


def by_length(bench: Bench, tokens: int) -> list[dict[str, Any]]:
    """Return the records of one length."""
    name = f"L1:{tokens}"
    return [one for one in bench.records() if one["prompt_id"] == name]


@pytest.mark.parametrize("way", WAYS)
def test_a_prompt_that_was_cut_is_no_answer(
    bench: Bench, serve: Callable[..., FakeOllama], way: str
) -> None:
    """What fits is judged; what was cut is an error, counts for nobody, and HOLDs."""
    settings, kind, said = WAYS[way]
    serve(FakeModel(answer=ready, granted_num_ctx=GRANTED), settings=settings)
    bench.suite(SUITE, "long")
    result = bench.run("--model", "fake:1b", "--runs", "3", "--gate", "no-reject")
    result.assert_outcomes(passed=3, errors=3)
    assert {one["outcome"] for one in by_length(bench, 400)} == {"pass"}
    for record in by_length(bench, 400):
        assert record["context"]["counted_tokens"] == pytest.approx(400, rel=0.02)
    for record in by_length(bench, 1600):
        assert record["outcome"] == "error"
        assert record["fault"]["kind"] == kind
        assert said in record["fault"]["message"]
    (decision,) = bench.summary()["policy_decisions"]
    assert (decision["decision"], decision["code"]) == ("HOLD", "too_many_errors")
    (job,) = bench.summary()["job_summaries"]
    assert job["context"]["points"][1]["n"] == 0


def test_a_reply_that_fills_the_context_is_no_answer(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """It ends for length before its own limit: what it would have said is not known."""
    talkative = says("word " * 400)
    serve(
        FakeModel(answer=lambda _call: talkative, granted_num_ctx=512),
        settings=FakeSettings(shifts=False),
    )
    bench.suite(SUITE, "long")
    bench.run("--model", "fake:1b", "--runs", "1", "--prompts", "L1:400")
    (record,) = by_length(bench, 400)
    assert (record["outcome"], record["fault"]["kind"]) == ("error", "truncated")
    assert "the context of 512 tokens ended behind" in record["fault"]["message"]
    assert record["reply"]["text"].startswith("word word")


def test_a_count_that_was_cut_is_no_measure(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """Filler that the server has cut while it counted does not make lengths wrong."""
    settings = FakeSettings(knows_truncate=False, shows_grant=False)
    serve(FakeModel(answer=ready, granted_num_ctx=GRANTED), settings=settings)
    bench.suite(SUITE, "long")
    bench.run("--model", "fake:1b", "--runs", "1")
    (short,) = by_length(bench, 400)
    (long,) = by_length(bench, 1600)
    assert short["context"]["sent_chars"] == pytest.approx(400 * 4, rel=0.05)
    assert long["context"]["sent_chars"] == pytest.approx(1600 * 4, rel=0.05)
