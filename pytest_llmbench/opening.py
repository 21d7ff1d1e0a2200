"""What must be on disk before a run's first record, so that the run can go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.report.guard import findings_json
from pytest_llmbench.runs.inventory import host_facts

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_llmbench.ledger import Ledger
    from pytest_llmbench.settings import Settings

SCHEMA_VERSION: Final = 1


class Opening:
    """Writes config.json and inventory.json ahead of the records that need them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._written = -1

    def write(self, settings: Settings, now: datetime) -> None:
        """Write both files if anything in them is new since the last time.

        The run's records are held first: a run that can be read can be resumed, and
        nobody may do so while it is alive.

        Raises:
            SettingsError: another process writes this run.
        """
        if self._written == self._ledger.revision:
            return
        folder = self._ledger.folder
        folder.hold()
        folder.write_json("config.json", self._ledger.config_json(settings, now))
        folder.write_json("inventory.json", inventory_json(self._ledger, None))
        self._written = self._ledger.revision


def inventory_json(ledger: Ledger, after: dict[str, Any] | None) -> dict[str, Any]:
    """Return inventory.json: machine, models and warm-ups.

    Args:
        after: the machine's state after the last trial; None before.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "host": host_facts(),
        "models": ledger.facts,
        "warmups": [warmup.to_json() for warmup in ledger.warmups],
        "calibrations": ledger.calibrations,
        "snapshots": {"before": ledger.before, "after": after},
        "guard": findings_json(ledger.sighting),
    }
