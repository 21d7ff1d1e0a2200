"""Writes a run's report.html where the extra `report` is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from pytest_llmbench.runs.folder import write_masked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_llmbench.analysis.trend import Trend
    from pytest_llmbench.report.rundata import RunData

REPORT: Final = "report.html"
HOW_TO_GET: Final = "pip install 'pytest-llmbench[report]' for report.html"


def has_extra() -> bool:
    """Whether the extra is installed."""
    return find_spec("jinja2") is not None


def write_report(
    runs: Sequence[RunData], past: Mapping[tuple[str, str], Trend], path: Path
) -> Path:
    """Write the page of some runs, whole or not at all; needs the extra.

    Args:
        past: the trends of their specs, by spec and suite.

    Raises:
        OSError: it cannot be written.
    """
    from pytest_llmbench.report.html.page import page

    return write_masked(path, [page(runs, past)])


def try_report(run: RunData, reports: Path, path: Path) -> str:
    """Write a run's page at its end; return why it is not there, or nothing."""
    if not has_extra():
        return HOW_TO_GET
    from pytest_llmbench.report.past import past_of_summaries

    return _fault(lambda: write_report([run], past_of_summaries(reports), path))


def try_plots(run: RunData, folder: Path) -> str:
    """Write a run's curves at its end; return why they aren't there, or nothing."""
    from pytest_llmbench.report.plots import write_plots

    return _fault(lambda: write_plots([run], folder))


def _fault(write: Callable[[], object]) -> str:
    """Say why a picture of a run can't be made; nothing where it can.

    The run is over and on disk by now: it must not cost its summary or its exit
    status.
    """
    try:
        write()
    except Exception as error:  # noqa: BLE001 - see above
        why = f"{type(error).__name__}: {error}"
        return f"not written ({why}); try `llmbench report` once that is mended"
    return ""
