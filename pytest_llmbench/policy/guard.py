"""What stands in a run's way: other work at its servers, too little room.

The rule, finding by finding, is in docs/measurement.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct
from msgspec.structs import asdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmbench.calls.request import LoadedModel, Occupancy

FindingKind = Literal["other_model", "gpu", "load", "disk", "ram", "vram"]
"""What was looked at."""

Level = Literal["ok", "warn", "busy"]
"""`busy` is other work at a server, on which `--require-idle` stops."""

Unit = Literal["bytes", "percent", "per_core"]

MIN_DISK_BYTES: Final = 1024**3
"""Free disk below this is a warning: 1 GiB."""

MAX_GPU_PERCENT: Final = 20.0
"""A GPU that is busier than this before the first call does other work."""

MAX_LOAD_PER_CORE: Final = 1.0
"""More processes than cores want to run, over the last minute."""

_MIB: Final = 1024**2


class Machine(Struct, frozen=True, kw_only=True):
    """The machine's state before the run; None where it can't be read.

    Attributes:
        vram_free_bytes: the free memory of all GPUs together, for a model is
            spread over them.
        gpu_percent: how much of the time the busiest GPU worked, 0 to 100.
        load_per_core: mean of the last minute's runnable processes per core.
    """

    disk_free_bytes: int | None = None
    ram_available_bytes: int | None = None
    ram_total_bytes: int | None = None
    vram_free_bytes: int | None = None
    vram_total_bytes: int | None = None
    gpu_percent: float | None = None
    load_per_core: float | None = None


class LeftOut(Struct, frozen=True, kw_only=True):
    """One address of a model with several that no trial is put to.

    Attributes:
        server: the address, without a password.
        fault: why it can't be asked, in one line.
        is_back: it answered at a later look, and is asked since.
    """

    model: str
    server: str
    fault: str
    is_back: bool = False


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at before the run.

    Attributes:
        server: which server it is about; empty for this machine.
        model: which model it is about; empty where none.
        observed: the number that was judged, in `unit`; None where there is none.
        limit: the number it was held against; None where there is none.
        gpu_share: part of another model in VRAM, 0 to 1; None if not told.
        expires_at: when another model will be dropped, in the server's words.
    """

    finding: FindingKind
    level: Level
    unit: Unit
    server: str = ""
    model: str = ""
    observed: float | None = None
    limit: float | None = None
    gpu_share: float | None = None
    expires_at: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the finding as plain JSON."""
        return asdict(self)


class Sighting(Struct, frozen=True, kw_only=True):
    """What was seen before the run, and what it means."""

    machine: Machine
    findings: tuple[Finding, ...]

    def at_least(self, *levels: Level) -> list[Finding]:
        """Return the findings of these levels."""
        return [finding for finding in self.findings if finding.level in levels]


def machine_of(snapshot: Mapping[str, Any], cores: int | None) -> Machine:
    """Read a snapshot of inventory.json.

    Args:
        cores: logical processors; None if not known.
    """
    gpus = snapshot["gpus"] or []
    load = snapshot["load_1m"]
    return Machine(
        disk_free_bytes=snapshot["disk"]["free_bytes"],
        ram_available_bytes=snapshot["ram"]["available_bytes"],
        ram_total_bytes=snapshot["ram"]["total_bytes"],
        vram_free_bytes=_sum_mib(gpus, "memory_free_mib"),
        vram_total_bytes=_sum_mib(gpus, "memory_total_mib"),
        gpu_percent=max(_told(gpus, "utilization_percent"), default=None),
        load_per_core=load / cores if load is not None and cores else None,
    )


def sighting(machine: Machine, servers: Sequence[Occupancy]) -> Sighting:
    """Judge the machine and the servers that could be asked.

    Without any server only the disk is judged: nothing is measured then.
    """
    findings = [*_disk(machine)]
    for server in servers:
        findings += _other_models(server)
    if any(server.is_local and not server.is_child for server in servers):
        findings += _gpu(machine)
    if servers:
        findings += _load(machine)
    for server in servers:
        findings += _room(machine, server)
    return Sighting(machine=machine, findings=tuple(findings))


def _disk(machine: Machine) -> Iterator[Finding]:
    free = machine.disk_free_bytes
    if free is not None:
        level: Level = "warn" if free < MIN_DISK_BYTES else "ok"
        yield Finding(
            finding="disk",
            level=level,
            unit="bytes",
            observed=free,
            limit=MIN_DISK_BYTES,
        )


def _other_models(server: Occupancy) -> Iterator[Finding]:
    """Yield each model that is not the run's; one finding that there is none."""
    if server.is_child:
        return
    others = [model for model in server.loaded if not model.tested_as]
    for model in others:
        yield Finding(
            finding="other_model",
            level="busy",
            unit="bytes",
            server=server.server,
            model=model.name,
            observed=model.size_bytes,
            gpu_share=model.gpu_share,
            expires_at=model.expires_at,
        )
    if not others:
        yield Finding(
            finding="other_model", level="ok", unit="bytes", server=server.server
        )


