"""From what a fake Claude says to a message, whole or as its events."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fake_anthropic_models import Blocks
from fake_ollama_models import Answer, Fault, count_tokens, split_tokens
from fake_ollama_steps import Wait
from fake_sse import Event, Open

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fake_anthropic_models import ClaudeModel
    from fake_ollama_models import JsonObject
    from fake_sse import Step

_numbers = itertools.count(1)
_JSON_PIECE: Final = 12
"""Characters of a call's arguments in one delta."""


@dataclass(frozen=True, slots=True)
class Delta:
    """One delta of a block; a signature is no token of the reply."""

    fields: JsonObject
    tokens: int = 0
    is_token: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One block as it goes over the wire.

    Attributes:
        start: as its `content_block_start` shows it.
        tokens: generated for it before its first delta, or out of sight.
    """

    start: JsonObject
    deltas: tuple[Delta, ...] = ()
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that decides how an answer goes over the wire."""

    model: ClaudeModel
    pieces: tuple[Piece, ...]
    stop_reason: str
    input_tokens: int
    output_tokens: int
    thinking_tokens: int | None = None
    message_id: str = field(default_factory=lambda: new_id("msg"))

    @property
    def usage(self) -> JsonObject:
        """The prompt's counts: what came from or went into the cache apart."""
        read, written = self.model.cache_read, self.model.cache_written
        return {
            "input_tokens": max(0, self.input_tokens - read - written),
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
        }

    @property
    def final_usage(self) -> JsonObject:
        """All counts, as the reply's end tells them."""
        thinking = self.thinking_tokens
        details = {"output_tokens_details": {"thinking_tokens": thinking}}
        output = {"output_tokens": self.output_tokens}
        return {**self.usage, **output, **(details if thinking is not None else {})}


def new_id(kind: str) -> str:
    """Return an id that no other answer of this process has."""
    number = str(next(_numbers))
    return f"{kind}_01{hashlib.sha256(number.encode()).hexdigest()[:20]}"


def as_blocks(answer: Answer | Fault | Blocks, *, is_thinking: bool) -> Blocks:
    """Return an answer's blocks: thinking, text, calls."""
    if isinstance(answer, Blocks):
        return answer
    if isinstance(answer, Fault):
        message = "a fault of the fake Ollama; put one of fake_sse into server.faults"
        raise TypeError(message)
    blocks: list[JsonObject] = []
    thinking = answer.thinking if is_thinking else ""
    if is_thinking:
        signature = new_id("sig")
        blocks += [{"type": "thinking", "thinking": thinking, "signature": signature}]
    if answer.text:
        blocks += [{"type": "text", "text": answer.text}]
    for name, arguments in answer.tool_calls:
        call_id = new_id("toolu")
        call = {"type": "tool_use", "id": call_id, "name": name}
        blocks += [{**call, "input": dict(arguments)}]
    reason = "tool_use" if answer.tool_calls else "end_turn"
    return Blocks(
        blocks=tuple(blocks),
        stop_reason=reason if answer.done_reason == "stop" else answer.done_reason,
        thinking_tokens=count_tokens(thinking) if is_thinking else None,
    )


def plan_of(
    model: ClaudeModel,
    said: Blocks,
    *,
    input_tokens: int,
    max_tokens: int,
    shows_thinking: bool,
) -> Plan:
    """Return how blocks go over the wire, cut where the limit is reached."""
    pieces: list[Piece] = []
    left = max_tokens
    is_cut = False
    for block in said.blocks:
        piece, used, is_cut = _cut(_piece(block, shows_thinking=shows_thinking), left)
        pieces.append(piece)
        left -= used
        if is_cut:
            break
    return Plan(
        model=model,
        pieces=tuple(pieces),
        stop_reason="max_tokens" if is_cut else said.stop_reason,
        input_tokens=input_tokens,
        output_tokens=max_tokens - left,
        thinking_tokens=said.thinking_tokens,
    )


