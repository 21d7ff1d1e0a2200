"""Prompts of a given length: what is put around them, and what their parts weigh.

A prompt with `context` stands for one prompt per length. It is brought to its length
by neutral filler (`prompts.filler`); how many tokens a text has, only the server can
tell, so a `Gauge` is taken from what it counted in a few calls.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct
from msgspec.structs import asdict, replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmbench.prompts.messages import Message
    from pytest_llmbench.prompts.suite import Prompt

Position = Literal["start", "middle", "end"]
"""Where the prompt's own text stands within the filler."""

TOLERANCE: Final = 0.02
"""How far the server's own count may lie beside the length that was asked for."""

_MARGIN_TOKENS: Final = 64
_WINDOW_STEP: Final = 256
_JOIN: Final = "\n\n"
_NONCE_DIGITS: Final = 9
_SEPARATOR: Final = ":"
_LENGTH: Final = re.compile(rf"(.+){_SEPARATOR}(\d+)", re.DOTALL)
_MASK: Final = 2**64 - 1

UNCOUNTED_TOKENS_PER_CHAR: Final = 0.21
"""What stands in where a server counts nothing; an ordinary English text."""


class Context(Struct, frozen=True, kw_only=True):
    """The length that one prompt of several is brought to.

    Attributes:
        of: the id in the suite file, which all lengths share.
        tokens: of the whole prompt, by the server's count.
        position: where the prompt's own text stands.
    """

    of: str
    tokens: int
    position: Position = "end"


class Gauge(Struct, frozen=True, kw_only=True):
    """What a model's server counts.

    Attributes:
        base_tokens: the prompt without any filler: system text, tools, template and
            nonce included.
        tokens_per_char: of the filler.
        is_counted: both come from the server; else they are a guess.
    """

    base_tokens: int
    tokens_per_char: float
    is_counted: bool = True

    def estimate(self, filler_chars: int) -> int:
        """Return the tokens of the prompt with so much filler."""
        return self.base_tokens + round(filler_chars * self.tokens_per_char)


