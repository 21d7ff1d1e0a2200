"""Charts as small SVG texts: lines, distributions and stacked bars.

Our own, because no kept library draws them so: matplotlib's are 28 to 39 KB each,
behind an import of 0.4 s at the end of every run, and coloured by style attributes that
a content security policy forbids; what is made for pages brings a megabyte of script or
such styles, too. These are a few KB of shapes and text, styled by the page's own style
sheet, so that one file suits light, dark and paper.

Pure: values in, text out. Every text is escaped here.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from pytest_llmbench.report import numbers
from pytest_llmbench.report.axes import Axis
from pytest_llmbench.report.lines import cut
from pytest_llmbench.report.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Unit = Literal["ms", "share", "count", "tokens_per_s"]
"""What a chart's values are; says how its ticks read."""

WIDTH: Final = 560
_TOP: Final = 14
_RIGHT: Final = 24
_BOTTOM: Final = 38
_PLOT: Final = 170
_NAME: Final = 26
"""Characters of a row's name."""
_COLOURS: Final = 6
"""Series beyond these start again with another dash."""
_ASIDE: Final = 5.0
"""Between the intervals of two series at one place."""
_BINS: Final = 48
_ROW: Final = 44
_BAR: Final = 16


class Point(Struct, frozen=True, kw_only=True):
    """One point of a series.

    Attributes:
        low, high: the ends of its interval; both None without one.
        mark: a word whose first letter is drawn at the point, such as a decision.
    """

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    mark: str = ""


class Series(Struct, frozen=True, kw_only=True):
    """One line of a chart, its points in rising order of x.

    Attributes:
        is_fit: whether it was fitted: drawn beneath the others, without points.
    """

    name: str
    points: tuple[Point, ...]
    is_fit: bool = False


class Row(Struct, frozen=True, kw_only=True):
    """One row of a distribution: its values, and the two that are marked."""

    name: str
    values: tuple[float, ...]
    p50: float | None = None
    p95: float | None = None


class Bar(Struct, frozen=True, kw_only=True):
    """One bar made of parts, in the order of the chart's part names."""

    name: str
    parts: tuple[float, ...]


class Chart(Struct, frozen=True, kw_only=True):
    """A drawing and the same as a table: nobody has to see it to read it.

    Attributes:
        file_name: what `--plot` calls it, without an ending.
        svg: the drawing, `<svg>` element and all.
        head, rows: the data as text cells.
        legend: names of its lines or parts, in the order of their colours.
        x: what its horizontal axis shows.
        axis: that axis; None for bars.
        unit: of its values.
        series, histograms, bars: what is drawn, one of them; for another drawing.
    """

    title: str
    description: str
    file_name: str
    svg: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    legend: tuple[str, ...] = ()
    x: str = ""
    axis: Axis | None = None
    unit: Unit = "ms"
    series: tuple[Series, ...] = ()
    histograms: tuple[Row, ...] = ()
    bars: tuple[Bar, ...] = ()


class Words(Struct, frozen=True, kw_only=True):
    """What a chart says of itself.

    Attributes:
        x: what its horizontal axis shows.
    """

    title: str
    description: str
    file_name: str
    x: str


def shown(value: float, unit: Unit) -> str:
    """Show a value in its unit.

    >>> shown(0.25, "share"), shown(1500.0, "ms"), shown(7, "count")
    ('25 %', '1.50 s', '7')
    """
    if unit == "share":
        return numbers.percent(value)
    if unit == "ms":
        return numbers.milliseconds(value)
    return f"{value:,.0f}" if unit == "count" else f"{value:.1f}"


def tick_text(value: float, unit: Unit) -> str:
    """Show a value on an axis, where it is round.

    >>> tick_text(0.0, "ms"), tick_text(2500.0, "ms"), tick_text(0.5, "share")
    ('0 ms', '2.5 s', '50 %')
    """
    if unit == "ms":
        return f"{value:g} ms" if value < 1000 else f"{value / 1000:g} s"  # noqa: PLR2004 - as seconds
    return f"{value:,g}" if unit == "tokens_per_s" else shown(value, unit)


