"""Claude beside the local models: tools, turns, options, keys, isolation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bench_project import SMALL_ANSWERS
from fake_anthropic import FakeAnthropic
from fake_anthropic_faults import error_event
from fake_anthropic_models import always_answers, haiku, old_haiku, opus
from fake_ollama import Answer, answers_by_prompt, calls, says
from fake_ollama_atomic import atomic_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench_project import Bench
    from fake_anthropic_models import ClaudeModel
    from fake_ollama import FakeCall

KEY = "sk-ant-planted-0123456789"

SUITE = """
suite: talk
phase: extended
tools:
  - name: find_room
    parameters:
      type: object
      properties: {people: {type: integer}}
      required: [people]
  - name: book_room
    parameters:
      type: object
      properties: {room: {type: string}}
      required: [room]
prompts:
  - id: E1
    category: action
    turns:
      - user: Book a room for four.
        tool_results:
          find_room: {room: K17}
          book_room: {status: booked}
        expect:
          tools_in_order: [find_room, book_room]
          arguments: {book_room: {room: K17}}
      - user: Which room was it?
        expect: {tools: [], contains: K17}
"""


@pytest.fixture
def claude(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FakeAnthropic]]:
    """Give a function that starts a fake and points the vendor's variables at it."""
    started: list[FakeAnthropic] = []
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)

    def start(*models: ClaudeModel) -> FakeAnthropic:
        server = FakeAnthropic(*models, keys=[KEY])
        server.start()
        started.append(server)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        return server

    yield start
    for server in started:
        server.stop()
        assert server.errors == []


def chained(call: FakeCall) -> Answer:
    """Think, find a room, book what was found, then say so."""
    last = call.messages[-1]
    if last["role"] == "user" and "Which" in last["content"]:
        return Answer(thinking="Hm.", text="It was room K17.")
    if last["role"] == "user":
        return _called("find_room", people=4)
    if "K17" in last["content"]:
        return _called("book_room", room="K17")
    return Answer(thinking="Hm.", text="Booked room K17.")


def _called(tool: str, **arguments: object) -> Answer:
    return Answer(thinking="Hm.", tool_calls=((tool, arguments),))


def test_turns_and_tools_with_signed_thinking(
    bench: Bench, claude: Callable[..., FakeAnthropic]
) -> None:
    """Calls, results and a second turn work where the model's blocks must come back."""
    server = claude(opus(chained))
    bench.suite(SUITE)
    bench.run("--model", "anthropic/claude-opus-5-5").assert_outcomes(passed=1)
    (record,) = bench.records()
    assert [entry["role"] for entry in record["transcript"]] == [
        "user", "assistant", "tool", "assistant", "tool", "assistant", "user",
        "assistant",
    ]  # fmt: skip
    last = (server.requests_to("/v1/messages")[-1].body or {})["messages"]
    kinds = [[block["type"] for block in message["content"]] for message in last]
    assert kinds == [
        ["text"],
        ["thinking", "tool_use"],
        ["tool_result"],
        ["thinking", "tool_use"],
        ["tool_result"],
        ["thinking", "text"],
        ["text"],
    ]
    assert "signature" not in bench.newest("results.jsonl").read_text()
    assert record["reply"]["usage"]["reasoning_tokens"] == 4


@pytest.mark.parametrize("variant", ["text", "xml"])
def test_tools_in_the_text_work_too(
    bench: Bench, claude: Callable[..., FakeAnthropic], variant: str
) -> None:
    """A variant without native tools sends none, and its turns go on."""
    server = claude(haiku(answers_by_prompt(SMALL_ANSWERS, says("4"))))
    bench.suite()
    model = "anthropic/claude-haiku-5-5"
    bench.run("--model", model, "--variant", variant, "--prompts", "P2,P3")
    assert [record["outcome"] for record in bench.records()] == ["pass", "pass"]
    assert all("tools" not in (r.body or {}) for r in server.requests)


def test_a_suites_temperature_stays_at_home(
    bench: Bench, claude: Callable[..., FakeAnthropic]
) -> None:
    """The shipped suite, made for local models, runs on one that refuses sampling."""
    server = claude(haiku(atomic_script()))
    bench.atomic()
    result = bench.run("atomic", "--model", "anthropic/claude-haiku-5-5", "--runs", "2")
    result.assert_outcomes(passed=24)
    bodies = [r.body or {} for r in server.requests_to("/v1/messages")]
    assert all("temperature" not in body for body in bodies)
    assert bodies[-1]["max_tokens"] == 1024
    assert server.most_in_flight > 1


def test_a_temperature_asked_for_is_sent(
    bench: Bench, claude: Callable[..., FakeAnthropic]
) -> None:
    """What the model's name asks for goes out; a model that takes it answers."""
    server = claude(old_haiku(answers_by_prompt(SMALL_ANSWERS, says("4"))))
    bench.suite()
    model = "anthropic/claude-haiku-4-5?temperature=0.3&effort=low"
    bench.run("--model", model).assert_outcomes(failed=0, errors=3)
    message = bench.records()[0]["fault"]["message"]
    assert "may only be set to 1 when thinking" in message
    model = "anthropic/claude-haiku-4-5?temperature=0.3"
    bench.run("--model", model).assert_outcomes(passed=3)
    body = server.requests_to("/v1/messages")[-1].body or {}
    assert body["temperature"] == 0.3


def test_an_isolated_call_reads_the_key_itself(
    bench: Bench, claude: Callable[..., FakeAnthropic]
) -> None:
    """A call in a child process answers as any other."""
    server = claude(haiku(always_answers(calls("get_weather", city="Oslo"))))
    bench.suite()
    model = "anthropic/claude-haiku-5-5"
    result = bench.run("--model", model, "--isolate-call", "--prompts", "P1")
    result.assert_outcomes(passed=1)
    assert server.requests_to("/v1/messages")


def test_an_error_in_mid_stream_counts_for_nobody(
    bench: Bench, claude: Callable[..., FakeAnthropic]
) -> None:
    """A trial whose stream ends in an error keeps what came, and is no failure."""
    server = claude(haiku(answers_by_prompt(SMALL_ANSWERS, says("4"))))
    fault = error_event("permission_error", after_events=4)
    server.faults.append(fault.where(contains="READY"))
    bench.suite()
    result = bench.run("--model", "anthropic/claude-haiku-5-5", "--prompts", "P3")
    result.assert_outcomes(errors=1)
    (record,) = bench.records()
    assert record["fault"]["kind"] == "unauthorised"
    assert record["reply"]["text"] == "READ"


def test_without_a_key_the_run_does_not_begin(
    bench: Bench, claude: Callable[..., FakeAnthropic], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing key is one message with the variable's name, before any call."""
    server = claude(haiku())
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    bench.suite()
    result = bench.run("--model", "anthropic/claude-haiku-5-5")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*ANTHROPIC_API_KEY*"])
    assert server.requests == []


def test_the_key_is_written_nowhere(
    bench: Bench, claude: Callable[..., FakeAnthropic]
) -> None:
    """Neither screen nor any file of the run holds the key."""
    claude(haiku(answers_by_prompt(SMALL_ANSWERS, says("4"))))
    bench.suite()
    model = "anthropic/claude-haiku-5-5"
    result = bench.run("--model", model, "--debug-log", "-v")
    result.assert_outcomes(passed=3)
    files = [path for path in bench.reports.rglob("*") if path.is_file()]
    texts = [path.read_text("utf-8", "replace") for path in files]
    assert files
    assert all(KEY not in text for text in (*texts, result.stdout.str()))
