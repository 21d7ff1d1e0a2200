"""Secrets of this process, and texts without them.

Whatever is read as a key or a password is noted here. What leaves the process
(files, the terminal, warnings, messages to other processes) passes `masked_text`.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"

_EVERYWHERE: Final = 4
"""Characters from which a secret is looked for; a shorter one is in every text."""

_UNBOUND: Final = 8
"""Characters from which a secret is looked for within words, too."""

_CUTTABLE: Final = 16
"""Characters from which the first or last 12 of a secret, cut off, are known."""

_PIECE: Final = 12

_PLACEHOLDERS: Final = frozenset(
    {"dummy", "empty", "fake", "key", "llama.cpp", "lm-studio", "local", "no-key"}
    | {"none", "not-needed", "null", "ollama", "sk-no-key-required", "test", "vllm"}
)
"""What people set where a server wants any key: no secrets, and common words."""

_KEY_CHARS: Final = r"[A-Za-z0-9_.~+/=%-]"
_SHORTENED: Final = r"(?:\*{2,}|\.{2,}|…+|•{2,})"

_SHAPES: Final = re.compile(
    rf"""
      (?<![A-Za-z0-9]) (?:
          (?:c?sk|pk|rk) - (?: [A-Za-z0-9_-]* {_SHORTENED} [A-Za-z0-9_-]*
                             | [A-Za-z0-9_-]{{8,}} )
        | (?: gsk_ | hf_ | r8_ | fw_ | tgp_v1_ | pplx- | nvapi- | xai- | gh[opusr]_
            | github_pat_ ) [A-Za-z0-9_-]{{16,}}
        | AIza [A-Za-z0-9_-]{{20,}}
        | A[KS]IA [A-Z0-9]{{16}}
        | eyJ [A-Za-z0-9_-]{{8,}} \. [A-Za-z0-9_-]{{8,}} \. [A-Za-z0-9_-]*
      )
    | (?<= ://) [^/\s"'<>@]+ (?= @)
    | (?<= Bearer\ ) (?= [^\s"']* [0-9]) {_KEY_CHARS}{{8,}}
    """,
    re.VERBOSE,
)
"""What looks like a key, whoever's it is; vendors' documented prefixes."""

_IN_HEADERS: Final = re.compile(
    r"""(?ix)
    ( (?: proxy- )? authorization | (?: x- (?: goog- )? )? api-key )
    ( \\? ["']? \s* [:=,] \s* b? \\? ["']? )
    ( (?: bearer | basic | token ) \s+ )?
    [^\s"',;\\}\])]+
    """
)
"""A header of credentials with its value, in any notation."""

_SECRET_NAMES: Final = re.compile(r"(?i)auth|key|token|secret|passw|cookie|signature")


class Masks:
    """The secrets that this process has read.

    Kept as one pattern, made anew when a secret comes: texts are many, secrets few.
    """

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        """Note a secret; whatever people set in a secret's place is left out."""
        is_known = secret in self._secrets or secret.lower() in _PLACEHOLDERS
        if is_known or len(secret) < _EVERYWHERE:
            return
        self._secrets |= {secret}
        forms = {form for each in self._secrets for form in _forms(each)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(longest_first))

    def apply(self, text: str) -> str:
        """Return a text with each noted secret, whole or in pieces, replaced."""
        return self._pattern.sub(MASK, text) if self._pattern else text


masks: Final = Masks()
"""This process's own. Not bound to a session: a secret is one for all of them."""


def masked_text(text: str) -> str:
    """Return a text without secrets: the noted ones, and what looks like a key.

    >>> masked_text("Incorrect API key provided: sk-abc***xyz.")
    'Incorrect API key provided: ***.'
    >>> masked_text("{'authorization': 'Bearer none'}, http://me:pw@host/")
    "{'authorization': 'Bearer ***'}, http://***@host/"
    """
    text = _SHAPES.sub(MASK, masks.apply(text))
    return _IN_HEADERS.sub(rf"\1\2\3{MASK}", text)


def masked(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a JSON value with each text in it masked; keys of mappings too."""
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, Mapping):
        return {masked(key): masked(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [masked(each) for each in value]
    return value


def is_secret_name(name: str) -> bool:
    """Whether the value under this name is one to hide.

    >>> is_secret_name("X-Api-Key"), is_secret_name("anthropic-beta")
    (True, False)
    """
    return bool(_SECRET_NAMES.search(name))


def _forms(secret: str) -> set[str]:
    """Return patterns for a secret as it is, encoded, shortened and cut off."""
    texts = _written(secret)
    if len(secret) < _UNBOUND:
        return {rf"(?<!\w){re.escape(text)}(?!\w)" for text in texts}
    patterns = {re.escape(text) for text in texts}
    start, end = re.escape(secret[:2]), re.escape(secret[-2:])
    patterns.add(rf"{start}{_KEY_CHARS}{{0,40}}?{_SHORTENED}{_KEY_CHARS}{{0,40}}?{end}")
    if len(secret) >= _CUTTABLE:
        patterns |= {re.escape(secret[:_PIECE]) + f"{_KEY_CHARS}*"}
        patterns |= {re.escape(secret[-at:]) for at in range(_PIECE, len(secret))}
    return patterns


def _written(secret: str) -> set[str]:
    """Return a secret in the notations in which texts quote one."""
    quoted = json.dumps(secret)[1:-1]
    texts = {secret, quoted, json.dumps(quoted)[1:-1], quoted.replace("/", r"\/")}
    texts |= {html.escape(secret), repr(secret)[1:-1]}
    for url in (quote(secret, safe=""), quote_plus(secret), quote(secret)):
        texts |= {url, re.sub("%..", lambda found: found[0].lower(), url)}
    return texts | _in_base64(secret.encode())


def _in_base64(secret: bytes) -> set[str]:
    """Return what a secret is in base64, alone and within a longer text.

    Within one it may begin at any of three places of a group of three bytes, and
    its first and last characters depend on its neighbours: these are left out.
    """
    found = set()
    for before in range(3):
        code = base64.b64encode(b"\0" * before + secret).decode("ascii").rstrip("=")
        code = code[-(-before * 4 // 3) :] if before else code
        inner = code if (before + len(secret)) % 3 == 0 else code[:-1]
        found |= {inner, inner.translate(str.maketrans("+/", "-_"))}
    found |= {base64.b64encode(secret).decode("ascii")}
    return {text for text in found if len(text) >= _UNBOUND}
