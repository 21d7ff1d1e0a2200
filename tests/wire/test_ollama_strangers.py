"""Servers that are no Ollama, or stand behind something else, and bad addresses."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest
from asking import LIMITS, ask, error_of, question, reply_of, target_of
from canned_server import CannedServer, http, http_json, http_until_closed, ndjson
from expected_error import Row, check
from fake_ollama import FakeModel, FakeOllama
from msgspec.structs import replace

from pytest_llmbench.errors import (
    ProtocolFault,
    ServerFault,
    StreamTruncated,
    Unauthorised,
    Unreachable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_llmbench.calls.engine import Engine

MODEL: Final = FakeModel(load_s=0.01)
PS: Final = http_json({"models": []})
HI_LINE: Final = b'{"message":{"content":"Hi"},"done":false}\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A server that is no Ollama, or one behind something else.

    Attributes:
        answers: path to what is sent there; any other path is a plain 404.
        row: what must come of a call.
    """

    answers: Mapping[str, Iterable[bytes]] = field(default_factory=dict)
    row: Row


def chat(answer: Iterable[bytes]) -> Mapping[str, Iterable[bytes]]:
    """Answer the residency probe well, and the chat with this."""
    return {"/api/ps": PS, "/api/chat": answer}


def encoded(encoding: str) -> list[bytes]:
    """Return a reply that claims an encoding."""
    return http(HI_LINE, headers={"Content-Encoding": encoding})


STRANGERS: Final = {
    "another kind of server": Stranger(
        row=Row(
            error=ProtocolFault,
            words=("HTTP 404 404 page not found", "is this an Ollama server?"),
        )
    ),
    "no chat there": Stranger(
        answers={"/api/ps": PS},
        row=Row(error=ProtocolFault, words=("is this an Ollama server?",)),
    ),
    "a page instead of JSON": Stranger(
        answers={"/api/ps": http(b"<html>Welcome")},
        row=Row(error=ProtocolFault, words=("not JSON", "<html>Welcome")),
    ),
    "a list instead of an object": Stranger(
        answers={"/api/ps": http_json([1])},
        row=Row(error=ProtocolFault, words=("no JSON object", "Ollama server?")),
    ),
    "models that are no list": Stranger(
        answers={"/api/ps": http_json({"models": 5})},
        row=Row(error=ProtocolFault, words=("unknown shape",)),
    ),
    "models that are no objects": Stranger(
        answers={"/api/ps": http_json({"models": ["fake:1b"]})},
        row=Row(error=ProtocolFault, words=("unknown shape",)),
    ),
    "a foreign Host name": Stranger(
        answers={"/api/ps": http(b"", 403)},
        row=Row(error=Unauthorised, words=("403", "OLLAMA_ORIGINS")),
    ),
    "a gateway's own 502": Stranger(
        answers=chat(http(b"<html>Bad Gateway", 502)),
        row=Row(error=ServerFault, words=("HTTP 502 <html>Bad Gateway",)),
    ),
    "an endless error": Stranger(
        answers=chat(http_until_closed(itertools.repeat(b"x" * 50_000), 500)),
        row=Row(error=ServerFault, words=("HTTP 500 xxx",)),
    ),
    "compressed though not accepted": Stranger(
        answers=chat(encoded("gzip")),
        row=Row(
            error=ProtocolFault, words=("gzip-encoded", "none were asked for"), kept=""
        ),
    ),
    "an endless stream": Stranger(
        answers=chat(http_until_closed(itertools.repeat(HI_LINE))),
        row=Row(
            error=ProtocolFault,
            words=("the reply passed 100,000 bytes",),
            kept="Hi" * 10,
            request=question(limits=replace(LIMITS, max_reply_bytes=100_000)),
        ),
    ),
    "a stream cut in mid-line": Stranger(
        answers=chat(http_until_closed([HI_LINE, HI_LINE[:20]])),
        row=Row(error=StreamTruncated, words=("ended in mid-line",), kept="Hi"),
    ),
    "a stream of nothing": Stranger(
        answers=chat(ndjson()),
        row=Row(error=StreamTruncated, words=("ended after 0 deltas",), kept=""),
    ),
    "no HTTP at all": Stranger(
        answers={"/api/ps": [b"SSH-2.0-OpenSSH_9.6\r\n"]},
        row=Row(error=ProtocolFault, words=("sent what is no HTTP",)),
    ),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_is_one_error_and_the_engine_goes_on(
    engine: Engine, name: str
) -> None:
    """A server that is no Ollama has its error too, and spoils no other server."""
    stranger = STRANGERS[name]
    with CannedServer(stranger.answers) as server, FakeOllama(MODEL) as good:
        answer = engine.ask(target_of(server.url), stranger.row.request)
        kept = stranger.row.kept
        partial = answer.error and answer.error.partial
        if kept and partial:  # how far an endless stream gets is not ours to say
            assert partial.text.startswith(kept)
            kept = partial.text
        check(answer, dataclasses.replace(stranger.row, kept=kept))
        assert reply_of(ask(engine, good)).text


def test_a_redirect_is_told_and_not_followed(engine: Engine) -> None:
    """Prompts go to the server that was named, and to no other."""
    with FakeOllama(MODEL) as elsewhere:
        headers = {"Location": f"{elsewhere.url}/api/chat"}
        answers = chat(http(b"", 307, headers))
        with CannedServer(answers) as server:
            error = error_of(ask(engine, server.url))
            assert type(error) is ProtocolFault
            assert f"redirects to {elsewhere.url}/api/chat" in str(error)
            assert server.asked == ["/api/ps", "/api/chat"]
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://127.0.0.1:99999999",
        "http://\x00",
        "ftp://127.0.0.1",
        "nonsense",
        "",
    ],
)
def test_an_address_that_is_none(engine: Engine, url: str) -> None:
    """A bad address is an error of the call, a failed warm-up and nothing else."""
    error = error_of(ask(engine, url))
    assert type(error) is Unreachable
    result = engine.warm_up(target_of(url), question())
    assert (result.status, result.detail != "") == ("failed", True)
    for question_of_server in (engine.facts, engine.model_names):
        with pytest.raises(Unreachable):
            question_of_server(target_of(url))


def test_a_password_is_in_no_message(engine: Engine) -> None:
    """The name of a server never holds the password of its address."""
    with FakeOllama(MODEL) as server:
        url = server.url.replace("://", "://someone:geheim@")
        facts = engine.facts(target_of(url))
    error = error_of(ask(engine, url))
    assert "geheim" not in f"{facts} {error}"
    assert facts.server == f"ollama at {server.url}"
