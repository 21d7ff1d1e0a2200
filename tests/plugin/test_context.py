"""Prompts of given lengths: reached, ordered, skipped, calibrated once, fitted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from fake_ollama import Answer, FakeModel, crashes, says
from fake_openai import FakeOpenAI
from fake_openai_models import LLAMA_CPP, ChatModel
from jsonschema import Draft202012Validator

from pytest_llmbench.runs.schemas import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import FakeCall, FakeOllama
    from fake_openai_models import Flavour

LONG: Final = """
suite: long
phase: long_context
system: Answer in one word.
defaults: {options: {num_predict: 32}}
prompts:
  - id: L1
    prompt: Reply with exactly READY.
    context: {tokens: [1600, 400, 800]}
    expect: {exact: READY}
  - id: L2
    prompt: Reply with READY, and nothing else.
    context: {tokens: [400, 800], position: middle}
    expect: {exact: READY}
  - id: P1
    prompt: Say READY.
    expect: {exact: READY}
"""
RUN: Final = ("--model", "fake:1b", "--runs", "2")
TRIALS: Final = 12
CALIBRATIONS: Final = 4
"""Each of two prompts by itself, and one of them twice with filler."""


def ready(_call: FakeCall) -> Answer:
    """Say READY to everything."""
    return says("READY")


@pytest.fixture
def fake(serve: Callable[..., FakeOllama]) -> FakeOllama:
    """Serve `fake:1b`, which always says READY."""
    return serve(FakeModel(answer=ready))


def asked(server: FakeOllama) -> list[dict[str, Any]]:
    """Return the bodies of all questions, preloads left out."""
    bodies = [request.body or {} for request in server.requests_to("/api/chat")]
    return [body for body in bodies if body["messages"]]


def inventory(bench: Bench) -> dict[str, Any]:
    """Return the newest run's inventory."""
    found: dict[str, Any] = json.loads(bench.newest("inventory.json").read_text())
    return found


def test_lengths_are_reached_and_recorded(bench: Bench, fake: FakeOllama) -> None:
    """Each length is counted within 2 %; asked, sent and counted are in the record."""
    bench.suite(LONG, "long")
    bench.run(*RUN).assert_outcomes(passed=TRIALS)
    sent = {body["messages"][0]["content"]: body for body in asked(fake)}
    for record in bench.records():
        context = record["context"]
        if record["prompt_id"] == "P1":
            assert context is None
            continue
        tokens = int(record["prompt_id"].partition(":")[2])
        assert context["asked_tokens"] == tokens
        assert context["counted_tokens"] == pytest.approx(tokens, rel=0.02)
        assert context["estimated_tokens"] == pytest.approx(tokens, rel=0.02)
        assert context["counted_tokens"] == record["reply"]["usage"]["prompt_tokens"]
        (front,) = [text for text in sent if context["nonce"] in text]
        assert front.startswith(f"No. {context['nonce']}.")
        said = sum(len(message["content"]) for message in sent[front]["messages"])
        assert said == context["sent_chars"]
        assert sent[front]["options"]["num_ctx"] == context["num_ctx"]


def test_what_is_written_fits_its_schemas(bench: Bench, fake: FakeOllama) -> None:
    """Records, summary and inventory of such a run are as published."""
    bench.suite(LONG, "long")
    bench.run("--model", "fake:1b", "--runs", "4")
    for name in ("summary", "inventory", "config"):
        written = json.loads(bench.newest(f"{name}.json").read_text("utf-8"))
        Draft202012Validator(load_schema(name)).validate(written)
    for record in bench.records():
        Draft202012Validator(load_schema("record")).validate(record)
    assert inventory(bench)["calibrations"]
    assert bench.summary()["job_summaries"][0]["comparability"]["num_ctx"]
    assert asked(fake)


