"""Secrets of this process, and texts without them.

Whatever is read as a key or a password is noted here. What leaves the process
(files, the terminal, warnings, messages to other processes) passes `masked_text`.
Texts are many and secrets few, so a text is searched for fixed words first and for
patterns only where it has one of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from msgspec import Struct

MASK: Final = "***"

_EVERYWHERE: Final = 8
"""Characters from which a secret is looked for within words, too."""

_AS_A_WORD: Final = 4
"""Characters from which it is looked for as a word, if it is no everyday one."""

_CUTTABLE: Final = 16
"""Characters from which the first or last 12 of a secret, cut off, are known."""

_PIECE: Final = 12

_PLACEHOLDERS: Final = frozenset({
    "dummy-key", "fake-key", "llama.cpp", "lm-studio", "localhost", "no-api-key",
    "no-key-required", "not-needed", "not-required", "not-used", "placeholder",
    "sk-no-key-required", "sk-none",
})  # fmt: skip
"""What people set where a server wants any key: no secrets, and common words."""

_KEY_CHAR: Final = r"[A-Za-z0-9_.~+/=%-]"
_SHORTENED: Final = r"(?:\*{2,}|\.{2,}|…+|•{2,})"
_SHORTENERS: Final = ("**", "..", "…", "••")

_PREFIXES: Final = (
    "sk-", "pk-", "rk-", "gsk_", "hf_", "r8_", "fw_", "tgp_v1_", "pplx-", "nvapi-",
    "xai-", "ghp_", "gho_", "ghs_", "github_pat_", "AIza", "AKIA", "ASIA", "eyJ",
    "Bearer ",
)  # fmt: skip
"""One of these is in every text in which `_shapes` finds something, or `://` and @."""

_HEADERS: Final = ("authorization", "api-key")
"""The same for `_credentials`, in lower case."""

_SECRET_NAMES: Final = (
    "auth",
    "key",
    "token",
    "secret",
    "passw",
    "cookie",
    "signature",
)


class Masks:
    """The secrets that this process has read."""

    def __init__(self) -> None:
        self._noted: dict[str, _Noted] = {}

    def add(self, secret: str) -> None:
        """Note a secret, unless it is a placeholder or an everyday word."""
        is_word = len(secret) < _EVERYWHERE and re.fullmatch("[a-z-]*", secret)
        if is_word or len(secret) < _AS_A_WORD or secret.lower() in _PLACEHOLDERS:
            return
        if secret not in self._noted:  # a new dict: another thread may be reading
            self._noted = {**self._noted, secret: _noted(secret)}

    def add_password(self, url: str) -> None:
        """Note the password in an address, if there is one."""
        found = re.match(r"[^/]*//[^/@:]*:([^/]*)@", url)
        if found:
            from urllib.parse import unquote

            self.add(found[1])
            self.add(unquote(found[1]))

    def add_header(self, value: str) -> None:
        """Note a header's value without its scheme: `abc` of `Bearer abc`."""
        self.add(value.rpartition(" ")[2])

    def apply(self, text: str) -> str:
        """Return a text with each noted secret, whole or in pieces, replaced."""
        for noted in self._noted.values():
            text = noted.masked_in(text)
        return text

    def may_be_in(self, text: str) -> bool:
        """Whether a JSON text may hold a noted secret or a piece of one."""
        return any(noted.may_be_in(text) for noted in self._noted.values())


masks: Final = Masks()
"""This process's own. Not bound to a session: a secret is one for all of them."""


def masked_text(text: str) -> str:
    """Return a text without secrets: the noted ones, and what looks like a key.

    >>> masked_text("Incorrect API key provided: sk-abc***xyz.")
    'Incorrect API key provided: ***.'
    >>> masked_text("{'authorization': 'Basic bWU6cHc='}, http://me:pw@host/")
    "{'authorization': 'Basic ***'}, http://***@host/"
    """
    text = masks.apply(text)
    if _has_shape(text):
        text = _shapes().sub(MASK, text)
    if _has_header(text):
        text = _credentials().sub(rf"\1{MASK}", text)
    return text


def _has_shape(text: str) -> bool:
    for prefix in _PREFIXES:
        if prefix in text:
            return True
    return "://" in text and "@" in text


def _has_header(text: str) -> bool:
    lower = text.lower()
    for name in _HEADERS:  # noqa: SIM110 - as above
        if name in lower:
            return True
    return False


