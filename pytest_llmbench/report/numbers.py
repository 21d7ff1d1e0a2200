"""Every number as a reader sees it; nothing else formats numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

NONE: Final = "-"
_MS_PER_S: Final = 1000.0
_NOISE: Final = 1e-9
"""A margin smaller than this comes from how floats are stored."""


def percent(share: float | None) -> str:
    """Show a share of 1 in percent, to a tenth where it has one.

    A share below 1 never shows as 100, nor one above 0 as 0.

    >>> percent(1.0), percent(0.8333), percent(0.9999), percent(None)
    ('100 %', '83.3 %', '99.9 %', '-')
    """
    if share is None:
        return NONE
    shown = share * 100
    if 0 < share < 1:
        shown = min(max(shown, 0.1), 99.9)
    return f"{shown:.1f}".removesuffix(".0") + " %"


def bare_percent(share: float | None) -> str:
    """Show a share in whole percent without the sign, for tight rows.

    A share below 1 never shows as 100, nor one above 0 as 0.

    >>> bare_percent(0.999), bare_percent(0.75), bare_percent(0.001)
    ('99', '75', '1')
    """
    if share is None:
        return NONE
    whole = round(share * 100)
    if share < 1.0:
        whole = min(whole, 99)
    return str(max(whole, 1) if share > 0 else whole)


def interval(low: float | None, high: float | None) -> str:
    """Show an interval of shares in whole percent.

    >>> interval(0.3589, 0.9178)
    '36-92 %'
    """
    if low is None or high is None:
        return NONE
    return f"{low * 100:.0f}-{high * 100:.0f} %"


def milliseconds(value_ms: float | None) -> str:
    """Show a latency in ms below one second, in s above.

    >>> milliseconds(4.26), milliseconds(431.2), milliseconds(2310.0)
    ('4.3 ms', '431 ms', '2.31 s')
    """
    if value_ms is None:
        return NONE
    if value_ms >= _MS_PER_S - 0.5:
        return f"{value_ms / _MS_PER_S:.2f} s"
    return f"{value_ms:.0f} ms" if value_ms >= 9.95 else f"{value_ms:.1f} ms"  # noqa: PLR2004 - two digits


def seconds(value_ms: float | None) -> str:
    """Show a trial's latency in seconds beside its outcome.

    >>> seconds(431.2), seconds(None)
    ('0.43 s', '')
    """
    return "" if value_ms is None else f"{value_ms / _MS_PER_S:.2f} s"


def small(value: float | None) -> str:
    """Show a variance or a margin to three significant digits.

    >>> small(0.0127551), small(0.0), small(4)
    ('0.0128', '0', '4')
    """
    return NONE if value is None else f"{value:.3g}"


def digits(value: float | None) -> str:
    """Show a number to three significant digits, or to a whole one above 100.

    >>> digits(19.968), digits(-0.01234), digits(1234.5), digits(None)
    ('20', '-0.0123', '1,234', '-')
    """
    if value is None:
        return NONE
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def signed(value: float | None) -> str:
    """Show a margin with its sign.

    >>> signed(-0.01026), signed(4), signed(0.0)
    ('-0.0103', '+4', '+0')
    """
    if value is None:
        return ""
    return f"{0.0 if abs(value) < _NOISE else value:+.3g}"


def points(difference: float | None) -> str:
    """Show a difference of two shares in percentage points, with its sign.

    >>> points(-0.2857), points(0.125), points(0.0)
    ('-28.6', '+12.5', '+0')
    """
    if difference is None:
        return NONE
    shown = f"{difference * 100:+.1f}".removesuffix(".0")
    return "+0" if shown == "-0" else shown


def count(value: float | None) -> str:
    """Show a count; a median may end in .5.

    >>> count(12), count(10.5)
    ('12', '10.5')
    """
    return NONE if value is None else f"{value:g}"


def size(value_bytes: float | None) -> str:
    """Show an amount of memory in the unit that suits it, to two digits below 10.

    >>> size(7.1 * 1024**3), size(18 * 1024**3), size(3_000_000), size(None)
    ('7.1 GiB', '18 GiB', '2.9 MiB', '-')
    """
    if value_bytes is None:
        return NONE
    number, unit = value_bytes / 1024, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if number < 1023.5:  # noqa: PLR2004 - shown as 1024
            break
        number, unit = number / 1024, larger
    shown = f"{number:.1f}".removesuffix(".0") if number < 9.95 else f"{number:.0f}"  # noqa: PLR2004 - two digits
    return f"{shown} {unit}"


def size_of(part_bytes: float, whole_bytes: float) -> str:
    """Show a part of an amount of memory; a common unit is said once.

    >>> size_of(7.1 * 1024**3, 8 * 1024**3), size_of(400 * 1024**2, 8 * 1024**3)
    ('7.1 of 8 GiB', '400 MiB of 8 GiB')
    """
    part, whole = size(part_bytes), size(whole_bytes)
    is_same = part.rpartition(" ")[2] == whole.rpartition(" ")[2]
    return f"{part.rpartition(' ')[0] if is_same else part} of {whole}"


def usd(value: float | Decimal | None) -> str:
    """Show an amount of US dollars: in cents from 1, else to three digits.

    >>> usd(12.3456), usd(0.01234567), usd(0.0000004), usd(0), usd(None)
    ('$12.35', '$0.0123', '$0.0000004', '$0', '-')
    """
    if value is None:
        return NONE
    if value >= 1:
        return f"${value:,.2f}"
    exact = Decimal(f"{value:.3g}").normalize()
    return f"${exact:f}"


def tokens(count: int | None) -> str:
    """Show a count of tokens.

    >>> tokens(12345), tokens(None)
    ('12,345', '-')
    """
    return NONE if count is None else f"{count:,}"


def counted(number: int, word: str, plural: str = "") -> str:
    """Show a count with its word.

    >>> counted(1, "run"), counted(7, "run"), counted(2, "retry", "retries")
    ('1 run', '7 runs', '2 retries')
    """
    return f"{number} {word if number == 1 else plural or word + 's'}"
