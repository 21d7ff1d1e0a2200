"""Tools and turns over OpenAI's responses API, in whole runs of pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_responses import KEY, PATH, Asked, FakeResponses, error_event
from fake_responses_events import Said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench_project import Bench

SUITE = """
suite: talk
phase: extended
system: You book rooms.
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
  - id: E2
    category: restraint
    prompt: Who are you?
    expect: {tools: [], contains: room}
"""


def books(asked: Asked) -> Said:
    """Find, book what was found, then say so, with a thought before each call."""
    if "Which" in asked.last_user_text:
        return Said(text="It was room K17.", cached_tokens=8)
    if "Who" in asked.last_user_text:
        return Said(text="I book rooms.")
    if "K17" in asked.last_result:
        call = ("book_room", {"room": "K17"})
        return Said(thinking=["Book it."], tool_calls=[call])
    if asked.last_result:
        return Said(text="Booked room K17.")
    return Said(thinking=["Find one."], tool_calls=[("find_room", {"people": 4})])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeResponses]:
    """Serve a model that books rooms, where the vendor's variables say."""
    with FakeResponses(books) as started:
        monkeypatch.setenv("OPENAI_BASE_URL", started.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield started


def test_tools_and_turns_in_one_run(bench: Bench, server: FakeResponses) -> None:
    """Calls, results, thinking and turns go over the wire; the record holds them."""
    bench.suite(SUITE)
    bench.run("--model", "openai-responses/gpt-x?effort=low").assert_outcomes(passed=2)
    talk, single = sorted(bench.records(), key=lambda record: record["prompt_id"])
    names = [call["name"] for call in talk["reply"]["tool_calls"]]
    assert names == ["find_room", "book_room"]
    assert [entry["turn"] for entry in talk["transcript"]] == [1] * 7 + [2] * 2
    assert talk["reply"]["usage"]["reasoning_tokens"] == 5
    assert single["reply"]["usage"]["output_tokens"] == 4
    bodies = [asked.body or {} for asked in server.requests_to(PATH)]
    longest = max((body["input"] for body in bodies), key=len)
    assert [item.get("type", item.get("role")) for item in longest] == [
        "user", "reasoning", "function_call", "function_call_output", "reasoning",
        "function_call", "function_call_output", "assistant", "user",
    ]  # fmt: skip
    asked = [body for body in bodies if body.get("instructions")]
    assert {body["reasoning"]["effort"] for body in asked} == {"low"}
    assert not any("seed" in body or "temperature" in body for body in bodies)


def test_what_only_the_service_reads_is_in_no_file(
    bench: Bench, server: FakeResponses
) -> None:
    """Encrypted thinking goes back to the service, and nowhere else."""
    bench.suite(SUITE)
    bench.run("--model", "openai-responses/gpt-x").assert_outcomes(passed=2)
    sent = [str(asked.body) for asked in server.requests_to(PATH)]
    assert any("gAAAA" in body for body in sent)
    files = [path for path in bench.reports.rglob("*") if path.is_file()]
    assert files
    assert not any(b"gAAAA" in path.read_bytes() for path in files)
    assert not any(KEY.encode() in path.read_bytes() for path in files)


def test_a_failed_response_is_no_wrong_answer(
    bench: Bench, server: FakeResponses
) -> None:
    """A policy's refusal in mid-stream is an error, which counts for nobody."""
    server.faults.append(error_event("bio_policy", "Not this.").always())
    bench.suite(SUITE)
    bench.run("--model", "openai-responses/gpt-x", "--prompts", "E2")
    (record,) = bench.records()
    assert record["outcome"] == "error"
    assert "Not this." in record["fault"]["message"]
