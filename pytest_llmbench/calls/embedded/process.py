"""The parent's side of the embedded engine: start the child, know it, end it."""

from __future__ import annotations

import collections
import contextlib
import functools
import hashlib
import importlib.metadata
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from pytest_llmbench.calls.embedded import server
from pytest_llmbench.calls.ending import ending
from pytest_llmbench.errors import CallError, EngineMissing, LoadFailed

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL_PATH: Final = Path(__file__).with_name("llmbench-tiny-q8_0.gguf")
"""The model that comes with the package; DATASHEET.md beside it describes it."""

_GRACE_S: Final = 2.0
_KEPT_LINES: Final = 20
_SHOWN_LINES: Final = 5
_ILLEGAL_INSTRUCTION: Final = (-signal.SIGILL, 0xC000001D)  # POSIX, Windows
_INSTALL: Final = (
    "install it with: pip install 'pytest-llmbench[embedded]' (wheels exist for "
    "glibc Linux, macOS and Windows)"
)
_OLD_PROCESSOR: Final = (
    "the embedded engine stopped on an instruction this processor lacks: the "
    "xllamacpp wheel for Linux x86-64 needs AVX2, FMA and BMI2"
)


class EmbeddedServer:
    """A llama.cpp server in a child process, reached over HTTP on loopback.

    The child ends with `stop`, with this process, and with nothing else.

    Attributes:
        gguf: the model file.
        threads: processor threads of the engine.
        slots: how many requests it answers at a time.
        context_length: tokens of one request, prompt and answer together.
    """

    def __init__(
        self,
        gguf: Path = MODEL_PATH,
        *,
        threads: int = 1,
        slots: int = 1,
        context_length: int = 1024,
    ) -> None:
        self.gguf = gguf
        self.threads = threads
        self.slots = slots
        self.context_length = context_length
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._url = ""
        self._load_s: float | None = None

    def start(self, timeout_s: float) -> None:
        """Start the child and wait until it answers; do nothing if it runs.

        Callable from any thread; a dead child is replaced.

        Raises:
            EngineMissing: the engine is not installed, cannot run on this
                machine, or died while starting.
            LoadFailed: the model file is bad, or the start took too long.
        """
        with self._lock:
            if self.is_running:
                return
            self._discard()
            started_s = time.perf_counter()
            child = _Child(self._command())
            try:
                self._url = child.wait_for_url(timeout_s)
            except BaseException:  # Ctrl-C too must not leave a child behind
                child.end()
                raise
            self._load_s = time.perf_counter() - started_s
            self._child = child

    def stop(self) -> None:
        """End the child and wait until it is gone; harmless when repeated."""
        with self._lock:
            self._discard()

    @property
    def is_running(self) -> bool:
        """Whether the child has started and not ended."""
        return self._child is not None and self._child.process.poll() is None

    @property
    def url(self) -> str:
        """The server's address, without a path.

        Raises:
            EngineMissing: the server was never started, was stopped, or died.
        """
        if not self.is_running:
            raise self.death() or EngineMissing("the embedded engine is not started")
        return self._url

    @property
    def pid(self) -> int | None:
        """The child's process id; None where there is no child."""
        return self._child.process.pid if self._child else None

    @property
    def load_s(self) -> float | None:
        """Seconds from spawning the child to its ready line; None before that."""
        return self._load_s

    @property
    def model_name(self) -> str:
        """The name by which the server's replies call the model."""
        return self.gguf.stem

    @functools.cached_property
    def digest(self) -> str:
        """The SHA-256 of the model file, in hexadecimal."""
        with self.gguf.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def engine_version(self) -> str | None:
        """The installed version of xllamacpp; None where it is not installed."""
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version("xllamacpp")
        return None

    def death(self, wait_s: float = 0.0) -> EngineMissing | None:
        """Say why a started child no longer runs; None while it does, or if stopped.

        Args:
            wait_s: how long to wait for a child that is just dying: its
                connections break some milliseconds before it is gone.
        """
        child = self._child
        if child is None:
            return None
        try:
            child.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return None
        return EngineMissing(f"the embedded engine died: {child.last_words()}")

    def _command(self) -> list[str]:
        # By its file and with -P: what lies in the user's folder is not imported.
        return [
            *(sys.executable, "-P", server.__file__, str(self.gguf)),
            *("--threads", str(self.threads)),
            *("--slots", str(self.slots)),
            *("--ctx", str(self.context_length)),
        ]

    def _discard(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()


class _Child:
    """One run of the child process and its three pipes."""

    def __init__(self, command: list[str]) -> None:
        # Python marks pipe ends as not inheritable, so no sibling process holds
        # the child's input open after this process is gone.
        self.process = subprocess.Popen(  # noqa: S603  # our own file, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._errors: collections.deque[bytes] = collections.deque(maxlen=_KEPT_LINES)
        self._drain = threading.Thread(target=self._keep_errors, daemon=True)
        self._drain.start()

    def wait_for_url(self, timeout_s: float) -> str:
        """Return the address in the ready line.

        Raises:
            EngineMissing, LoadFailed: as `EmbeddedServer.start` says.
        """
        line = _first_line(self._pipe(self.process.stdout), timeout_s)
        if line is None:
            msg = f"the embedded engine was not ready within {timeout_s:g} s"
            raise LoadFailed(msg)
        if not line:
            raise self._start_error()
        url: str = json.loads(line)["url"]
        return url

    def end(self) -> None:
        """Close the child's input, then wait, terminate and kill as needed."""
        self._pipe(self.process.stdin).close()
        steps: tuple[Callable[[], None], ...] = (
            self.process.terminate,
            self.process.kill,
        )
        for escalate in steps:
            try:
                self.process.wait(_GRACE_S)
                break
            except subprocess.TimeoutExpired:
                escalate()
        self.process.wait()
        self._drain.join(_GRACE_S)
        self._pipe(self.process.stdout).close()
        self._pipe(self.process.stderr).close()

    def last_words(self) -> str:
        """Return how the child ended and the last lines it wrote, on one line."""
        self._drain.join(_GRACE_S)
        lines = [line.decode(errors="replace").strip() for line in self._errors]
        said = " | ".join([line for line in lines if line][-_SHOWN_LINES:])
        return f"{ending(self.process.returncode)}: {said or 'it said nothing'}"

    def _start_error(self) -> CallError:
        """Tell apart, by the exit status, why the child ended before it was ready."""
        status = self.process.wait()
        if status == server.EXIT_NO_ENGINE:
            words = self.last_words()
            return EngineMissing(f"the embedded engine is missing, {_INSTALL}; {words}")
        if status == server.EXIT_BAD_MODEL:
            return LoadFailed(f"the embedded model cannot be used; {self.last_words()}")
        if status in _ILLEGAL_INSTRUCTION:
            return EngineMissing(_OLD_PROCESSOR)
        return EngineMissing(
            f"the embedded engine died at its start; {self.last_words()}"
        )

    def _keep_errors(self) -> None:
        self._errors.extend(self._pipe(self.process.stderr))

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        if pipe is None:  # cannot be: Popen was given PIPE for all three
            msg = "the child has no pipe"
            raise RuntimeError(msg)
        return pipe


def _first_line(stream: IO[bytes], timeout_s: float) -> bytes | None:
    """Return the first line, nothing at the end of the stream, None when late.

    A thread waits, because no portable call reads a pipe with a time limit; it
    ends with the stream.
    """
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=lambda: lines.put(stream.readline()), daemon=True).start()
    try:
        return lines.get(timeout=timeout_s)
    except queue.Empty:
        return None
