"""What is judged of servers and machine before a run."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from made_values import built

from pytest_llmbench.calls.request import LoadedModel, Occupancy
from pytest_llmbench.policy.guard import (
    MAX_GPU_PERCENT,
    MAX_LOAD_PER_CORE,
    MIN_DISK_BYTES,
    Finding,
    Machine,
    machine_of,
    sighting,
)
from pytest_llmbench.report.guard import busy_fault, findings_json, header_lines
from pytest_llmbench.runs.schemas import load_schema

GIB: Final = 1024**3
OLLAMA: Final = Occupancy(server="ollama at here", is_local=True)
CHILD: Final = Occupancy(server="the embedded engine", is_local=True, is_child=True)
OURS: Final = LoadedModel(
    name="fake:1b", tested_as="fake:1b", size_bytes=4 * GIB, gpu_share=0.75
)
OTHER: Final = LoadedModel(name="other:7b", size_bytes=4 * GIB, gpu_share=1.0)


def server(*loaded: LoadedModel, **fields: Any) -> Occupancy:  # noqa: ANN401 - any field
    """Make an Ollama that holds these models."""
    given = {"server": "ollama at here", "is_local": True, "loaded": loaded}
    return Occupancy(**{**given, **fields})


def found(machine: Machine, *servers: Occupancy) -> dict[str, Finding]:
    """Return the last finding of each kind."""
    return {one.finding: one for one in sighting(machine, servers).findings}


def levels(machine: Machine, *servers: Occupancy) -> dict[str, str]:
    """Return the level of each kind of finding."""
    return {kind: one.level for kind, one in found(machine, *servers).items()}


def test_another_model_is_busy() -> None:
    """A model that is not the run's is other work, with its size and its end."""
    one = found(Machine(), server(OURS, OTHER))["other_model"]
    assert (one.level, one.model, one.server) == ("busy", "other:7b", "ollama at here")
    assert (one.observed, one.gpu_share) == (4 * GIB, 1.0)


def test_the_runs_own_model_is_not_busy() -> None:
    """A tested model that is loaded already is in nobody's way."""
    assert levels(Machine(), server(OURS)) == {"other_model": "ok"}
    assert busy_fault(sighting(Machine(), [server(OURS)])) == ""


def test_each_server_is_judged_for_itself() -> None:
    """One idle and one busy server give one finding each."""
    there = server(OTHER, server="ollama at there", is_local=False)
    findings = sighting(Machine(), [server(OURS), there]).findings
    assert [(one.server, one.level) for one in findings] == [
        ("ollama at here", "ok"),
        ("ollama at there", "busy"),
    ]


def test_a_working_gpu_is_busy_where_the_server_may_use_it() -> None:
    """Its use counts above the limit, for a local server that is not our own child."""
    idle, busy = Machine(gpu_percent=MAX_GPU_PERCENT), Machine(gpu_percent=21)
    assert levels(idle, OLLAMA)["gpu"] == "ok"
    assert levels(busy, OLLAMA)["gpu"] == "busy"
    assert "gpu" not in levels(busy, server(is_local=False))
    assert "gpu" not in levels(busy, CHILD)
    assert "gpu" not in levels(Machine(), OLLAMA)


def test_load_is_a_warning_only() -> None:
    """The last minute's load may have ended, so it never stops a run."""
    assert levels(Machine(load_per_core=MAX_LOAD_PER_CORE), CHILD)["load"] == "ok"
    assert levels(Machine(load_per_core=1.01), CHILD)["load"] == "warn"
    assert busy_fault(sighting(Machine(load_per_core=9), [CHILD, OLLAMA])) == ""


def test_little_disk_is_a_warning() -> None:
    """Below 1 GiB the reports may not find room; that is judged in any run."""
    assert levels(Machine(disk_free_bytes=MIN_DISK_BYTES)) == {"disk": "ok"}
    assert levels(Machine(disk_free_bytes=MIN_DISK_BYTES - 1)) == {"disk": "warn"}


@pytest.mark.parametrize(
    ("vram", "ram", "expected"),
    [
        (None, 4 * GIB, {"ram": "ok"}),
        (None, 4 * GIB - 1, {"ram": "warn"}),
        (4 * GIB, 0, {"vram": "ok"}),
        (3 * GIB, 1 * GIB, {"vram": "warn", "ram": "ok"}),
        (3 * GIB, 1 * GIB - 1, {"vram": "warn", "ram": "warn"}),
        (None, None, {}),
    ],
)
def test_room_for_a_model(
    vram: int | None, ram: int | None, expected: dict[str, str]
) -> None:
    """RAM must hold what VRAM does not; a model that fits into VRAM needs none."""
    machine = Machine(vram_free_bytes=vram, ram_available_bytes=ram)
    here = server(sizes_bytes={"fake:1b": 4 * GIB})
    assert levels(machine, here) == {"other_model": "ok", **expected}


