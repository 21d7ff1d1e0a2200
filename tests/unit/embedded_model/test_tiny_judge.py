"""The judge of the embedded model's check."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_chats import Exchange, draw_exchange, draw_setting
from tiny_draw import seeded
from tiny_judge import fault_of
from tiny_template import Call, Message


def asked(answer: Message, task: str = "exact", *answers: str) -> Exchange:
    """Return an exchange with this learnt answer."""
    messages = (Message(role="user", text="?"), answer)
    return Exchange(task=task, messages=messages, answers=answers or (answer.text,))


def said(text: str) -> dict[str, Any]:
    """Return a reply of text."""
    return {"role": "assistant", "content": text}


def called(*calls: tuple[str, str]) -> dict[str, Any]:
    """Return a reply of calls, each a name and its arguments as sent."""
    functions = [{"name": name, "arguments": arguments} for name, arguments in calls]
    return {"content": None, "tool_calls": [{"function": each} for each in functions]}


WEATHER = asked(
    Message(role="assistant", calls=(Call(name="sky", arguments={"a": 1, "b": "x"}),))
)
BULLETS = asked(Message(role="assistant", text="- dog\n- cat"), "bullets")
KEYS = asked(Message(role="assistant", text='{"a": 1, "b": 2}'), "json_keys")
STORY = asked(Message(role="assistant", text="One. Two. Three. Four."), "story")


@given(st.integers(min_value=0, max_value=10**6))
def test_the_learnt_answer_is_right(seed: int) -> None:
    """Whatever is drawn, the answer that is trained is judged right."""
    draw = seeded(seed)
    setting = draw_setting(draw)
    for _ in range(5):
        exchange = draw_exchange(draw, setting)
        assert fault_of(exchange, exchange.answer.to_json()) == ""


CHAT = asked(Message(role="assistant", text="A"), "chat", "A", "B")
EXACT = asked(Message(role="assistant", text="A"))
REPLIES: dict[str, tuple[Exchange, dict[str, Any], str]] = {
    "right call": (WEATHER, called(("sky", '{"b": "x", "a": 1}')), ""),
    "argument missing": (WEATHER, called(("sky", '{"a": 1}')), "arguments"),
    "arguments cut": (WEATHER, called(("sky", '{"a": 1')), "bad JSON"),
    "other tool": (WEATHER, called(("sea", '{"a": 1, "b": "x"}')), "wrong tool"),
    "two calls": (WEATHER, called(("sky", "{}"), ("sky", "{}")), "number of calls"),
    "text for a call": (WEATHER, said("sunny"), "no call"),
    "call for text": (STORY, called(("sky", "{}")), "needless call"),
    "other story": (STORY, said("A. B. C. D."), ""),
    "short story": (STORY, said("A. B."), "text"),
    "other list": (BULLETS, said("- wolf\n- bear"), ""),
    "item twice": (BULLETS, said("- wolf\n- wolf"), "text"),
    "item of other kind": (BULLETS, said("- wolf\n- car"), "text"),
    "line too many": (BULLETS, said("- wolf\n- bear\nSo."), "text"),
    "other blanks in JSON": (KEYS, said('{"a":1,"b":2}'), ""),
    "other order in JSON": (KEYS, said('{"b": 2, "a": 1}'), "text"),
    "no JSON object": (KEYS, said("[1]"), "text"),
    "other right answer": (CHAT, said("B"), ""),
    "other case": (EXACT, said("a"), "text"),
}


@pytest.mark.parametrize(
    ("exchange", "message", "fault"), REPLIES.values(), ids=REPLIES.keys()
)
def test_other_answers_are_judged_by_their_task(
    exchange: Exchange, message: dict[str, Any], fault: str
) -> None:
    """A reply is right, or its fault has a name."""
    assert fault_of(exchange, message) == fault
