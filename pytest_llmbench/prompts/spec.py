"""One configuration as text: `model / phase / variant / t60 r1 i0 w1 key=value`."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace
from typing_extensions import override

from pytest_llmbench.errors import SpecError
from pytest_llmbench.prompts.options import OptionValue, parse_option
from pytest_llmbench.prompts.wording import closest

if TYPE_CHECKING:
    from collections.abc import Container

PROVIDERS: Final = (
    "ollama",
    "openai",
    "openai-responses",
    "anthropic",
    "claude-code",
    "embedded",
)
DEFAULT_PROVIDER: Final = "ollama"
EMBEDDED_MODEL: Final = "llmbench-tiny"
EXAMPLE: Final = "lfm2.5-thinking:1.2b / atomic / native_api / t60 r1 i0"

_FLAG = re.compile(r"([triw])(\d+(?:\.\d+)?)", re.ASCII)
_NAME = re.compile(r"[A-Za-z][\w-]*", re.ASCII)
_MAX_FLAG = {"r": 100.0, "i": 1.0, "w": 1.0, "t": 86_400.0}
_MIN_PARTS = 3


class ModelName(Struct, frozen=True, kw_only=True):
    """A model and who serves it.

    Attributes:
        provider: one of `PROVIDERS`, or the configured alias's own word.
        name: the provider's name of the model.
        options: sampling options written behind `?`, in written order.
    """

    provider: str
    name: str
    options: tuple[tuple[str, OptionValue], ...] = ()

    @override
    def __str__(self) -> str:
        """Return the shortest text that reads back to the same value."""
        if self.provider == "embedded" and self.name == EMBEDDED_MODEL:
            base = "embedded"
        elif self.provider == DEFAULT_PROVIDER and not self._needs_provider():
            base = self.name
        else:
            base = f"{self.provider}/{self.name}" if self.name else self.provider
        options = "&".join(f"{key}={value}" for key, value in self.options)
        return f"{base}?{options}" if options else base

    def _needs_provider(self) -> bool:
        head = self.name.partition("/")[0]
        return self.name == "embedded" or bool(_near_provider(head, self.name))


def parse_model(text: str, aliases: Container[str] = ()) -> ModelName:
    """Read `[provider/]name[?key=value&…]`.

    Only a known provider word before the first slash is a provider, so
    `user/model:tag` and `hf.co/…` are Ollama names.

    Raises:
        SpecError: an empty name, a misspelt provider, a wrong option.

    >>> parse_model("hf.co/org/model:q4")
    ModelName(provider='ollama', name='hf.co/org/model:q4', options=())
    >>> str(parse_model("embedded?temperature=0.2"))
    'embedded?temperature=0.2'
    """
    base, _, query = text.partition("?")
    if " " in text or not text.isprintable() or not re.search(r"\w", base):
        msg = f"{text!r} is no model name; a right one: lfm2.5-thinking:1.2b"
        raise SpecError(msg)
    options = _model_options(query)
    if base in aliases:
        return ModelName(provider=base, name="", options=options)
    if base == "embedded":
        return ModelName(provider=base, name=EMBEDDED_MODEL, options=options)
    head, slash, rest = base.partition("/")
    if slash and head in PROVIDERS:
        return _provided(head, rest, text, options)
    near = _near_provider(head, base)
    if near:
        msg = (
            f"unknown provider {head!r} in {text!r}; did you mean '{near}/{rest}'? "
            f"Providers: {', '.join(PROVIDERS)}. A model of an Ollama user named "
            f"{head!r} is written 'ollama/{base}'"
        )
        raise SpecError(msg)
    return ModelName(provider=DEFAULT_PROVIDER, name=base, options=options)


def _model_options(query: str) -> tuple[tuple[str, OptionValue], ...]:
    options = tuple(parse_option(part) for part in query.split("&") if part)
    names = [name for name, _ in options]
    for name in names:
        if names.count(name) > 1:
            msg = f"{name!r} is given twice in {query!r}"
            raise SpecError(msg)
    return options


def _provided(
    provider: str, name: str, text: str, options: tuple[tuple[str, OptionValue], ...]
) -> ModelName:
    if not re.search(r"\w", name):
        msg = f"{text!r} names a provider but no model; write '{provider}/NAME'"
        raise SpecError(msg)
    return ModelName(provider=provider, name=name, options=options)


def _near_provider(head: str, base: str) -> str | None:
    if "/" not in base or "." in head:
        return None
    if head in PROVIDERS:
        return head
    near = closest(head, PROVIDERS)
    return near if near and abs(len(near) - len(head)) <= 1 else None


class Spec(Struct, frozen=True, kw_only=True):
    """One configuration of model, phase, variant and flags.

    Attributes:
        timeout_s: seconds a call may take, model load set aside (`t`).
        retries: repeats after a timeout or a refused connection (`r`).
        isolate: each call in a child process (`i`).
        warm_up: the model is warmed before its first trial (`w`).
        options: sampling options on top of the suite's, in canonical order.
    """

    model: ModelName
    phase: str
    variant: str = "native_api"
    timeout_s: float = 60.0
    retries: int = 0
    isolate: bool = False
    warm_up: bool = True
    options: tuple[tuple[str, OptionValue], ...] = ()

    @override
    def __str__(self) -> str:
        """Return the canonical text, which `parse_spec` reads back."""
        flags = (
            f"t{_positional(self.timeout_s)} r{self.retries}"
            f" i{int(self.isolate)} w{int(self.warm_up)}"
        )
        options = "".join(f" {key}={value}" for key, value in sorted(self.options))
        return f"{self.model} / {self.phase} / {self.variant} / {flags}{options}"

    @property
    def sampling(self) -> dict[str, OptionValue]:
        """The options of the model name and of the spec, the spec's winning."""
        return {**dict(self.model.options), **dict(self.options)}

    def seed(self, run: int) -> int:
        """Derive the sampling seed of one run, 0 to 2**31 - 1.

        Flags are left out on purpose: a spec with and without warm-up draws
        the same seeds, so that their comparison is paired.
        """
        options = sorted(self.sampling.items())
        base = replace(self.model, options=())
        text = f"{base}|{self.phase}|{self.variant}|{options}|{run}"
        digest = hashlib.sha256(text.encode()).digest()
        return int.from_bytes(digest[:4], "big") & 0x7FFF_FFFF


