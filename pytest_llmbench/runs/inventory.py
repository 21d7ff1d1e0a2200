"""What the run ran on: host, memory, disk, GPU."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

_NVIDIA_QUERY = (
    "name,memory.total,memory.used,memory.free,utilization.gpu,driver_version"
)
_GPU_TIMEOUT_S = 5.0


def host_facts() -> dict[str, Any]:
    """Return what identifies the machine, as plain JSON; unknown is null."""
    return {
        "host": platform.node(),
        "os": platform.platform(),
        "python": platform.python_version(),
        "cpu": {"model": _cpu_model(), "count": os.cpu_count()},
    }


def snapshot(disk_path: Path, now: datetime) -> dict[str, Any]:
    """Return what changes over a run, as plain JSON; what can't be read is null.

    Sizes are in bytes, GPU memory in MiB as `nvidia-smi` gives it. `load_1m` is
    the mean number of processes that wanted to run over the last minute.
    """
    return {
        "taken_at": now.isoformat(),
        "load_1m": _load(),
        "ram": _memory(),
        "disk": _disk(disk_path),
        "gpus": _gpus(),
    }


def _cpu_model() -> str | None:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return platform.processor() or None
    for line in text.splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows has no such call
        return None


def _memory() -> dict[str, int | None]:
    wanted = {"MemTotal": "total_bytes", "MemAvailable": "available_bytes"}
    found: dict[str, int | None] = dict.fromkeys(wanted.values())
    try:
        text = Path("/proc/meminfo").read_text("ascii", "replace")
    except OSError:
        return found
    for line in text.splitlines():
        key, _, rest = line.partition(":")
        if key in wanted:
            found[wanted[key]] = int(rest.split()[0]) * 1024
    return found


def _disk(path: Path) -> dict[str, int | None]:
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return {"total_bytes": None, "free_bytes": None}
    return {"total_bytes": usage.total, "free_bytes": usage.free}


def _gpus() -> list[dict[str, Any]] | None:
    """Ask `nvidia-smi`; None where there is none to ask."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    query = [command, f"--query-gpu={_NVIDIA_QUERY}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, no shell
            query, capture_output=True, text=True, timeout=_GPU_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    rows = [line.split(",") for line in done.stdout.splitlines() if line.strip()]
    return [_gpu([cell.strip() for cell in row]) for row in rows]


def _gpu(row: list[str]) -> dict[str, Any]:
    """Read one row; a cell such as `[N/A]` is null."""

    def number(text: str) -> int | None:
        return int(text) if text.isascii() and text.isdecimal() else None

    cells = (*row, "", "", "", "", "", "")[:6]
    name, total, used, free, utilization, driver = cells
    return {
        "name": name,
        "memory_total_mib": number(total),
        "memory_used_mib": number(used),
        "memory_free_mib": number(free),
        "utilization_percent": number(utilization),
        "driver": driver,
    }
