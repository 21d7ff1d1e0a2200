"""How prompts are put: the shipped variants, and others' by hook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bench_project import SMALL_SUITE

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import Answer, FakeCall, FakeOllama

VARIANTS = ("native_api", "text", "few_shot", "xml", "step_by_step")


def writes_calls(call: FakeCall) -> Answer:
    """Answer as the system text asks for; think first if it says so."""
    from fake_ollama import calls, says

    system = call.messages[0]["content"] if call.messages[0]["role"] == "system" else ""
    thought = "<think>A city is named.</think>\n" if "<think>" in system else ""
    if "READY" in call.last_user_text:
        return says(f"{thought}READY")
    if "Oslo" not in call.last_user_text:
        return says(f"{thought}I can look up the weather.")
    if call.tools:
        return calls("get_weather", city="Oslo")
    if "<function=TOOL>" in system:
        return says(
            "<tool_call>\n<function=get_weather>\n<parameter=city>Oslo</parameter>\n"
            "</function>\n</tool_call>"
        )
    return says(
        f'{thought}<tool_call>{{"name": "get_weather", "arguments":'
        ' {"city": "Oslo"}}</tool_call>'
    )


@pytest.fixture
def writer(serve: Callable[..., FakeOllama]) -> FakeOllama:
    """Serve `fake:1b`, which follows every variant."""
    from fake_ollama import FakeModel

    return serve(FakeModel(answer=writes_calls))


def test_every_variant_is_an_axis(bench: Bench, writer: FakeOllama) -> None:
    """Each has its own items, spec and summary; a good model passes all."""
    bench.suite()
    result = bench.run("--model", "fake:1b", "--variant", ",".join(VARIANTS))
    result.assert_outcomes(passed=15)
    jobs = bench.summary()["job_summaries"]
    assert [job["variant"] for job in jobs] == list(VARIANTS)
    assert {job["passed"] for job in jobs} == {3}
    assert {job["action_score"] for job in jobs} == {1.0}
    with_tools = {
        (r.body or {}).get("tools") is not None for r in writer.requests_to("/api/chat")
    }
    assert with_tools == {True, False}


def test_step_by_step_sets_the_thinking_aside(bench: Bench, writer: FakeOllama) -> None:
    """`exact` is held against the answer behind the thinking it was asked for."""
    bench.suite()
    bench.run("--model", "fake:1b", "--variant", "step_by_step", "--prompts", "P3")
    (record,) = bench.records()
    assert record["outcome"] == "pass"
    assert record["reply"]["text"] == "READY"
    assert record["reply"]["thinking"] == "A city is named."
    assert writer.loads


def test_a_conftest_adds_a_variant_and_a_check(
    bench: Bench, serve: Callable[..., FakeOllama]
) -> None:
    """Hooks put both beside our own, by their names."""
    from fake_ollama import FakeModel, says

    server = serve(FakeModel(answer=lambda call: says(call.last_user_text)))
    bench.pytester.makeconftest(
        """
        from pytest_llmbench.prompts.messages import Message, Rendered
        from pytest_llmbench.prompts.variants import NativeApi

        class Shouting(NativeApi):
            def render(self, prompt):
                user = Message(role="user", content=prompt.text.upper())
                return Rendered(messages=(user,))

        def pytest_llmbench_variants(config):
            return [Shouting(name="shouting")]

        def is_loud(reply, prompt):
            return None if reply.text.isupper() else "it is not loud"

        def pytest_llmbench_checks(config):
            return {"is_loud": is_loud}
        """
    )
    bench.suite(
        "suite: s\nprompts:\n- {id: A, prompt: hello, expect: {check: is_loud}}\n"
    )
    result = bench.run(
        "--model", "fake:1b", "--variant", "shouting,native_api", "--disable-warmup"
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*check: it is not loud*"])
    assert server.requests


def test_a_check_that_breaks_is_the_harness_s_fault(
    bench: Bench, small: FakeOllama
) -> None:
    """An exception in a user's check is an error, never the model's failure."""
    bench.pytester.makeconftest(
        """
        def pytest_llmbench_checks(config):
            return {"broken": lambda reply, prompt: 1 / 0}
        """
    )
    bench.suite(SMALL_SUITE.replace("{exact: READY}", "{check: broken}"))
    result = bench.run("--model", "fake:1b")
    record = next(r for r in bench.records() if r["prompt_id"] == "P3")
    assert record["outcome"] == "error"
    assert record["fault"]["kind"] == "check_broken"
    assert "ZeroDivisionError" in record["fault"]["message"]
    assert "pytest_llmbench/" not in result.stdout.str()
    assert small.loads


def test_an_unknown_check_is_a_fault_of_the_suite(bench: Bench) -> None:
    """The name must be registered by a hook; the file and line are named."""
    bench.suite(SMALL_SUITE.replace("{exact: READY}", "{check: nope}"))
    result = bench.run("--model", "fake:1b")
    result.stdout.fnmatch_lines([
        "small.bench.yaml:*: P3: expect.check: no check is registered"
    ])
    assert result.ret == pytest.ExitCode.INTERRUPTED
