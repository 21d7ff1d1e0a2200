"""Tool calls as Python: `f(a="b", n=2)`, read without running anything."""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from pytest_llmbench.checks.calltext.found import Written
from pytest_llmbench.checks.calltext.literals import (
    PYTHON_DIALECT,
    Literals,
    UnreadableError,
)
from pytest_llmbench.checks.jsontext import MAX_DEPTH, is_storable

if TYPE_CHECKING:
    from pytest_llmbench.checks.calltext.decoding import Decoder
    from pytest_llmbench.checks.calltext.offered import Offered
    from pytest_llmbench.prompts.suite import Json

_MAX_PARSED: Final = 8192
"""Characters that go to Python's own parser; it was not made for hostile text."""

_TOKEN: Final = re.compile(
    r"""
    (?P<string>
        '''(?:[^'\\]|\\.|'(?!''))*(?:''')?
      | \"\"\"(?:[^"\\]|\\.|"(?!""))*(?:\"\"\")?
      | "[^"\\\n]*(?:\\.[^"\\\n]*)*"?
      | '[^'\\\n]*(?:\\.[^'\\\n]*)*'?
    )
    | (?P<open>[(\[{]) | (?P<close>[)\]}])
    | (?P<sign>[-+~]\s*+[-+~])
    | \b(?P<word>[^\W\d]\w*+)(?=\s*+=(?!=))
    """,
    re.VERBOSE | re.DOTALL,
)
_NAMED: Final = re.compile(r"([^\W\d]\w*+)\s*+=(?!=)\s*+")
_RESERVED: Final = "_is_reserved"
_JSON_WORDS: Final[dict[str, Json]] = {"true": True, "false": False, "null": None}


class CallRead(Struct, frozen=True, kw_only=True):
    """One call and the place behind it."""

    call: Written
    end: int


def python_call(
    name: str, decoder: Decoder, at: int, tools: Offered
) -> CallRead | None:
    """Read the arguments of a call, from behind its opening parenthesis.

    Python's parser is asked first; what it refuses is read with patience.
    """
    if decoder.is_spent:
        return None
    inputs = _parsed(decoder, at) or _patient(decoder, at)
    if inputs is None:
        return None
    resolved = tools.resolved(name)
    arguments = _named(inputs, list(tools.properties(resolved)))
    if arguments is None or not is_storable(arguments):
        return None
    decoder.count_call()
    is_salvaged = inputs.is_salvaged or bool(inputs.positional)
    call = Written(name=resolved, arguments=arguments, is_salvaged=is_salvaged)
    return CallRead(call=call, end=inputs.end)


class _Inputs(Struct, frozen=True, kw_only=True):
    positional: list[Json]
    keywords: dict[str, Json]
    end: int
    is_salvaged: bool = False


def _named(inputs: _Inputs, known: list[str]) -> dict[str, Json] | None:
    """Give positional arguments the names that stand in the tool's schema.

    One mapping that stands alone is taken for the arguments as a whole.
    """
    given = inputs.positional
    if len(given) == 1 and not inputs.keywords and isinstance(given[0], dict):
        return given[0]
    names = known or [f"arg{number}" for number in range(1, len(given) + 1)]
    if len(given) > len(names):
        return None
    arguments = dict(zip(names, given, strict=False))
    if arguments.keys() & inputs.keywords.keys():
        return None
    return {**arguments, **inputs.keywords}


def _parsed(decoder: Decoder, at: int) -> _Inputs | None:
    segment = _segment(decoder.text, at)
    if segment is None:
        decoder.charge(min(len(decoder.text) - at, _MAX_PARSED) // 2)
        return None
    source, end = segment
    try:
        # The parser warns of odd escapes and numbers; that is the model's affair.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call = ast.parse(f"f({source}", mode="eval").body
        if not isinstance(call, ast.Call):
            return None
        return _Inputs(
            positional=[_literal(arg) for arg in call.args],
            keywords=_keywords(call),
            end=end,
        )
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        decoder.charge(len(source))
        return None


def _keywords(call: ast.Call) -> dict[str, Json]:
    values: dict[str, Json] = {}
    for given in call.keywords:
        value = _literal(given.value)
        if given.arg is not None:
            values[given.arg.removesuffix(_RESERVED)] = value
        elif isinstance(value, dict):
            values.update(value)
        else:
            raise ValueError(given)
    return values


def _segment(text: str, at: int) -> tuple[str, int] | None:
    """Cut out what stands up to the closing parenthesis; None if it never comes.

    Words that Python reserves may be arguments of a tool, so they are renamed.
    """
    depth, parts, start = 1, [], at
    for token in _TOKEN.finditer(text, at, at + _MAX_PARSED):
        if token["open"]:
            depth += 1
        elif token["close"]:
            depth -= 1
        elif token["word"] and keyword.iskeyword(token["word"]):
            parts += [text[start : token.end()], _RESERVED]
            start = token.end()
        if token["sign"] or depth > MAX_DEPTH:
            return None
        if not depth:
            return "".join([*parts, text[start : token.end()]]), token.end()
    return None


def _literal(node: ast.expr) -> Json:
    """Evaluate a literal.

    Raises:
        ValueError: the expression is no literal that JSON knows.
    """
    if isinstance(node, ast.Constant):
        value = node.value
        if value is None or isinstance(value, str | bool | int | float):
            return value
    elif isinstance(node, ast.List | ast.Tuple):
        return [_literal(item) for item in node.elts]
    elif isinstance(node, ast.Dict):
        return _mapping(node)
    elif isinstance(node, ast.Name) and node.id in _JSON_WORDS:
        return _JSON_WORDS[node.id]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return _signed(node)
    raise ValueError(node)


def _mapping(node: ast.Dict) -> dict[str, Json]:
    members: dict[str, Json] = {}
    for key, inner in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            raise ValueError(key)  # noqa: TRY004 - caught with the parser's own
        members[key.value] = _literal(inner)
    return members


def _signed(node: ast.UnaryOp) -> Json:
    value = _literal(node.operand)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(node)  # noqa: TRY004 - caught with the parser's own
    return -value if isinstance(node.op, ast.USub) else value


def _patient(decoder: Decoder, at: int) -> _Inputs | None:
    """Read arguments one by one, nested quotes and all."""
    text = decoder.text
    reader = Literals(text=text, at=at, end=len(text), dialect=PYTHON_DIALECT)
    positional: list[Json] = []
    keywords: dict[str, Json] = {}
    try:
        while not reader.is_closed(")", has_value=bool(positional or keywords)):
            named = _NAMED.match(text, reader.at)
            if named:
                reader.at = named.end()
                keywords[named.group(1)] = reader.keyword_value()
            else:
                positional.append(reader.keyword_value())
            reader.separate(")")
    except UnreadableError:
        decoder.charge(2 * (reader.at - at))
        return None
    return _Inputs(
        positional=positional,
        keywords=keywords,
        end=reader.at,
        is_salvaged=reader.is_salvaged,
    )
