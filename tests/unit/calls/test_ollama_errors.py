"""Each documented text and status of Ollama becomes one of our errors."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.calls.providers.http import HttpStatusError
from pytest_llmbench.calls.providers.ollama_errors import (
    error_of_status,
    error_of_text,
    missing_model,
)
from pytest_llmbench.errors import (
    Busy,
    CallError,
    ContextOverflow,
    LoadFailed,
    MalformedCall,
    ModelMissing,
    ProtocolFault,
    ServerFault,
    Unauthorised,
    Unsupported,
)

WHERE = "http://h:11434"
LOG = "; see the server's log"
NESTED = json.dumps({
    "error": {
        "code": 400,
        "message": "request (7912 tokens) exceeds the available context size"
        " (4096 tokens), try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 7912,
        "n_ctx": 4096,
    }
})

TEXTS: list[tuple[int, str, type[CallError]]] = [
    (400, "missing request body", ServerFault),
    (400, "invalid character 'x' looking for beginning of value", ServerFault),
    (400, "model is required", ServerFault),
    (400, "invalid model name", ModelMissing),
    (404, "model 'x:y' not found", ModelMissing),
    (404, 'model "x" not found, try pulling it first', ModelMissing),
    (400, "registry.ollama.ai/library/gemma3:1b does not support tools", Unsupported),
    (400, '"gemma3:1b" does not support thinking', Unsupported),
    (400, '"embed:1b" does not support chat', Unsupported),
    (400, '"embed:1b" does not support generate', Unsupported),
    (400, "the input length exceeds the context length", ContextOverflow),
    (
        400,
        (
            "the prompt is longer than the context length currently available to the"
            " model; shorten it"
        ),
        ContextOverflow,
    ),
    (400, NESTED, ContextOverflow),
    (503, "server busy, please try again.  maximum pending requests exceeded", Busy),
    (499, "request canceled", ServerFault),
    (
        500,
        "model requires more system memory (8.1 GiB) than is available (6.0 GiB)",
        LoadFailed,
    ),
    (500, "llama runner process has terminated: exit status 2", LoadFailed),
    (500, "llama-server process has terminated: signal: killed", LoadFailed),
    (500, "llama-server process has terminated: tensor 'a' not found", LoadFailed),
    (500, "llama-server process has terminated: cudaMalloc failed", LoadFailed),
    (500, "llama-server process has terminated: does not support it", LoadFailed),
    (500, "CUDA error: out of memory", LoadFailed),
    (500, "failed to allocate compute buffers", LoadFailed),
    (
        500,
        "timed out waiting for llama runner to start - progress 0.42 - ",
        LoadFailed,
    ),
    (500, "timed out waiting for llama-server to start - ", LoadFailed),
    (
        500,
        (
            "model runner has unexpectedly stopped, this may be due to resource"
            " limitations or an internal error, check ollama server logs for details"
        ),
        ServerFault,
    ),
    (
        500,
        "an error was encountered while running the model: out of memory",
        ServerFault,
    ),
    (
        500,
        "error parsing tool call: raw='{\"a\": not found}', err=invalid character",
        MalformedCall,
    ),
    (500, "no user query found in messages", ContextOverflow),
    (500, 'option "num_ctx" must be of type integer', ServerFault),
    (401, "unauthorized", Unauthorised),
    (403, "cloud models are disabled", Unauthorised),
    (429, "you are going too fast", Busy),
    (529, "overloaded", Busy),
    (500, "something new", ServerFault),
]


@pytest.mark.parametrize(("status", "text", "kind"), TEXTS)
def test_each_documented_error(status: int, text: str, kind: type[CallError]) -> None:
    """Status and text together give exactly one class, and say where."""
    error = error_of_status(HttpStatusError(status, json.dumps({"error": text})), WHERE)
    assert type(error) is kind
    assert str(error).startswith(f"{WHERE}: ")


@pytest.mark.parametrize(
    ("text", "kind"), [(text, kind) for status, text, kind in TEXTS if status == 500]
)
def test_the_same_text_in_mid_reply(text: str, kind: type[CallError]) -> None:
    """After the first byte there is no status; the text alone tells."""
    error = error_of_text(text, WHERE, "in mid-reply")
    assert type(error) is kind
    assert str(error).startswith(f"{WHERE} in mid-reply: {text}")


def test_the_wrong_key_of_an_old_version() -> None:
    """A line whose key is the error's text still means a malformed call."""
    assert type(error_of_text("error parsing tool call: {", WHERE)) is MalformedCall


