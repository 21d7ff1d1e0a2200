"""What a fake model says, and every event of a streamed response in order."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fake_ollama_models import count_tokens, split_tokens
from fake_ollama_steps import Wait
from fake_sse import Event, Open

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fake_ollama_models import JsonObject
    from fake_sse import Step

PADDING: Final = "x7Qk2"
"""Stands in for the random padding that hides the size of deltas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a model says in one response.

    Attributes:
        thinking: a summary of its thinking, part by part; told only where the
            request asks for summaries, unless `is_open`.
        is_open: the thinking itself is told, as models with open weights do.
        reasoning_tokens: None for those of `thinking`.
        tool_calls: (name, arguments) of each call; a text stands as it is.
        silence_s: between `response.in_progress` and the first item.
        between_s: before each delta.
        reason: why it ends incomplete: `max_output_tokens` or `content_filter`.
        failure: `code` and `message` of a `response.failed` at the end.
    """

    text: str = ""
    refusal: str = ""
    thinking: Sequence[str] = ()
    is_open: bool = False
    reasoning_tokens: int | None = None
    tool_calls: Sequence[tuple[str, Mapping[str, Any] | str]] = ()
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    silence_s: float = 0.0
    between_s: float = 0.0
    reason: str = ""
    failure: JsonObject | None = None

    @property
    def hidden_tokens(self) -> int:
        """Tokens thought."""
        if self.reasoning_tokens is not None:
            return self.reasoning_tokens
        return sum(map(count_tokens, self.thinking))

    @property
    def is_thought(self) -> bool:
        """Whether there is a reasoning item."""
        return bool(self.thinking) or self.hidden_tokens > 0


@dataclass(slots=True, kw_only=True)
class Playing:
    """One response while it is played.

    Attributes:
        base: the `response` object without its output, as its request made it.
        seal: encrypted thinking, for its reasoning item.
        output: the finished items.
    """

    said: Said
    base: JsonObject
    number: int
    prompt_tokens: int
    seal: str = ""
    tells_summary: bool = False
    is_padded: bool = True
    output: list[JsonObject] = field(default_factory=list)
    _sequence: int = 0

    def steps(self) -> Iterator[Step]:
        """Yield the whole stream; its end is the one marked event."""
        yield Open()
        yield self._whole("response.created", "in_progress")
        yield self._whole("response.in_progress", "in_progress")
        yield Wait(self.said.silence_s)
        if self.said.is_thought:
            yield from self._reasoning()
        if self.said.text or self.said.refusal:
            yield from self._message()
        for place, (name, arguments) in enumerate(self.said.tool_calls):
            yield from self._call(f"call_{self.number}_{place}", name, arguments)
        yield self._whole(f"response.{self.status}", self.status, is_end=True)

    @property
    def status(self) -> str:
        """The status with which the response ends."""
        if self.said.failure is not None:
            return "failed"
        return "incomplete" if self.said.reason else "completed"

    def response(self, status: str) -> JsonObject:
        """Return the `response` object as it stands."""
        is_over = status != "in_progress"
        reason = self.said.reason if status == "incomplete" else ""
        return {
            **self.base,
            "status": status,
            "error": self.said.failure if status == "failed" else None,
            "incomplete_details": {"reason": reason} if reason else None,
            "output": list(self.output),
            "usage": self._usage() if is_over and status != "failed" else None,
        }

    def _usage(self) -> JsonObject:
        said = self.said
        spoken = count_tokens(said.text) + count_tokens(said.refusal)
        called = sum(count_tokens(text_of(given)) for _, given in said.tool_calls)
        output = spoken + called + said.hidden_tokens
        return {
            "input_tokens": self.prompt_tokens,
            "input_tokens_details": {
                "cached_tokens": said.cached_tokens,
                "cache_write_tokens": said.cache_write_tokens,
            },
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": said.hidden_tokens},
            "total_tokens": self.prompt_tokens + output,
        }

    def _reasoning(self) -> Iterator[Step]:
        item_id = f"rs_{self.number}"
        begun: JsonObject = {"id": item_id, "type": "reasoning", "summary": []}
        yield self._added(begun)
        done = {**begun, "encrypted_content": self.seal}
        if self.said.is_open:
            texts = "".join(self.said.thinking)
            yield from self._deltas("reasoning_text", item_id, texts, content_index=0)
            done["content"] = [{"type": "reasoning_text", "text": texts}]
        elif self.tells_summary:
            for index, text in enumerate(self.said.thinking):
                yield from self._summary_part(item_id, index, text)
            done["summary"] = [_summary(text) for text in self.said.thinking]
        yield self._done(done)

    def _summary_part(self, item_id: str, index: int, text: str) -> Iterator[Step]:
        place = {"item_id": item_id, **self._place, "summary_index": index}
        name = "response.reasoning_summary_part"
        yield self._event(f"{name}.added", **place, part=_summary(""))
        yield from self._deltas(
            "reasoning_summary_text", item_id, text, summary_index=index
        )
        yield self._event(f"{name}.done", **place, part=_summary(text))

    def _message(self) -> Iterator[Step]:
        item_id = f"msg_{self.number}"
        said = self.said
        kind, text = ("output_text", said.text) if said.text else ("", "")
        if said.refusal:
            kind, text = "refusal", said.refusal
        yield self._added({**_message(item_id, []), "status": "in_progress"})
        place = {"item_id": item_id, **self._place, "content_index": 0}
        yield self._event("response.content_part.added", **place, part=_part(kind, ""))
        yield from self._deltas(kind, item_id, text, content_index=0)
        whole = _part(kind, text)
        yield self._event("response.content_part.done", **place, part=whole)
        status = "incomplete" if said.reason else "completed"
        yield self._done({**_message(item_id, [whole]), "status": status})

    def _call(
        self, call_id: str, name: str, arguments: Mapping[str, Any] | str
    ) -> Iterator[Step]:
        text = text_of(arguments)
        item_id = f"fc_{call_id}"
        begun = {
            "id": item_id,
            "type": "function_call",
            "status": "in_progress",
            "arguments": "",
            "call_id": call_id,
            "name": name,
        }
        yield self._added(begun)
        kind = "function_call_arguments"
        yield from self._deltas(kind, item_id, text, is_call=True)
        status = "incomplete" if self.said.reason else "completed"
        yield self._done({**begun, "arguments": text, "status": status})

    def _deltas(
        self, kind: str, item_id: str, text: str, *, is_call: bool = False, **at: int
    ) -> Iterator[Step]:
        place = {"item_id": item_id, **self._place, **at}
        padding = {"obfuscation": PADDING} if self.is_padded else {}
        logprobs: JsonObject = {"logprobs": []} if kind == "output_text" else {}
        for piece in split_tokens(text):
            yield Wait(self.said.between_s)
            told = {**place, "delta": piece, **logprobs, **padding}
            yield self._event(f"response.{kind}.delta", is_delta=True, **told)
        whole = "arguments" if is_call else "refusal" if kind == "refusal" else "text"
        done = {**place, whole: text, **logprobs}
        yield self._event(f"response.{kind}.done", **done)

    @property
    def _place(self) -> JsonObject:
        return {"output_index": len(self.output)}

    def _added(self, item: JsonObject) -> Event:
        return self._event("response.output_item.added", **self._place, item=item)

    def _done(self, item: JsonObject) -> Event:
        place = self._place
        self.output.append(item)
        return self._event("response.output_item.done", **place, item=item)

    def _whole(self, kind: str, status: str, *, is_end: bool = False) -> Event:
        return self._event(kind, is_end=is_end, response=self.response(status))

    def _event(
        self, kind: str, *, is_delta: bool = False, is_end: bool = False, **told: object
    ) -> Event:
        data = {"type": kind, "sequence_number": self._sequence, **told}
        self._sequence += 1
        return Event(data, name=kind, is_delta=is_delta, is_end=is_end)


def text_of(arguments: Mapping[str, Any] | str) -> str:
    """Return a call's arguments as they are sent."""
    if isinstance(arguments, str):
        return arguments
    return json.dumps(dict(arguments), ensure_ascii=False, separators=(",", ":"))


def _summary(text: str) -> JsonObject:
    return {"type": "summary_text", "text": text}


def _part(kind: str, text: str) -> JsonObject:
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message(item_id: str, content: list[JsonObject]) -> JsonObject:
    return {"id": item_id, "type": "message", "role": "assistant", "content": content}
