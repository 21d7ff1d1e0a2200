"""A chart as a PNG file, drawn by matplotlib (extra `plot`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.analysis.percentiles import percentile
from pytest_llmbench.masking import masked_text
from pytest_llmbench.report.charts import tick_text
from pytest_llmbench.report.plain import plain

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from pytest_llmbench.report.charts import Chart

_WIDTH_IN: Final = 7.0
_HEIGHT_IN: Final = 3.6
_ROW_IN: Final = 0.45
"""Height of a row of a distribution, or of a bar."""
_FRAME_IN: Final = 1.6
"""Height of title, axis and legend around the rows."""
_ASIDE: Final = 1.012
"""Of one series to the next, on a log axis."""
_LONGEST: Final = 60


def write_png(chart: Chart, path: Path) -> Path:
    """Draw what the chart draws.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    # A Figure of its own, not pyplot's: that has global state and may want a screen.
    rows = len(chart.histograms or chart.bars)
    height_in = _FRAME_IN + _ROW_IN * rows if rows else _HEIGHT_IN
    figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
    axes = figure.subplots()
    axes.set_title(_safe(chart.title))
    axes.set_xlabel(_safe(chart.x))
    if chart.series:
        _lines(axes, chart)
    elif chart.histograms:
        _spreads(axes, chart)
    else:
        _bars(axes, chart)
    if chart.legend:
        figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    return path


def _lines(axes: Axes, chart: Chart) -> None:
    is_log = chart.axis is not None and chart.axis.is_log
    middle = (len(chart.series) - 1) / 2
    for index, one in enumerate(chart.series):
        xs, ys = [p.x for p in one.points], [p.y for p in one.points]
        if one.is_fit:
            name = _safe(one.name)
            axes.plot(
                xs, ys, color="grey", linewidth=5, alpha=0.4, zorder=1, label=name
            )
            continue
        ends = [(p.low, p.high) for p in one.points]
        if all(low is not None and high is not None for low, high in ends):
            below = [y - (low or 0.0) for y, (low, _) in zip(ys, ends, strict=True)]
            above = [(high or 0.0) - y for y, (_, high) in zip(ys, ends, strict=True)]
            spans = [[max(0.0, d) for d in below], [max(0.0, d) for d in above]]
            if is_log:  # or intervals would hide each other
                xs = [x * _ASIDE ** (index - middle) for x in xs]
            axes.errorbar(xs, ys, yerr=spans, marker="o", label=_safe(one.name))
        else:
            axes.plot(xs, ys, marker="o", label=_safe(one.name))
    if chart.axis is not None:
        places = chart.axis.ticks()
        axes.set_xscale("log" if is_log else "linear")
        axes.minorticks_off()
        axes.set_xticks(places, [tick_text(place, "count") for place in places])
    axes.set_ylim(bottom=0)
    axes.set_ylabel({"share": "share of 1", "ms": "ms"}.get(chart.unit, ""))
    axes.grid(visible=True, alpha=0.4)


def _spreads(axes: Axes, chart: Chart) -> None:
    """Draw each row from least to most, thick between the quartiles.

    Histograms of many specs would hide each other in one frame.
    """
    for place, row in enumerate(chart.histograms):
        values = sorted(row.values)
        low, high = (percentile(values, share) for share in (25, 75))
        axes.hlines(place, values[0], values[-1], color="C0", linewidth=1.5)
        axes.hlines(place, low, high, color="C0", linewidth=9, alpha=0.5)
        for value, mark in ((row.p50, "o"), (row.p95, "|")):
            if value is not None:
                axes.plot([value], [place], mark, color="black", markersize=8)
    names = [_safe(row.name) for row in chart.histograms]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    if chart.axis is not None and chart.axis.is_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    else:
        axes.set_xlim(left=0)
    told = "line: all, thick: middle half, dot: p50, stroke: p95"
    axes.set_xlabel(f"{_safe(chart.x)}, ms\n{told}")
    axes.grid(visible=True, axis="x", alpha=0.4)


def _bars(axes: Axes, chart: Chart) -> None:
    names = [_safe(bar.name) for bar in chart.bars]
    left = [0.0] * len(names)
    for index, part in enumerate(chart.legend):
        widths = [bar.parts[index] for bar in chart.bars]
        axes.barh(names, widths, left=left, label=_safe(part))
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set_xlabel(f"{_safe(chart.x)}, ms")
    axes.invert_yaxis()


def _safe(text: str) -> str:
    """Return a text that matplotlib shows as it is: a $ would begin a formula."""
    return masked_text(plain(text))[:_LONGEST].replace("$", r"\$")
