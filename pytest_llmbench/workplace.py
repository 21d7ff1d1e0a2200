"""What an xdist controller tells its workers: written and read here only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from msgspec import Struct

from pytest_llmbench.calls.once import Once
from pytest_llmbench.masking import masked_text
from pytest_llmbench.spending import Share
from pytest_llmbench.units import Seat, Units

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.settings import Settings

_RUN_ID: Final = "llmbench_run_id"
_TOKEN: Final = "llmbench_token"  # noqa: S105 - a name
_SEAT: Final = "llmbench_seat"
_SPLITS_RUNS: Final = "llmbench_splits_runs"
_SETTINGS: Final = "llmbench_settings"
_BASELINES: Final = "llmbench_baselines"
_ASK_SEAT: Final = """
import os, socket
channel.send((socket.gethostname(), os.environ.get("OLLAMA_HOST", "")))
"""
_ANSWER_S: Final = 60.0
_CUT: Final = {"http:", "https:"}
_PLACES: Final = {"reports", "replay"}
"""Settings that may differ from machine to machine."""


class Workplace(Struct, frozen=True):
    """Where this process works: alone, or as a worker of xdist.

    Attributes:
        told: xdist's `workerinput`; empty in any process but a worker.
    """

    told: Mapping[str, Any]

    @property
    def is_worker(self) -> bool:
        """Whether this is a worker of xdist."""
        return bool(self.told)

    @property
    def worker(self) -> str:
        """The worker's name, such as `gw0`; empty in any other process."""
        return str(self.told.get("workerid", ""))

    @property
    def workers(self) -> int:
        """How many processes ask models in this run."""
        return int(self.told.get("workercount", 1))

    @property
    def share(self) -> Share:
        """Which part of `--max-cost` is this process's.

        A worker that takes a dead one's place has none. xdist numbers workers on: of
        two `gw2` is the third.
        """
        workers = int(self.told.get("workercount", 1))
        number = self.worker.removeprefix("gw")
        is_late = number.isdecimal() and int(number) >= workers
        return Share(parts=workers, is_late=is_late)

    @property
    def run_id(self) -> str:
        """The run's id; empty where the controller has given none."""
        return str(self.told.get(_RUN_ID, ""))

    @property
    def told_settings(self) -> dict[str, Any]:
        """Settings that the controller has found out for all, by their keys."""
        baselines = self.told.get(_BASELINES)
        return {} if baselines is None else {"baselines": list(baselines)}

    @property
    def seat(self) -> Seat:
        """Which local servers this worker reaches."""
        if _SEAT not in self.told:
            return Seat()
        machine, ollama_host = self.told[_SEAT]
        return Seat(machine=machine.lower(), ollama_host=ollama_host)

    @property
    def splits_runs(self) -> bool:
        """Whether the workers may have local servers of their own."""
        return bool(self.told.get(_SPLITS_RUNS))

    def once(self) -> Once | None:
        """Join the run's processes on this machine; None where there is one only."""
        if _TOKEN not in self.told:
            return None
        once = Once(str(self.told[_TOKEN]))
        once.join()
        return once

    def units(self, settings: Settings) -> Units:
        """Return the rule by which this worker is given trials together."""
        return Units(settings, splits_runs=self.splits_runs)

    def settings_fault(self, settings: Settings) -> str:
        """Say which settings a worker on another machine reads differently."""
        theirs = json.loads(self.told.get(_SETTINGS, "{}"))
        own = json.loads(json.dumps(settings.to_json()))
        other = [key for key in theirs if theirs[key] != own.get(key)]
        other = [key for key in other if key not in _PLACES]
        if not other:
            return ""
        return (
            f"a worker has other settings than the controller: {', '.join(other)};"
            f" it reads them in {settings.root}, so copy or share the project with its"
            " settings file, and give it a pytest.ini"
        )


def workplace_of(config: pytest.Config) -> Workplace:
    """Return where this process works."""
    return Workplace(getattr(config, "workerinput", {}))


def is_seat_shared(node: Any) -> bool:  # noqa: ANN401 - xdist's class
    """Whether all workers reach the same servers as the controller.

    They do as its children with its environment, and may not over ssh, on another
    machine, or with an `env:` of their own.
    """
    specs = node.nodemanager.specs
    return all(spec.popen and not spec.via and not spec.env for spec in specs)


def tell_worker(
    node: Any,  # noqa: ANN401 - xdist's class
    *,
    run_id: str,
    token: str,
    settings: Settings | None,
) -> None:
    """Give a worker what the workers of a run have in common.

    Where workers are started differently, ask for the one's machine and OLLAMA_HOST:
    it may have local servers of its own. A worker on another machine is told the
    settings too, to compare them with those that it finds.

    Args:
        run_id: empty if there is none yet.
        token: what the processes of this run share and no other has.
        settings: None where they can't be read.

    Raises:
        pytest.UsageError: its OLLAMA_HOST was cut off by execnet.
    """
    spec = node.gateway.spec
    if spec.env.get("OLLAMA_HOST") in _CUT:
        msg = (
            f"--tx {spec}: specs are split at '//', so OLLAMA_HOST takes HOST:PORT"
            " without http:// here"
        )
        raise pytest.UsageError(masked_text(msg))
    node.config.add_cleanup(Once(token).sweep)
    node.workerinput.update({_RUN_ID: run_id, _TOKEN: token})
    if len(set(map(str, node.nodemanager.specs))) > 1:
        asked = node.gateway.remote_exec(_ASK_SEAT)
        seat = list(asked.receive(_ANSWER_S))
        node.workerinput.update({_SPLITS_RUNS: True, _SEAT: seat})
    if settings is not None and settings.axis:
        node.workerinput[_BASELINES] = [str(one) for one in settings.axis.baselines]
    if settings is not None and not spec.popen:
        node.workerinput[_SETTINGS] = json.dumps(settings.to_json())
