"""`--max-cost`, cost and success: what a run was charged, and where it stops."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import SMALL_ANSWERS, Bench
from fake_ollama import FakeModel, answers_by_prompt, calls, crashes, says
from fake_openai import FakeOpenAI
from fake_openai_models import ChatModel

from pytest_llmbench.runs.schemas import load_schema
from pytest_llmbench.workplace import Workplace

if TYPE_CHECKING:
    from collections.abc import Callable

    from fake_ollama import Answer, FakeCall, FakeOllama, Fault

IN, OUT = 1.0, 10.0
RUN = ("--model", "paid", "--runs", "5", "--disable-warmup")
"""Fifteen trials, each one request."""

PAID = f"""
num_predict = 100
[models.paid]
provider = "ollama"
model = "fake:1b"
price_in_usd_per_mtok = {IN}
price_out_usd_per_mtok = {OUT}
"""
"""A call may cost a bit more than $0.001, and costs about a fifth of that."""

TALK = """
suite: talk
phase: atomic
tools:
  - name: get_weather
    parameters:
      type: object
      properties: {city: {type: string}}
prompts:
  - id: T1
    turns:
      - user: What's the weather in Oslo?
        expect: {tools: [get_weather]}
        tool_results: {get_weather: {sky: clear}}
      - user: And now reply READY.
        expect: {exact: READY}
"""


@pytest.fixture
def paid(bench: Bench, small: FakeOllama) -> FakeOllama:
    """Give the small suite's model a price."""
    bench.suite()
    (bench.pytester.path / "llmbench.toml").write_text(PAID)
    return small


def cost(record: dict[str, Any]) -> float:
    """Work a record's cost out anew."""
    usage = record["reply"]["usage"]
    counts: tuple[int, int] = usage["prompt_tokens"], usage["output_tokens"]
    return (counts[0] * IN + counts[1] * OUT) / 1e6


def answered(bench: Bench) -> list[dict[str, Any]]:
    """Return the newest run's records that have a reply."""
    return [record for record in bench.records() if record["reply"]]


def spent(bench: Bench) -> float:
    """Add up what the newest run's records cost."""
    return sum(map(cost, answered(bench)))


def words(result: pytest.RunResult) -> str:
    """Return what was printed, without line ends."""
    return " ".join(result.stdout.str().split())


def test_a_run_says_what_it_cost(bench: Bench, paid: FakeOllama) -> None:
    """Per run, per prompt and per pass, in summary.json, terminal and summary.md."""
    result = bench.run(*RUN)
    result.assert_outcomes(passed=15)
    summary = bench.summary()
    (job,) = summary["job_summaries"]
    found = job["cost"]
    assert found["usd"] == pytest.approx(spent(bench), rel=1e-12)
    assert (found["known"], found["unknown"]) == (15, 0)
    assert found["per_passed_usd"] == pytest.approx(found["usd"] / 15)
    assert sum(run["usd"] for run in found["runs"]) == pytest.approx(found["usd"])
    by_prompt = {prompt["prompt_id"]: prompt for prompt in found["prompts"]}
    p1 = [cost(one) for one in answered(bench) if one["prompt_id"] == "P1"]
    assert by_prompt["P1"]["usd"] == pytest.approx(sum(p1))
    assert by_prompt["P1"]["per_passed_usd"] == pytest.approx(sum(p1) / 5)
    assert found["tokens"]["cached_tokens"] == {"sum": None, "known": 0, "unknown": 15}
    assert found["prices"]["cached_usd_per_mtok"] is None
    assert summary["spending"]["usd"] == found["usd"]
    assert summary["spending"]["whole_run_usd"] == pytest.approx(found["usd"])
    assert " per complete run, $" in words(result)
    assert "is spent" in words(result)
    assert "over budget" not in words(result)
    assert "per passed trial" in bench.newest("summary.md").read_text()
    assert paid.loads


def test_the_budget_is_never_passed(bench: Bench, paid: FakeOllama) -> None:
    """The next call's upper estimate must fit; the rest is skipped, and HOLD."""
    limit = 0.0025
    result = bench.run(*RUN, "--max-cost", str(limit), "-rs", "--gate", "promote")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    records = bench.records()
    asked = len(paid.requests_to("/api/chat"))
    assert 0 < asked < 15
    assert [one["outcome"] for one in records] == ["pass"] * asked + ["skipped"] * (
        15 - asked
    )
    assert spent(bench) <= limit
    assert spent(bench) > limit - 0.0012  # one more might have passed it
    kinds = {one["fault"]["kind"] for one in records[asked:]}
    assert kinds == {"over_budget"}
    summary = bench.summary()
    (decision,) = summary["policy_decisions"]
    assert decision["decision"] == "HOLD"
    reason = summary["job_summaries"][0]["over_budget"]
    assert reason.startswith("--max-cost $0.0025, $0.00")
    assert f"{asked} of 15 trials ran: over budget, {reason}" in decision["reason"]
    spending = summary["spending"]
    assert spending["max_cost_usd"] == limit
    assert spending["usd"] == pytest.approx(spent(bench))
    assert spending["whole_run_usd"] == pytest.approx(
        spent(bench) / asked * 15, rel=0.2
    )
    text = words(result)
    assert "of --max-cost $0.0025" in text
    assert "the whole run would have cost about $0.00" in text
    assert "an estimate" in text
    assert f"over budget, {reason}" in text