def lines(
    words: Words, series: Sequence[Series], y: Axis, *, unit: Unit, x: Axis
) -> Chart:
    """Draw series over a common horizontal axis, each with its intervals and marks."""
    frame = _Frame(left=62, bottom=_TOP + _PLOT, inset=14)
    body = [*_vertical_axis(frame, y, unit), *_horizontal_axis(frame, x, words.x)]
    for index, one in sorted(enumerate(series), key=lambda each: not each[1].is_fit):
        body += _line(frame, one, index, x=x, y=y, beside=len(series))
    head, rows = _line_table(words.x, series, unit)
    return Chart(
        title=words.title,
        description=words.description,
        file_name=words.file_name,
        svg=_svg(words, frame.bottom + _BOTTOM, body),
        head=head,
        rows=rows,
        legend=tuple(one.name for one in series) if len(series) > 1 else (),
        x=words.x,
        axis=x,
        unit=unit,
        series=tuple(series),
    )


def distributions(words: Words, rows: Sequence[Row]) -> Chart:
    """Draw one histogram per row over a common axis in ms, p50 and p95 marked."""
    values = [value for row in rows for value in row.values]
    axis = Axis.over_times(values)
    frame = _Frame(left=_name_room(rows), bottom=_TOP + _ROW * len(rows))
    body = [*_horizontal_axis(frame, axis, words.x, unit="ms")]
    for number, row in enumerate(rows):
        body += _histogram(frame, row, axis, base=_TOP + _ROW * (number + 1) - 6)
    table = tuple(
        (
            *(row.name, str(len(row.values))),
            *(numbers.milliseconds(min(row.values, default=None)),),
            *(numbers.milliseconds(row.p50), numbers.milliseconds(row.p95)),
            numbers.milliseconds(max(row.values, default=None)),
        )
        for row in rows
    )
    return Chart(
        title=words.title,
        description=words.description,
        file_name=words.file_name,
        svg=_svg(words, frame.bottom + _BOTTOM, body),
        head=("spec", "n", "least", "p50", "p95", "most"),
        rows=table,
        x=words.x,
        axis=axis,
        histograms=tuple(rows),
    )


def stacked(words: Words, parts: Sequence[str], bars: Sequence[Bar]) -> Chart:
    """Draw one horizontal bar in ms per row, cut into parts."""
    longest = max((sum(bar.parts) for bar in bars), default=0.0)
    axis = Axis.of([0.0, longest])
    frame = _Frame(left=_name_room(bars), bottom=_TOP + (_BAR + 12) * len(bars))
    body = [*_horizontal_axis(frame, axis, words.x, unit="ms")]
    for number, bar in enumerate(bars):
        top = _TOP + (_BAR + 12) * number + 4
        body.append(_row_name(frame, bar.name, top + 12))
        start = 0.0
        for index, part in enumerate(bar.parts):
            left, right = frame.x(axis, start), frame.x(axis, start + part)
            start += part
            body.append(
                f'<rect class="p{index}" x="{left:.1f}" y="{top}"'
                f' width="{max(right - left, 0.5):.1f}" height="{_BAR}"/>'
            )
    return Chart(
        title=words.title,
        description=words.description,
        file_name=words.file_name,
        svg=_svg(words, frame.bottom + _BOTTOM, body),
        head=("spec", *parts),
        rows=tuple(
            (bar.name, *(numbers.milliseconds(part) for part in bar.parts))
            for bar in bars
        ),
        legend=tuple(parts),
        x=words.x,
        bars=tuple(bars),
    )


class _Frame(Struct, frozen=True, kw_only=True):
    """Where the plot lies within the drawing.

    Attributes:
        inset: room for a mark between the axis and the first and last point.
    """

    left: int
    bottom: int
    inset: int = 0

    def x(self, axis: Axis, value: float) -> float:
        """Return a value's horizontal place."""
        start = self.left + self.inset
        return start + (WIDTH - _RIGHT - self.inset - start) * axis.place(value)

    def y(self, axis: Axis, value: float) -> float:
        """Return a value's vertical place."""
        return self.bottom - (self.bottom - _TOP) * axis.place(value)


def _svg(words: Words, height: float, body: Sequence[str]) -> str:
    name = escape(plain(words.title))
    described = escape(plain(words.description))
    return (
        f'<svg class="chart" role="img" viewBox="0 0 {WIDTH} {height:.0f}"'
        ' xmlns="http://www.w3.org/2000/svg">'
        f"<title>{name}</title><desc>{described}</desc>{''.join(body)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(plain(text))}</text>"
    )


def _rule(x1: float, y1: float, x2: float, y2: float, kind: str = "grid") -> str:
    return (
        f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}"'
        f' x2="{x2:.1f}" y2="{y2:.1f}"/>'
    )


def _name_room(rows: Sequence[Row | Bar]) -> int:
    """Return how far from the left the plot begins, for its rows' names."""
    longest = max((len(plain(row.name)) for row in rows), default=0)
    return 24 + 7 * min(max(longest, 6), _NAME)