def test_calibration_is_paid_for(bench: Bench) -> None:
    """With prices, the cost of warm-ups holds it; without a budget nothing is asked."""
    with FakeOpenAI(ChatModel(answer=ready), flavour=LLAMA_CPP) as server:
        service(
            bench, server, "price_in_usd_per_mtok = 1", "price_out_usd_per_mtok = 1"
        )
        bench.suite(LONG, "long")
        bench.run("--model", "mine", "--max-cost", "1").assert_outcomes(passed=6)
        spent = bench.summary()["spending"]
        calls = inventory(bench)["calibrations"]
        bench.run("--model", "mine", "--max-cost", "0.000001").assert_outcomes(
            skipped=6
        )
    tokens = sum(c["counted_tokens"] + c["usage"]["output_tokens"] for c in calls)
    assert spent["warmups"]["usd"] == pytest.approx(tokens / 1e6, rel=0.2)
    assert spent["usd"] > spent["trials"]["usd"]


def test_a_run_may_place_all_tasks_elsewhere(bench: Bench, fake: FakeOllama) -> None:
    """`--context-position` wins over the suite's, in what is sent and what is noted."""
    bench.suite(LONG, "long")
    bench.run(*RUN, "--context-position", "start").assert_outcomes(passed=TRIALS)
    tasks = ("Reply with exactly READY.", "Reply with READY, and nothing else.")
    said = [body["messages"][-1]["content"] for body in asked(fake)]
    filled = [text for text in said if len(text) > 1000]
    assert len(filled) == TRIALS - 2 + CALIBRATIONS - 2
    assert all(text.startswith(tasks) for text in filled)
    places = {record["context"]["position"] for record in bench.records()[2:]}
    assert places == {"start"}
    config = json.loads(bench.newest("config.json").read_text())
    assert config["settings"]["context_position"] == "start"
    shown = [one["context"] for one in config["prompts"] if one["context"]]
    assert {one["position"] for one in shown} == {"start"}


def test_another_place_is_another_question(bench: Bench, fake: FakeOllama) -> None:
    """What was measured with the task elsewhere is no baseline."""
    assert fake.requests == []
    bench.suite(LONG, "long")
    runs = ("--model", "fake:1b", "--runs", "3")
    bench.run(*runs)
    bench.run(*runs, "--baseline", spec := bench.summary()["job_summaries"][0]["spec"])
    assert "baseline_not_comparable" not in codes(bench)
    bench.run(*runs, "--baseline", spec, "--context-position", "start")
    assert "baseline_not_comparable" in codes(bench)


def codes(bench: Bench) -> set[str]:
    """Return the reason codes of the newest run's decisions."""
    return {one["code"] for one in bench.summary()["policy_decisions"]}


def test_a_place_that_is_none_is_refused(bench: Bench, fake: FakeOllama) -> None:
    """One line says where it was said, what, and what is allowed."""
    bench.suite(LONG, "long")
    result = bench.run(*RUN, "--context-position", "top")
    result.stderr.fnmatch_lines([
        "*--context-position is 'top'; it takes one of start, middle, end*"
    ])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert not asked(fake)


def test_no_cache_hides_prefill(bench: Bench, serve: Callable[..., FakeOllama]) -> None:
    """Every run reads all of its prompt, with a server that keeps what it has read."""
    serve(FakeModel(answer=ready, caches_prompts=True))
    bench.suite(LONG, "long")
    bench.run(*RUN, "--prompts", "L1:800")
    first, second = (r["reply"]["timings"]["prefill_ms"] for r in bench.records())
    assert first == pytest.approx(800 / 50, rel=0.05)
    assert second == pytest.approx(first, rel=0.05)


def test_the_model_is_loaded_once_per_length(bench: Bench, fake: FakeOllama) -> None:
    """By length, then run; one num_ctx per length, whatever the prompt."""
    bench.suite(LONG, "long")
    bench.run(*RUN)
    order = [(r["prompt_id"], r["run"]) for r in bench.records()]
    assert order == [
        *(("P1", run) for run in (1, 2)),
        *((name, run) for run in (1, 2) for name in ("L1:400", "L2:400")),
        *((name, run) for run in (1, 2) for name in ("L1:800", "L2:800")),
        *(("L1:1600", run) for run in (1, 2)),
    ]
    windows = {
        (r["context"]["asked_tokens"], r["context"]["num_ctx"])
        for r in bench.records()
        if r["context"]
    }
    assert windows == {(400, 512), (800, 1024), (1600, 1792)}
    loads = [load.num_ctx for load in fake.loads]
    # P1; what is counted of L1 and of L2; the lengths.
    assert loads == [4096, 1792, 1024, 512, 1024, 1792]


