"""The stores that commands read: the history, brought up to date first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmbench.errors import UsageFault
from pytest_llmbench.settings_file import file_settings, history_url, project_root

if TYPE_CHECKING:
    import argparse

    from pytest_llmbench.runs.history import History


def insist_on_reports(reports: Path) -> None:
    """Refuse a folder that is not there: its name is a slip, so none is made.

    Raises:
        UsageFault: says how to name another.
    """
    if not reports.is_dir():
        msg = f"there is no folder {reports}; give that of the reports: --reports DIR"
        raise UsageFault(msg)


def open_history(arguments: argparse.Namespace) -> History:
    """Open the history that the settings name, and add the runs that it lacks.

    Without the setting `history` it lies beside the run folders, in `history.db`.

    Args:
        arguments: with `reports`, the folder of all records and reports.

    Raises:
        SettingsError: the settings or the database can't be read.
    """
    from pytest_llmbench.runs.history import History

    reports = Path(arguments.reports)
    root = project_root(Path.cwd())
    values, name = file_settings(root)
    default = f"sqlite:///{reports.absolute() / 'history.db'}"
    history = History.open(history_url(values, name, root) or default)
    try:
        history.sync(reports)
    except BaseException:
        history.close()
        raise
    return history
