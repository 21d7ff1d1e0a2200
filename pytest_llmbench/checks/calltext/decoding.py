"""JSON values at places in a text: read strictly first, then with patience."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmbench.checks.calltext.found import MAX_CALLS
from pytest_llmbench.checks.calltext.literals import (
    JSON_DIALECT,
    Dialect,
    Literals,
    UnreadableError,
)
from pytest_llmbench.checks.jsontext import decode_at

if TYPE_CHECKING:
    from pytest_llmbench.prompts.suite import Json

_LEAST_CHARGE: Final = 256
"""A failed try costs some time however little it reads."""
_VALUE_CHARGE: Final = 128
"""So does a value that is read, be it a call or not."""


class Decoded(Struct, frozen=True, kw_only=True):
    """A value and the place behind it.

    Attributes:
        is_cut: the text ends before the value does.
    """

    value: Json
    end: int
    is_salvaged: bool = False
    is_cut: bool = False


class Decoder:
    """Decodes values of one text in time linear in its length.

    Each failed try is charged for what it read. Once the allowance is spent,
    nothing more is decoded; only text made to be slow comes near that, and text
    that repeats a call without end.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._marks: dict[str, tuple[int, int]] = {}
        self._calls_left = MAX_CALLS
        self._left = 2 * len(text) + 64 * _LEAST_CHARGE

    def next_mark(self, mark: str, at: int) -> int:
        """Return where a mark next stands, or the end of the text.

        What was found is kept: a mark that never comes is looked for once.
        """
        since, found = self._marks.get(mark, (len(self.text) + 1, 0))
        if not since <= at <= found:
            place = self.text.find(mark, at) if mark else -1
            found = len(self.text) if place < 0 else place
            self._marks[mark] = (at, found)
        return found

    @property
    def is_spent(self) -> bool:
        """Whether too many tries have failed."""
        return self._left <= 0

    def count_call(self) -> None:
        """Take a call off the allowance."""
        self._calls_left -= 1
        if not self._calls_left:
            self._left = 0

    def charge(self, characters: int) -> None:
        """Take a failed try off the allowance."""
        self._left -= max(characters, _LEAST_CHARGE)

    def strict(self, at: int) -> Decoded | None:
        """Decode the JSON value that starts at a place."""
        if self.is_spent or self.text[at : at + 1] not in {"{", "["}:
            return None
        tried = decode_at(self.text, at)
        if not tried.is_json:
            self.charge(tried.read)
            return None
        self._left -= _VALUE_CHARGE
        return Decoded(value=tried.value, end=tried.end)

    def lenient(
        self, at: int, end: int, dialect: Dialect = JSON_DIALECT
    ) -> Decoded | None:
        """Decode what is nearly a JSON object or array, not past an end."""
        if self.is_spent or self.text[at : at + 1] not in {"{", "["}:
            return None
        reader = Literals(text=self.text, at=at, end=end, dialect=dialect)
        try:
            value = reader.value()
        except UnreadableError:
            self.charge(2 * (reader.at - at))
            return None
        return Decoded(
            value=value,
            end=reader.at,
            is_salvaged=reader.is_salvaged,
            is_cut=reader.is_cut,
        )

    def either(self, at: int, end: int) -> Decoded | None:
        """Decode strictly, else with patience; JSON read so is salvaged."""
        decoded = self.strict(at)
        if decoded:
            return decoded
        patient = self.lenient(at, end)
        if patient is None:
            return None
        return replace(patient, is_salvaged=True)
