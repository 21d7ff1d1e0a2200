"""Lines and events out of chunks, however the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_llmbench.calls.framing import EventData, LineSplitter
from pytest_llmbench.errors import ProtocolFault

STREAMS = st.lists(
    st.sampled_from([b"\n", b"\r\n", b"\r", b"\xc3\xa9", b"data: ", b"data:", b": x"])
    | st.binary(max_size=4),
    max_size=20,
).map(b"".join)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """Cut a stream at these places; empty chunks are chunks too."""
    ends = sorted(min(place, len(stream)) for place in places)
    starts = [0, *ends]
    return [stream[a:b] for a, b in zip(starts, [*ends, len(stream)], strict=True)]


def lines_of(chunks: list[bytes]) -> tuple[list[bytes], bytes]:
    """Return the complete lines of some chunks, and what follows the last."""
    splitter = LineSplitter()
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return lines, splitter.rest()


def events_of(chunks: list[bytes]) -> list[bytes]:
    """Return the data of every event in some chunks."""
    lines, rest = lines_of(chunks)
    events = EventData()
    found = [events.feed(line) for line in (*lines, *([rest] if rest else []))]
    return [event for event in (*found, events.rest()) if event is not None]


CUTS = st.lists(st.integers(0, 60), max_size=12)


@given(STREAMS, CUTS)
@example(b"a\r\nb", [2])
@example(b"data: a\r\n\r\ndata: b", [9, 10])
def test_any_split_gives_the_same_lines(stream: bytes, places: list[int]) -> None:
    """How the bytes were cut on their way does not show in the lines."""
    whole = stream.split(b"\n")
    expected = [line.rstrip(b"\r") for line in whole]
    assert lines_of(cut(stream, places)) == (expected[:-1], expected[-1])


@given(STREAMS, CUTS)
def test_any_split_gives_the_same_events(stream: bytes, places: list[int]) -> None:
    """How the bytes were cut on their way does not show in the events."""
    assert events_of(cut(stream, places)) == events_of([stream])


@given(STREAMS)
def test_one_byte_at_a_time(stream: bytes) -> None:
    """The worst cut of all gives the same lines as none."""
    bytewise = [stream[i : i + 1] for i in range(len(stream))]
    assert lines_of(bytewise) == lines_of([stream])


def test_a_line_comes_with_the_chunk_that_ends_it() -> None:
    """Lines are handed over as soon as they are complete, for their times' sake."""
    splitter = LineSplitter()
    assert splitter.feed(b"a") == []
    assert splitter.feed(b"b\nc\n\nd") == [b"ab", b"c", b""]
    assert splitter.rest() == b"d"
    assert splitter.feed(b"\n") == [b"d"]
    assert splitter.rest() == b""


@pytest.mark.parametrize("size", [1, 3, 11, 100])
@pytest.mark.parametrize("end", [b"", b"\n", b"\nmore"])
def test_a_line_that_is_too_long_is_a_fault(size: int, end: bytes) -> None:
    """A line over the limit is no reply, whether or not it ever ends."""
    stream = b"ok\n" + b"x" * 11 + end
    chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
    splitter = LineSplitter(max_line_bytes=10)
    with pytest.raises(ProtocolFault, match="a line of more than 10 bytes"):
        list(map(splitter.feed, chunks))


def test_the_longest_allowed_line_passes() -> None:
    """The limit is of one line, not of all lines."""
    splitter = LineSplitter(max_line_bytes=10)
    assert splitter.feed(b"x" * 10 + b"\n") == [b"x" * 10]
    assert splitter.feed(b"y" * 10) == []
    assert splitter.feed(b"\n" + b"z" * 10) == [b"y" * 10]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\r\n\r\n", [b"a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b": ping\n\n: ping\n\ndata: a\n\n", [b"a"]),
        (b"event: x\nid: 7\nretry: 5\ndata: a\n\n", [b"a"]),
        (b"data: a", [b"a"]),
        (b"data: a\n", [b"a"]),
        (b"\n\n\n", []),
        (b"data:\n\n", []),
        (b"data\n\ndata: a\n\n", [b"a"]),
        (b"databank: a\n\n", []),
        (b"data: [DONE]\n\n", [b"[DONE]"]),
    ],
)
def test_events(stream: bytes, events: list[bytes]) -> None:
    """Only `data:` counts; comments and other fields pass by."""
    assert events_of([stream]) == events