def test_json_within_a_string_is_unpacked() -> None:
    """The engine's own error is shown as words, not as JSON."""
    assert str(error_of_text(NESTED, WHERE)) == (
        f"{WHERE}: request (7912 tokens) exceeds the available context size"
        " (4096 tokens), try increasing it (exceed_context_size_error);"
        " raise num_ctx or shorten the prompt"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"error": {"message": "boom"}}', "boom"),
        ('{"error": {"code": 500}}', '{"error": {"code": 500}}'),
        ('{"error": "boom"}', '{"error": "boom"}'),
        ("[1]", "[1]"),
        ("7", "7"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_what_is_no_such_json_is_shown_as_it_is(text: str, shown: str) -> None:
    """Only an error object within the string is unpacked."""
    assert str(error_of_text(text, WHERE)) == f"{WHERE}: {shown}"


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (
            404,
            "404 page not found",
            ProtocolFault,
            f"{WHERE}: HTTP 404 404 page not found; is this an Ollama server?",
        ),
        (
            405,
            "405 method not allowed",
            ProtocolFault,
            f"{WHERE}: HTTP 405 405 method not allowed; is this an Ollama server?",
        ),
        (
            403,
            "",
            Unauthorised,
            (
                f"{WHERE}: HTTP 403 refused this Host name; set OLLAMA_ORIGINS or use"
                " 127.0.0.1"
            ),
        ),
        (
            401,
            '{"error": "unauthorized", "signin_url": "https://x"}',
            Unauthorised,
            f"{WHERE}: unauthorized; sign in with `ollama signin`",
        ),
        (
            502,
            "<html>\nBad gateway",
            ServerFault,
            rf"{WHERE}: HTTP 502 <html>\nBad gateway{LOG}",
        ),
        (500, "", ServerFault, f"{WHERE}: HTTP 500{LOG}"),
        (500, '{"error": ""}', ServerFault, f"{WHERE}: HTTP 500{LOG}"),
        (500, "[]", ServerFault, f"{WHERE}: HTTP 500 []{LOG}"),
        (
            500,
            '{"error": {"message": "boom"}}',
            ServerFault,
            f'{WHERE}: HTTP 500 {{"error": {{"message": "boom"}}}}{LOG}',
        ),
        (
            500,
            "x" * 999,
            ServerFault,
            f"{WHERE}: HTTP 500 {'x' * 200}… (999 chars){LOG}",
        ),
    ],
)
def test_a_body_of_another_shape(
    status: int, body: str, kind: type[CallError], message: str
) -> None:
    """What is not Ollama's JSON is shown with its status, cut to one line's worth."""
    error = error_of_status(HttpStatusError(status, body), WHERE)
    assert type(error) is kind
    assert str(error) == message


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("x does not support tools", "choose a model with tools"),
        ('"x" does not support thinking', "leave out effort"),
        ("cudaMalloc failed: out of memory", "free VRAM or take a smaller model"),
        ("model runner has unexpectedly stopped", "see the server's log"),
        ("server busy, please try again", "wait, or raise OLLAMA_MAX_QUEUE"),
    ],
)
def test_an_error_says_what_to_do(text: str, advice: str) -> None:
    """The same advice comes with a status as in mid-reply."""
    body = json.dumps({"error": text})
    assert advice in str(error_of_status(HttpStatusError(500, body), WHERE))
    assert advice in str(error_of_text(text, WHERE))


def test_a_missing_model_lists_what_is_there() -> None:
    """The message names the nearest model, all pulled ones, and the command."""
    error = missing_model("lama3.2", WHERE, ["llama3.2:latest", "qwen3:4b"])
    assert type(error) is ModelMissing
    assert error.is_permanent
    assert str(error) == (
        f"{WHERE} has no model 'lama3.2'; did you mean 'llama3.2'?\n"
        "  pulled: llama3.2:latest, qwen3:4b\n"
        "  get it: ollama pull lama3.2"
    )


def test_a_missing_model_where_nothing_is_pulled() -> None:
    """An empty server is said to be empty."""
    assert str(missing_model("m", WHERE, [])) == (
        f"{WHERE} has no model 'm'\n  pulled: none\n  get it: ollama pull m"
    )


@given(st.integers(400, 599), st.text())
def test_any_status_and_body_is_a_call_error(status: int, body: str) -> None:
    """Whatever a server answers, it is one of ours, in words."""
    for text in (body, json.dumps({"error": body})):
        error = error_of_status(HttpStatusError(status, text), WHERE)
        assert isinstance(error, CallError)
        assert str(error).startswith(WHERE)


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, '{"error": "server busy, please try again"}'), (429, "slow down")],
)
def test_busy_keeps_and_says_how_long_to_wait(status: int, body: str) -> None:
    """A server's wish to be left alone for a while is in the error and its text."""
    error = error_of_status(HttpStatusError(status, body, 7.0), WHERE)
    assert isinstance(error, Busy)
    assert error.retry_after_s == 7.0
    assert str(error).endswith("; it asks to come back in 7 s")
    untold = error_of_status(HttpStatusError(status, body), WHERE)
    assert isinstance(untold, Busy)
    assert untold.retry_after_s is None
    assert "come back" not in str(untold)


def test_a_model_that_is_listed_and_not_found_is_named_as_such() -> None:
    """Nobody is told to take the name that was asked for."""
    error = missing_model("a:1b", WHERE, ["a:1b", "b:1b"])
    assert str(error) == (
        f"{WHERE} lists the model 'a:1b' but says that it has none; pull it again:"
        " ollama pull a:1b"
    )