def test_calls_in_flight_count(bench: Bench, paid: FakeOllama) -> None:
    """With four at once the budget holds as well, and is used as far as alone."""
    limit = 0.0025
    bench.run(*RUN, "--max-cost", str(limit), "--concurrency", "4")
    assert limit - 0.0012 < spent(bench) <= limit
    assert len(paid.requests_to("/api/chat")) == len(answered(bench))


def test_what_was_spent_counts_when_a_run_goes_on(
    bench: Bench, paid: FakeOllama
) -> None:
    """Resumed under its own budget nothing is asked; under a higher one the rest."""
    bench.run(*RUN, "--max-cost", "0.0018")
    asked = len(paid.requests_to("/api/chat"))
    result = bench.run("--resume", "last", "-rs")
    assert len(paid.requests_to("/api/chat")) == asked
    assert "was spent before the run went on" in words(result)
    bench.run("--resume", "last", "--max-cost", "0.0022")
    assert asked < len(answered(bench)) < 15
    assert spent(bench) <= 0.0022
    bench.run("--resume", "last", "--max-cost", "1").assert_outcomes(passed=15)
    summary = bench.summary()
    assert summary["policy_decisions"][0]["decision"] == "PROMOTE"
    assert summary["spending"]["usd"] == pytest.approx(spent(bench))
    assert summary["job_summaries"][0]["over_budget"] is None


