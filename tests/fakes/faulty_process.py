"""A faulty server in a process of its own, which can be killed and come back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Self

_SCRIPT = Path(__file__).with_name("faulty_server.py")


class FaultyProcess:
    """A faulty server that outlives no `with` block.

    Attributes:
        port: the same after every start; 0 until the first.
    """

    def __init__(self, *options: str) -> None:
        self.port = 0
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, *options: str) -> None:
        """Start, and return once it listens; `options` are for this start only."""
        self.kill()
        command = [sys.executable, str(_SCRIPT), "--port", str(self.port)]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [*command, *self._options, *options], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        told = self._process.stdout.readline()
        self.port = int(told.split()[0].rpartition(":")[2])

    def kill(self) -> None:
        """End the process as kill -9 does; harmless where none runs."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None

    def wait(self) -> None:
        """Wait until the process has ended by itself."""
        if self._process is not None:
            self._process.wait(10.0)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()
