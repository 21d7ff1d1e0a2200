"""The training rows of the embedded model's recipe."""

from __future__ import annotations

import functools
import itertools

from hypothesis import given
from hypothesis import strategies as st
from tiny_draw import seeded
from tiny_rows import (
    PADDING_SEGMENT,
    PREFIX_SEGMENT,
    PROMPT_WEIGHT,
    ROW_TOKENS,
    Row,
    draw_row,
    encode_messages,
)
from tiny_template import Call, Message
from tiny_tokenizer import TURN_END, TURN_START, Tokenizer, train_tokenizer

SEEDS = st.integers(min_value=0, max_value=10**6)


@functools.cache
def tokenizer() -> Tokenizer:
    """Return a tokenizer with a few merges, so that rows hold some exchanges."""
    text = "assistant user system Tools: arguments name string weather meeting files"
    return train_tokenizer([text] * 3, 360, spaced=20)


def segments_of(row: Row) -> list[tuple[int, list[int]]]:
    """Return each segment with the places of its tokens, in their order."""
    grouped = itertools.groupby(range(ROW_TOKENS), key=row.segments.__getitem__)
    return [(segment, list(places)) for segment, places in grouped]


@given(SEEDS)
def test_rows_have_one_length(seed: int) -> None:
    """Every list of a row has one entry per token, padding included."""
    row = draw_row(seeded(seed), tokenizer())
    lists = (row.ids, row.positions, row.segments, row.targets, row.weights)
    assert {len(each) for each in lists} == {ROW_TOKENS}


@given(SEEDS)
def test_the_target_is_the_next_token_of_the_same_chat(seed: int) -> None:
    """Targets follow the text, and where the text ends nothing is asked."""
    row = draw_row(seeded(seed), tokenizer())
    for segment, places in segments_of(row):
        if segment == PADDING_SEGMENT:
            assert not any(row.weights[place] for place in places)
            continue
        following = [row.ids[place] for place in places[1:]]
        assert [row.targets[place] for place in places[:-1]] == following
        if segment == PREFIX_SEGMENT:
            assert row.targets[places[-1]] == tokenizer().id_of[TURN_START]
        else:
            assert row.weights[places[-1]] == 0


@given(SEEDS)
def test_each_exchange_follows_the_prefix(seed: int) -> None:
    """Positions go on from the prefix, as if no other exchange were there."""
    row = draw_row(seeded(seed), tokenizer())
    prefix = row.segments.count(PREFIX_SEGMENT)
    for segment, places in segments_of(row):
        start = 0 if segment in {PREFIX_SEGMENT, PADDING_SEGMENT} else prefix
        if segment != PADDING_SEGMENT:
            expected = list(range(start, start + len(places)))
            assert [row.positions[place] for place in places] == expected


def test_only_the_assistants_words_count_in_full() -> None:
    """A long answer and its end mark weigh 1 each, all else little."""
    messages = (
        Message(role="user", text="hello there"),
        Message(role="assistant", calls=(Call(name="get_weather", arguments={}),)),
    )
    ids, weights = encode_messages(tokenizer(), messages)
    learnt = [index for index, weight in zip(ids, weights, strict=True) if weight == 1]
    text = tokenizer().decode(learnt)
    assert text.startswith("<tool_call>")
    assert text.endswith(TURN_END)
    assert {weight for weight in weights if weight != 1} == {PROMPT_WEIGHT}


def test_a_short_answer_weighs_as_much_as_eight_tokens() -> None:
    """One digit is not drowned by the long answers of other tasks."""
    _, weights = encode_messages(tokenizer(), (Message(role="assistant", text="7"),))
    assert sum(weight for weight in weights if weight > PROMPT_WEIGHT) == 8
