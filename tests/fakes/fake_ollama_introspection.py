"""The bodies of /api/tags, /api/show and /api/ps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fake_ollama_replies import expiry, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fake_ollama_models import FakeModel, JsonObject
    from fake_ollama_residency import Resident


def tags_body(models: Iterable[FakeModel]) -> JsonObject:
    """List what is pulled."""
    return {"models": [_tag(model) for model in models]}


def show_body(model: FakeModel) -> JsonObject:
    """Describe one model."""
    return {
        "license": "",
        "modelfile": f"FROM {model.name}",
        "parameters": "",
        "template": "{{ .Prompt }}",
        "details": _details(model),
        "model_info": {
            "general.architecture": model.family,
            f"{model.family}.context_length": model.context_length,
        },
        "capabilities": list(model.capabilities),
        "modified_at": rfc3339(time.time_ns()),
    }


def ps_body(rows: Iterable[tuple[Resident, float]]) -> JsonObject:
    """List what is loaded."""
    return {"models": [_loaded(resident, left_s) for resident, left_s in rows]}


def _tag(model: FakeModel) -> JsonObject:
    return {
        "name": model.name,
        "model": model.name,
        "modified_at": rfc3339(time.time_ns()),
        "size": model.size,
        "digest": model.digest,
        "details": _details(model),
        "capabilities": list(model.capabilities),
    }


def _loaded(resident: Resident, left_s: float) -> JsonObject:
    model = resident.model
    return {
        "name": model.name,
        "model": model.name,
        "size": model.size,
        "digest": model.digest,
        "details": _details(model),
        "expires_at": resident.expires_at or expiry(left_s),
        "size_vram": model.size_vram,
        "context_length": resident.key.num_ctx,
    }


def _details(model: FakeModel) -> JsonObject:
    return {
        "parent_model": "",
        "format": "gguf",
        "family": model.family,
        "families": [model.family],
        "parameter_size": model.parameter_size,
        "quantization_level": model.quantization,
    }
