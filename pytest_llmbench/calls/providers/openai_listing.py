"""What `GET /v1/models` tells, by OpenAI and by each kind of server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.calls.providers.http import well_formed
from pytest_llmbench.calls.request import ModelFacts
from pytest_llmbench.errors import ModelMissing
from pytest_llmbench.prompts.wording import closest

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_SHOWN: Final = 20
_CONTEXT_KEYS: Final = ("max_model_len", "context_length", "max_context_length")
"""vLLM's, OpenRouter's and LM Studio's words."""


def entries_of(value: object, where: str) -> list[dict[str, Any]]:
    """Return the models listed; none where the answer is no list of models.

    Raises:
        ProtocolFault: it looks like one, but is not.
    """
    data = value.get("data") if isinstance(value, dict) else None
    with well_formed(where):
        return [dict(entry) for entry in data or () if entry["id"]]


def check_listed(model: str, entries: Sequence[dict[str, Any]], where: str) -> None:
    """Make sure that a server which lists models has this one.

    Raises:
        ModelMissing: it has not; the message names the nearest and the others.
    """
    if not entries or _entry(model, entries) is not None:
        return
    names = [str(entry["id"]) for entry in entries]
    near = closest(model, names)
    hint = f"; did you mean {near!r}?" if near else ""
    shown = ", ".join(names[:_MOST_SHOWN])
    more = len(names) - _MOST_SHOWN
    others = f" and {more} more" if more > 0 else ""
    msg = f"{where} has no model {model!r}{hint}\n  listed: {shown}{others}"
    raise ModelMissing(msg)


def facts_of(model: str, entries: Sequence[dict[str, Any]], where: str) -> ModelFacts:
    """Return what a server tells of a model in its list."""
    entry = _entry(model, entries) or {}
    meta = entry.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    contexts = [entry.get(key) for key in _CONTEXT_KEYS] + [meta.get("n_ctx_train")]
    size = meta.get("n_params")
    return ModelFacts(
        server=where,
        parameter_size=f"{size / 1e9:.2f}B" if type(size) is int else "",
        context_length=next((c for c in contexts if type(c) is int), None),
    )


def _entry(model: str, entries: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return a model's entry, under the names by which servers know it."""
    if len(entries) == 1 and entries[0].get("owned_by") == "llamacpp":
        return entries[0]  # it answers for its one model to any name
    by_id = {str(entry["id"]): entry for entry in entries}
    base, colon, _ = model.rpartition(":")
    # Ollama adds a tag; OpenRouter takes variants like `:nitro`, behind a slash.
    names = [model, f"{model}:latest", base if colon and "/" in base else model]
    return next((by_id[name] for name in names if name in by_id), None)
