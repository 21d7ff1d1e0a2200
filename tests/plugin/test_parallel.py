"""xdist and rerunfailures: the same summary, and no trial counted twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import SMALL_ANSWERS, SMALL_SUITE, steady

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import Answer, FakeCall, FakeOllama, Fault


def test_two_workers_give_the_same_summary(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """`-n 2` and no xdist write the same numbers, decisions and records."""
    from fake_ollama import FakeModel
    from fake_ollama_atomic import cold_atomic_script

    bench.atomic()
    found: list[dict[str, Any]] = []
    for options in (("-n2",), ("-n0",), ("-p", "no:xdist")):
        server = serve(FakeModel(answer=cold_atomic_script(), load_s=0.2))
        bench.run_apart(
            "atomic",
            "--model",
            "fake:1b",
            "--runs",
            "7",
            "--disable-warmup",
            "--reports",
            f"reports{len(found)}",
            *options,
        )
        reports = bench.pytester.path / f"reports{len(found)}"
        (summary,) = reports.glob("2*/*/summary.json")
        found.append(json.loads(summary.read_text()))
        lines = summary.with_name("results.jsonl").read_text().splitlines()
        assert len(lines) == 84
        assert len(server.loads) == 1
    assert steady(found[0]) == steady(found[1]) == steady(found[2])
    assert found[0]["policy_decisions"][0]["decided_by"] == "variance"


def workers_of(bench: Bench) -> dict[str, set[str]]:
    """Return the workers that have run each model's trials."""
    workers: dict[str, set[str]] = {}
    for record in bench.records():
        workers.setdefault(record["model"], set()).add(record["worker"])
    return workers


@pytest.mark.parametrize("dist", ["load", "loadfile"])
def test_a_local_server_stays_on_one_worker(
    bench: Bench, serve: Callable[..., FakeOllama], dist: str
) -> None:
    """All its models do, so they don't measure each other; another server's don't."""
    from fake_ollama import FakeModel, answers_by_prompt, says

    right = answers_by_prompt(SMALL_ANSWERS, says("4"))
    other = serve(FakeModel(name="far:1b", answer=right))
    server = serve(FakeModel(answer=right), FakeModel(name="two:1b", answer=right))
    bench.suite()
    alias = f'[models.far]\nmodel = "far:1b"\nbase_url = "{other.url}"\n'
    (bench.pytester.path / "llmbench.toml").write_text(alias, "utf-8")
    options = ("--runs", "2", "-n2", "--dist", dist)
    bench.run_apart("--model", "fake:1b,far,two:1b", *options)
    found = workers_of(bench)
    assert found["fake:1b"] == found["two:1b"] != found["far"]
    assert [load.model for load in server.loads] == ["fake:1b", "two:1b"]
    assert len(other.loads) == 1