def _gpu(machine: Machine) -> Iterator[Finding]:
    observed = machine.gpu_percent
    if observed is not None:
        level: Level = "busy" if observed > MAX_GPU_PERCENT else "ok"
        yield Finding(
            finding="gpu",
            level=level,
            unit="percent",
            observed=observed,
            limit=MAX_GPU_PERCENT,
        )


def _load(machine: Machine) -> Iterator[Finding]:
    """A warning only: the last minute's load may be work that has ended."""
    observed = machine.load_per_core
    if observed is not None:
        level: Level = "warn" if observed > MAX_LOAD_PER_CORE else "ok"
        yield Finding(
            finding="load",
            level=level,
            unit="per_core",
            observed=observed,
            limit=MAX_LOAD_PER_CORE,
        )


def _room(machine: Machine, server: Occupancy) -> Iterator[Finding]:
    """Hold each model that is still to be loaded here against the free memory.

    What VRAM does not take, RAM must: a model that fits into VRAM needs none.
    """
    if not server.is_local:
        return
    vram, ram = _free_bytes(machine, server)
    loaded = {model.tested_as for model in server.loaded}
    for model, size in server.sizes_bytes.items():
        if model in loaded:
            continue
        if vram is not None:
            yield _held(server, model, "vram", vram, size)
        rest = size - (vram or 0)
        if ram is not None and rest > 0:
            yield _held(server, model, "ram", ram, rest)


def _free_bytes(machine: Machine, server: Occupancy) -> tuple[int | None, int | None]:
    """Return free VRAM and RAM; tested models that are loaded make way for others."""
    vram, ram = machine.vram_free_bytes, machine.ram_available_bytes
    ours = [model for model in server.loaded if model.tested_as]
    held = sum(model.size_bytes or 0 for model in ours)
    on_gpu = sum(map(_in_vram, ours))
    return (
        None if vram is None or server.is_child else vram + on_gpu,
        None if ram is None else ram + held - on_gpu,
    )


def _in_vram(model: LoadedModel) -> int:
    return round((model.size_bytes or 0) * (model.gpu_share or 0.0))


def _held(
    server: Occupancy,
    model: str,
    finding: Literal["ram", "vram"],
    free_bytes: int,
    size_bytes: int,
) -> Finding:
    return Finding(
        finding=finding,
        level="warn" if free_bytes < size_bytes else "ok",
        unit="bytes",
        server=server.server,
        model=model,
        observed=free_bytes,
        limit=size_bytes,
    )


def _sum_mib(gpus: Sequence[Mapping[str, Any]], key: str) -> int | None:
    told = _told(gpus, key)
    return sum(told) * _MIB if told else None


def _told(gpus: Sequence[Mapping[str, Any]], key: str) -> list[int]:
    return [gpu[key] for gpu in gpus if gpu[key] is not None]
