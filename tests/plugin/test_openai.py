"""Suites over `openai/…`: tools, turns and settings, with pytest as a user runs it."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Final

import pytest
from bench_project import REPOSITORY, SMALL_ANSWERS
from fake_ollama import answers_by_prompt, calls, says
from fake_openai import FakeOpenAI
from fake_openai_models import (
    LLAMA_CPP,
    LM_STUDIO,
    OLLAMA,
    OPENAI,
    OPENROUTER,
    VLLM,
    ChatModel,
    Flavour,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench_project import Bench
    from fake_ollama import Answer, FakeCall

KEY: Final = "sk-fake-1234567890"
TALK: Final = """
suite: talk
phase: extended
defaults:
  options: {temperature: 0.7}
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


def clerk(call: FakeCall) -> Answer:
    """Find a room, book it, say so."""
    last = call.messages[-1]
    if last["role"] == "user" and "Which" in last["content"]:
        return says("It was room K17.")
    if last["role"] == "user":
        return says("4") if "2+2" in last["content"] else calls("find_room", people=4)
    if "K17" in last["content"]:
        return calls("book_room", room="K17")
    return says("Booked room K17.")


@pytest.fixture(autouse=True)
def _no_other_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's service out of these tests."""
    for name in ("OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    """Serve `gpt-x`, right on the small suite, where the environment says."""
    model = ChatModel(answer=answers_by_prompt(SMALL_ANSWERS, says("4")))
    with FakeOpenAI(model, key=KEY) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield server


def alias(bench: Bench, server: FakeOpenAI, *lines: str) -> None:
    """Give the fake's `gpt-x` the name `mine`."""
    text = "\n".join([
        "[models.mine]",
        'provider = "openai"',
        'model = "gpt-x"',
        f'base_url = "{server.base_url}"',
        *lines,
    ])
    (bench.pytester.path / "llmbench.toml").write_text(text, "utf-8")


def test_a_service_from_the_environment(bench: Bench, service: FakeOpenAI) -> None:
    """OPENAI_BASE_URL and OPENAI_API_KEY are all it takes; no file holds the key."""
    bench.suite()
    result = bench.run("--model", "openai/gpt-x", "--debug-log")
    result.assert_outcomes(passed=3)
    record = bench.records()[0]
    assert record["model"] == "openai/gpt-x"
    assert record["server"] == f"openai at {service.base_url}"
    assert record["reply"]["usage"]["output_tokens"] > 0
    written = [path for path in bench.reports.rglob("*") if path.is_file()]
    assert not [path for path in written if KEY in path.read_text("utf-8")]
    assert KEY not in result.stdout.str()


@pytest.mark.parametrize(
    "flavour", [LLAMA_CPP, VLLM, OPENROUTER], ids=lambda flavour: flavour.name
)
def test_a_conversation_with_a_compatible_server(
    bench: Bench, flavour: Flavour
) -> None:
    """An alias with an address and no key: calls, results and turns go through."""
    with FakeOpenAI(ChatModel(answer=clerk), flavour=flavour) as server:
        alias(bench, server)
        bench.suite(TALK)
        bench.run("--model", "mine").assert_outcomes(passed=1)
        bodies = [body for body in server.bodies if "tools" in body]
    (record,) = bench.records()
    assert [call["name"] for call in record["reply"]["tool_calls"]] == [
        "find_room", "book_room",
    ]  # fmt: skip
    roles = [message["role"] for message in bodies[-1]["messages"]]
    assert roles == [
        "user", "assistant", "tool", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip
    assert bodies[0]["temperature"] == 0.7
    assert bodies[0]["max_tokens"] == 2048


FLAVOUR_OF: Final = {
    "my-deployment": OPENAI,
    "llama-cpp": LLAMA_CPP,
    "vllm": VLLM,
    "lmstudio": LM_STUDIO,
    "ollama-v1": OLLAMA,
    "openrouter": OPENROUTER,
}
"""By the alias of the documentation, who serves it."""


def documented() -> dict[str, str]:
    """Return each alias of the page's `openai` section, with its block."""
    page = (REPOSITORY / "docs" / "providers.md").read_text("utf-8")
    [section] = re.findall(
        r"^## `openai`.*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL
    )
    blocks = re.findall(r"```toml\n(.*?)```", section, re.DOTALL)
    return {re.findall(r"models\.([\w-]+)\]", block)[0]: block for block in blocks}


@pytest.mark.parametrize("name", FLAVOUR_OF)
def test_a_documented_configuration_works(
    bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the page says for a kind of server is all that it takes."""
    block = documented()[name]
    settings = tomllib.loads(block)["tool"]["llmbench"]["models"][name]
    key = KEY if "api_key_env" in settings else None
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    model = ChatModel(
        name=settings["model"],
        is_reasoning=name == "my-deployment",
        answer=answers_by_prompt(SMALL_ANSWERS, says("4")),
    )
    with FakeOpenAI(model, flavour=FLAVOUR_OF[name], key=key) as server:
        block = block.replace(settings["base_url"], server.base_url)
        text = block.replace("[tool.llmbench.", "[")
        (bench.pytester.path / "llmbench.toml").write_text(text, "utf-8")
        bench.suite()
        bench.run("--model", name).assert_outcomes(passed=3)


def test_every_documented_configuration_is_tested() -> None:
    """No block of the page is left out."""
    assert set(documented()) == set(FLAVOUR_OF)


def test_a_reasoning_model_runs_a_suite_for_local_ones(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The suite's sampling, the seed and num_ctx stay home; the effort goes out."""
    model = ChatModel(name="gpt-6-sol", is_reasoning=True, answer=clerk)
    with FakeOpenAI(model) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        bench.suite(TALK)
        name = "openai/gpt-6-sol?effort=low&num_ctx=4096"
        bench.run("--model", name).assert_outcomes(passed=1)
        fields = set(server.bodies[-1])
    assert fields == {
        "model", "messages", "stream", "stream_options", "tools",
        "max_completion_tokens", "reasoning_effort",
    }  # fmt: skip


def test_an_alias_sets_what_its_server_wants(bench: Bench) -> None:
    """The limit's name, and sampling that the user insists on."""
    with FakeOpenAI(ChatModel(answer=clerk)) as server:
        option = '{max_tokens_field = "max_completion_tokens", top_p = 0.5}'
        alias(bench, server, f"options = {option}")
        bench.suite(TALK)
        bench.run("--model", "mine").assert_outcomes(passed=1)
        body = server.bodies[-1]
    assert (body["max_completion_tokens"], body["top_p"]) == (2048, 0.5)
    assert "max_tokens" not in body


def test_a_missing_key_stops_before_any_call(
    bench: Bench, service: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenAI's own address without a key: one message, no trial, nothing sent."""
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_BASE_URL")
    bench.suite()
    result = bench.run("--model", "openai/gpt-x")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*OPENAI_API_KEY is not set*"])
    assert not service.requests


@pytest.mark.usefixtures("service")
def test_a_misspelt_model_stops_before_any_call(bench: Bench) -> None:
    """The service's list names the nearest one."""
    bench.suite()
    result = bench.run("--model", "openai/gpt-y")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*has no model 'gpt-y'; did you mean 'gpt-x'?*"])


def test_an_isolated_call_reads_the_key_itself(
    bench: Bench, service: FakeOpenAI
) -> None:
    """The child process has the variable; the key is handed over nowhere."""
    bench.suite()
    result = bench.run("--model", "openai/gpt-x", "--isolate-call", "--prompts", "P3")
    result.assert_outcomes(passed=1)
    chats = service.requests_to("/v1/chat/completions")
    assert {record.headers["authorization"] for record in chats} == {f"Bearer {KEY}"}
    [record] = bench.records()
    assert json.dumps(record).count(KEY) == 0
    assert record["reply"]["timings"]["isolation_ms"] > 0