def _row_name(frame: _Frame, name: str, y: float) -> str:
    return _text(frame.left - 8, y, cut(plain(name), _NAME), "end")


def _vertical_axis(frame: _Frame, axis: Axis, unit: Unit) -> Iterator[str]:
    for tick in axis.ticks():
        y = frame.y(axis, tick)
        yield _rule(frame.left, y, WIDTH - _RIGHT, y)
        yield _text(frame.left - 6, y + 4, tick_text(tick, unit), "end")


def _horizontal_axis(
    frame: _Frame, axis: Axis, label: str, *, unit: Unit = "count"
) -> Iterator[str]:
    yield _rule(frame.left, frame.bottom, WIDTH - _RIGHT, frame.bottom, "axis")
    for tick in axis.ticks():
        x = frame.x(axis, tick)
        yield _rule(x, frame.bottom, x, frame.bottom + 4, "axis")
        if unit == "ms":
            yield _rule(x, _TOP, x, frame.bottom)
        yield _text(x, frame.bottom + 17, tick_text(tick, unit))
    yield _text((frame.left + WIDTH - _RIGHT) / 2, frame.bottom + 33, label)


def _line(
    frame: _Frame, series: Series, index: int, *, x: Axis, y: Axis, beside: int
) -> Iterator[str]:
    """Draw a series; intervals of several stand side by side.

    Args:
        beside: how many series there are.
    """
    colour, dash = f"s{index % _COLOURS}", f"d{index // _COLOURS % 3}"
    has_ends = any(point.low is not None for point in series.points)
    aside = (index - (beside - 1) / 2) * min(_ASIDE, 3 * _ASIDE / beside) * has_ends
    places = [(frame.x(x, p.x) + aside, frame.y(y, p.y), p) for p in series.points]
    for at, _, point in places:
        if point.low is not None and point.high is not None:
            top, foot = frame.y(y, point.high), frame.y(y, point.low)
            yield _rule(at, top, at, foot, f"span {colour}")
    path = " ".join(f"{at:.1f},{up:.1f}" for at, up, _ in places)
    if series.is_fit:
        yield f'<polyline class="line fit" points="{path}"/>'
        return
    yield f'<polyline class="line {colour} {dash}" points="{path}"/>'
    for at, up, point in places if len(places) <= 80 else ():  # noqa: PLR2004 - room
        if point.mark:
            word = escape(plain(point.mark))
            yield f'<circle class="mark {word}" cx="{at:.1f}" cy="{up:.1f}" r="8"/>'
            yield _text(at, up + 4, point.mark[:1])
        else:
            yield f'<circle class="dot {colour}" cx="{at:.1f}" cy="{up:.1f}" r="3"/>'


def _line_table(
    x_name: str, series: Sequence[Series], unit: Unit
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    places = sorted({point.x for one in series for point in one.points})
    by_series = [{point.x: point for point in one.points} for one in series]
    rows = tuple(
        (f"{x:,.10g}", *(_cell(points.get(x), unit) for points in by_series))
        for x in places
    )
    return (x_name, *(one.name for one in series)), rows


def _cell(point: Point | None, unit: Unit) -> str:
    if point is None:
        return numbers.NONE
    text = shown(point.y, unit)
    if point.low is not None and point.high is not None:
        text += f" ({shown(point.low, unit)} to {shown(point.high, unit)})"
    return f"{text} {point.mark}".rstrip()


def _histogram(frame: _Frame, row: Row, axis: Axis, *, base: float) -> Iterator[str]:
    yield _row_name(frame, row.name, base - 8)
    counts = [0] * _BINS
    for value in row.values:
        counts[min(int(axis.place(value) * _BINS), _BINS - 1)] += 1
    most = max([1, *counts])
    width = (WIDTH - _RIGHT - frame.left) / _BINS
    for index, count in enumerate(counts):
        if count:  # one trial among thousands is still seen
            height = max(2.0, (_ROW - 14) * math.sqrt(count / most))
            yield (
                f'<rect class="bin" x="{frame.left + index * width:.1f}"'
                f' y="{base - height:.1f}" width="{width - 0.6:.1f}"'
                f' height="{height:.1f}"/>'
            )
    yield _rule(frame.left, base, WIDTH - _RIGHT, base, "axis")
    for place, kind in ((row.p50, "p50"), (row.p95, "p95")):
        if place is not None:
            x = frame.x(axis, place)
            yield _rule(x, base - _ROW + 12, x, base + 4, kind)
