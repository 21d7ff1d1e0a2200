"""How a setting's value is read: from the command line's text or from TOML.

Imported with every pytest start, so it stays light (PYTEST_DONT_REWRITE: there is
no assert in it to be rewritten).
"""

from __future__ import annotations

from typing import Final

_MAX_DIGITS: Final = 18
_DAY_S: Final = 86_400
_MOST_USD: Final = 1_000_000
MAX_RETRIES: Final = 100
FAIL_FAST: Final = 3
AUTO_RUNS: Final = 20
GATES: Final = ("none", "promote", "no-reject")
COLD_STARTS: Final = ("never", "spec", "run")
POSITIONS: Final = ("start", "middle", "end")


def read_names(value: object) -> tuple[str, ...]:
    """Read names from a list, or from a text with commas or lines.

    >>> read_names("P6, P7")
    ('P6', 'P7')
    """
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, str) for part in parts):
        msg = "a text or a list of texts"
        raise ValueError(msg)
    words = [word.strip() for part in parts for word in _split(str(part))]
    names = tuple(dict.fromkeys(word for word in words if word))
    if not names:
        msg = "at least one name"
        raise ValueError(msg)
    return names


def _split(text: str) -> list[str]:
    return text.replace("\n", ",").split(",")


def read_count(value: object) -> int:
    """Read a whole number from 1."""
    number = int(value) if isinstance(value, str) and _is_digits(value) else value
    if type(number) is not int or number < 1:
        msg = "a whole number from 1"
        raise ValueError(msg)
    return number


def read_runs(value: object) -> int | str:
    """Read a number of runs, or `auto:MAX` for as many as it takes.

    >>> read_runs("7"), read_runs("auto"), read_runs("auto:50")
    (7, 'auto:20', 'auto:50')
    """
    word, colon, most = str(value).partition(":")
    try:
        if word == "auto":
            return f"auto:{read_count(most) if colon else AUTO_RUNS}"
        return read_count(value)
    except ValueError:
        msg = "a whole number from 1, or auto or auto:MAX"
        raise ValueError(msg) from None


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS


def read_retries(value: object) -> int:
    """Read a whole number from 0 to 100."""
    number = int(value) if isinstance(value, str) and _is_digits(value) else value
    if type(number) is not int or not 0 <= number <= MAX_RETRIES:
        msg = f"a whole number from 0 to {MAX_RETRIES}"
        raise ValueError(msg)
    return number


def read_streak(value: object) -> int:
    """Read how many trials in a row end a spec; false and 0 switch that off."""
    if value is False:
        return 0
    try:
        return 0 if str(value) == "0" else read_count(value)
    except ValueError:
        msg = (
            "a whole number from 1, or nothing at all; before a path write"
            f" --fail-fast={FAIL_FAST}"
        )
        raise ValueError(msg) from None


def read_seconds(value: object) -> float:
    """Read seconds above 0, a day at most."""
    seconds = _number(value)
    if seconds is None or not 0 < seconds <= _DAY_S:
        msg = f"seconds above 0 and up to {_DAY_S}"
        raise ValueError(msg)
    return seconds


def read_wait(value: object) -> float:
    """Read seconds from 0, a day at most."""
    seconds = _number(value)
    if seconds is None or not 0 <= seconds <= _DAY_S:
        msg = f"seconds from 0 to {_DAY_S}"
        raise ValueError(msg)
    return seconds


def read_usd(value: object) -> float:
    """Read US dollars above 0, a million at most."""
    usd = _number(value)
    if usd is None or not 0 < usd <= _MOST_USD:
        msg = f"US dollars above 0 and up to {_MOST_USD}"
        raise ValueError(msg)
    return usd


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def read_switch(value: object) -> bool:
    """Read true or false, as TOML or as an ini file's word."""
    words = {"true": True, "yes": True, "on": True, "1": True}
    words |= {"false": False, "no": False, "off": False, "0": False}
    found = words.get(str(value).lower()) if isinstance(value, (bool, str)) else None
    if found is None:
        msg = "true or false"
        raise ValueError(msg)
    return found


def read_gate(value: object) -> str:
    """Read one of `GATES`."""
    if value not in GATES:
        msg = "one of " + ", ".join(GATES)
        raise ValueError(msg)
    return str(value)


def read_cold_start(value: object) -> str:
    """Read one of `COLD_STARTS`."""
    if value not in COLD_STARTS:
        msg = "one of " + ", ".join(COLD_STARTS)
        raise ValueError(msg)
    return str(value)


def read_position(value: object) -> str:
    """Read one of `POSITIONS`."""
    if value not in POSITIONS:
        msg = "one of " + ", ".join(POSITIONS)
        raise ValueError(msg)
    return str(value)


def read_specs(value: object) -> tuple[str, ...]:
    r"""Read specs from a list, or from a text with one in each line.

    >>> read_specs("a / atomic / text\n b / atomic / text")
    ('a / atomic / text', 'b / atomic / text')
    """
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, str) for part in parts):
        msg = "a text or a list of texts"
        raise ValueError(msg)
    lines = [line.strip() for part in parts for line in str(part).splitlines()]
    specs = tuple(dict.fromkeys(line for line in lines if line))
    if not specs:
        msg = "at least one spec"
        raise ValueError(msg)
    return specs


def read_text(value: object) -> str:
    """Read a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        msg = "a text"
        raise ValueError(msg)
    return value.strip()
