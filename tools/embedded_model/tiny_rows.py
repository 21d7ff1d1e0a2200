"""Pack exchanges into training rows of one length.

A row is one prefix (system text and tools) and as many exchanges as fit. Each
exchange sees the prefix and itself only, and has the positions that it would
have right after the prefix: many short chats cost one prefix.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tiny_chats import draw_exchange, draw_setting
from tiny_template import render_head, render_lead, render_message
from tiny_tokenizer import TURN_START

if TYPE_CHECKING:
    from tiny_chats import Setting
    from tiny_draw import Draw
    from tiny_template import Message
    from tiny_tokenizer import Tokenizer

ROW_TOKENS: Final = 384
PREFIX_SEGMENT: Final = 0
PADDING_SEGMENT: Final = -1
PROMPT_WEIGHT: Final = 0.1
"""The loss of what the model need not write, against 1 for an answer's token."""

_ROOM_TOKENS: Final = 120  # a prefix must leave room for an exchange
_SHORT_ANSWER_TOKENS: Final = 8  # shorter answers weigh as if they had so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row; its lists have one entry per token.

    Attributes:
        ids: the tokens.
        positions: where each stands in its own chat.
        segments: which exchange each belongs to.
        targets: the token that should follow each.
        weights: how much each target counts in the loss.
    """

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


def draw_row(draw: Draw, tokenizer: Tokenizer) -> Row:
    """Draw one row, filled with exchanges as far as they fit."""
    setting, prefix = _draw_prefix(draw, tokenizer)
    row = Row()
    if prefix:
        targets = [*prefix[1:], tokenizer.id_of[TURN_START]]
        weights = [PROMPT_WEIGHT] * len(prefix)
        _append(row, PREFIX_SEGMENT, prefix, targets, weights)
    segment = PREFIX_SEGMENT
    while True:
        messages = draw_exchange(draw, setting).messages
        ids, weights = encode_messages(tokenizer, messages)
        if len(row.ids) + len(ids) > ROW_TOKENS:
            return _padded(row)
        segment += 1
        start = len(prefix)
        targets = [*ids[1:], 0]
        _append(row, segment, ids, targets, [*weights[1:], 0.0], start=start)


def encode_messages(
    tokenizer: Tokenizer, messages: tuple[Message, ...]
) -> tuple[list[int], list[float]]:
    """Return the tokens of messages, and how much each counts as a target.

    Only what the assistant writes counts in full, its end mark included.
    """
    ids: list[int] = []
    weights: list[float] = []
    for message in messages:
        turn = tokenizer.encode(render_message(message))
        ids += turn
        weights += _turn_weights(tokenizer, message, len(turn))
    return ids, weights


def _turn_weights(tokenizer: Tokenizer, message: Message, tokens: int) -> list[float]:
    if message.role != "assistant":
        return [PROMPT_WEIGHT] * tokens
    lead = len(tokenizer.encode(render_lead(message.role)))
    answer = tokens - lead - 1  # the last token is the newline after the end mark
    answer_weight = max(1.0, _SHORT_ANSWER_TOKENS / answer)
    return [PROMPT_WEIGHT] * lead + [answer_weight] * answer + [PROMPT_WEIGHT]


def _draw_prefix(draw: Draw, tokenizer: Tokenizer) -> tuple[Setting, list[int]]:
    while True:
        setting = draw_setting(draw)
        prefix = tokenizer.encode(render_head(setting.system, setting.tools))
        if len(prefix) < ROW_TOKENS - _ROOM_TOKENS:
            return setting, prefix


def _append(  # one argument per list of the row, and the place
    row: Row,
    segment: int,
    ids: list[int],
    targets: list[int],
    weights: list[float],
    *,
    start: int = 0,
) -> None:
    row.ids.extend(ids)
    row.positions.extend(range(start, start + len(ids)))
    row.segments.extend([segment] * len(ids))
    row.targets.extend(targets)
    row.weights.extend(weights)


def _padded(row: Row) -> Row:
    missing = ROW_TOKENS - len(row.ids)
    nothing = [0] * missing
    _append(row, PADDING_SEGMENT, nothing, nothing, [0.0] * missing)
    return row