def reply_steps(plan: Plan) -> Iterator[Step]:
    """Yield the message as a stream: its start at once, the rest at its pace."""
    yield Open()
    start = {**whole_message(plan), "content": [], "stop_reason": None}
    start["usage"] = {**plan.usage, "output_tokens": 1}
    yield _event("message_start", message=start)
    yield Wait(plan.model.first_delta_s)
    for index, piece in enumerate(plan.pieces):
        is_token = piece.start["type"] == "tool_use"
        fields = {"index": index, "content_block": piece.start}
        yield _event("content_block_start", is_delta=is_token, **fields)
        if index == 0:
            yield _event("ping")
        for delta in piece.deltas:
            fields = {"index": index, "delta": delta.fields}
            yield _event("content_block_delta", is_delta=delta.is_token, **fields)
            yield Wait(plan.model.delta_s)
        yield _event("content_block_stop", index=index)
    ending = {"stop_reason": plan.stop_reason, "stop_sequence": None}
    yield _event("message_delta", delta=ending, usage=plan.final_usage)
    yield Event({"type": "message_stop"}, name="message_stop", is_end=True)


def whole_message(plan: Plan) -> JsonObject:
    """Return the message as an unstreamed answer."""
    return {
        "id": plan.message_id,
        "type": "message",
        "role": "assistant",
        "model": plan.model.name,
        "content": [_joined(piece) for piece in plan.pieces],
        "stop_reason": plan.stop_reason,
        "stop_sequence": None,
        "usage": {**plan.final_usage, "service_tier": "standard"},
    }


def _event(name: str, *, is_delta: bool = False, **fields: Any) -> Event:  # noqa: ANN401 - JSON
    return Event({"type": name, **fields}, name=name, is_delta=is_delta)


def _piece(block: JsonObject, *, shows_thinking: bool) -> Piece:
    kind = block["type"]
    if kind == "text":
        deltas = _texts("text_delta", "text", block["text"])
        return Piece(start={**block, "text": ""}, deltas=deltas)
    if kind == "thinking":
        return _thinking(block, is_shown=shows_thinking)
    if kind in {"tool_use", "server_tool_use"}:
        return _call(block)
    return Piece(start=block, tokens=1)


def _thinking(block: JsonObject, *, is_shown: bool) -> Piece:
    text = block["thinking"]
    shown = _texts("thinking_delta", "thinking", text) if is_shown else ()
    signature = {"type": "signature_delta", "signature": block["signature"]}
    return Piece(
        start={**block, "thinking": "", "signature": ""},
        deltas=(*shown, Delta(signature, is_token=False)),
        tokens=0 if is_shown else count_tokens(text),
    )


def _call(block: JsonObject) -> Piece:
    given = block["input"]
    text = given if isinstance(given, str) else json.dumps(given) if given else ""
    pieces = [text[at : at + _JSON_PIECE] for at in range(0, len(text), _JSON_PIECE)]
    deltas = (
        Delta(
            {"type": "input_json_delta", "partial_json": piece},
            tokens=count_tokens(piece),
            is_token=bool(piece),
        )
        for piece in ("", *pieces)
    )
    tokens = count_tokens(block["name"])
    return Piece(start={**block, "input": {}}, deltas=tuple(deltas), tokens=tokens)


def _texts(kind: str, key: str, text: str) -> tuple[Delta, ...]:
    return tuple(Delta({"type": kind, key: part}, 1) for part in split_tokens(text))


def _cut(piece: Piece, left: int) -> tuple[Piece, int, bool]:
    """Return what fits of a piece, its tokens, and whether it was cut."""
    used = piece.tokens
    kept: list[Delta] = []
    for delta in piece.deltas:
        if used + delta.tokens > left:
            cut = Piece(start=piece.start, deltas=tuple(kept), tokens=piece.tokens)
            return cut, left, True
        used += delta.tokens
        kept.append(delta)
    return piece, used, False


def _joined(piece: Piece) -> JsonObject:
    """Return a block as it stands at its end."""
    block = dict(piece.start)
    written = ""
    for delta in piece.deltas:
        for key, value in delta.fields.items():
            if key == "partial_json":
                written += value
            elif key != "type":
                block[key] = block.get(key, "") + value
    if written:
        try:
            block["input"] = json.loads(written)
        except ValueError:  # cut
            block["input"] = {}
    return block
