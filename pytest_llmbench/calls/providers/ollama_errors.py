"""What Ollama's error texts mean, and what a person can do about each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pytest_llmbench.checks.shown import one_line
from pytest_llmbench.errors import (
    Busy,
    CallError,
    ContextOverflow,
    LoadFailed,
    MalformedCall,
    ModelMissing,
    ProtocolFault,
    ServerFault,
    Unauthorised,
    Unsupported,
)
from pytest_llmbench.prompts.wording import closest

if TYPE_CHECKING:
    from pytest_llmbench.calls.providers.http import HttpStatusError

_MEANINGS: Final[tuple[tuple[str, type[CallError], str], ...]] = (
    ("error parsing tool call", MalformedCall, ""),
    ("error was encountered while running", ServerFault, "see the server's log"),
    ("requires more system memory", LoadFailed, "free memory or take a smaller model"),
    ("out of memory", LoadFailed, "free VRAM or take a smaller model"),
    ("cudamalloc failed", LoadFailed, "free VRAM or take a smaller model"),
    ("failed to allocate", LoadFailed, "free memory or take a smaller model"),
    ("process has terminated", LoadFailed, "see the server's log"),
    ("timed out waiting for", LoadFailed, "raise OLLAMA_LOAD_TIMEOUT"),
    ("unexpectedly stopped", ServerFault, "see the server's log"),
    ("server busy", Busy, "its queue is full; wait, or raise OLLAMA_MAX_QUEUE"),
    ("does not support tools", Unsupported, "choose a model with tools, see its card"),
    ("does not support thinking", Unsupported, "leave out effort, or set it to none"),
    ("does not support", Unsupported, ""),
    ("exceed_context_size", ContextOverflow, "raise num_ctx or shorten the prompt"),
    ("context length", ContextOverflow, "raise num_ctx or shorten the prompt"),
    ("context size", ContextOverflow, "raise num_ctx or shorten the prompt"),
    ("no user query found", ContextOverflow, "the server cut it off; raise num_ctx"),
    ("not found", ModelMissing, ""),
    ("invalid model name", ModelMissing, ""),
    ("unauthorized", Unauthorised, "sign in with `ollama signin`"),
)
"""Text (lower case) to error class and advice; the first that is found counts.

What quotes other texts (a call, an engine's last words) stands before them.
"""

_BY_STATUS: Final[dict[int, type[CallError]]] = {
    401: Unauthorised,
    403: Unauthorised,
    404: ProtocolFault,
    405: ProtocolFault,
    429: Busy,
    503: Busy,
    529: Busy,
}


def error_of_text(text: str, where: str, when: str = "") -> CallError:
    """Return the error that a server's text means.

    Args:
        when: words put behind the server's name, such as `in mid-reply`.
    """
    place = f"{where} {when}" if when else where
    kind, message = _known(text, place) or (
        ServerFault,
        f"{place}: {_unpacked(text)}",
    )
    return kind(message)


def error_of_status(error: HttpStatusError, where: str) -> CallError:
    """Return the error that an HTTP status with its body means."""
    body = error.json()
    text = body.get("error") if isinstance(body, dict) else None
    known = _known(text, where) if isinstance(text, str) else None
    if known is not None:
        return error.as_error(*known)
    shown = text if isinstance(text, str) else one_line(error.body.strip())
    kind = _BY_STATUS.get(error.status, ServerFault)
    hint = "; is this an Ollama server?" if kind is ProtocolFault else ""
    if error.status >= 500 and kind is ServerFault:  # noqa: PLR2004 - HTTP
        hint = "; see the server's log"
    if error.status == 403 and not shown:  # noqa: PLR2004 - HTTP
        shown = "refused this Host name; set OLLAMA_ORIGINS or use 127.0.0.1"
    said = f"{where}: HTTP {error.status} {shown}".rstrip()
    return error.as_error(kind, said + hint)


def _known(text: str, place: str) -> tuple[type[CallError], str] | None:
    text = _unpacked(text)
    for words, kind, advice in _MEANINGS:
        if words in text.lower():
            return kind, f"{place}: {text}" + (f"; {advice}" if advice else "")
    return None


def missing_model(model: str, where: str, pulled: list[str]) -> ModelMissing:
    """Say which models are there, and how to get the one that isn't."""
    if model in pulled:
        msg = f"{where} lists the model {model!r} but says that it has none"
        return ModelMissing(f"{msg}; pull it again: ollama pull {model}")
    near = closest(model, [name.removesuffix(":latest") for name in pulled])
    near = near or closest(model, pulled)
    hint = f"; did you mean {near!r}?" if near else ""
    have = ", ".join(pulled) or "none"
    return ModelMissing(
        f"{where} has no model {model!r}{hint}\n"
        f"  pulled: {have}\n  get it: ollama pull {model}"
    )


def _unpacked(text: str) -> str:
    """Return the message of an error that is JSON within a string."""
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return text
    error = inner.get("error") if isinstance(inner, dict) else None
    if not isinstance(error, dict):
        return text
    kind = f" ({error['type']})" if error.get("type") else ""
    return f"{error.get('message', text)}{kind}"
