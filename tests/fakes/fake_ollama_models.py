"""What a fake Ollama is made of: models, the calls they see, what they answer.

Tokens follow one rule so that every count in a test can be worked out by hand:
a token is four characters, the last one may be shorter, so a text has
`ceil(len(text) / 4)` tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

TOKEN_CHARS: Final = 4
WARM_UP_TEXT: Final = "What is 2+2?"

JsonObject = dict[str, Any]

FaultKind = Literal[
    "refuse",
    "fail_load",
    "fail_reply",
    "slow_first_byte",
    "reset_before_headers",
    "error_line",
    "end_early",
    "hang_up",
    "reset",
    "stall",
    "garbage_line",
    "non_utf8",
    "long_line",
    "no_metrics",
    "one_byte_writes",
    "two_line_writes",
    "split_utf8",
    "silent_empty",
    "call_as_text",
]


def split_tokens(text: str) -> list[str]:
    """Cut a text into its tokens, four characters each.

    >>> split_tokens("Hello")
    ['Hell', 'o']
    """
    return [text[at : at + TOKEN_CHARS] for at in range(0, len(text), TOKEN_CHARS)]


def count_tokens(text: str) -> int:
    """Count the tokens of a text: ceil(characters / 4).

    >>> count_tokens(""), count_tokens("abcd"), count_tokens("abcde")
    (0, 1, 2)
    """
    return -(-len(text) // TOKEN_CHARS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model says in one call.

    Attributes:
        tool_calls: (name, arguments) of each call, in order.
        tokens_per_chunk: tokens put into one line of the stream.
        prompt_tokens: reported instead of the counted prompt.
        hidden_tokens: generated and counted, but dropped by the server.
    """

    text: str = ""
    thinking: str = ""
    tool_calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    done_reason: str = "stop"
    tokens_per_chunk: int = 1
    prompt_tokens: int | None = None
    hidden_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong with one call; made by `fake_ollama_faults`.

    Attributes:
        status: HTTP status of a refusal.
        after_chunks: lines of the stream sent before the fault; a shorter
            reply is hit just before its done line.
        delay_s: silence before or at the fault, or between split writes.
        size: characters of a very long line.
        answer: what the model says, where a script returns the fault.
        drops_model: the model is no longer loaded afterwards.
        path, model, prompt_contains: which calls are hit; "" means any.
        is_always: stays in `server.faults` instead of being used up.
    """

    kind: FaultKind
    text: str = ""
    status: int = 500
    after_chunks: int = 0
    delay_s: float = 0.0
    size: int = 0
    answer: Answer = Answer(text="A reply long enough to be cut in its middle.")
    drops_model: bool = False
    path: str = "/api/chat"
    model: str = ""
    prompt_contains: str = ""
    is_always: bool = False

    def where(
        self, *, path: str = "/api/chat", model: str = "", prompt_contains: str = ""
    ) -> Fault:
        """Return the fault narrowed to some calls."""
        return replace(self, path=path, model=model, prompt_contains=prompt_contains)

    def always(self) -> Fault:
        """Return the fault so that it hits every matching call."""
        return replace(self, is_always=True)

    def on(self, answer: Answer) -> Fault:
        """Return the fault spoiling this answer, for scripts to return."""
        return replace(self, answer=answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeCall:
    """What a script is told about one generation.

    Attributes:
        endpoint: `chat` or `generate`.
        messages: those that fitted into the context, oldest first.
        generations_since_load: generations of this model since it was loaded,
            this one excluded.
        is_warmed_up: a chat without tools asked "What is 2+2?" since the load.
    """

    model: str
    endpoint: str = "chat"
    messages: tuple[JsonObject, ...] = ()
    tools: tuple[JsonObject, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    think: bool = False
    generations_since_load: int = 0
    is_warmed_up: bool = False

    @property
    def last_user_text(self) -> str:
        """The text of the newest user message."""
        return last_user_text(self.messages)

    @property
    def seed(self) -> int | None:
        """The sampling seed, None where none was sent."""
        seed = self.options.get("seed")
        return None if seed is None else int(seed)

    @property
    def tool_names(self) -> tuple[str, ...]:
        """The names of the offered tools."""
        return tuple(tool["function"]["name"] for tool in self.tools)


Script = Callable[[FakeCall], Answer | Fault]


def last_user_text(messages: Sequence[JsonObject]) -> str:
    """Return the text of the newest user message, or ""."""
    texts = [m.get("content", "") for m in messages if m.get("role") == "user"]
    return texts[-1] if texts else ""


def says(text: str) -> Answer:
    """Answer with text."""
    return Answer(text=text)


def calls(tool: str, /, **arguments: object) -> Answer:
    """Answer with one tool call."""
    return Answer(tool_calls=((tool, arguments),))


def always(answer: Answer | Fault) -> Script:
    """Answer every call alike."""
    return lambda _call: answer


def answers_by_prompt(
    answers: Mapping[str, Answer | Fault], default: Answer | Fault
) -> Script:
    """Answer by the first key that occurs in the last user text."""

    def answer(call: FakeCall) -> Answer | Fault:
        text = call.last_user_text
        return next((answers[key] for key in answers if key in text), default)

    return answer


def wrong_while_cold(
    right: Script,
    wrong_texts: Sequence[str],
    cold_generations: int,
    wrong: Answer | None = None,
) -> Script:
    """Answer some prompts wrong until the model is warm.

    The model is cold for its first `cold_generations` generations after a load;
    a warm-up inference (a chat without tools asking "What is 2+2?") makes it warm
    at once.

    Args:
        right: answers everything else, and everything once warm.
        wrong_texts: a prompt is hit if its last user text holds one of these.
        cold_generations: 24 makes two runs of a 12-prompt suite cold.
        wrong: the wrong answer; by default a call of a tool that nobody offers,
            since plain text is right where no tool may be called.
    """
    wrong_answer = wrong or calls("open_browser", url="about:blank")

    def answer(call: FakeCall) -> Answer | Fault:
        is_cold = (
            not call.is_warmed_up and call.generations_since_load < cold_generations
        )
        is_hit = any(text in call.last_user_text for text in wrong_texts)
        return wrong_answer if is_cold and is_hit else right(call)

    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeModel:
    """One pulled model.

    Attributes:
        name: with a tag; without one `:latest` is added.
        digest: derived from the name where not given.
        size_vram: None for all of it; less than size means partial offload.
        context_length: what the model was trained for; num_ctx is clamped to it.
        granted_num_ctx: the most that it gets on this machine, whatever is asked for
            and /api/show tells; None for all of it.
        load_s: real time of a cold load.
        warm_load_s: real time to get hold of a loaded model.
        first_token_delay_s: extra wait before the first token, in no reported
            duration but the total.
        caches_prompts: the longest prefix shared with a prompt seen since the
            load costs no prefill time; the reported count stays whole.
        calls_on_done_line: tool calls come on the done line, not before it.
    """

    name: str = "fake:1b"
    digest: str = ""
    size: int = 1_300_000_000
    size_vram: int | None = None
    quantization: str = "Q4_K_M"
    parameter_size: str = "1.2B"
    family: str = "fake"
    capabilities: tuple[str, ...] = ("completion", "tools")
    context_length: int = 32_768
    granted_num_ctx: int | None = None
    load_s: float = 0.05
    warm_load_s: float = 0.001
    prefill_tokens_per_s: float = 50_000.0
    decode_tokens_per_s: float = 2_000.0
    first_token_delay_s: float = 0.0
    caches_prompts: bool = False
    calls_on_done_line: bool = False
    answer: Script = field(default_factory=lambda: always(says("Hello, I am fake.")))

    def __post_init__(self) -> None:
        """Give the name its tag and the model its digest."""
        if ":" not in self.name:
            object.__setattr__(self, "name", f"{self.name}:latest")
        if not self.digest:
            digest = hashlib.sha256(self.name.encode()).hexdigest()
            object.__setattr__(self, "digest", digest)
        if self.size_vram is None:
            object.__setattr__(self, "size_vram", self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeSettings:
    """How the server itself is set up.

    Attributes:
        default_num_ctx: the context where a request names none.
        default_keep_alive_s: negative means forever.
        num_parallel: generations of one model at a time.
        max_loaded: loaded models before an idle one is evicted; 0 is no limit.
        unload_delay_s: how long an unloaded or expired model stays in /api/ps.
        lists_loading: show a model in /api/ps while it loads, as before 0.30.
        knows_truncate: obey `truncate: false`; servers before 0.12.4 don't know it.
        cuts_to: what is left of a prompt that is too long: the whole context (up to
            0.23), or half of it.
        shows_grant: tell in /api/ps what a model was granted, not what was asked for.
        shifts: go on behind the end of the context; false ends the reply there.
    """

    version: str = "0.33.0"
    default_num_ctx: int = 4096
    default_keep_alive_s: float = 300.0
    num_parallel: int = 1
    max_loaded: int = 3
    unload_delay_s: float = 0.05
    lists_loading: bool = False
    knows_truncate: bool = True
    cuts_to: Literal["half", "whole"] = "half"
    shows_grant: bool = True
    shifts: bool = True