def test_a_model_without_prices_is_refused(bench: Bench, small: FakeOllama) -> None:
    """A service's model needs prices under a budget; nothing is asked before."""
    bench.suite()
    path = bench.pytester.path / "llmbench.toml"
    path.write_text('[models.far]\nprovider = "openai"\nmodel = "m"\n')
    result = bench.run("--model", "far,fake:1b", "--max-cost", "1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--max-cost: no prices for far: give each an alias" in result.stderr.str()
    assert not small.requests_to("/api/chat")


def test_a_local_model_costs_nothing(bench: Bench, small: FakeOllama) -> None:
    """However small the budget, a model of one's own is asked."""
    bench.suite()
    result = bench.run("--model", "fake:1b", "--max-cost", "0.000001")
    result.assert_outcomes(passed=3)
    cost = bench.summary()["job_summaries"][0]["cost"]
    assert (cost["usd"], cost["known"], cost["unknown"]) == (0.0, 3, 0)
    assert "is spent" not in words(result)
    assert small.loads


def test_a_free_model_goes_on(bench: Bench, paid: FakeOllama) -> None:
    """What costs nothing is asked behind the budget's end."""
    result = bench.run("--model", "paid,fake:1b", "--max-cost", "0.0001")
    result.assert_outcomes(passed=3, skipped=3)
    assert len(answered(bench)) == 3
    assert paid.loads


def test_warming_is_paid_for(bench: Bench, paid: FakeOllama) -> None:
    """The question before the first trial is in the sum, apart from the trials."""
    result = bench.run("--model", "paid", "--max-cost", "1")
    spending = bench.summary()["spending"]
    assert spending["warmups"]["usd"] > 0
    total = spending["trials"]["usd"] + spending["warmups"]["usd"]
    assert spending["usd"] == pytest.approx(total)
    assert "warm-up $0.0" in words(result)
    bench.run("--model", "paid", "--max-cost", "0.0001").assert_outcomes(skipped=3)
    (warmup,) = bench.summary()["warmup_result"]
    assert warmup["status"] == "skipped"
    assert warmup["detail"].startswith("--max-cost $0.0001")
    assert paid.loads


def test_a_conversation_may_be_stopped_midway(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """What its first calls took is kept: in its record, and in the sum."""
    answers = {"weather": calls("get_weather", city="Oslo")}
    serve(FakeModel(answer=answers_by_prompt(answers, says("x"))))
    bench.suite(TALK, "talk")
    (bench.pytester.path / "llmbench.toml").write_text(PAID)
    run = ("--model", "paid", "--disable-warmup", "--max-cost", "0.0014")
    bench.run(*run).assert_outcomes(skipped=1)
    (record,) = bench.records()
    assert record["fault"]["kind"] == "over_budget"
    assert record["transcript"]
    spending = bench.summary()["spending"]
    assert spending["usd"] == pytest.approx(cost(record))
    assert 0 < spending["usd"] <= 0.0014


def test_workers_share_the_budget(bench: Bench, paid: FakeOllama) -> None:
    """Each of two workers has half; the message says so."""
    result = bench.run_apart(*RUN, "-n2", "--max-cost", "0.0025")
    assert 0 < spent(bench) <= 0.00125
    assert "this worker's share is 1/2 of the rest, $0.00125" in words(result)
    assert paid.loads


def test_a_replay_pays_nothing(bench: Bench, paid: FakeOllama) -> None:
    """Stored answers show what they cost when they were asked, under any budget."""
    bench.run(*RUN)
    stored, before = str(bench.newest("results.jsonl")), bench.summary()
    bench.run("--replay", stored, *RUN, "--max-cost", "0.0001").assert_outcomes(
        passed=15
    )
    summary = bench.summary()
    known = summary["job_summaries"][0]["cost"], before["job_summaries"][0]["cost"]
    assert known[0] == known[1]
    assert summary["spending"]["usd"] is None
    assert paid.loads


def fails_at(*numbers: int) -> Callable[[FakeCall], Answer | Fault]:
    """Answer right, but crash at some calls, counted from 1."""
    right, asked = answers_by_prompt(SMALL_ANSWERS, says("4")), [0]

    def answer(call: FakeCall) -> Answer | Fault:
        asked[0] += 1
        return crashes() if asked[0] in numbers else right(call)

    return answer


def test_success_is_accounted(bench: Bench, serve: Callable[..., FakeOllama]) -> None:
    """Below 90 % the run says how it is completed; then the line goes away."""
    serve(FakeModel(answer=fails_at(2, 5)))
    bench.suite()
    (bench.pytester.path / "llmbench.toml").write_text(PAID)
    result = bench.run(*RUN)
    result.assert_outcomes(passed=13, errors=2)
    summary = bench.summary()
    found = summary["job_summaries"][0]["accounting"]
    assert (found["called"], found["ok"], found["error"]) == (15, 13, 2)
    assert found["errors"] == {"server_fault": 2}
    assert not found["is_enough"]
    text = words(result)
    assert "success 86.7 % (13 of 15; 2 server_fault), limit 90 %" in text
    assert f"--resume {summary['run_id']} asks what is missing" in text
    cost = summary["job_summaries"][0]["cost"]
    assert (cost["known"], cost["unknown"]) == (13, 2)
    assert cost["per_passed_usd"] is None
    assert "2 not known" in text
    result = bench.run("--resume", "last")
    assert bench.summary()["job_summaries"][0]["accounting"]["rate"] == 1.0
    assert bench.summary()["spending"]["replaced"]["unknown"] == 2
    assert "limit 90 %" not in words(result)


def test_the_settings_twin(bench: Bench, paid: FakeOllama) -> None:
    """`max_cost` in the settings file is the option, and is stored."""
    (bench.pytester.path / "llmbench.toml").write_text("max_cost = 0.0001\n" + PAID)
    bench.run(*RUN).assert_outcomes(skipped=15)
    config = json.loads(bench.newest("config.json").read_text())
    assert config["settings"]["max_cost_usd"] == 0.0001
    assert not paid.requests_to("/api/chat")


def test_where_time_goes_is_in_the_summary(bench: Bench, paid: FakeOllama) -> None:
    """TPOT, its rate, and the share before the first token, for job and prompts."""
    result = bench.run(*RUN)
    (job,) = bench.summary()["job_summaries"]
    whole = job["slowness"]
    assert whole["n"] == 15
    assert 0 < whole["start_share"] <= 1
    assert [one["reason"] for one in whole["prompts"]] == ["needs n >= 10, n is 5"] * 3
    assert job["latency"]["tpot_ms"]["n"] > 0
    assert "of E2E passes before the first token (median)" in words(result)
    assert "tokens/s by our clock" in words(result)
    assert load_schema("summary")["$defs"]["slowness"]
    assert paid.loads


@pytest.mark.parametrize(
    ("name", "is_late"), [("", False), ("gw0", False), ("gw1", False), ("gw2", True)]
)
def test_a_dead_workers_share_is_gone(name: str, is_late: bool) -> None:  # noqa: FBT001
    """Of two workers the third takes a dead one's place, and may spend nothing."""
    share = Workplace({"workerid": name, "workercount": 2} if name else {}).share
    assert share.parts == (2 if name else 1)
    assert share.is_late is is_late


def test_a_service_is_accounted_and_priced(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Online the success line is always there, and cached tokens have their price."""
    model = ChatModel(
        answer=answers_by_prompt(SMALL_ANSWERS, says("4")), cached_tokens=4
    )
    monkeypatch.setenv("OPENAI_API_KEY", "sk-fake")
    bench.suite()
    with FakeOpenAI(model, key="sk-fake") as server:
        (bench.pytester.path / "llmbench.toml").write_text(f"""
[models.far]
provider = "openai"
model = "gpt-x"
base_url = "{server.base_url}"
api_key_env = "OPENAI_API_KEY"
price_in_usd_per_mtok = {IN}
price_out_usd_per_mtok = {OUT}
price_cached_usd_per_mtok = 0.1
""")
        run = ("--model", "far", "--runs", "2")
        result = bench.run(*run, "--max-cost", "1", "--concurrency", "4")
        result.assert_outcomes(passed=6)
    found = bench.summary()["job_summaries"][0]["cost"]
    assert found["tokens"]["cached_tokens"] == {"sum": 24, "known": 6, "unknown": 0}
    saved = 24 * (IN - 0.1) / 1e6
    assert found["usd"] == pytest.approx(spent(bench) - saved, rel=1e-12)
    assert "success 100 % (6 of 6), limit 90 %" in words(result)
    assert "cached 24" in words(result)
