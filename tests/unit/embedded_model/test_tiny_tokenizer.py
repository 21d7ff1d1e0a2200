"""The tokenizer of the embedded model's recipe."""

from __future__ import annotations

import functools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny_chats import draw_exchange, draw_setting
from tiny_draw import seeded
from tiny_template import render_head, render_message
from tiny_tokenizer import SPECIALS, Tokenizer, train_tokenizer

VOCABULARY = 480
SPACED = 40


def chat_texts(seed: int) -> list[str]:
    """Return some rendered training chats."""
    draw = seeded(seed)
    texts = []
    for _ in range(20):
        setting = draw_setting(draw)
        texts.append(render_head(setting.system, setting.tools))
        texts.extend(map(render_message, draw_exchange(draw, setting).messages))
    return texts


@functools.cache
def learnt() -> Tokenizer:
    """Return a small tokenizer, learnt once."""
    return train_tokenizer(chat_texts(1), VOCABULARY, spaced=SPACED)


@settings(deadline=None)
@given(st.text())
@example("Straße 日本 🙂 ²½ a\u0301 __x  \t\n\n end ")
@example("don't we'll <|im_start|>user\nhi<|im_end|>\n <tool_call>")
def test_any_text_comes_back(text: str) -> None:
    """Decoding what was encoded gives the text, whatever is in it."""
    tokenizer = learnt()
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_chats_come_back_in_fewer_tokens_than_bytes() -> None:
    """Chats that it did not learn from round-trip, and merges shorten them."""
    tokenizer = learnt()
    for text in chat_texts(2):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert len(ids) < 0.7 * len(text.encode()) or not text


def test_no_token_is_repeated() -> None:
    """Every token is listed once, because llama.cpp aborts on a repeated one."""
    tokenizer = Tokenizer([("a", "b"), ("ab", "c"), ("b", "c"), ("a", "bc")])
    assert len(tokenizer.tokens) == len(set(tokenizer.tokens))
    assert len(learnt().tokens) <= VOCABULARY


@pytest.mark.parametrize("special", SPECIALS)
def test_a_special_token_is_one_token(special: str) -> None:
    """A special token is found inside text and stays whole."""
    tokenizer = learnt()
    ids = tokenizer.encode(f"x{special}y")
    assert ids.count(tokenizer.id_of[special]) == 1
    assert tokenizer.decode(ids) == f"x{special}y"


def test_digits_never_merge() -> None:
    """A number has a token per digit, so that copying it is the same for all."""
    tokenizer = train_tokenizer(["2024 2024 2024 20 20 20 one one"] * 9, 300, spaced=9)
    assert len(tokenizer.encode("2024")) == 4
    assert not [token for token in tokenizer.tokens if token.isdigit() and token[1:]]


def test_a_space_changes_only_the_first_piece() -> None:
    """A word is cut alike with and without a space before it."""
    tokenizer = learnt()
    for word in ("weather", "meeting", "Ghent", "report", "zqx"):
        bare = [tokenizer.decode([index]) for index in tokenizer.encode(word)]
        spaced = [tokenizer.decode([index]) for index in tokenizer.encode(f" {word}")]
        assert spaced in ([f" {bare[0]}", *bare[1:]], [" ", *bare])


def test_learning_is_repeatable() -> None:
    """The same texts give the same merges, in the same order."""
    again = train_tokenizer(chat_texts(1), VOCABULARY, spaced=SPACED)
    assert again.merges == learnt().merges


def test_too_little_text_ends_early() -> None:
    """Without pairs left to merge the vocabulary stays smaller."""
    assert train_tokenizer(["ab ab"], 1000).merges == [("a", "b"), ("Ġ", "ab")]
