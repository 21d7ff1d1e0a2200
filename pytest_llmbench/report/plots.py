"""`--plot DIR`: the curves of runs as files, SVG always and PNG with matplotlib."""

from __future__ import annotations

from html import escape
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from pytest_llmbench.masking import masked_text
from pytest_llmbench.report.pictures import run_charts
from pytest_llmbench.report.plain import plain
from pytest_llmbench.report.rundata import named
from pytest_llmbench.runs.folder import write_masked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_llmbench.report.charts import Chart
    from pytest_llmbench.report.rundata import RunData

HOW_TO_GET_PNG: Final = "pip install 'pytest-llmbench[plot]' for PNG files"

_STYLE: Final = (
    "svg{background:#fff}text{font:12px sans-serif;fill:#1b1f26}"
    ".grid{stroke:#d3d7de}.axis{stroke:#545c69}.bin{fill:#0b62b8}"
    ".p50{stroke:#000;stroke-width:2}"
    ".p95{stroke:#b3450b;stroke-width:2;stroke-dasharray:4 3}"
    ".line{fill:none;stroke-width:2}.span{opacity:.5}"
    ".s0{stroke:#0b62b8}.s1{stroke:#b3450b}.s2{stroke:#16763f}.s3{stroke:#8a2f8f}"
    ".s4{stroke:#7a6200}.s5{stroke:#b01657}.dot{fill:#fff}"
    ".k0{fill:#0b62b8}.k1{fill:#b3450b}.k2{fill:#16763f}.k3{fill:#8a2f8f}"
    ".k4{fill:#7a6200}.k5{fill:#b01657}"
    ".fit{stroke:#545c69;stroke-width:5;opacity:.35}"
    ".kf{fill:#545c69;opacity:.35}"
    ".d1{stroke-dasharray:7 4}.d2{stroke-dasharray:2 4}"
    ".p0{fill:#b3450b}.p1{fill:#0b62b8}.mark{fill:#fff;stroke:#545c69}"
)
"""What the page's style sheet is to a chart in it."""


def write_plots(runs: Sequence[RunData], folder: Path) -> list[Path]:
    """Write each chart of some runs; return the files.

    Raises:
        OSError: one cannot be written.
    """
    jobs = named([job for run in runs for job in run.jobs()])
    written: list[Path] = []
    for chart in run_charts(jobs):
        svg = masked_text(_standing_alone(chart))
        written.append(write_masked(folder / f"{chart.file_name}.svg", [svg]))
        if has_matplotlib():
            from pytest_llmbench.report.png import write_png

            written.append(write_png(chart, folder / f"{chart.file_name}.png"))
    return written


def has_matplotlib() -> bool:
    """Whether PNG files can be drawn."""
    return find_spec("matplotlib") is not None


def _standing_alone(chart: Chart) -> str:
    """Return a chart's drawing as a file of its own, legend and styles in it."""
    head, end, body = chart.svg.partition("</desc>")
    kind = "k" if chart.series else "p"
    kinds = [f"{kind}{number % 6}" for number in range(len(chart.legend))]
    fits = [number for number, one in enumerate(chart.series) if one.is_fit]
    for number in fits if chart.legend else ():
        kinds[number] = "kf"
    legend = "".join(
        f'<tspan class="{word}"> \N{BLACK SQUARE} </tspan>{escape(plain(name))}'
        for word, name in zip(kinds, chart.legend, strict=True)
    )
    top = f'<text x="62" y="11">{legend}</text>' if legend else ""
    return f"{head}{end}<style>{_STYLE}</style>{top}{body}\n"
