"""What was seen before the run, in the header, in notes and as an error."""

from __future__ import annotations

import re
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from pytest_llmbench.report.lines import WIDTH
from pytest_llmbench.report.numbers import percent, size, size_of
from pytest_llmbench.report.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_llmbench.policy.guard import (
        Finding,
        FindingKind,
        LeftOut,
        Machine,
        Sighting,
    )

_LATE_YEAR: Final = "2100"
"""Ollama shows a model that is kept for ever as one that leaves in 2318."""


def finding_text(finding: Finding) -> str:
    """Say in one sentence, without its full stop, what was found."""
    return plain(_TEXTS[finding.finding](finding))


def findings_json(sighting: Sighting | None) -> list[dict[str, Any]]:
    """Return the list `guard` of inventory.json."""
    found = sighting.findings if sighting else ()
    return [{**one.to_json(), "text": finding_text(one)} for one in found]


def warnings(sighting: Sighting | None) -> list[str]:
    """Return what the reader of the results must know."""
    found = sighting.at_least("warn", "busy") if sighting else []
    return [finding_text(finding) for finding in found]


def left_out_note(one: LeftOut) -> str:
    """Say which address was left out, and whether it stayed so."""
    so = "left out until it answered" if one.is_back else "left out"
    return plain(f"an address of {one.model} was {so}: {one.fault}")


def header_lines(
    sighting: Sighting | None, left_out: Iterable[LeftOut] = ()
) -> list[str]:
    """Return the lines that stand below the plan, each within 80 columns.

    Only a path or an address that is longer than that is not broken.
    """
    if sighting is None:
        return []
    texts = [*_idle(sighting), *_free(sighting.machine)]
    texts += [f"warning: {text}" for text in warnings(sighting)]
    texts += [
        plain(
            f"warning: an address of {one.model} is left out, and looked at again"
            f" before each run: {one.fault}"
        )
        for one in left_out
    ]
    return [line for text in texts for line in _wrapped(f"llmbench: {text}")]


def busy_fault(sighting: Sighting) -> str:
    """Return why `--require-idle` stops the run; empty if nothing is busy."""
    busy = sighting.at_least("busy")
    if not busy:
        return ""
    others = [f"`ollama stop {one.model}`" for one in busy if one.model]
    ways = [
        *([f"unload with {plain(', '.join(others))}"] if others else []),
        *(["find the GPU's work with `nvidia-smi`"] if len(others) < len(busy) else []),
        "wait",
        "or run without --require-idle",
    ]
    return "\n".join([
        "--require-idle: other work is in the way, so nothing was asked",
        *(f"  {finding_text(finding)}" for finding in busy),
        f"  {', '.join(ways)}",
    ])


def _idle(sighting: Sighting) -> Iterator[str]:
    """Yield the servers at which no other work is seen; none if a GPU is at work."""
    if any(finding.finding == "gpu" for finding in sighting.at_least("busy")):
        return
    for finding in sighting.at_least("ok"):
        if finding.finding == "other_model":
            yield f"{plain(finding.server)} is idle"


def _free(machine: Machine) -> Iterator[str]:
    disk = machine.disk_free_bytes
    pairs = (
        ("RAM", machine.ram_available_bytes, machine.ram_total_bytes),
        ("VRAM", machine.vram_free_bytes, machine.vram_total_bytes),
    )
    parts = [f"disk {size(disk)} free"] if disk is not None else []
    parts += [
        f"{name} {size_of(free, total)} free"
        for name, free, total in pairs
        if free is not None and total is not None
    ]
    if parts:
        yield ", ".join(parts)


def _wrapped(text: str) -> list[str]:
    return wrap(
        text,
        WIDTH,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _other_model(finding: Finding) -> str:
    if not finding.model:
        return f"{finding.server} holds no other model"
    held = [size(finding.observed)] if finding.observed is not None else []
    if finding.gpu_share is not None:
        held.append(f"{percent(finding.gpu_share)} in VRAM")
    held.append(_until(finding.expires_at))
    shown = ", ".join(filter(None, held))
    return f"{finding.server} holds another model: {finding.model} ({shown})"


def _until(expires_at: str) -> str:
    """Show when a model leaves, to the second.

    >>> _until("2026-11-20T11:05:00.123+01:00")
    'until 2026-11-20T11:05:00+01:00'
    >>> _until("2318-03-01T00:00:00Z")
    'for ever'
    """
    if not expires_at:
        return "until it is unloaded"
    if expires_at[:4] >= _LATE_YEAR:
        return "for ever"
    return "until " + re.sub(r"\.\d+", "", expires_at)


def _gpu(finding: Finding) -> str:
    shown = f"{finding.observed:.0f} %"
    if finding.level == "ok":
        return f"the GPU is at {shown}"
    return (
        f"the GPU is at {shown} before the first call: something else uses it"
        f" (idle is up to {finding.limit:.0f} %)"
    )


def _load(finding: Finding) -> str:
    shown = f"{finding.observed:.2g} processes per core"
    if finding.level == "ok":
        return f"{shown} wanted to run in the last minute"
    return (
        f"{shown} wanted to run in the last minute: other work may slow down what"
        " is measured"
    )


def _disk(finding: Finding) -> str:
    shown = f"{size(finding.observed)} of disk is free for the reports"
    if finding.level == "ok":
        return shown
    return f"only {shown} (less than {size(finding.limit)})"


def _ram(finding: Finding) -> str:
    return _room(finding, "RAM", "it may be slow, or not load")


def _vram(finding: Finding) -> str:
    return _room(finding, "VRAM", "a part may run on the CPU")


def _room(finding: Finding, memory: str, so: str) -> str:
    free, needed = size(finding.observed), size(finding.limit)
    if finding.level == "ok":
        return f"{finding.model} needs {needed} of {memory}, {free} is free"
    return f"{finding.model} needs {needed} of {memory}, only {free} is free: {so}"


_TEXTS: Final[dict[FindingKind, Callable[[Finding], str]]] = {
    "other_model": _other_model,
    "gpu": _gpu,
    "load": _load,
    "disk": _disk,
    "ram": _ram,
    "vram": _vram,
}
