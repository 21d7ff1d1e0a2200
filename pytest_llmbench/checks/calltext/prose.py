"""Whether words before a call say that it is only an example."""

from __future__ import annotations

import re
from typing import Final

_LOOKED_BACK: Final = 160
_SENTENCE_END: Final = re.compile(r"(?<!e\.g)(?<!i\.e)[.!?]\s")
_SHOWN: Final = re.compile(
    r"\b(?:for example|for instance|e\.g\.|an example|examples?:|example (?:call|of)|"
    r"looks? like|would be|(?:you|one) (?:can|could|would|might|may))",
    re.IGNORECASE,
)
_FENCE: Final = re.compile(r"```\w*\s*\Z")


def is_example(text: str, at: int) -> bool:
    """Tell whether the sentence before a place introduces an example.

    Only its own words count: a call without marks is taken for what it looks like
    unless the model says otherwise.

    >>> is_example("For example: {}", 13), is_example("I will call it: {}", 16)
    (True, False)
    """
    before = _FENCE.sub("", text[max(0, at - _LOOKED_BACK) : at]).rstrip()
    sentence = _SENTENCE_END.split(before)[-1]
    return _SHOWN.search(sentence) is not None
