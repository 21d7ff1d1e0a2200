"""The way of a trial's record from where it was measured to the ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_llmbench.masking import masked_json
from pytest_llmbench.runs.record import record_from_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_llmbench.calls.clock import Clock
    from pytest_llmbench.ledger import Ledger
    from pytest_llmbench.opening import Opening
    from pytest_llmbench.resuming import Resumption
    from pytest_llmbench.runs.record import Record
    from pytest_llmbench.settings import Settings


class Delivery:
    """Packs records onto reports, and takes them from reports into the ledger.

    In a worker of pytest-xdist the report carries the record itself, with news of
    models and, once, the plan. Within one process the record waits here, and its id
    is enough.

    Args:
        resumption: the run that is finished here; its records are not new.
        opening: writes what must be on disk before the first record.
    """

    def __init__(
        self,
        ledger: Ledger,
        resumption: Resumption | None,
        opening: Opening,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._resumption = resumption
        self._opening = opening
        self._clock = clock
        self._waiting: dict[str, Record] = {}
        self._is_plan_sent = False
        self._is_to_retry = False

    def is_new(self, record: Record) -> bool:
        """Whether a resumed run did not have this record before."""
        return self._resumption is None or not self._resumption.has(record)

    def hold(self, record: Record, *, is_to_retry: bool = False) -> str:
        """Keep a record until its report is logged in this process; return its id."""
        self._waiting[record.trial_id] = record
        self._is_to_retry = is_to_retry
        return record.trial_id

    def take_waiting(self) -> list[Record]:
        """Return the record whose report an interrupt has kept from being logged.

        One that a retry would have replaced is not given.
        """
        waiting, self._waiting = self._waiting, {}
        return [] if self._is_to_retry else list(waiting.values())

    def pack(self, record: Record, news: list[dict[str, Any]]) -> str:
        """Return a record as text for another process, secrets masked.

        Args:
            news: what has been learned of models since the last record.
        """
        data: dict[str, Any] = {
            "record": record.to_json() if self.is_new(record) else None,
            "news": news,
        }
        if not self._is_plan_sent:
            self._is_plan_sent = True
            data["ledger"] = self._ledger.to_json()
        return masked_json(data, is_ascii=True)  # which every channel carries whole

    def take(
        self,
        payload: str,
        settings: Settings,
        news: Callable[[], list[dict[str, Any]]],
        *,
        is_replaced: bool = False,
    ) -> None:
        """Store what a trial's report carries: what `hold` or `pack` returned.

        Args:
            news: tells what this process has learned of models.
            is_replaced: a rerun follows whose record holds this attempt too.
        """
        self._take_over()
        record = self._waiting.pop(payload, None)
        if record is not None:
            self._ledger.take_news(news())
        else:
            record = self._unpacked(payload)
        if record is not None:
            self._store(record, settings, is_replaced=is_replaced)

    def take_late(self, payload: str, settings: Settings) -> None:
        """Store what came without a report; a record that is there already holds."""
        self._take_over()
        record = self._unpacked(payload)
        if record is not None:
            self.add(record, settings)

    def add(self, record: Record, settings: Settings) -> None:
        """Store a record that no report carries, if its trial has none yet."""
        self._take_over()
        if not self._ledger.has_record(record.trial_id):
            self._store(record, settings)

    def _unpacked(self, payload: str) -> Record | None:
        data = json.loads(payload)
        if "ledger" in data:
            self._ledger.take_plan(data["ledger"])
        self._ledger.take_news(data["news"])
        return None if data["record"] is None else record_from_json(data["record"])

    def _take_over(self) -> None:
        """Put a resumed run's records into the ledger, before the first of today."""
        if self._resumption is not None and not self._ledger.resumed:
            self._ledger.go_on(self._resumption, self._clock.utc())

    def _store(
        self, record: Record, settings: Settings, *, is_replaced: bool = False
    ) -> None:
        """Append a record, once what a resumed run needs is on disk."""
        if is_replaced:
            self._ledger.note_replaced(record)
        elif self.is_new(record):
            self._opening.write(settings, self._clock.utc())
            self._ledger.take_record(record)
