"""What a worker's report carries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from made_records import make_record
from msgspec.structs import replace

from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.delivery import Delivery
from pytest_llmbench.ledger import Ledger
from pytest_llmbench.opening import Opening
from pytest_llmbench.runs.folder import RunFolder
from pytest_llmbench.runs.record import Fault

if TYPE_CHECKING:
    from pathlib import Path


def test_no_secret_leaves_a_worker(tmp_path: Path) -> None:
    """A controller may not know the worker's keys: they are masked before they go."""
    key = "sk-planted-31415926"
    ledger = Ledger(RunFolder(tmp_path / "run"))
    delivery = Delivery(ledger, None, Opening(ledger), SystemClock())
    fault = Fault(kind="unauthorised", message=f"no é\n{key}")
    record = replace(make_record(letter="E"), fault=fault)
    packed = delivery.pack(record, [{"note": f"of {key}"}])
    assert packed.isascii()
    told = json.loads(packed)
    assert told["record"]["fault"]["message"] == "no é\n***"
    assert told["news"] == [{"note": "of ***"}]