def masked(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a JSON value with each text in it masked; keys of mappings too."""
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, Mapping):
        return {masked(key): masked(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [masked(each) for each in value]
    return value


def masked_json(
    value: object, *, indent: int | None = None, is_ascii: bool = False
) -> str:
    """Return a value as JSON, each text in it masked.

    Each text and not the JSON, whose escapes would hide where a word begins. Most
    records hold nothing that resembles a secret: one look at the whole tells.
    """
    text = _json_text(value, indent)
    if _has_shape(text) or _has_header(text) or masks.may_be_in(text):
        value = masked(value)
        text = _json_text(value, indent)
    if not is_ascii or text.isascii():
        return text
    import json

    return json.dumps(value, indent=indent)


def _json_text(value: object, indent: int | None) -> str:
    """Return JSON as `json.dumps` lays it out, in a twentieth of its time.

    msgspec knows neither lone surrogates, which a reply may hold, nor subclasses of
    str, which a setting may be.
    """
    import msgspec

    try:
        packed = msgspec.json.encode(value)
        return msgspec.json.format(packed, indent=indent or 0).decode()
    except (UnicodeEncodeError, TypeError):
        import json

        return json.dumps(value, ensure_ascii=False, indent=indent)


def without_password(url: str) -> str:
    """Return an address that may be shown and stored.

    >>> without_password("http://me:secret@box:11434")
    'http://box:11434'
    """
    return re.sub("//[^/]*@", "//", url)


def shown_address(url: str) -> str:
    """Return a database's address that may be shown and stored: no user, no options.

    >>> shown_address("postgresql://me:secret@box/bench?password=secret")
    'postgresql://box/bench'
    """
    return without_password(url).partition("?")[0]


def is_secret_name(name: str) -> bool:
    """Whether the value under this name is one to hide.

    >>> is_secret_name("X-Api-Key"), is_secret_name("anthropic-beta")
    (True, False)
    """
    return any(word in name.lower() for word in _SECRET_NAMES)


class _Noted(Struct, frozen=True, kw_only=True):
    """A secret, and what stands for it in texts.

    Attributes:
        texts: it in every notation, the longest first.
        ends: its first and last characters, as they are and as in JSON.
        is_bound: it counts as a word only, not within one.
        shortened: it as vendors show it, `sk-abc***xyz`; None if it is too short.
    """

    secret: str
    texts: tuple[str, ...]
    ends: tuple[str, ...]
    is_bound: bool
    shortened: re.Pattern[str] | None

    def masked_in(self, text: str) -> str:
        """Return a text without it."""
        for form in self.texts:
            if form not in text:
                continue
            if self.is_bound:
                text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", MASK, text)
            else:
                text = text.replace(form, MASK)
        if self.shortened and self.secret[:2] in text and _is_shortened(text):
            text = self.shortened.sub(MASK, text)
        return text if len(self.secret) < _CUTTABLE else self._without_ends(text)

    def may_be_in(self, text: str) -> bool:
        """Whether it may be in a text, which may be JSON and so have escapes."""
        if any(form in text for form in self.texts):
            return True
        if len(self.secret) >= _CUTTABLE and any(end in text for end in self.ends):
            return True
        return bool(self.shortened and self.shortened.search(text))

    def _without_ends(self, text: str) -> str:
        """Mask its beginning or its end where a text was cut off within it."""
        head, tail = self.secret[:_PIECE], self.secret[-_PIECE:]
        if head in text:
            text = re.sub(re.escape(head) + f"{_KEY_CHAR}*", MASK, text)
        while (at := text.find(tail)) >= 0:
            start, left = at, len(self.secret) - _PIECE
            while start and left and text[start - 1] == self.secret[left - 1]:
                start, left = start - 1, left - 1
            text = text[:start] + MASK + text[at + _PIECE :]
        return text


def _is_shortened(text: str) -> bool:
    return any(mark in text for mark in _SHORTENERS)


def _noted(secret: str) -> _Noted:
    import json

    is_bound = len(secret) < _EVERYWHERE
    ends = (secret[:_PIECE], secret[-_PIECE:])
    start, end = re.escape(secret[:2]), re.escape(secret[-2:])
    middle = rf"{_KEY_CHAR}{{0,40}}?{_SHORTENED}{_KEY_CHAR}{{0,40}}?"
    return _Noted(
        secret=secret,
        texts=tuple(sorted(_written(secret), key=len, reverse=True)),
        ends=tuple({*ends, *(json.dumps(each)[1:-1] for each in ends)}),
        is_bound=is_bound,
        shortened=None if is_bound else re.compile(start + middle + end),
    )


def _written(secret: str) -> set[str]:
    """Return a secret in the notations in which texts quote one."""
    import html
    import json
    from urllib.parse import quote, quote_plus

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
    import base64

    found = {base64.b64encode(secret).decode("ascii")}
    for before in range(3):
        code = base64.b64encode(b"\0" * before + secret).decode("ascii").rstrip("=")
        code = code[(before * 8 + 5) // 6 :]
        found.add(code if (before + len(secret)) % 3 == 0 else code[:-1])
    found |= {text.translate(str.maketrans("+/", "-_")) for text in found}
    return {text for text in found if len(text) >= _EVERYWHERE}


@cache
def _shapes() -> re.Pattern[str]:
    """What looks like a key, whoever's it is: vendors' documented prefixes."""
    return re.compile(
        rf"""
          (?: (?<![A-Za-z0-9]) | (?<= \\[nrt]) ) (?:
              (?:sk|pk|rk) - (?: [A-Za-z0-9_-]* {_SHORTENED} [A-Za-z0-9_-]*
                               | [A-Za-z0-9_-]{{8,}} )
            | (?: gsk_ | hf_ | r8_ | fw_ | tgp_v1_ | pplx- | nvapi- | xai- | gh[ops]_
                | github_pat_ ) [A-Za-z0-9_-]{{16,}}
            | AIza [A-Za-z0-9_-]{{20,}}
            | A[KS]IA [A-Z0-9]{{16}}
            | eyJ [A-Za-z0-9_-]{{8,}} \. [A-Za-z0-9_-]{{8,}} \. [A-Za-z0-9_-]*
          )
        | (?<= ://) [^/\s"'<>@]+ (?= @)
        | (?<= Bearer\ ) (?= [^\s"']* [0-9]) {_KEY_CHAR}{{8,}}
        """,
        re.VERBOSE,
    )


@cache
def _credentials() -> re.Pattern[str]:
    """A header of credentials with its value, in any notation."""
    return re.compile(
        r"""(?ix)
        (
          (?: authorization | (?<![a-z_]) (?: x- (?: goog- )? )? api-key )
          (?: \\? ["']? \s* [:=] \s* | \\? ["'] \s* , \s* ) (?: b? \\? ["'] )?
          (?: (?: bearer | basic | token ) \s+ )?
        )
        (?= [^\s"']* [0-9=] ) [^\s"',;\\}\])]{8,}
        """
    )
