"""What a fake Anthropic is made of: its models, and what they answer.

Tokens are those of `fake_ollama_models`: four characters each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fake_ollama_models import Answer, FakeCall, Fault, says

if TYPE_CHECKING:
    from fake_ollama_models import JsonObject

OLD_VERSION: Final = "2023-06-01"
NEW_VERSION: Final = "2026-10-21"
EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """What a model says in one call, block by block, as a message holds them.

    Attributes:
        thinking_tokens: told in the usage, part of the output.
    """

    blocks: tuple[JsonObject, ...] = ()
    stop_reason: str = "end_turn"
    thinking_tokens: int | None = None


Script = Callable[[FakeCall], Answer | Fault | Blocks]
"""What a model says to a call; a fault is the fake Ollama's alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeModel:
    """One model.

    Attributes:
        alias: another name of it; `GET /v1/models/ALIAS` resolves it.
        takes_sampling: whether another temperature than 1 is allowed, by the old
            API version.
        efforts: the words of effort it takes; empty for none.
        thinking: the kinds of thinking that a request may ask for.
        thinks: whether it does where a request does not say.
        shows_thinking: whether thinking comes as text by default, or only signed.
        can_be_forced: whether a request may force a tool call.
        max_input_tokens: its context.
        max_tokens: the most that a request may ask for.
        first_delta_s: silence between `message_start` and the first delta.
        delta_s: silence between two deltas.
        cache_read, cache_written: parts of the prompt, as its usage tells them.
    """

    name: str
    alias: str = ""
    takes_sampling: bool = False
    efforts: tuple[str, ...] = EFFORTS
    thinking: tuple[str, ...] = ("adaptive", "disabled")
    thinks: bool = False
    shows_thinking: bool = True
    can_be_forced: bool = True
    lifecycle: str = "active"
    max_input_tokens: int = 1_000_000
    max_tokens: int = 128_000
    first_delta_s: float = 0.0
    delta_s: float = 0.0
    cache_read: int = 0
    cache_written: int = 0
    answer: Script = field(default_factory=lambda: always_says("Hello, I am Claude."))

    def is_called(self, name: object) -> bool:
        """Whether a request means this model."""
        return bool(name) and name in {self.name, self.alias}

    def to_json(self) -> JsonObject:
        """Return the model as the list of models shows it."""
        kinds = ("adaptive", "enabled", "disabled")
        return {
            "type": "model",
            "id": self.name,
            "display_name": self.name.replace("-", " ").title(),
            "created_at": "2026-02-04T00:00:00Z",
            "lifecycle": self.lifecycle,
            "max_input_tokens": self.max_input_tokens,
            "max_tokens": self.max_tokens,
            "capabilities": {
                "batch": _yes(is_so=True),
                "image_input": _yes(is_so=True),
                "citations": _yes(is_so=True),
                "effort": {
                    **_yes(is_so=bool(self.efforts)),
                    **{word: _yes(is_so=word in self.efforts) for word in EFFORTS},
                },
                "thinking": {
                    **_yes(is_so=bool(self.thinking)),
                    "types": {
                        kind: _yes(is_so=kind in self.thinking) for kind in kinds
                    },
                },
            },
        }


def _yes(*, is_so: bool) -> JsonObject:
    return {"supported": is_so}


def always_says(text: str) -> Script:
    """Answer every call with a text."""
    return always_answers(says(text))


def always_answers(answer: Answer | Blocks) -> Script:
    """Answer every call alike."""
    return lambda _call: answer


def haiku(answer: Script | None = None, name: str = "claude-haiku-5-5") -> ClaudeModel:
    """Return a present small model: no sampling, adaptive thinking, effort."""
    return ClaudeModel(name=name, answer=answer or always_says("Hello, I am Haiku."))


def old_haiku(answer: Script | None = None) -> ClaudeModel:
    """Return a model that takes sampling and budgets of thinking, but no effort."""
    return ClaudeModel(
        name="claude-haiku-4-5-20251001",
        alias="claude-haiku-4-5",
        takes_sampling=True,
        efforts=(),
        thinking=("enabled", "disabled"),
        max_input_tokens=200_000,
        max_tokens=64_000,
        answer=answer or always_says("Hello, I am old."),
    )


def opus(answer: Script | None = None) -> ClaudeModel:
    """Return a model that always thinks, out of sight, and can't be forced to call."""
    return ClaudeModel(
        name="claude-opus-5-5",
        thinking=("adaptive",),
        thinks=True,
        shows_thinking=False,
        can_be_forced=False,
        answer=answer or always_says("Hello, I am Opus."),
    )
