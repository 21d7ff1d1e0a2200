"""Look at the child processes of isolated calls through /proc."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from fake_ollama_probe import wait_until

PROC: Final = Path("/proc")
HAS_PROC: Final = (PROC / "self" / "stat").exists()


def call_children(parent_pid: int | None = None) -> list[int]:
    """Return the isolated calls that are children of a process, zombies included."""
    return children_running("isolated_child", parent_pid)


def children_running(word: str, parent_pid: int | None = None) -> list[int]:
    """Return a process's children with a word in their command, and its zombies."""
    parent = str(parent_pid or os.getpid())
    return [
        int(folder.name)
        for folder in PROC.iterdir()
        if folder.name.isdecimal() and _is_child(folder, parent, word.encode())
    ]


def _is_child(folder: Path, parent: str, word: bytes) -> bool:
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        command = (folder / "cmdline").read_bytes()
    except OSError:  # gone in between
        return False
    state, ppid = fields[:2]
    return ppid == parent and (word in command or state == "Z")


def one_call_child(parent_pid: int | None = None) -> int:
    """Wait for the one isolated call of a process."""
    assert wait_until(lambda: bool(call_children(parent_pid)), 10.0)
    (pid,) = call_children(parent_pid)
    return pid


def is_gone(pid: int) -> bool:
    """Whether there is no such process, not even a zombie."""
    return not (PROC / str(pid)).exists()


def has_ended(pid: int) -> bool:
    """Whether a process does nothing more; an orphan may stay as a zombie."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"
