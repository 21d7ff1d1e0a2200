"""What OpenAI's model families take, by their names."""

from __future__ import annotations

import re
from typing import Final

from pytest_llmbench.calls.providers.openai_account import is_vendors

_REASONING: Final = re.compile(r"(ft:)?(openai/)?(o\d+|gpt-([5-9]|\d\d+))([.:-].*)?")
_CLASSIC: Final = re.compile(r"(ft:)?(gpt-3\.5|gpt-4|chatgpt-4)(?!.*-search)")


def reasons(model: str, url: str) -> bool:
    """Whether a model reasons, as far as its name says.

    Such models take `max_completion_tokens`, and refuse `temperature`, `top_p` and
    `seed`. At OpenAI's own address every model does that is not of an old family.

    >>> at_home, elsewhere = "https://api.openai.com/v1", "http://localhost:8080/v1"
    >>> [reasons(name, at_home) for name in ("o4-mini", "gpt-6-sol", "gpt-4.1")]
    [True, True, False]
    >>> [reasons(name, elsewhere) for name in ("openai/gpt-5.5", "gpt-oss:20b")]
    [True, False]
    """
    if _REASONING.fullmatch(model):
        return True
    return is_vendors(url) and not _CLASSIC.match(model)
