"""What a fake chat-completions server is made of: models, and kinds of servers.

Answers and scripts are the fake Ollama's: a script gets a `FakeCall`, whose
`options` are the request's whole body, and returns an `Answer`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from fake_ollama_models import always, says

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fake_ollama_models import Script


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatModel:
    """One model.

    Attributes:
        answer: may return no `Fault`; faults are the server's.
        is_reasoning: refuses `temperature` but 1, `top_p`, `seed` and `max_tokens`.
        refuses_tools_with_effort: as gpt-5.6 does here, but for effort `none`.
        only_in_responses: is listed, and refused here.
        takes_tools: or a request with tools is refused.
        cached_tokens: of the prompt, as usage tells them.
        context_length: longer prompts are refused.
        first_token_delay_s: from the headers to the first token.
        delta_delay_s: between any two deltas.
        listed: what `/v1/models` tells of it on top of its id.
    """

    name: str = "gpt-x"
    answer: Script = field(default_factory=lambda: always(says("Hello, I am fake.")))
    is_reasoning: bool = False
    refuses_tools_with_effort: bool = False
    only_in_responses: bool = False
    takes_tools: bool = True
    cached_tokens: int = 0
    context_length: int = 32_768
    first_token_delay_s: float = 0.0
    delta_delay_s: float = 0.0
    listed: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """How one kind of server differs from OpenAI's.

    Attributes:
        thinking_field: where thinking is streamed; empty where it is hidden.
        repeats_role: every delta has the role.
        opens_with: the first delta's content, sent with no token in it; None is
            sent as null.
        tool_calls: how a call is streamed: in fragments; whole in one delta; whole,
            with arguments as an object; in fragments without an index; in fragments
            of several calls by turns.
        tells_usage: on request, never, or in every chunk.
        errors: the form of an error's body.
        keep_alive: a comment sent before the first token, or empty.
        ends_with_done: whether `[DONE]` follows the last chunk.
        refuses_unknown: unknown fields of a request are refused.
        limit_fields: what it reads as the limit of output tokens.
    """

    name: str
    thinking_field: str = ""
    repeats_role: bool = False
    opens_with: str | None = ""
    tool_calls: Literal["fragments", "whole", "object", "no_index", "interleaved"] = (
        "fragments"
    )
    tells_usage: Literal["on_request", "never", "always"] = "on_request"
    errors: Literal["openai", "llama.cpp", "vllm", "openrouter", "ollama"] = "openai"
    keep_alive: str = ""
    ends_with_done: bool = True
    has_timings: bool = False
    lists_models: bool = True
    fingerprint: str | None = None
    owned_by: str = "fake"
    refuses_unknown: bool = False
    limit_fields: tuple[str, ...] = ("max_completion_tokens", "max_tokens")


OPENAI: Final = Flavour(name="openai", refuses_unknown=True, owned_by="openai")
LLAMA_CPP: Final = Flavour(
    name="llama.cpp",
    thinking_field="reasoning_content",
    opens_with=None,
    errors="llama.cpp",
    has_timings=True,
    fingerprint="b9999-fake",
    owned_by="llamacpp",
)
VLLM: Final = Flavour(
    name="vllm", thinking_field="reasoning", errors="vllm", owned_by="vllm"
)
OPENROUTER: Final = Flavour(
    name="openrouter",
    thinking_field="reasoning",
    errors="openrouter",
    keep_alive=": OPENROUTER PROCESSING\n\n",
)
LM_STUDIO: Final = Flavour(
    name="lmstudio",
    thinking_field="reasoning_content",
    fingerprint="gpt-x",
    owned_by="organization_owner",
)
OLLAMA: Final = Flavour(
    name="ollama",
    thinking_field="reasoning",
    tool_calls="whole",
    errors="ollama",
    repeats_role=True,
    fingerprint="fp_ollama",
    owned_by="library",
    limit_fields=("max_tokens",),
)
FLAVOURS: Final = (OPENAI, LLAMA_CPP, VLLM, OPENROUTER, LM_STUDIO, OLLAMA)