def _positional(seconds: float) -> str:
    """Write every digit of a number, never an exponent.

    >>> _positional(60.0), _positional(0.25), _positional(1e-05)
    ('60', '0.25', '0.00001')
    """
    return f"{Decimal(repr(float(seconds))):f}".removesuffix(".0")


def parse_spec(text: str, aliases: Container[str] = ()) -> Spec:
    """Read a spec written with ` / ` or with blanks between its parts.

    Raises:
        SpecError: the message points at the bad word and shows a right spec.

    >>> str(parse_spec("m:1b atomic native_api w0 t5 temperature=0.2"))
    'm:1b / atomic / native_api / t5 r0 i0 w0 temperature=0.2'
    """
    text = " ".join(text.split())
    words = [word for word in text.split() if word != "/"]
    if len(words) < _MIN_PARTS:
        msg = f"spec {text!r} lacks {_lacking(words)}; a right one: {EXAMPLE}"
        raise SpecError(msg)
    try:
        model = parse_model(words[0], aliases)
    except SpecError as error:
        raise _pointed(words, 0, str(error), text) from None
    for index in (1, 2):
        if not _NAME.fullmatch(words[index]):
            fault = "a name has letters, digits, _ and - only, a letter first"
            raise _pointed(words, index, fault, text)
    spec = Spec(model=model, phase=words[1], variant=words[2])
    return _with_flags(spec, words, text)


def _lacking(words: list[str]) -> str:
    return " and ".join(("model", "phase", "variant")[len(words) :])


def _with_flags(spec: Spec, words: list[str], text: str) -> Spec:
    seen: set[str] = set()
    for index, word in enumerate(words[_MIN_PARTS:], _MIN_PARTS):
        key = word.partition("=")[0] if "=" in word else word[:1]
        if key in seen:
            raise _pointed(words, index, f"{key!r} is given twice", text)
        seen.add(key)
        try:
            spec = _with_option(spec, word) if "=" in word else _with_flag(spec, word)
        except SpecError as error:
            raise _pointed(words, index, str(error), text) from None
    return replace(spec, options=tuple(sorted(spec.options)))


def _with_option(spec: Spec, word: str) -> Spec:
    return replace(spec, options=(*spec.options, parse_option(word)))


def _with_flag(spec: Spec, word: str) -> Spec:
    match = _FLAG.fullmatch(word)
    if not match:
        msg = "a flag is tN (seconds), rN, i0, i1, w0 or w1"
        raise SpecError(msg)
    flag, value = match[1], float(match[2])
    is_whole = flag == "t" or "." not in word
    if not is_whole or value > _MAX_FLAG[flag] or (flag == "t" and not value):
        msg = f"{flag} takes {_allowed(flag)}"
        raise SpecError(msg)
    if flag == "t":
        return replace(spec, timeout_s=value)
    if flag == "r":
        return replace(spec, retries=int(value))
    if flag == "i":
        return replace(spec, isolate=bool(value))
    return replace(spec, warm_up=bool(value))


def _allowed(flag: str) -> str:
    if flag == "t":
        return "seconds above 0 and up to 86400"
    return "0 to 100" if flag == "r" else "0 or 1"


def _pointed(words: list[str], index: int, fault: str, text: str) -> SpecError:
    """Point at one word of a spec whose words stand one blank apart."""
    starts = [found.start() for found in re.finditer(r"\S+", text) if found[0] != "/"]
    marker = " " * starts[index] + "^" * len(words[index])
    return SpecError(f"{fault}\n  {text}\n  {marker}\n  a right one: {EXAMPLE}")
