"""Puts a reply together from its deltas, and notes when they came."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_llmbench.calls.clock import elapsed_ms
from pytest_llmbench.checks.jsontext import is_storable
from pytest_llmbench.checks.reply import Reply, Timings, ToolCall, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.prompts.suite import Json


class ReplyBuilder:
    """One reply in the making.

    TTFT is the first non-empty delta of any channel, TTFC the first of text or
    tool call; both counted from `start_ns`.
    """

    def __init__(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self.finish_reason: str | None = None
        self.usage = Usage()
        self.server_ms: dict[str, float] = {}
        self.carried: tuple[Mapping[str, Json], ...] = ()
        self.deltas = 0
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[ToolCall] = []
        self._first_ns: int | None = None
        self._first_content_ns: int | None = None
        self._end_ns: int | None = None

    def text(self, delta: str, at_ns: int) -> None:
        """Add answer text; an empty delta is no token."""
        if delta:
            self._text.append(delta)
            self._note(at_ns, is_content=True)

    def thinking(self, delta: str, at_ns: int) -> None:
        """Add thinking; an empty delta is no token."""
        if delta:
            self._thinking.append(delta)
            self._note(at_ns, is_content=False)

    def tool_call(self, call: ToolCall, at_ns: int) -> None:
        """Add a tool call that came in one piece."""
        self.add_call(call)
        self.tool_delta(at_ns)

    def add_call(self, call: ToolCall) -> None:
        """Add a tool call whose fragments have been noted as they came."""
        self._calls.append(call)

    def tool_delta(self, at_ns: int) -> None:
        """Note the arrival of a fragment of a tool call."""
        self._note(at_ns, is_content=True)

    def end(self, at_ns: int) -> None:
        """Note the arrival of the last byte."""
        self._end_ns = at_ns

    def reply(self, *, queue_ms: float | None = None) -> Reply:
        """Return the reply as far as it has come."""
        return Reply(
            text="".join(self._text),
            thinking="".join(self._thinking),
            tool_calls=tuple(self._calls),
            finish_reason=self.finish_reason,
            usage=self.usage,
            timings=self._timings(queue_ms),
            deltas=self.deltas,
            carried=self.carried,
        )

    def _timings(self, queue_ms: float | None) -> Timings:
        return Timings(
            ttft_ms=self._since_start(self._first_ns),
            ttfc_ms=self._since_start(self._first_content_ns),
            e2e_ms=self._since_start(self._end_ns),
            queue_ms=queue_ms,
            **self.server_ms,
        )

    def _note(self, at_ns: int, *, is_content: bool) -> None:
        self.deltas += 1
        if self._first_ns is None:
            self._first_ns = at_ns
        if is_content and self._first_content_ns is None:
            self._first_content_ns = at_ns

    def _since_start(self, at_ns: int | None) -> float | None:
        return None if at_ns is None else elapsed_ms(self.start_ns, at_ns)


def decoded_call(name: str, arguments: object, call_id: str = "") -> ToolCall:
    """Build a tool call from arguments sent as an object or as JSON text.

    What is no JSON object, is too deep to judge, or holds a number that JSON has
    not (NaN, 1e999) stays in `raw`, with `arguments` None.

    >>> decoded_call("f", '{"a": 1}').arguments
    {'a': 1}
    >>> decoded_call("f", "{oops").raw
    '{oops'
    """
    raw = ""
    if isinstance(arguments, str):
        raw, arguments = arguments, _loads(arguments or "{}")
    if isinstance(arguments, dict) and is_storable(arguments):
        decoded: Mapping[str, Json] = arguments
        return ToolCall(name=name, arguments=decoded, id=call_id)
    return ToolCall(name=name, arguments=None, raw=raw or _dumps(arguments), id=call_id)


def _dumps(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "arguments too deep to write down"


def _loads(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