def test_hosts_with_servers_of_their_own_share_the_runs(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """Each run is whole on one of them; a second worker of a host asks nothing."""
    from fake_ollama import FakeModel, answers_by_prompt, says

    model = FakeModel(answer=answers_by_prompt(SMALL_ANSWERS, says("4")))
    servers = [serve(model), serve(model)]
    bench.suite()
    hosts = [f"popen//env:OLLAMA_HOST={server.host_port}" for server in servers]
    options = ("--dist", "load", "--tx", f"2*{hosts[0]}", "--tx", hosts[1])
    result = bench.run_apart("--model", "fake:1b", "--runs", "6", *options)
    result.assert_outcomes(passed=18)
    found = {(record["run"], record["worker"]) for record in bench.records()}
    assert sorted(run for run, _worker in found) == [*range(1, 7)]
    assert len({worker for _run, worker in found}) == 2
    for server in servers:
        asked = [request.body or {} for request in server.requests_to("/api/chat")]
        assert len([body for body in asked if not body["messages"]]) == 1  # a preload
        assert len(asked) >= 5
    warmups = bench.summary()["warmup_result"]
    assert {one["server"] for one in warmups} == {f"ollama at {s.url}" for s in servers}


def test_a_scheme_in_a_tx_spec_is_refused(bench: Bench) -> None:
    """Execnet would cut the address off where it has its two slashes."""
    bench.suite()
    spec = "popen//env:OLLAMA_HOST=http://127.0.0.1:1"
    result = bench.run_apart("--model", "m", "--dist", "load", "--tx", spec)
    result.stderr.fnmatch_lines(["*--tx*OLLAMA_HOST*without http://*"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_other_builds_of_a_model_are_told(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """Two hosts whose models differ under one name have measured two models."""
    from fake_ollama import FakeModel, answers_by_prompt, says

    right = answers_by_prompt(SMALL_ANSWERS, says("4"))
    servers = [serve(FakeModel(answer=right, digest=digit * 64)) for digit in "ab"]
    bench.suite()
    hosts = [f"popen//env:OLLAMA_HOST={server.host_port}" for server in servers]
    options = ("--dist", "load", "--tx", hosts[0], "--tx", hosts[1])
    result = bench.run_apart("--model", "fake:1b", "--runs", "4", *options)
    result.stdout.fnmatch_lines(["*different builds of fake:1b: aaaaaaaaaaaa,*"])
    job = bench.summary()["job_summaries"][0]
    assert job["comparability"]["model_digest"] == f"{'a' * 12}, {'b' * 12}"


def test_workers_that_share_a_model_warm_it_once(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """Two workers that need it at the same moment: one warms it, one waits."""
    from fake_ollama import FakeModel, answers_by_prompt, says

    right = answers_by_prompt(SMALL_ANSWERS, says("4"))
    server = serve(FakeModel(answer=right, load_s=0.5))
    bench.suite()
    options = ("--dist", "each", "--tx", "2*popen")
    bench.run_apart("--model", "fake:1b", *options).assert_outcomes(passed=6)
    bodies = [request.body or {} for request in server.requests_to("/api/chat")]
    asked = [body["messages"][-1:] for body in bodies]
    assert asked[0] == []
    assert asked[1][0]["content"] == "What is 2+2?"
    assert len(asked) == 8
    (warmup,) = bench.summary()["warmup_result"]
    assert warmup["status"] == "success"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--model", "gone:1b"), "has no model 'gone:1b'"),
        (("--model", "fake:1b", "--prompts", "P99"), "no prompt 'P99'"),
        ((), "no model given"),
        (("--model", "fake:1b", "--runs", "0"), "--runs is '0'"),
    ],
)
def test_mistakes_are_clear_under_xdist(
    bench: Bench, small: FakeOllama, options: tuple[str, ...], words: str
) -> None:
    """A wrong option names itself with workers too, and never ends green."""
    bench.suite()
    result = bench.run_apart(*options, "-n2")
    text = result.stdout.str() + result.stderr.str()
    assert words in text
    assert "INTERNALERROR" not in text
    assert result.ret != pytest.ExitCode.OK
    assert small.url


def test_reruns_do_not_turn_a_wrong_answer_into_a_pass(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """With the user's own `--reruns` the first judged attempt counts."""
    from fake_ollama import FakeModel, answers_by_prompt, says

    asked: list[str] = []

    def second_time_right(call: FakeCall) -> Answer | Fault:
        asked.append(call.last_user_text)
        is_first = asked.count(call.last_user_text) == 1
        if "READY" in call.last_user_text:
            return says("no" if is_first else "READY")
        return answers_by_prompt(SMALL_ANSWERS, says("4"))(call)

    serve(FakeModel(answer=second_time_right))
    bench.suite(SMALL_SUITE)
    result = bench.run("--model", "fake:1b", "--reruns", "2")
    result.stdout.fnmatch_lines(["*1 reruns of judged trials were left out*"])
    outcomes = {r["prompt_id"]: r["outcome"] for r in bench.records()}
    assert outcomes == {"P1": "pass", "P2": "pass", "P3": "fail"}
    assert bench.summary()["job_summaries"][0]["runs"][0]["failed"] == 1


def test_a_rerun_after_a_fault_is_the_trial(bench: Bench, small: FakeOllama) -> None:
    """An error is no judged attempt: the rerun's answer counts."""
    from fake_ollama import crashes

    bench.suite()
    small.faults.append(crashes().where(prompt_contains="READY"))
    bench.run("--model", "fake:1b", "--reruns", "1")
    job = bench.summary()["job_summaries"][0]
    assert job["outcomes"]["pass"] == 3
    assert job["outcomes"]["error"] == 0


def refusal(result: pytest.RunResult) -> list[str]:
    """Return pytest's usage error, line by line."""
    text = "\n".join(result.errlines)
    return [line for line in text.partition("ERROR: ")[2].splitlines() if line]


@pytest.mark.parametrize("model", ["gone:1b", "gone:1b,lost:1b", "fake:1b"])
def test_a_server_that_cannot_be_asked_is_one_message(
    bench: Bench, small: FakeOllama, model: str
) -> None:
    """Workers or not: the same words, status 4, and nothing is asked or written."""
    bench.suite()
    if model == "fake:1b":
        small.stop()
    options = ("--model", model, "--runs", "3")
    alone, spread = bench.run_apart(*options), bench.run_apart(*options, "-n2")
    assert alone.ret == spread.ret == pytest.ExitCode.USAGE_ERROR
    assert refusal(alone) == refusal(spread) != []
    assert "INTERNALERROR" not in spread.stdout.str() + spread.stderr.str()
    assert not small.requests_to("/api/chat")
    assert not bench.reports.exists()


def test_one_model_of_several_that_is_missing_stops_no_workers(
    bench: Bench, small: FakeOllama
) -> None:
    """The others are measured; its trials are errors, as without workers."""
    bench.suite()
    result = bench.run_apart("--model", "fake:1b,gone:1b", "-n2")
    result.assert_outcomes(passed=3, errors=3)
    assert small.loads


def test_workers_with_servers_of_their_own_are_not_judged_from_here(
    bench: Bench, small: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controller's own OLLAMA_HOST being dead says nothing of theirs."""
    bench.suite()
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:1")
    spec = f"2*popen//env:OLLAMA_HOST={small.host_port}"
    result = bench.run_apart("--model", "fake:1b", "--dist", "load", "--tx", spec)
    result.assert_outcomes(passed=3)


def test_a_finished_run_needs_no_server_under_xdist(
    bench: Bench, small: FakeOllama
) -> None:
    """What is not asked again is not looked for either."""
    bench.suite()
    bench.run_apart("--model", "fake:1b").assert_outcomes(passed=3)
    small.stop()
    run_id = bench.newest("summary.json").parent.name
    bench.run_apart("--resume", run_id, "-n2").assert_outcomes(passed=3)
