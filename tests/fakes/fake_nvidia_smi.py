"""An `nvidia-smi` of ours: a real executable that answers the real query."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

CARD: Final = {
    "name": "NVIDIA H200",
    "memory.total": "8192",
    "memory.used": "1024",
    "memory.free": "7168",
    "utilization.gpu": "0",
    "driver_version": "570.86",
}
"""One GPU with 8 GiB, 7 of them free, at rest."""

SILENT: Final = {**dict.fromkeys(CARD, "[N/A]"), "name": "Other GPU"}
"""A GPU whose driver tells its name only."""

_HEAD: Final = """#!/bin/sh
for option; do
  case $option in --query-gpu=*) keys=${option#*=};; esac
done
IFS=,
"""


def put_nvidia_smi(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *cards: Mapping[str, str]
) -> None:
    """Put an `nvidia-smi` first on the path, which shows these GPUs.

    As the real one, it answers the columns that are asked for, in their order,
    and refuses one that it does not know.
    """
    command = folder / "smi" / "nvidia-smi"
    command.parent.mkdir()
    command.write_text(_HEAD + "".join(map(_row, cards)), "ascii")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")


def put_broken_nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put an `nvidia-smi` first on the path that finds no driver."""
    put_nvidia_smi(folder, monkeypatch)
    text = "#!/bin/sh\necho NVIDIA-SMI has failed because it has no driver\nexit 9\n"
    (folder / "smi" / "nvidia-smi").write_text(text, "ascii")


def _row(card: Mapping[str, str]) -> str:
    cases = "".join(f"    {key}) cell='{value}';;\n" for key, value in card.items())
    return f"""row=
for key in $keys; do
  case $key in
{cases}    *) echo "Field \\"$key\\" is not a valid field to query."; exit 2;;
  esac
  row="$row${{row:+, }}$cell"
done
echo "$row"
"""
