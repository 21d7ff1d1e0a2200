"""Full requests on disk, and no secret in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.calls.debuglog import SECRET_WORDS, DebugLog, masked

if TYPE_CHECKING:
    from pathlib import Path


class FixedClock:
    """A clock that stands still."""

    def now_ns(self) -> int:
        """Return nothing passed."""
        return 0

    def utc(self) -> datetime:
        """Return one date."""
        return datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"api_key": "abc"}, {"api_key": "***"}),
        ({"X-API-Key": "abc"}, {"X-API-Key": "***"}),
        ({"Authorization": "Bearer abc"}, {"Authorization": "***"}),
        ({"authorization": ["Bearer abc"]}, {"authorization": ["***"]}),
        ({"secret": {"deep": ("abc", b"abc")}}, {"secret": {"deep": ["***", "***"]}}),
        ({"auth_token": ""}, {"auth_token": "***"}),
        ({"password": None}, {"password": None}),
        ({"max_tokens": 5, "token": True}, {"max_tokens": 5, "token": True}),
        ([{"a": {"client_secret": "abc"}}], [{"a": {"client_secret": "***"}}]),
        ({"model": "m", "messages": ["abc"]}, {"model": "m", "messages": ["abc"]}),
        ("abc", "abc"),
        (None, None),
    ],
)
def test_secrets_are_hidden(value: object, shown: object) -> None:
    """Every text below a secret-sounding key is hidden; numbers are no secrets."""
    assert masked(value) == shown


INNER = st.recursive(
    st.just("hunter2") | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(SECRET_WORDS), INNER, st.booleans())
def test_no_text_below_a_secret_key_gets_through(
    word: str,
    inner: object,
    is_upper: bool,  # noqa: FBT001 - drawn
) -> None:
    """However deep a secret lies, and however its key is written, it is hidden."""
    key = f"x-{word.upper() if is_upper else word}-1"
    assert "hunter2" not in json.dumps(masked([{"headers": {key: inner}}]))


def test_a_log_is_one_json_object_per_line(tmp_path: Path) -> None:
    """Requests and received lines stand in order, whatever bytes came."""
    log = DebugLog(tmp_path / "debug" / "calls.jsonl", FixedClock())
    log.request("http://h/api/chat", {"model": "é\ud800", "api_key": "abc"})
    log.line(b'{"a": "\xff"}')
    text = (tmp_path / "debug" / "calls.jsonl").read_text("utf-8")
    log.close()
    whose = {"at": "2026-11-21T09:00:00+00:00", "call": 1, "trial": ""}
    assert [json.loads(line) for line in text.splitlines()] == [
        {
            **whose,
            "event": "sent",
            "url": "http://h/api/chat",
            "body": {"model": "é\ud800", "api_key": "***"},
        },
        {**whose, "event": "received", "line": '{"a": "\ufffd"}'},
    ]


def test_a_log_is_continued(tmp_path: Path) -> None:
    """A second opening appends: nothing logged is lost."""
    for word in ("one", "two"):
        log = DebugLog(tmp_path / "calls.jsonl", FixedClock())
        log.line(word.encode())
        log.close()
    lines = (tmp_path / "calls.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["line"] for line in lines] == ["one", "two"]
