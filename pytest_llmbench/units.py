"""Which trials belong on one worker, one after another, and at which servers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from msgspec import Struct

from pytest_llmbench.calls.providers import is_local

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_llmbench.prompts.spec import ModelName, Spec
    from pytest_llmbench.settings import Settings

_FILE: Final = (".bench.yaml", ".bench.yml")
_NAME: Final = re.compile(r"[^\[]*\[(.*)-run(\d+)\](?:@[^\]]*)?", re.DOTALL)
_GROUP: Final = re.compile(r"(?<=\])@[^\]]*$")


class Seat(Struct, frozen=True, kw_only=True):
    """Where a worker works.

    Attributes:
        machine: its name; empty for the one and only.
        ollama_host: the OLLAMA_HOST it sees; None for this process's own.
    """

    machine: str = ""
    ollama_host: str | None = None


class Unit(Struct, frozen=True, kw_only=True):
    """Trials that one worker runs, all of them, in collection order.

    Attributes:
        place: the local servers that they use, named by the first of their models;
            empty for remote services.
        model: empty for every model of the place.
        run: counted from 1; 0 for every run.
    """

    place: str = ""
    model: str = ""
    run: int = 0


class Units:
    """The rule by which trials are kept together.

    A local server's trials are one unit, whatever their model: two models at once
    would measure each other. Where workers sit at several servers of their own
    (`splits_runs`), each run of a model is a unit, and so it is for remote services.

    Args:
        seats: where the workers sit.
        splits_runs: the workers may have local servers of their own.
    """

    def __init__(
        self,
        settings: Settings,
        seats: Iterable[Seat] = (Seat(),),
        *,
        splits_runs: bool = False,
    ) -> None:
        self._settings = settings
        self._splits_runs = splits_runs
        specs = settings.specs("")
        has_flags = bool(settings.axis)
        self._models = {label(spec, has_flags=has_flags): spec.model for spec in specs}
        seats = tuple(seats)
        self._places = _joined({
            spec.model: {s for seat in seats for s in self._at(spec.model, seat)}
            for spec in specs
        })

    def unit_of(self, model: ModelName, run: int) -> Unit:
        """Return the unit of a model's trials in one run."""
        place = self._places.get(model, "")
        if place and not self._splits_runs:
            return Unit(place=place)
        return Unit(place=place, model=str(model), run=run)

    def of_nodeid(self, nodeid: str) -> Unit | None:
        """Return a trial's unit; None for any other test, and for stored replies."""
        found = name_parts(nodeid)
        if found is None or self._settings.replay:
            return None
        name, run = found
        model = self._models.get(name)
        return Unit(model=name) if model is None else self.unit_of(model, run)

    def model_of(self, nodeid: str) -> ModelName | None:
        """Return a trial's model; None for any other test, or an unknown one."""
        found = name_parts(nodeid)
        return self._models.get(found[0]) if found else None

    def servers(self, place: str, seat: Seat) -> frozenset[str]:
        """Return the local servers that a place's models have, seen from a seat."""
        return frozenset(
            server
            for model, its_place in self._places.items()
            if its_place == place
            for server in self._at(model, seat)
        )

    def _at(self, model: ModelName, seat: Seat) -> frozenset[str]:
        """Name a model's local servers; each machine has a loopback of its own."""
        return frozenset(
            f"{target.provider} {_address(target.base_url, seat.machine)}"
            for target in self._settings.targets(model, seat.ollama_host)
            if is_local(target)
        )


def label(spec: Spec, *, has_flags: bool = False) -> str:
    """Return the part of an id that names a spec: model and variant.

    Args:
        has_flags: the specs of the session may differ in flags and options only, so
            these are in it too.
    """
    name = f"{spec.model}-{spec.variant}"
    if not has_flags:
        return name
    words = str(spec).rpartition(" / ")[2].split()
    flags = [word for word in words if "=" not in word]
    options = [word for word in words if "=" in word]
    return "&".join([f"{name}-{''.join(flags)}", *options])


def plain_id(nodeid: str) -> str:
    """Return a trial's id without the group that xdist may have put behind it.

    >>> plain_id("a.bench.yaml::P6[m-native_api-run3]@group")
    'a.bench.yaml::P6[m-native_api-run3]'
    """
    return _GROUP.sub("", nodeid)


def name_parts(nodeid: str) -> tuple[str, int] | None:
    """Return a trial's label and run from its node id; None for any other test.

    >>> name_parts("suites/a.bench.yaml::P6[hf.co/x/y-z:q4-native_api-run3]")
    ('hf.co/x/y-z:q4-native_api', 3)
    >>> name_parts("tests/test_a.py::test_b[native_api-run3]") is None
    True
    """
    file, _, name = nodeid.partition("::")
    found = _NAME.fullmatch(name) if file.endswith(_FILE) else None
    return (found[1], int(found[2])) if found else None


def _joined(servers: dict[ModelName, set[str]]) -> dict[ModelName, str]:
    """Name each local model's place: models that share a server have the same."""
    places: dict[ModelName, str] = {}
    for model, its_servers in servers.items():
        if not its_servers:
            continue
        met = {places[other] for other in places if servers[other] & its_servers}
        first = next((p for p in places.values() if p in met), str(model))
        places = {other: first if p in met else p for other, p in places.items()}
        places[model] = first
    return places


def _address(url: str, machine: str) -> str:
    """Return an address in which loopback is the machine itself.

    >>> _address("http://127.0.0.1:11434", "hosta"), _address("", "hosta")
    ('http://hosta:11434', 'hosta')
    >>> _address("http://hostb:11434", "hosta"), _address("http://[::1]:1", "")
    ('http://hostb:11434', 'http://[::1]:1')
    """
    if not url or not machine:
        return url or machine or "here"
    parts = urlsplit(url)
    name = parts.hostname or ""
    if name not in {"localhost", "::1"} and not name.startswith("127."):
        return url
    return f"{parts.scheme}://{machine}:{parts.port}{parts.path}"
