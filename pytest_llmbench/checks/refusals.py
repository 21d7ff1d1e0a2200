"""Replies that decline instead of answering: told by a short list of phrases."""

from __future__ import annotations

from typing import Final

WINDOW: Final = 160
"""Characters at the start of a text in which a refusal must stand."""

PHRASES: Final = (
    "i can't",
    "i cannot",
    "i can not",
    "i'm unable",
    "i am unable",
    "i'm not able",
    "i am not able",
    "i won't",
    "i will not",
    "i must decline",
    "i have to decline",
    "i'm not allowed",
    "i am not allowed",
    "i don't have access",
    "i do not have access",
    "i don't have the ability",
    "i do not have the ability",
    "i'm sorry, but",
    "i am sorry, but",
    "sorry, but",
    "i apologize, but",
    "as an ai",
)
"""English only: a refusal in another language is named `wrong_answer`."""


def looks_like_refusal(text: str) -> bool:
    r"""Tell whether a text starts by declining.

    >>> looks_like_refusal("I\u2019m sorry, but I cannot look up the weather.")
    True
    >>> looks_like_refusal("It is sunny in Oslo.")
    False
    """
    opening = text.strip()[:WINDOW].casefold().replace("\u2019", "'")
    return any(phrase in opening for phrase in PHRASES)
