"""The fake Ollama refuses and cuts requests as documented."""

from __future__ import annotations

import json

import httpx
import pytest
from fake_ollama import (
    Answer,
    FakeCall,
    FakeModel,
    FakeOllama,
    FakeSettings,
    Script,
    always,
    says,
)
from fake_ollama_probe import WEATHER_TOOL, ask, ask_with, get, send


def one_answer(answer: Answer) -> FakeModel:
    """Make a model that says one thing."""
    return FakeModel(answer=always(answer), load_s=0.01)


REFUSED = [
    pytest.param({"model": ""}, 400, "model is required", id="no-model"),
    pytest.param({"model": "x:y"}, 404, "model 'x:y' not found", id="missing"),
    pytest.param(
        {"tools": [WEATHER_TOOL]},
        400,
        "registry.ollama.ai/library/fake:1b does not support tools",
        id="tools",
    ),
    pytest.param(
        {"think": True}, 400, '"fake:1b" does not support thinking', id="thinking"
    ),
    pytest.param(
        {"options": {"num_ctx": "big"}},
        500,
        'option "num_ctx" must be of type integer',
        id="option-type",
    ),
    pytest.param(
        {"keep_alive": "300"}, 400, 'time: missing unit in duration "300"', id="unit"
    ),
    pytest.param(
        {"keep_alive": "soon"}, 400, 'time: invalid duration "soon"', id="duration"
    ),
    pytest.param(
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        400,
        "json: cannot unmarshal array into Go struct field "
        "ChatRequest.messages.content of type string",
        id="content-list",
    ),
    pytest.param(
        {
            "messages": [
                {"role": "assistant", "tool_calls": [{"function": {"arguments": "{}"}}]}
            ]
        },
        400,
        "json: cannot unmarshal string into Go struct field "
        "ChatRequest.messages.tool_calls.function.arguments of type "
        "api.ToolCallFunctionArguments",
        id="argument-string",
    ),
    pytest.param(
        {"format": "yaml"},
        500,
        'invalid format: "yaml"; expected "json" or a valid JSON Schema object',
        id="format",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "status", "text"), REFUSED)
def test_refuses_in_the_servers_words(
    fields: dict[str, object], status: int, text: str
) -> None:
    """A bad request must get its status and exact error text, as JSON."""
    model = FakeModel(answer=always(says("Hi")), capabilities=("completion",))
    with FakeOllama(model) as server:
        heard = ask_with(server, fields)
    assert (heard.status, heard.json) == (status, {"error": text})
    assert heard.content_type == "application/json; charset=utf-8"


def test_odd_requests_are_refused_or_pass() -> None:
    """Bad bodies and think words get 400; unknown options and think:false pass."""
    with FakeOllama(one_answer(says("Hi"))) as server:
        url = server.url + "/api/chat"
        empty = httpx.post(url, trust_env=False)
        broken = httpx.post(url, content=b"{", trust_env=False)
        word = ask(server, think="extreme")
        fine = ask(server, think=False, options={"no_such": 1}, format=None)
    assert empty.json() == {"error": "missing request body"}
    assert (empty.status_code, broken.status_code, word.status) == (400, 400, 400)
    assert fine.text == "Hi"


def test_unknown_path_method_and_host() -> None:
    """Wrong routes must get plain text, a foreign Host an empty 403."""
    with FakeOllama() as server:
        unknown, wrong = get(server, "/api/none"), get(server, "/api/chat")
        foreign = httpx.get(
            server.url, headers={"Host": "evil.example:80"}, trust_env=False
        )
        root, head = get(server, "/"), get(server, "/api/version", "HEAD")
    assert (unknown.status, wrong.status) == (404, 405)
    assert unknown.content_type == wrong.content_type == "text/plain"
    assert (foreign.status_code, foreign.content) == (403, b"")
    assert (root.body, head.body) == (b"Ollama is running", b"")


def test_describes_itself_and_its_models() -> None:
    """Version, tags and show must tell what is there, with capabilities."""
    model = FakeModel(name="tiny", context_length=8192, family="llama")
    with FakeOllama(model, settings=FakeSettings(version="0.34.1")) as server:
        version = get(server, "/api/version").json
        (tag,) = get(server, "/api/tags").json["models"]
        show = send(server, "/api/show", {"model": "tiny"})
        missing = send(server, "/api/show", {"model": "none"})
    assert version == {"version": "0.34.1"}
    assert (tag["name"], tag["digest"]) == ("tiny:latest", model.digest)
    assert tag["details"]["quantization_level"] == "Q4_K_M"
    assert show.json["capabilities"] == ["completion", "tools"]
    assert show.json["model_info"] == {
        "general.architecture": "llama",
        "llama.context_length": 8192,
    }
    assert (missing.status, missing.problem) == (404, "model 'none' not found")


def test_too_long_prompt_is_cut_silently() -> None:
    """With truncate unset the count must show num_ctx / 2 + 2, and nothing else."""
    with FakeOllama(one_answer(says("Hi"))) as server:
        heard = ask(server, "x" * 20_000)
    assert heard.status == 200
    assert heard.done["prompt_eval_count"] == 4096 // 2 + 2


def listening(seen: list[FakeCall]) -> Script:
    """Make a script that keeps what it is told."""

    def answer(call: FakeCall) -> Answer:
        seen.append(call)
        return says("Hi")

    return answer


def test_oldest_messages_go_first() -> None:
    """Cutting must keep the system text and the last message, and count the rest."""
    seen: list[FakeCall] = []
    model = FakeModel(answer=listening(seen))
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "y" * 20_000},
        {"role": "user", "content": "Now?"},
    ]
    with FakeOllama(model) as server:
        done = ask(server, messages=messages).done
    assert [message["content"] for message in seen[0].messages] == ["Be kind.", "Now?"]
    assert done["prompt_eval_count"] < 20


def test_truncate_false_gives_an_error_inside_an_error() -> None:
    """A prompt that must not be cut gets 400 with the engine's JSON as a string."""
    with FakeOllama(one_answer(says("Hi"))) as server:
        heard = ask(server, "x" * 20_000, truncate=False)
    inner = json.loads(heard.problem)["error"]
    assert heard.status == 400
    assert inner["type"] == "exceed_context_size_error"
    assert (inner["n_prompt_tokens"], inner["n_ctx"]) == (5002, 4096)