class SentContext(Struct, frozen=True, kw_only=True):
    """How long a prompt was meant to be, was sent, and was counted.

    Attributes:
        asked_tokens: the suite's length.
        num_ctx: the context that was asked for; None where the server has its own.
        estimated_tokens: of what was sent, by our gauge; None if nothing was sent.
        sent_chars: of all messages together.
        filler_chars: of these, the filler with its joints.
        nonce: the digits at the very front.
        counted_tokens: by the server; None if it told none.
    """

    asked_tokens: int
    position: Position
    num_ctx: int | None = None
    estimated_tokens: int | None = None
    sent_chars: int | None = None
    filler_chars: int | None = None
    nonce: str = ""
    counted_tokens: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the lengths as plain JSON."""
        return asdict(self)


class Stretched(Struct, frozen=True, kw_only=True):
    """A prompt at its length.

    Attributes:
        filler_chars: how much of the text is filler, joints included.
        estimated_tokens: of the whole prompt.
    """

    prompt: Prompt
    filler_chars: int
    estimated_tokens: int


def length_id(prompt_id: str, tokens: int) -> str:
    """Return the id of one length of a prompt.

    A suite's own ids hold no colon, so it is nobody else's; `-k` takes it as it is.

    >>> length_id("L1", 2048)
    'L1:2048'
    """
    return f"{prompt_id}{_SEPARATOR}{tokens}"


def split_id(prompt_id: str) -> tuple[str, int | None]:
    """Return a prompt's id in its suite file, and its length if it has one.

    >>> split_id("L1:2048"), split_id("P1")
    (('L1', 2048), ('P1', None))
    """
    found = _LENGTH.fullmatch(prompt_id)
    return (found[1], int(found[2])) if found else (prompt_id, None)


def window(tokens: int, reply_tokens: int) -> int:
    """Return the context that a length and its reply take, in tokens.

    >>> window(2048, 256)
    2409
    """
    return math.ceil(tokens * (1 + TOLERANCE)) + reply_tokens + _MARGIN_TOKENS


def num_ctx_for(tokens: int, reply_tokens: int) -> int:
    """Return `window` rounded up, as `num_ctx`.

    >>> num_ctx_for(2048, 256)
    2560
    """
    return math.ceil(window(tokens, reply_tokens) / _WINDOW_STEP) * _WINDOW_STEP


def plain(prompt: Prompt) -> Prompt:
    """Return a prompt without its length: what all its lengths have in common."""
    context = prompt.context
    return prompt if context is None else replace(prompt, id=context.of, context=None)


def stretched(prompt: Prompt, gauge: Gauge) -> Stretched:
    """Bring a prompt to its length; one that is longer by itself stays as it is."""
    context = prompt.context
    if context is None:
        return Stretched(
            prompt=prompt, filler_chars=0, estimated_tokens=gauge.base_tokens
        )
    room_tokens = max(0, context.tokens - gauge.base_tokens)
    return with_filler(prompt, round(room_tokens / gauge.tokens_per_char), gauge)


def with_filler(
    prompt: Prompt, chars: int, gauge: Gauge | None = None, position: Position = "end"
) -> Stretched:
    """Put so many characters of filler around a prompt, joints included."""
    if prompt.context is not None:
        position = prompt.context.position
    from pytest_llmbench.prompts.filler import filler  # most suites need none

    joints = len(_JOIN) * (2 if position == "middle" else 1)
    text = filler(_seed(prompt), max(0, chars - joints), payload_of(prompt))
    whole = _laid_out(text, prompt.text, position)
    added = len(whole) - len(prompt.text)
    return Stretched(
        prompt=replace(prompt, text=whole),
        filler_chars=added,
        estimated_tokens=gauge.estimate(added) if gauge else 0,
    )


def payload_of(prompt: Prompt) -> str:
    """Return every text of a prompt that filler may share no word with."""
    tools = json.dumps([tool.to_json() for tool in prompt.tools], ensure_ascii=False)
    expect = json.dumps(dict(prompt.expect), ensure_ascii=False)
    return f"{prompt.text}\n{prompt.system}\n{tools}\n{expect}"


def filler_fault(prompt: Prompt) -> str:
    """Say that a prompt's own words leave none for filler; empty where they do."""
    from pytest_llmbench.prompts.filler import shortage

    word = shortage(payload_of(prompt))
    if not word:
        return ""
    return (
        f"'context': filler shares no word with the prompt, and this one uses nearly"
        f" all of its {word}; shorten the prompt"
    )


def _seed(prompt: Prompt) -> int:
    """Return the filler's seed: one for all lengths of a prompt."""
    return int(prompt.family, 16) & _MASK


def _laid_out(text: str, payload: str, position: Position) -> str:
    if not text:
        return payload
    if position == "start":
        return f"{payload}{_JOIN}{text}"
    if position == "end":
        return f"{text}{_JOIN}{payload}"
    cut = text.rfind(". ", 0, len(text) // 2) + 1
    halves = (text[:cut], payload, text[cut:].lstrip())
    return _JOIN.join(part for part in halves if part)


def nonce(run_id: str, seed: int, prompt_id: str, attempt: int) -> str:
    """Return the digits at the front of one call: no cache has seen them.

    The same for the same run of the same session, so that a prompt can be built
    again; another in a later session, whose server may still hold this one's prompts.

    Args:
        attempt: how often the trial was asked before; a retry must not find what the
            attempt before it has left in a cache.
    """
    text = f"{run_id}|{seed}|{prompt_id}|{attempt}"
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return f"{number % 10**_NONCE_DIGITS:0{_NONCE_DIGITS}d}"


def fronted(messages: Sequence[Message], digits: str) -> tuple[Message, ...]:
    """Put a nonce in front of everything that is said."""
    first, *others = messages
    said = replace(first, content=f"No. {digits}.{_JOIN}{first.content}")
    return (said, *others)
