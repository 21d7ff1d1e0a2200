"""Every fault of the fake Ollama shows on the wire as it does for real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from fake_ollama import (
    Answer,
    FakeModel,
    FakeOllama,
    always,
    answers_by_prompt,
    call_as_text,
    calls,
    crashes,
    ends_without_done,
    error_mid_stream,
    garbage_line,
    hangs_up,
    load_times_out,
    long_line,
    malformed_call,
    no_metrics,
    non_utf8,
    one_byte_writes,
    out_of_memory,
    queue_full,
    refuse,
    resets,
    resets_before_headers,
    says,
    silent_empty,
    slow_first_byte,
    split_utf8,
    stalls,
    two_line_writes,
)
from fake_ollama_probe import (
    WEATHER_TOOL,
    Heard,
    ask,
    ask_with,
    get,
    preload,
    raw_call,
    send,
    wait_until,
)

if TYPE_CHECKING:
    import socket

    from fake_ollama import Fault

TEXT = "One two three four."
MODEL = FakeModel(load_s=0.0, answer=always(says(TEXT)))


def spoilt(fault: Fault, **fields: object) -> Heard:
    """Return what one call gets that is hit by a fault."""
    with FakeOllama(MODEL) as server:
        server.faults.append(fault)
        return ask_with(server, fields, timeout_s=2.0)


REFUSALS = [
    pytest.param(
        queue_full(),
        503,
        "server busy, please try again.  maximum pending requests exceeded",
        id="queue",
    ),
    pytest.param(
        out_of_memory(),
        500,
        "llama-server process has terminated: cudaMalloc failed",
        id="memory",
    ),
    pytest.param(
        load_times_out(),
        500,
        "timed out waiting for llama-server to start - progress 0.42 - ",
        id="load-timeout",
    ),
    pytest.param(
        crashes(),
        500,
        "model runner has unexpectedly stopped, this may be due to resource "
        "limitations or an internal error, check ollama server logs for details",
        id="crash",
    ),
    pytest.param(
        malformed_call("{x", "bad"),
        500,
        "error parsing tool call: raw='{x', err=bad",
        id="malformed-call",
    ),
    pytest.param(
        error_mid_stream(0, "boom"), 500, "boom", id="error-before-the-first-line"
    ),
    pytest.param(refuse(401, "unauthorized"), 401, "unauthorized", id="any-status"),
]


@pytest.mark.parametrize("is_streamed", [True, False])
@pytest.mark.parametrize(("fault", "status", "text"), REFUSALS)
def test_refusals_have_a_status_and_json(
    fault: Fault, status: int, text: str, *, is_streamed: bool
) -> None:
    """An error before the first byte must have a real status and JSON text."""
    heard = spoilt(fault, stream=is_streamed)
    assert (heard.status, heard.json) == (status, {"error": text})
    assert heard.content_type == "application/json; charset=utf-8"


def test_crash_drops_the_model() -> None:
    """After a crash the model must load again."""
    with FakeOllama(MODEL) as server:
        preload(server)
        server.faults.append(crashes())
        ask(server)
        assert server.loaded_names == []


def test_error_in_mid_stream_is_a_line_after_200() -> None:
    """After some lines an error must be one more line, and the stream must end."""
    heard = spoilt(error_mid_stream(after_chunks=2))
    assert heard.status == 200
    assert [list(line) for line in heard.lines][-1] == ["error"]
    assert len(heard.lines) == 3
    assert heard.error is None


def test_error_in_mid_reply_is_a_500_unstreamed() -> None:
    """Without streaming the same error must be a status."""
    heard = spoilt(error_mid_stream(after_chunks=2), stream=False)
    assert (heard.status, list(heard.json)) == (500, ["error"])


def test_clean_end_without_done() -> None:
    """The stream must end properly with no done line and no error."""
    heard = spoilt(ends_without_done(after_chunks=2))
    assert heard.error is None
    assert [line["done"] for line in heard.lines] == [False, False]


def test_unstreamed_reply_without_done() -> None:
    """`done` must be false without metrics, all zero if nothing was generated."""
    some = spoilt(ends_without_done(after_chunks=2), stream=False).json
    none = spoilt(ends_without_done(after_chunks=0), stream=False).json
    assert (some["done"], some["message"]["content"]) == (False, "One two ")
    assert "eval_count" not in some
    assert (none["model"], none["created_at"]) == ("", "0001-01-01T00:00:00Z")
    assert none["done"] is False


@pytest.mark.parametrize("fault", [hangs_up(2), resets(2)])
def test_connection_lost_in_mid_stream(fault: Fault) -> None:
    """Some lines must come before the transport fails."""
    heard = spoilt(fault)
    assert isinstance(heard.error, httpx.RemoteProtocolError | httpx.ReadError)
    assert heard.status == 200
    assert len(heard.lines) == 2


def test_reset_in_mid_stream_is_a_real_reset() -> None:
    """The peer must see ECONNRESET, not a polite end."""
    with FakeOllama(MODEL) as server:
        server.faults.append(resets(2))
        with raw_call(server) as client, pytest.raises(ConnectionResetError):
            read_to_end(client)


def read_to_end(client: socket.socket) -> None:
    """Read until the peer says goodbye."""
    while client.recv(4096):
        pass


def test_reset_before_headers() -> None:
    """The connection must be reset with no byte sent."""
    with FakeOllama(MODEL) as server:
        server.faults.append(resets_before_headers())
        with raw_call(server) as client, pytest.raises(ConnectionResetError):
            client.recv(1)


def test_stall_is_silence_and_the_leaving_client_is_seen() -> None:
    """After some lines nothing must come; the client's leaving must be recorded."""
    with FakeOllama(MODEL) as server:
        server.faults.append(stalls(after_chunks=2))
        heard = ask(server, timeout_s=0.1)
        (request,) = server.requests
        assert request.finished.wait(1)
        assert ask(server).text == TEXT
    assert isinstance(heard.error, httpx.ReadTimeout)
    assert len(heard.lines) == 2
    assert request.client_closed


