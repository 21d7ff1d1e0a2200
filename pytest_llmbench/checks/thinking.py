"""Thinking that a variant has asked for, set apart from the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

if TYPE_CHECKING:
    from pytest_llmbench.checks.reply import Reply

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"


def without_thinking(reply: Reply) -> Reply:
    """Move what stands before `</think>` from the text to the thinking.

    A missing `<think>` is forgiven; without `</think>` the whole text stays the
    answer, for then nothing says where one begins.

    >>> from pytest_llmbench.checks.reply import Reply
    >>> without_thinking(Reply(text="<think>hm</think> Yes")).text
    'Yes'
    """
    before, close, after = reply.text.partition(_CLOSE)
    if not close:
        return reply
    thought = before.removeprefix(_OPEN).strip()
    parts = [part for part in (reply.thinking, thought) if part]
    return replace(reply, thinking="\n".join(parts), text=after.strip())
