"""Stateful prompts: turns, scripted tool results, a cap on steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_project import Bench
    from fake_ollama import Answer, FakeCall, FakeOllama

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
          find_room:
            - when: {people: 4}
              result: {room: K17}
          book_room: {status: booked}
        expect:
          tools_in_order: [find_room, book_room]
          arguments: {book_room: {room: K17}}
          contains: K17
      - user: Which room was it?
        expect: {tools: [], contains: K17}
"""


def chained(call: FakeCall) -> Answer:
    """Find, book what was found, then say so: a model that can."""
    from fake_ollama import calls, says

    last = call.messages[-1]
    if last["role"] == "user" and "Which" in last["content"]:
        return says("It was room K17.")
    if last["role"] == "user":
        return calls("find_room", people=4)
    if "K17" in last["content"]:
        return calls("book_room", room="K17")
    return says("Booked room K17.")


@pytest.fixture
def model(serve: Callable[..., FakeOllama]) -> Callable[..., FakeOllama]:
    """Serve `fake:1b` with the given script."""
    from fake_ollama import FakeModel

    return lambda answer: serve(FakeModel(answer=answer))


def test_a_chain_of_calls_over_two_turns(
    bench: Bench, model: Callable[..., FakeOllama]
) -> None:
    """The second call uses the first one's result; the record holds it all."""
    server = model(chained)
    bench.suite(SUITE)
    bench.run("--model", "fake:1b").assert_outcomes(passed=1)
    (record,) = bench.records()
    assert [entry["role"] for entry in record["transcript"]] == [
        "user", "assistant", "tool", "assistant", "tool", "assistant", "user",
        "assistant",
    ]  # fmt: skip
    assert [entry["turn"] for entry in record["transcript"]] == [1] * 6 + [2] * 2
    assert record["transcript"][2]["content"] == '{"room": "K17"}'
    names = [check["name"] for check in record["checks"]]
    assert names[:1] == ["turn 1: tools_in_order"]
    assert names[-1] == "turn 2: contains"
    assert [call["name"] for call in record["reply"]["tool_calls"]] == [
        "find_room", "book_room",
    ]  # fmt: skip
    asked = [r.body or {} for r in server.requests_to("/api/chat")][2:]
    assert len(asked) == 4
    assert asked[1]["messages"][1]["tool_calls"] == [
        {"function": {"name": "find_room", "arguments": {"people": 4}}}
    ]
    assert asked[1]["messages"][2] == {
        "role": "tool", "content": '{"room": "K17"}', "tool_name": "find_room",
    }  # fmt: skip
    e2e_ms = record["reply"]["timings"]["e2e_ms"]
    assert e2e_ms > record["reply"]["timings"]["ttft_ms"]


def test_an_invented_result_fails_the_turn(
    bench: Bench, model: Callable[..., FakeOllama]
) -> None:
    """Booking a guessed room is wrong, whatever the text claims."""
    from fake_ollama import calls, says

    def guesses(call: FakeCall) -> Answer:
        if call.messages[-1]["role"] == "tool" or "Which" in call.last_user_text:
            return says("K17")
        return calls("book_room", room="A1")

    model(guesses)
    bench.suite(SUITE)
    result = bench.run("--model", "fake:1b")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*turn 1: tools_in_order*"])
    (record,) = bench.records()
    assert record["outcome"] == "fail"
    assert record["failure_mode"] is not None


@pytest.mark.parametrize(
    ("name", "arguments", "mode"),
    [
        ("find_room", {"people": 9}, "wrong_arguments"),
        ("cancel_room", {}, "hallucinated_tool"),
    ],
)
def test_a_call_without_a_scripted_result_fails(
    bench: Bench,
    model: Callable[..., FakeOllama],
    name: str,
    arguments: dict[str, int],
    mode: str,
) -> None:
    """It gets an error result, and the turn fails with its mode."""
    from fake_ollama import calls, says

    def strays(call: FakeCall) -> Answer:
        is_first = call.messages[-1]["role"] == "user"
        return calls(name, **arguments) if is_first else says("K17")

    server = model(strays)
    suite = SUITE.replace("          tools_in_order: [find_room, book_room]\n", "")
    bench.suite(suite.replace("          arguments: {book_room: {room: K17}}\n", ""))
    bench.run("--model", "fake:1b").assert_outcomes(failed=1)
    (record,) = bench.records()
    assert record["failure_mode"] == mode
    assert "turn 1: tool_results" in [c["name"] for c in record["checks"]]
    sent = [r.body or {} for r in server.requests_to("/api/chat")][3]
    assert "error" in sent["messages"][-1]["content"]


def test_a_model_that_never_stops_calling_is_stopped(
    bench: Bench, model: Callable[..., FakeOllama]
) -> None:
    """Eight replies of one turn are enough."""
    from fake_ollama import always, calls

    server = model(always(calls("find_room", people=4)))
    bench.suite(SUITE)
    bench.run("--model", "fake:1b").assert_outcomes(failed=1)
    (record,) = bench.records()
    assert "turn 1: ends" in [c["name"] for c in record["checks"]]
    asked = [r for r in server.requests_to("/api/chat") if (r.body or {})["messages"]]
    assert len(asked) == 1 + 8 + 1  # warm-up, the cap, the second turn


def test_a_fault_in_the_second_step_is_an_error(
    bench: Bench, model: Callable[..., FakeOllama]
) -> None:
    """The server failing in mid-conversation counts for nobody."""
    from fake_ollama import crashes

    server = model(chained)
    server.faults.append(crashes().where(prompt_contains="Which"))
    bench.suite(SUITE)
    bench.run("--model", "fake:1b").assert_outcomes(errors=1)
    (record,) = bench.records()
    assert record["outcome"] == "error"
    assert len(record["transcript"]) == 7


def written(name: str, arguments: str) -> str:
    """Return a call as the text variant asks for it."""
    call = f'{{"name": "{name}", "arguments": {arguments}}}'
    return f"<tool_call>{call}</tool_call>"


def test_turns_work_with_tools_in_the_text(
    bench: Bench, model: Callable[..., FakeOllama]
) -> None:
    """A text variant puts results back as the user's words."""
    from fake_ollama import says

    def writes(call: FakeCall) -> Answer:
        last = call.messages[-1]["content"]
        if "Which" in last:
            return says("Room K17.")
        if "Book" in last:
            return says(written("find_room", '{"people": 4}'))
        if "Result of find_room" in last:
            return says(written("book_room", '{"room": "K17"}'))
        return says("Booked K17.")

    server = model(writes)
    bench.suite(SUITE)
    bench.run("--model", "fake:1b", "--variant", "text").assert_outcomes(passed=1)
    (record,) = bench.records()
    assert {c["channel"] for c in record["reply"]["tool_calls"]} == {"text:hermes"}
    assert all("tools" not in (r.body or {}) for r in server.requests_to("/api/chat"))