def test_short_stall_goes_on() -> None:
    """A stall that the client sits out must lose nothing."""
    heard = spoilt(stalls(after_chunks=2, delay_s=0.1))
    assert heard.text == TEXT
    assert heard.seconds >= 0.1


@pytest.mark.parametrize("is_streamed", [True, False])
def test_slow_first_byte(*, is_streamed: bool) -> None:
    """The delay must come before the headers and be no load time."""
    with FakeOllama(MODEL) as server:
        server.faults.append(slow_first_byte(0.1))
        heard = ask(server, stream=is_streamed)
        server.faults.append(slow_first_byte(2.0))
        late = ask(server, stream=is_streamed, timeout_s=0.05)
    assert heard.seconds >= 0.1
    assert heard.done["load_duration"] < 100_000_000
    assert late.status == 0
    assert isinstance(late.error, httpx.ReadTimeout)


def test_client_leaving_in_mid_stream_is_seen() -> None:
    """Closing the connection between two tokens must be recorded."""
    model = FakeModel(load_s=0.0, decode_tokens_per_s=20, answer=always(says("x" * 99)))
    with FakeOllama(model) as server:
        with raw_call(server) as client:
            client.recv(100)
        assert wait_until(lambda: server.requests[0].client_closed)
        assert server.requests[0].status == 200


def test_no_metrics() -> None:
    """The done line must say done and nothing of counts or durations."""
    heard = spoilt(no_metrics())
    assert set(heard.done) == {"model", "created_at", "message", "done", "done_reason"}
    assert heard.text == TEXT


@pytest.mark.parametrize("is_streamed", [True, False])
@pytest.mark.parametrize("fault", [garbage_line(), non_utf8()])
def test_bytes_that_are_no_protocol(fault: Fault, *, is_streamed: bool) -> None:
    """A line that is no JSON or no UTF-8 must break a reader that trusts it."""
    heard = spoilt(fault, stream=is_streamed)
    assert heard.error is None
    with pytest.raises(ValueError, match=r"Expecting|codec|Extra"):
        assert heard.lines


def test_one_byte_per_write() -> None:
    """Bytes written one by one must add up to the same reply."""
    with FakeOllama(MODEL) as server:
        server.faults.append(one_byte_writes())
        with raw_call(server) as client:
            answer = b""
            while not answer.endswith(b"\r\n0\r\n\r\n"):
                answer += client.recv(4096)
    chunks = answer.partition(b"\r\n\r\n")[2].split(b"\r\n")
    assert set(chunks[0:-3:2]) == {b"1"}
    body = answer.partition(b"\r\n\r\n")[2]
    assert len(body) > 6 * body.count(b"}")