@pytest.mark.parametrize(
    ("option", "value", "ids"),
    [
        ("--prompts", "L1", {"L1:400", "L1:800", "L1:1600"}),
        ("--prompts", "L1:800,P1", {"L1:800", "P1"}),
        ("-k", "L2:800", {"L2:800"}),
        ("-k", "L1", {"L1:400", "L1:800", "L1:1600"}),
    ],
)
def test_lengths_are_selected(
    bench: Bench, fake: FakeOllama, option: str, value: str, ids: set[str]
) -> None:
    """A plain id selects all its lengths, a whole one itself."""
    bench.suite(LONG, "long")
    bench.run(*RUN, option, value)
    assert {record["prompt_id"] for record in bench.records()} == ids
    assert asked(fake)


def test_an_unknown_length_is_a_mistake(bench: Bench) -> None:
    """The nearest id is offered."""
    bench.suite(LONG, "long")
    result = bench.run(*RUN, "--prompts", "L1:801")
    result.stderr.fnmatch_lines([
        "*no prompt 'L1:801' in any suite; did you mean *L1:8*"
    ])
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_length_beyond_the_model_is_skipped(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """What `/api/show` tells is the limit; the record and the table say so."""
    server = serve(FakeModel(answer=ready, context_length=1024))
    bench.suite(LONG, "long")
    result = bench.run(*RUN, "-rs")
    result.assert_outcomes(passed=TRIALS - 2, skipped=2)
    why = (
        "1,600 tokens and a reply of up to 32 need a context of 1,728; fake:1b has"
        " 1,024"
    )
    result.stdout.fnmatch_lines([f"*{why}", "    1,600 * 2 skipped"])
    skipped = [r for r in bench.records() if r["outcome"] == "skipped"]
    assert {r["fault"]["kind"] for r in skipped} == {"beyond_context"}
    assert {r["fault"]["message"] for r in skipped} == {why}
    assert {r["context"]["sent_chars"] for r in skipped} == {None}
    assert max(body["options"]["num_ctx"] for body in asked(server)[3:]) == 1024


def test_a_context_that_was_set_is_kept(bench: Bench, fake: FakeOllama) -> None:
    """Lengths that fit into a num_ctx of the user's are asked with it, others not."""
    bench.suite(LONG, "long")
    result = bench.run("--model", "fake:1b?num_ctx=1000")
    result.assert_outcomes(passed=5, skipped=1)
    assert {body["options"]["num_ctx"] for body in asked(fake)} == {1000}


def test_a_prompt_longer_than_its_length_is_skipped(
    bench: Bench, fake: FakeOllama
) -> None:
    """Nothing of it is cut off to fit."""
    words = " ".join(["READY or not"] * 200)
    bench.suite(LONG.replace("Reply with exactly READY.", f"'{words}'"), "long")
    result = bench.run("--model", "fake:1b", "--prompts", "L1:400,L1:800", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*the prompt alone has 6?? tokens*"])
    assert len(asked(fake)) == 1 + 3 + 1  # warm-up, calibration, L1:800


def test_calibration_is_shown_recorded_and_no_trial(
    bench: Bench, fake: FakeOllama
) -> None:
    """Four small calls stand in inventory.json and in a note, and in no record."""
    bench.suite(LONG, "long")
    result = bench.run(*RUN)
    result.stdout.fnmatch_lines([
        "  note * 4 small calls showed what fake:1b counts; they are no trials"
    ])
    calls = inventory(bench)["calibrations"]
    assert [(c["prompt_id"], bool(c["filler_chars"])) for c in calls] == [
        ("L1", False), ("L1", True), ("L1", True), ("L2", False),
    ]  # fmt: skip
    assert all(c["counted_tokens"] == c["usage"]["prompt_tokens"] for c in calls)
    assert len(bench.records()) == TRIALS
    assert len(asked(fake)) == 1 + CALIBRATIONS + TRIALS


def test_calibration_is_shared_by_workers(bench: Bench) -> None:
    """Two workers at one service, a run each, calibrate once."""
    with FakeOpenAI(ChatModel(answer=ready), flavour=LLAMA_CPP) as server:
        service(bench, server)
        bench.suite(LONG, "long")
        bench.run_apart("--model", "mine", "--runs", "4", "-n2")
        bodies = server.bodies
    assert len(bench.records()) == 2 * TRIALS
    short = [body for body in bodies if body.get("max_tokens") == 16]
    assert len(short) == CALIBRATIONS
    assert len(inventory(bench)["calibrations"]) == CALIBRATIONS


def test_a_resumed_run_does_not_calibrate_again(bench: Bench, fake: FakeOllama) -> None:
    """What the run has counted holds: prompts of the rest are as they were."""
    bench.suite(LONG, "long")
    bench.run(*RUN)
    path = bench.newest("results.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:9]))
    (path.parent / "summary.json").unlink()
    before = len(asked(fake))
    bench.run("--resume", "last").assert_outcomes(passed=TRIALS)
    assert len(asked(fake)) - before == 1 + TRIALS - 9
    assert len(inventory(bench)["calibrations"]) == CALIBRATIONS
    old, new = (json.loads(line)["context"] for line in (lines[-1], lines[-1]))
    assert old == new
    again = bench.records()[-1]["context"]
    assert again == json.loads(lines[-1])["context"]


def test_a_calibration_that_fails_is_the_trials_error(
    bench: Bench, fake: FakeOllama
) -> None:
    """A crash while one prompt is counted is its error; the others go on."""
    fake.faults.append(crashes().where(prompt_contains="exactly READY").always())
    bench.suite(LONG, "long")
    result = bench.run("--model", "fake:1b")
    result.assert_outcomes(passed=3, errors=3)
    faults = {r["fault"]["kind"] for r in bench.records() if r["fault"]}
    assert faults == {"server_fault"}


def test_a_spec_without_warm_up_stays_cold(bench: Bench, fake: FakeOllama) -> None:
    """The model that calibration has loaded is unloaded before the first trial."""
    bench.suite(LONG, "long")
    bench.run(*RUN, "--disable-warmup", "--prompts", "L1:400,L1:800")
    assert [r["is_resident"] for r in bench.records()][:2] == [False, True]
    assert asked(fake)


def service(bench: Bench, server: FakeOpenAI, *lines: str) -> None:
    """Give the fake service's model the name `mine`."""
    (bench.pytester.path / "llmbench.toml").write_text(
        f'[models.mine]\nprovider = "openai"\nmodel = "gpt-x"\n'
        f'base_url = "{server.base_url}"\nconcurrency = 4\n' + "\n".join(lines),
        "utf-8",
    )


def test_a_service_reaches_lengths_too(bench: Bench) -> None:
    """Without num_ctx, several at once, by the usage that it tells."""
    with FakeOpenAI(ChatModel(answer=ready), flavour=LLAMA_CPP) as server:
        service(bench, server)
        bench.suite(LONG, "long")
        bench.run("--model", "mine", "--runs", "2").assert_outcomes(passed=TRIALS)
        assert not any("num_ctx" in body for body in server.bodies)
    found = [record["context"] for record in bench.records() if record["context"]]
    assert len(found) == 10
    for context in found:
        assert context["num_ctx"] is None
        wanted = pytest.approx(context["asked_tokens"], rel=0.02)
        assert context["counted_tokens"] == wanted


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        # It does not tell its context, and refuses what passes it.
        (ChatModel(answer=ready, context_length=1000), "context_overflow"),
        # It does not refuse either, and reads what is left.
        (
            ChatModel(
                answer=lambda call: Answer(
                    text="READY",
                    prompt_tokens=1000 if len(str(call.messages)) > 5000 else None,
                )
            ),
            "truncated",
        ),
    ],
)
def test_a_service_with_a_smaller_context(
    bench: Bench, model: ChatModel, kind: str
) -> None:
    """Refused or cut, a prompt beyond its context is an error and no answer."""
    with FakeOpenAI(model, flavour=LLAMA_CPP) as server:
        service(bench, server)
        bench.suite(LONG, "long")
        bench.run("--model", "mine").assert_outcomes(passed=5, errors=1)
    (record,) = [r for r in bench.records() if r["outcome"] == "error"]
    assert (record["prompt_id"], record["fault"]["kind"]) == ("L1:1600", kind)


def test_a_service_that_counts_nothing(bench: Bench) -> None:
    """Lengths are a guess, which is said; nothing is held against it."""
    flavour: Flavour = LLAMA_CPP
    silent = type(flavour)(name="silent", tells_usage="never")
    with FakeOpenAI(ChatModel(answer=ready), flavour=silent) as server:
        service(bench, server)
        bench.suite(LONG, "long")
        result = bench.run("--model", "mine")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*counts nothing, so lengths are a*"])
    found = [record["context"] for record in bench.records() if record["context"]]
    assert {context["counted_tokens"] for context in found} == {None}
    assert all(c["estimated_tokens"] >= 0.9 * c["asked_tokens"] for c in found)


def test_the_slope_is_the_servers(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """500 ms per 1,000 tokens: TTFT and prefill are fitted within 3 % of it."""
    serve(FakeModel(answer=ready, prefill_tokens_per_s=2000.0))
    bench.suite(LONG, "long")
    result = bench.run("--model", "fake:1b", "--runs", "3", "--prompts", "L1")
    curve = bench.summary()["job_summaries"][0]["context"]
    assert [point["tokens"] for point in curve["points"]] == [400, 800, 1600]
    for name in ("ttft", "prefill"):
        assert curve[name]["slope"] == pytest.approx(500.0, rel=0.03)
        assert curve[name]["low"] <= 500.0 * 1.03
        assert curve[name]["high"] >= 500.0 * 0.97
    assert curve["prefill"]["shape"] == "linear"
    result.stdout.fnmatch_lines(["  TTFT by length * ms per 1,000 tokens (95 %*n=9*"])


def test_adherence_by_length(bench: Bench, serve: Callable[..., FakeOllama]) -> None:
    """A model that adds prose above 700 tokens is found out at 800."""

    def chatty(call: FakeCall) -> Answer:
        is_long = len(str(call.messages)) > 700 * 4
        return says("Sure! Here it is: READY") if is_long else says("READY")

    serve(FakeModel(answer=chatty))
    bench.suite(LONG, "long")
    result = bench.run(*RUN, "--prompts", "L1")
    curve = bench.summary()["job_summaries"][0]["context"]
    shares = [point["adherence"]["value"] for point in curve["points"]]
    drifted = [point["drifted"]["value"] for point in curve["points"]]
    assert (shares, drifted) == ([1, 0, 0], [0, 1, 1])
    assert curve["falls_at"]["tokens"] == 800
    result.stdout.fnmatch_lines(["*L1 below 80 % from 800 tokens on: 0/2*"])
    page = bench.newest("summary.md").read_text()
    assert "| all | 800 | 799 | 2 |" in page or "| all | 800 | 800 | 2 |" in page


def test_the_embedded_model_over_its_context(bench: Bench) -> None:
    """Up to 1,024 tokens it has a curve and a slope; what is beyond is skipped."""
    bench.suite(
        """
        suite: tiny
        phase: long_context
        defaults: {options: {num_predict: 24}}
        prompts:
          - id: L1
            prompt: What is the capital of Norway?
            context: {tokens: [512, 700, 900, 2048]}
            expect: none
        """,
        "tiny",
    )
    result = bench.run("--model", "embedded", "--runs", "3")
    result.assert_outcomes(passed=9, skipped=3)
    curve = bench.summary()["job_summaries"][0]["context"]
    points = curve["points"]
    assert [point["n"] for point in points] == [3, 3, 3, 0]
    for point in points[:3]:
        assert point["counted_tokens"] == pytest.approx(point["tokens"], rel=0.02)
        assert point["prefill_ms"]["p50"] > 0
    assert curve["ttft"]["n"] == 9
    assert curve["ttft"]["slope"] > 0
    assert curve["ttft"]["shape"] is not None


def test_replies_are_judged_again_with_their_lengths(
    bench: Bench, fake: FakeOllama
) -> None:
    """A replay keeps counts and curve, and asks nothing."""
    bench.suite(LONG, "long")
    bench.run(*RUN)
    before, calls = bench.summary()["job_summaries"][0]["context"], len(asked(fake))
    bench.run("--replay", str(bench.newest("results.jsonl")), "--runs", "2")
    after = bench.summary()["job_summaries"][0]["context"]
    assert after["prefill"] == before["prefill"]
    assert len(asked(fake)) == calls
