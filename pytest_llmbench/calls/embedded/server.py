"""The child process that runs llama.cpp behind an OpenAI-compatible API.

A child and not a thread, for two reasons: ggml aborts its whole process on a
failed assertion, and a native call can be stopped neither by Ctrl-C nor by a
time limit. Its parent holds the other end of its standard input and never
writes to it: at the end of that input the child ends, also when the parent was
killed and could say nothing.

This file imports nothing of the package, so that it starts fast and runs
wherever the parent's own copy of it stands.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_NO_ENGINE: Final = 3
"""Exit status: xllamacpp cannot be imported."""

EXIT_BAD_MODEL: Final = 4
"""Exit status: the model file is missing, foreign or damaged."""

_STDIN_FD: Final = 0
_STDOUT_FD: Final = 1
_STDERR_FD: Final = 2
_READ_BYTES: Final = 4096


class BadModel(Exception):
    """The model file cannot be loaded; the message is one line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve a model until standard input ends; return the exit status.

    Prints one line of JSON, `{"url": …}`, once requests are answered.
    """
    arguments = _parse(argv)
    # An interrupt is the parent's to handle: it may still want this reply.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ready_line = _claim_stdout()
    watch = threading.Thread(target=_exit_at_end_of_stdin, daemon=True)
    watch.start()
    try:
        server = start_engine(arguments)
    except ImportError as error:
        return _complain(EXIT_NO_ENGINE, f"xllamacpp cannot be imported: {error}")
    except BadModel as error:
        return _complain(EXIT_BAD_MODEL, str(error))
    with ready_line:
        ready_line.write(json.dumps({"url": server.listening_address}) + "\n")
    watch.join()
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_llmbench.calls.embedded.server",
        description="Serve a GGUF file over HTTP until standard input ends.",
        allow_abbrev=False,
    )
    parser.add_argument("gguf", type=Path, metavar="GGUF")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--slots", type=int, default=1, metavar="N")
    parser.add_argument(
        "--ctx", type=int, default=1024, metavar="N", help="tokens of each slot"
    )
    return parser.parse_args(argv)


def _claim_stdout() -> TextIO:
    """Keep standard output for the ready line; send native prints to stderr."""
    private_fd = os.dup(_STDOUT_FD)
    os.dup2(_STDERR_FD, _STDOUT_FD)
    return os.fdopen(private_fd, "w", encoding="utf-8")


def _exit_at_end_of_stdin() -> None:
    """End the process with its input.

    Reads the descriptor itself, because a thread that waits inside Python's
    buffered reader breaks the interpreter's own shutdown. `os._exit` skips the
    engine's destructor, which can hang.
    """
    while os.read(_STDIN_FD, _READ_BYTES):
        pass
    os._exit(0)


def start_engine(arguments: argparse.Namespace) -> Any:  # noqa: ANN401  # untyped
    """Load the model and return the listening engine.

    Raises:
        ImportError: xllamacpp is not installed, or cannot be loaded here.
        BadModel: the file is missing, foreign or damaged.
    """
    # Without it an abort tries to attach a debugger.
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    import xllamacpp

    gguf = arguments.gguf.absolute()
    _check_is_gguf(gguf)
    # Only the bare name reaches the engine: no reply can carry the path.
    os.chdir(gguf.parent)
    try:
        return xllamacpp.Server(_engine_parameters(xllamacpp, arguments))
    except RuntimeError as error:
        msg = f"{gguf.name} cannot be loaded, it may be damaged: {error}"
        raise BadModel(msg) from error


def _check_is_gguf(gguf: Path) -> None:
    try:
        with gguf.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        msg = f"{gguf.name} cannot be read: {error.strerror}"
        raise BadModel(msg) from error
    if magic != b"GGUF":
        msg = f"{gguf.name} is no GGUF file: it starts with {magic!r}"
        raise BadModel(msg)


def _engine_parameters(
    xllamacpp: Any,  # noqa: ANN401  # the module, which has no types
    arguments: argparse.Namespace,
) -> Any:  # noqa: ANN401  # the module's own class
    parameters = xllamacpp.CommonParams()
    parameters.model.path = arguments.gguf.name
    parameters.model_alias = {arguments.gguf.stem}
    parameters.n_ctx = arguments.ctx * arguments.slots  # shared out over the slots
    parameters.n_parallel = arguments.slots
    parameters.cpuparams.n_threads = arguments.threads
    parameters.cpuparams_batch.n_threads = arguments.threads
    parameters.verbosity = 0
    parameters.ui = False
    parameters.offline = True
    parameters.cors_origins = ""
    # No store of old prompts in memory: repeats of a prompt must cost the same.
    parameters.cache_ram_mib = 0
    return parameters


def _complain(status: int, line: str) -> int:
    print(" ".join(line.split()), file=sys.stderr, flush=True)  # noqa: T201  # stderr is the report
    return status


if __name__ == "__main__":
    # The engine's threads would delay a normal exit, or hang it.
    os._exit(main())
