"""How findings read in the header and as an error."""

from __future__ import annotations

from typing import Final

from pytest_llmbench.calls.request import LoadedModel, Occupancy
from pytest_llmbench.policy.guard import Machine, Sighting, sighting
from pytest_llmbench.report.guard import busy_fault, header_lines, warnings

GIB: Final = 1024**3
ROOMY: Final = Machine(
    disk_free_bytes=120 * GIB,
    ram_available_bytes=18 * GIB,
    ram_total_bytes=24 * GIB,
    vram_free_bytes=round(7.1 * GIB),
    vram_total_bytes=8 * GIB,
    gpu_percent=3,
    load_per_core=0.1,
)
TIGHT: Final = Machine(
    disk_free_bytes=400 * 1024**2,
    ram_available_bytes=GIB,
    vram_free_bytes=2 * GIB,
    gpu_percent=87,
    load_per_core=1.75,
)
HELD: Final = (
    "ollama at http://127.0.0.1:11434 holds another model: other:7b (4 GiB, 50 % in"
    " VRAM, until 2026-11-20T11:05:00+01:00)"
)
AT_WORK: Final = (
    "the GPU is at 87 % before the first call: something else uses it (idle is up to"
    " 20 %)"
)
LOADED: Final = (
    "1.8 processes per core wanted to run in the last minute: other work may slow down"
    " what is measured"
)
WAYS: Final = (
    "unload with `ollama stop other:7b`, find the GPU's work with `nvidia-smi`, wait,"
    " or run without --require-idle"
)
OTHER: Final = LoadedModel(
    name="other:7b",
    size_bytes=4 * GIB,
    gpu_share=0.5,
    expires_at="2026-11-20T11:05:00.123456789+01:00",
)


def seen(machine: Machine, *loaded: LoadedModel) -> Sighting:
    """Look at one local Ollama whose tested model needs 6 GiB."""
    server = Occupancy(
        server="ollama at http://127.0.0.1:11434",
        is_local=True,
        loaded=loaded,
        sizes_bytes={"fake:1b": 6 * GIB},
    )
    return sighting(machine, [server])


def test_an_idle_servers_header() -> None:
    """Two short lines: idle, and what is free."""
    assert header_lines(seen(ROOMY)) == [
        "llmbench: ollama at http://127.0.0.1:11434 is idle",
        "llmbench: disk 120 GiB free, RAM 18 of 24 GiB free, VRAM 7.1 of 8 GiB free",
    ]


def test_each_warning_has_its_own_lines() -> None:
    """Nothing is called idle, and each line fits 80 columns."""
    lines = header_lines(seen(TIGHT, OTHER))
    heads = [line for line in lines if line.startswith("llmbench: ")]
    assert all(line.startswith("llmbench: warning: ") for line in heads[1:])
    assert len(heads) == 7
    assert all(len(line) <= 80 for line in lines)
    assert "is idle" not in "".join(lines)


def test_what_the_warnings_say() -> None:
    """Each has what was found, its number and what it means."""
    assert warnings(seen(TIGHT, OTHER)) == [
        "only 400 MiB of disk is free for the reports (less than 1 GiB)",
        HELD,
        AT_WORK,
        LOADED,
        "fake:1b needs 6 GiB of VRAM, only 2 GiB is free: a part may run on the CPU",
        "fake:1b needs 4 GiB of RAM, only 1 GiB is free: it may be slow, or not load",
    ]


def test_a_model_that_stays_for_ever() -> None:
    """Ollama's far year is no date to wait for."""
    kept = LoadedModel(name="o", expires_at="2318-01-01T00:00:00Z")
    assert warnings(seen(Machine(), kept))[0].endswith("another model: o (for ever)")


def test_the_error_says_what_and_what_to_do() -> None:
    """One message: what was found, and every way on."""
    assert busy_fault(seen(TIGHT, OTHER)).splitlines() == [
        "--require-idle: other work is in the way, so nothing was asked",
        f"  {HELD}",
        f"  {AT_WORK}",
        f"  {WAYS}",
    ]


def test_a_hostile_name_is_shown_not_obeyed() -> None:
    """Escape sequences in a model's name reach no terminal."""
    hostile = LoadedModel(name="\x1b[31mred")
    shown = [*header_lines(seen(ROOMY, hostile)), busy_fault(seen(ROOMY, hostile))]
    assert "\x1b" not in "".join(shown)