def test_a_loaded_model_needs_no_room_and_makes_way_for_the_next() -> None:
    """What one tested model holds counts as free for another tested one."""
    sizes = {"fake:1b": 4 * GIB, "two:1b": 4 * GIB}
    here = server(OURS, sizes_bytes=sizes)
    machine = Machine(vram_free_bytes=GIB, ram_available_bytes=0)
    (room,) = (one for one in sighting(machine, [here]).findings if one.model)
    assert (room.finding, room.model, room.level) == ("vram", "two:1b", "ok")
    assert room.observed == 4 * GIB
    less = Machine(vram_free_bytes=0, ram_available_bytes=0)
    assert found(less, here)["vram"].level == "warn"
    assert found(less, here)["ram"].observed == GIB


def test_room_elsewhere_is_not_judged() -> None:
    """Nothing is known of a far machine's memory; our child uses RAM only."""
    machine = Machine(vram_free_bytes=0, ram_available_bytes=0)
    sizes = {"m": GIB}
    there = server(is_local=False, sizes_bytes=sizes)
    assert levels(machine, there) == {"other_model": "ok"}
    child = Occupancy(server="c", is_local=True, is_child=True, sizes_bytes=sizes)
    assert levels(machine, child) == {"ram": "warn"}


def gpu(**fields: int | None) -> dict[str, Any]:
    """Make one GPU of a snapshot."""
    silent = dict.fromkeys((
        "memory_total_mib",
        "memory_free_mib",
        "utilization_percent",
    ))
    return {**silent, **fields}


def snapshot(load: float | None, gpus: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Make a machine's snapshot that tells little."""
    return {
        "load_1m": load,
        "ram": {"total_bytes": None, "available_bytes": 5},
        "disk": {"total_bytes": None, "free_bytes": 7},
        "gpus": gpus,
    }


def test_a_snapshot_is_read() -> None:
    """GPUs add up their memory; the busiest one counts; load is per core."""
    first = gpu(memory_total_mib=8, memory_free_mib=3, utilization_percent=10)
    second = gpu(memory_total_mib=8, memory_free_mib=2, utilization_percent=60)
    machine = machine_of(snapshot(3.0, [first, second, gpu()]), cores=4)
    assert machine.vram_free_bytes == 5 * 1024**2
    assert machine.vram_total_bytes == 16 * 1024**2
    assert (machine.gpu_percent, machine.load_per_core) == (60, 0.75)
    assert (machine.ram_available_bytes, machine.disk_free_bytes) == (5, 7)


@pytest.mark.parametrize("gpus", [None, [], [gpu()]])
def test_a_silent_snapshot_is_read(gpus: list[dict[str, Any]] | None) -> None:
    """What is not told is None, never 0."""
    machine = machine_of(snapshot(None, gpus), cores=None)
    assert machine.vram_free_bytes is machine.gpu_percent is None
    assert machine.load_per_core is None


SIZES: Final = st.none() | st.integers(0, 10**13)
MACHINES: Final = built(
    Machine,
    disk_free_bytes=SIZES,
    ram_available_bytes=SIZES,
    ram_total_bytes=SIZES,
    vram_free_bytes=SIZES,
    vram_total_bytes=SIZES,
    gpu_percent=st.none() | st.integers(0, 100),
    load_per_core=st.none() | st.floats(0, 1000),
)
MODELS: Final = built(
    LoadedModel,
    name=st.text(max_size=90),
    tested_as=st.sampled_from(["", "m"]),
    size_bytes=SIZES,
    gpu_share=st.none() | st.floats(0, 1),
    expires_at=st.text(max_size=40),
)
SERVERS: Final = built(
    Occupancy,
    server=st.sampled_from(["a", "b"]),
    is_local=st.booleans(),
    is_child=st.booleans(),
    loaded=st.lists(MODELS, max_size=3).map(tuple),
    sizes_bytes=st.dictionaries(st.sampled_from(["m", "n"]), st.integers(0, 10**13)),
)


@given(machine=MACHINES, servers=st.lists(SERVERS, max_size=3))
def test_every_sighting_can_be_shown_and_stored(
    machine: Machine, servers: list[Occupancy]
) -> None:
    """Whatever a server says, the findings fit the schema, the header a terminal."""
    seen = sighting(machine, servers)
    schema = load_schema("inventory")
    part = {"$defs": schema["$defs"], **schema["properties"]["guard"]}
    assert not list(Draft202012Validator(part).iter_errors(findings_json(seen)))
    assert all(line.isprintable() for line in header_lines(seen))
    assert bool(busy_fault(seen)) == bool(seen.at_least("busy"))
