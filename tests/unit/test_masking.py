"""Texts without secrets."""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_llmbench import masking
from pytest_llmbench.masking import MASK, Masks, masked, masked_json, masked_text

SECRET = 'q/8+Z w"<planted>&=%~~~?31'
PLAIN = "planted-Key-31415926"


def masks_of(*secrets: str) -> Masks:
    """Return masks that know these secrets only."""
    masks = Masks()
    for secret in secrets:
        masks.add(secret)
    return masks


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(json.dumps(SECRET)),
        json.dumps(SECRET).replace("/", r"\/"),
        repr(SECRET + "'"),
        html.escape(SECRET),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        re.sub("%..", lambda code: code[0].lower(), quote(SECRET, safe="")),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"me:{SECRET}".encode()).decode(),
        base64.b64encode(f"user:{SECRET}".encode()).decode(),
        base64.b64encode(f"names:{SECRET}".encode()).decode(),
    ],
)
def test_a_secret_is_known_in_every_notation(written: str) -> None:
    """JSON, URLs, HTML, Python and base64 quote a secret each in their own way."""
    shown = masks_of(SECRET).apply(f"<{written}>")
    assert MASK in shown
    for piece in ("planted", "cGxhbnRl", "BsYW50Z", "wbGFudG"):
        assert piece not in shown


@given(
    secret=st.text("abcXYZ0189-_+/=", min_size=16, max_size=60),
    before=st.text("mno .:", max_size=9),
    behind=st.text("mno .:", max_size=9),
)
def test_no_text_holds_a_secret_or_a_long_piece_of_it(
    secret: str, before: str, behind: str
) -> None:
    """Whole or cut off at either side, twelve characters of it are never left."""
    masks = masks_of(secret)
    for piece in (secret, secret[:13], secret[-13:]):
        shown = masks.apply(f"{before}{piece}{behind}")
        assert piece not in shown
        assert not any(piece[at : at + 12] in shown for at in range(len(piece) - 11))


@pytest.mark.parametrize(
    "shown",
    ["pla***926", "plante..926", "pl…26", "planted-Key-**********26", "plan••••5926"],
)
def test_a_shortened_secret_is_masked(shown: str) -> None:
    """Vendors echo the beginning and the end of a key: that is told to nobody."""
    assert masks_of(PLAIN).apply(f"key {shown}!") == "key ***!"


def test_short_secrets_are_words_of_their_own() -> None:
    """A short password is masked as a word, and never within another."""
    masks = masks_of("hunter2")
    assert masks.apply("no hunter2, xhunter23") == "no ***, xhunter23"


@pytest.mark.parametrize("value", ["ollama", "none", "error", "x", "lm-studio", "a1b"])
def test_placeholders_and_everyday_words_stay(value: str) -> None:
    """What is set where any key will do would blot out half of each report."""
    assert masks_of(value).apply(f"the {value} here") == f"the {value} here"


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("http://me:planted-1@host:11434/x", "planted-1"),
        ("https://me:pl%40nted-1@host", "pl@nted-1"),
        ("https://me:pl%40nted-1@host", "pl%40nted-1"),
    ],
)
def test_a_password_in_an_address_is_noted(url: str, password: str) -> None:
    """As it is written there, and as it is meant."""
    masks = Masks()
    masks.add_password(url)
    assert masks.apply(f"of {password}") == "of ***"
    masks.add_password("http://host:11434/a:b@c")
    assert masks.apply("11434/a:b@c") == "11434/a:b@c"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Incorrect API key provided: sk-abc***xyz. See", "*** See"),
        ("key sk-proj-abcdEFGH1234_-x", "key ***"),
        ("sk-ant-api03-abcdefgh", "***"),
        ("gsk_0123456789abcdefgh", "***"),
        ("AIzaSyA0123456789abcdefghij", "***"),
        ("AKIAIOSFODNN7EXAMPLE", "***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.c2ln", "***"),
        ("at https://me:x@host/p", "at https://***@host/p"),
        ("Authorization: Bearer abc12345", "Authorization: Bearer ***"),
        ('{"authorization":"Basic bWU6cHc="}', '{"authorization":"Basic ***"}'),
        (r"{\"x-api-key\":\"abc12345\"}", r"{\"x-api-key\":\"***\"}"),
        ("(b'authorization', b'Bearer abc12345')", "(b'authorization', b'Bearer ***')"),
        ('{"a":"x\\nsk-abcdefgh"}', '{"a":"x\\n***"}'),
    ],
)
def test_what_looks_like_a_key_is_masked(text: str, shown: str) -> None:
    """A key that was never read here is somebody's all the same."""
    expected = shown.replace("*** See", "Incorrect API key provided: ***. See")
    assert masked_text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a task-force of disk-partitions",
        "basic arithmetic with a bearer instrument",
        "authorization, please; api-key: see the documents",
        'headers = {"Authorization": f"Bearer {token}"}',
        "http://127.0.0.1:11434/api/chat, mail me@host",
        "sk-SK is a locale",
        "done... wait ** what",
        "***",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """A record keeps what a model wrote."""
    assert masked_text(text) == text


@given(st.text())
def test_masking_twice_changes_nothing(text: str) -> None:
    """What passes several exits is not eaten away."""
    once = masked_text(text)
    assert masked_text(once) == once


def test_json_is_masked_in_every_text() -> None:
    """Keys and values at any depth; numbers and structure stay."""
    key = "sk-abcdefgh12"
    value = {"a": [key, 1, {"b": (key, None)}], key: True}
    shown = {"a": [MASK, 1, {"b": [MASK, None]}], MASK: True}
    assert masked(value) == shown


PIECES = st.sampled_from([
    *(PLAIN, PLAIN[:13], PLAIN[-13:], "pla***926", json.dumps(SECRET), SECRET[-12:]),
    *("sk-abcdefgh12", "http://me:pw@host", "Bearer abc12345678", "hunter2"),
    *("X-Api-Key: abcdef123", "\n", '"', "\\", " ", "é", "word", "..."),
])


@given(st.lists(st.lists(PIECES, max_size=6).map("".join), max_size=3), st.booleans())
def test_json_holds_what_its_masked_texts_hold(
    texts: list[str],
    is_ascii: bool,  # noqa: FBT001 - drawn
) -> None:
    """The look at the whole JSON misses nothing that a text on its own would show."""
    for secret in (PLAIN, SECRET, "hunter2"):
        masking.masks.add(secret)
    written = masked_json({"a": texts}, is_ascii=is_ascii)
    assert json.loads(written) == {"a": [masked_text(text) for text in texts]}
    assert written.isascii() or not is_ascii


_JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(_JSON_VALUES, st.sampled_from([None, 2]), st.booleans())
@example({"a": "\ud800", "b": 2**70}, None, True)  # noqa: FBT003 - hypothesis' way
def test_json_reads_back(value: object, indent: int | None, is_ascii: bool) -> None:  # noqa: FBT001 - as above
    """Whatever a model has sent comes back as it was, and fits its channel."""
    text = masked_json(value, indent=indent, is_ascii=is_ascii)
    assert json.loads(text) == value
    assert text.isascii() or not is_ascii
    assert indent or "\n" not in text
