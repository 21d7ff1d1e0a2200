"""A patient reader of literals: JSON, Python and what models make of them.

It tracks strings, escapes and nesting itself, reads from left to right only, and
notes every rule that it had to bend.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from pytest_llmbench.checks.jsontext import MAX_DEPTH

if TYPE_CHECKING:
    from pytest_llmbench.prompts.suite import Json

_SPACE: Final = re.compile(r"\s*")
_NUMBER: Final = re.compile(r"[-+]?\d{1,400}(?:\.\d{0,400})?(?:[eE][-+]?\d{1,4})?")
_WORD: Final = re.compile(r"[^\W\d]\w*")
_WORDS: Final = {
    "true": True, "True": True, "false": False, "False": False,
    "null": None, "None": None,
}  # fmt: skip
_BARE: Final = re.compile(r"""[^\s,:{}\[\]<>"'()][^,{}\[\]<>"'()\n]*""")
_ESCAPE: Final = re.compile(
    r"\\(?:u([dD][89abAB]..)\\u([dD][c-fC-F]..)|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))",
    re.DOTALL,
)
_ESCAPED: Final = {
    "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0",
    '"': '"', "'": "'", "\\": "\\", "/": "/", "\n": "",
}  # fmt: skip
_BODY: Final = {
    quote: re.compile(rf"[^{quote}\\]*(?:\\.[^{quote}\\]*)*", re.DOTALL)
    for quote in "\"'"
}

# What must stand behind a quote for it to end a string. Anything else, and it is
# taken for a quote within: command='sed -n '1,9p' f'.
_KEY_ENDS: Final = re.compile(r"\s*:")
_VALUE_ENDS: Final = re.compile(r"""\s*(?:\}|\Z|,\s*(?:["'}]|\w+\s*:|\Z))""")
_ITEM_ENDS: Final = re.compile(r"\s*(?:[\],]|\Z)")
_KEYWORD_ENDS: Final = re.compile(r"\s*(?:\)|\Z|,\s*(?:\)|\w+\s*=|\Z))")
_ANY_END: Final = re.compile(r"")


class UnreadableError(Exception):
    """No literal stands here."""


class Dialect(Struct, frozen=True, kw_only=True):
    """What a format allows beyond JSON.

    Attributes:
        fence: what stands before and after a string that has no escapes.
        has_bare_keys: keys stand without quotes.
        has_single_quotes: strings may stand in single quotes.
    """

    fence: str = ""
    has_bare_keys: bool = False
    has_single_quotes: bool = False


JSON_DIALECT: Final = Dialect()
PYTHON_DIALECT: Final = Dialect(has_single_quotes=True)


class Literals(Struct, kw_only=True):
    """Reads literals of one text from `at` on, never past `end`.

    Attributes:
        at: where the next literal is read; behind the last one read.
        is_salvaged: some rule of the dialect was bent.
        is_cut: the end came before the closing brackets did.
    """

    text: str
    at: int
    end: int
    dialect: Dialect = JSON_DIALECT
    is_salvaged: bool = False
    is_cut: bool = False
    _is_after_comma: bool = False
    _depth: int = field(default=0)

    def value(self, ends: re.Pattern[str] = _ANY_END) -> Json:
        """Read one value.

        Args:
            ends: what must stand behind a string in quotes.

        Raises:
            UnreadableError: there is none.
        """
        self.skip_space()
        sign = self.peek()
        if sign == "{":
            return self._nested("}")
        if sign == "[":
            return self._nested("]")
        if self._is_string():
            return self.string(ends)
        return self._plain()

    def skip_space(self) -> None:
        """Go to the next place that holds no white space."""
        found = _SPACE.match(self.text, self.at, self.end)
        self.at = found.end() if found else self.at

    def peek(self) -> str:
        """Return the next character, or '' at the end."""
        return self.text[self.at] if self.at < self.end else ""

    def keyword_value(self) -> Json:
        """Read the value of an argument in a Python call."""
        return self.value(_KEYWORD_ENDS)

    def members(self) -> dict[str, Json]:
        """Read the members of an object, up to and with its closing brace."""
        members: dict[str, Json] = {}
        while not self.is_closed("}", has_value=bool(members)):
            key = self._key()
            self.skip_space()
            self._expect(":")
            members[key] = self.value(_VALUE_ENDS)
            self.separate("}")
        return members

    def string(self, ends: re.Pattern[str]) -> str:
        """Read a string in whichever quotes it stands."""
        fence = self.dialect.fence
        if fence and self.text.startswith(fence, self.at):
            return self._fenced(fence)
        quote = self.peek()
        if fence or (quote == "'" and not self.dialect.has_single_quotes):
            self.is_salvaged = True
        if self.text.startswith(quote * 3, self.at):
            return self._fenced(quote * 3)
        return self._quoted(quote, ends)

    def _nested(self, closing: str) -> Json:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadableError
        self.at += 1
        inner: Json = self.members() if closing == "}" else self._items()
        self._depth -= 1
        return inner

    def _items(self) -> list[Json]:
        items: list[Json] = []
        while not self.is_closed("]", has_value=bool(items)):
            items.append(self.value(_ITEM_ENDS))
            self.separate("]")
        return items

    def is_closed(self, closing: str, *, has_value: bool) -> bool:
        """Step over the closing bracket; after a value, the end closes it too.

        Raises:
            UnreadableError: the end comes where a value should.
        """
        self.skip_space()
        if self.at >= self.end:
            if not has_value or self._is_after_comma:
                raise UnreadableError
            self.is_salvaged = self.is_cut = True
            return True
        if self.text[self.at] != closing:
            return False
        self.at += 1
        return True

    def separate(self, closing: str) -> None:
        """Step over a comma, unless the closing bracket or the end comes.

        Raises:
            UnreadableError: something else comes.
        """
        self.skip_space()
        self._is_after_comma = False
        if self.at >= self.end or self.text[self.at] == closing:
            return
        self._expect(",")
        self.skip_space()
        self._is_after_comma = True
        if self.peek() in {closing, ""}:
            self.is_salvaged = True

    def _expect(self, sign: str) -> None:
        if self.peek() != sign:
            raise UnreadableError
        self.at += 1

    def _key(self) -> str:
        self.skip_space()
        if self._is_string():
            return self.string(_KEY_ENDS)
        found = _WORD.match(self.text, self.at, self.end)
        if found is None:
            raise UnreadableError
        self.is_salvaged = self.is_salvaged or not self.dialect.has_bare_keys
        self.at = found.end()
        return found.group()

    def _is_string(self) -> bool:
        fence = self.dialect.fence
        is_fenced = bool(fence) and self.text.startswith(fence, self.at)
        return is_fenced or self.peek() in {'"', "'"}

    def _fenced(self, fence: str) -> str:
        start = self.at + len(fence)
        close = self.text.find(fence, start, self.end)
        if close < 0:
            self.at = self.end
            raise UnreadableError
        self.at = close + len(fence)
        raw = self.text[start:close]
        return raw if fence == self.dialect.fence else unescaped(raw)

    def _quoted(self, quote: str, ends: re.Pattern[str]) -> str:
        start = at = self.at + 1
        body = _BODY[quote]
        while True:
            found = body.match(self.text, at, self.end)
            close = found.end() if found else self.end
            if close >= self.end:
                self.at = self.end
                raise UnreadableError
            if ends.match(self.text, close + 1, self.end):
                break
            self.is_salvaged = True
            at = close + 1
        raw = self.text[start:close]
        self.at = close + 1
        self.is_salvaged = self.is_salvaged or "\n" in raw
        return unescaped(raw)

    def _plain(self) -> Json:
        word = _WORD.match(self.text, self.at, self.end)
        if word and word.group() in _WORDS:
            self.at = word.end()
            return _WORDS[word.group()]
        number = _NUMBER.match(self.text, self.at, self.end)
        if number and self._is_whole(number.end()):
            self.at = number.end()
            return self._number(number.group())
        return self._bare()

    def _is_whole(self, end: int) -> bool:
        """Tell whether a number ends; where the text does, digits may be lost."""
        return end < len(self.text) and not self.text[end].isalnum()

    def _number(self, digits: str) -> Json:
        bare = digits.lstrip("+-")
        is_zero_led = bare[:1] == "0" and bare[1:2].isdigit()
        self.is_salvaged = self.is_salvaged or is_zero_led or digits[0] == "+"
        is_whole = digits.lstrip("+-").isdigit()
        return int(digits) if is_whole else float(digits)

    def _bare(self) -> str:
        """Read words without quotes, which only a dialect with fences forgives."""
        found = _BARE.match(self.text, self.at, self.end)
        if not self.dialect.fence or found is None:
            raise UnreadableError
        self.is_salvaged = True
        self.at = found.end()
        return found.group().strip()


def unescaped(raw: str) -> str:
    r"""Resolve the escapes that JSON and Python share; keep others as they stand.

    >>> unescaped(r"a\tb\u00e9 \ud83d\ude00 \d+") == "a\tb\u00e9 \U0001f600 \\d+"
    True
    """
    return _ESCAPE.sub(_resolved, raw) if "\\" in raw else raw


def _resolved(found: re.Match[str]) -> str:
    high, low, short, byte, sign = found.groups()
    if sign is not None:
        return _ESCAPED.get(sign, "\\" + sign)
    if short or byte:
        return chr(int(short or byte, 16))
    try:
        point = ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00
        return chr(point + 0x10000)
    except ValueError:
        return str(found.group())