def test_one_byte_per_write_is_readable() -> None:
    """A client that puts bytes together must get the whole reply."""
    heard = spoilt(one_byte_writes())
    assert heard.text == TEXT
    assert len(heard.writes) > 50


def test_two_lines_per_write() -> None:
    """A read must be able to hold two lines."""
    heard = spoilt(two_line_writes())
    assert heard.text == TEXT
    assert [piece.count(b"\n") for piece in heard.writes] == [2, 2, 2]


def test_character_split_across_writes() -> None:
    """A character of several bytes must be torn apart, and still add up."""
    with FakeOllama(FakeModel(load_s=0.0, answer=always(says("日本語です")))) as server:
        server.faults.append(split_utf8())
        heard = ask(server)
    assert heard.text == "日本語です"
    with pytest.raises(UnicodeDecodeError):
        heard.writes[0].decode()


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_very_long_line(path: str) -> None:
    """One line must be as long as asked for, in no time."""
    with FakeOllama(MODEL) as server:
        server.faults.append(long_line(2_000_000).where(path=path))
        fields = {"messages": [{"role": "user", "content": "Hi"}], "prompt": "Hi"}
        heard = send(server, path, fields)
    assert len(heard.body.partition(b"\n")[0]) > 2_000_000
    assert heard.seconds < 2


def test_silent_empty_reply() -> None:
    """Tokens must be counted though there is no text, no call and no error."""
    with FakeOllama(
        FakeModel(load_s=0.0, answer=always(calls("get_weather", city="Oslo")))
    ) as server:
        server.faults.append(silent_empty())
        heard = ask(server, tools=[WEATHER_TOOL])
    assert len(heard.lines) == 1
    assert heard.text == ""
    assert "tool_calls" not in heard.done["message"]
    assert heard.done["eval_count"] > 1
    assert heard.done["done_reason"] == "stop"


def test_tool_call_as_text() -> None:
    """The call must stand in the content and nowhere else."""
    with FakeOllama(
        FakeModel(load_s=0.0, answer=always(calls("get_weather", city="Oslo")))
    ) as server:
        server.faults.append(call_as_text())
        heard = ask(server, tools=[WEATHER_TOOL])
    call = '{"name": "get_weather", "arguments": {"city": "Oslo"}}'
    assert heard.text == f"<tool_call>{call}</tool_call>"
    assert not any("tool_calls" in line["message"] for line in heard.lines)


def test_scripts_can_return_faults() -> None:
    """A script must be able to choose the fault and the answer it spoils."""
    model = FakeModel(
        load_s=0.0,
        answer=answers_by_prompt(
            {
                "busy": queue_full(),
                "cut": ends_without_done(1).on(Answer(text="abcdefgh")),
                "call": call_as_text().on(calls("f")),
            },
            says("fine"),
        ),
    )
    with FakeOllama(model) as server:
        assert ask(server, "busy").status == 503
        assert ask(server, "cut").text == "abcd"
        assert ask(server, "call").text.startswith("<tool_call>")
        assert ask(server, "else").text == "fine"


def test_faults_hit_matching_calls_once_or_always() -> None:
    """A fault must wait for its call, be used up, or stay when told so."""
    with FakeOllama(MODEL) as server:
        server.faults.append(refuse(500, "one").where(prompt_contains="P6"))
        server.faults.append(refuse(500, "two").where(model="other:1b").always())
        assert ask(server, "P5").status == 200
        assert ask(server, "P6").problem == "one"
        assert ask(server, "P6").status == 200
        server.faults.append(queue_full().always())
        assert [ask(server).status for _ in range(3)] == [503] * 3
        assert get(server, "/api/ps").status == 200


def test_preload_does_not_use_up_a_fault_of_the_stream() -> None:
    """A stall meant for a reply must survive a warm-up's preload."""
    with FakeOllama(MODEL) as server:
        server.faults.append(error_mid_stream(1))
        assert preload(server).status == 200
        assert "error" in ask(server).done


@pytest.mark.parametrize("path", ["/api/ps", "/api/tags", "/api/version"])
def test_faults_can_hit_introspection(path: str) -> None:
    """Looking around must be able to fail too."""
    with FakeOllama(MODEL) as server:
        server.faults.append(refuse(500, "no").where(path=path))
        server.faults.append(garbage_line(0).where(path=path))
        assert (get(server, path).status, get(server, path).body[-4:]) == (
            500,
            b"way\n",
        )
        assert get(server, path).json
