"""The embedded engine's child process, with the real engine and real signals."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from pytest_llmbench.calls.embedded.process import MODEL_PATH, EmbeddedServer
from pytest_llmbench.errors import EngineMissing, LoadFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_S = 30.0
GONE_S = 5.0
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather for a given city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture(scope="module")
def engine() -> Iterator[EmbeddedServer]:
    """Run one engine for the tests that only ask it something."""
    server = EmbeddedServer()
    server.start(START_S)
    yield server
    server.stop()


@pytest.fixture
def fresh() -> Iterator[EmbeddedServer]:
    """Give an engine of the test's own, not started, and end it afterwards."""
    server = EmbeddedServer()
    yield server
    server.stop()


@pytest.fixture
def stub_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Give a function that puts other source in the place of xllamacpp."""

    def replace(source: str) -> None:
        (tmp_path / "xllamacpp.py").write_text(source, encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return replace


def stream(url: str, **body: object) -> tuple[list[dict[str, Any]], str]:
    """Ask for a streamed chat reply; return its chunks and the raw text."""
    with (
        httpx.Client(trust_env=False, timeout=30) as client,
        client.stream(
            "POST",
            f"{url}/v1/chat/completions",
            json={"stream": True, "temperature": 0, "max_tokens": 64, **body},
        ) as response,
    ):
        assert response.status_code == 200, response.read()
        lines = list(response.iter_lines())
    data = [line.removeprefix("data: ") for line in lines if line]
    assert data[-1] == "[DONE]"
    return [json.loads(chunk) for chunk in data[:-1]], "\n".join(lines)


def deltas(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what each chunk adds to the reply."""
    return [choice["delta"] for chunk in chunks for choice in chunk["choices"]]


def is_alive(pid: int) -> bool:
    """Say whether a process runs; an ended one that nobody waits for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def vanishes(pid: int) -> bool:
    """Wait for the end of a process that is no child of ours."""
    limit = time.monotonic() + GONE_S
    while is_alive(pid) and time.monotonic() < limit:
        time.sleep(0.02)
    return not is_alive(pid)


def test_streams_a_plain_reply(engine: EmbeddedServer) -> None:
    """A chat request gets role, text and a finish reason, chunk by chunk."""
    chunks, _ = stream(
        engine.url, messages=[{"role": "user", "content": "What is 2 + 2?"}]
    )
    text = "".join(delta.get("content") or "" for delta in deltas(chunks))
    assert text
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_streams_a_tool_call(engine: EmbeddedServer) -> None:
    """A request with a tool gets the call in the API's own field."""
    chunks, _ = stream(
        engine.url,
        messages=[{"role": "user", "content": "What's the weather in Oslo?"}],
        tools=[WEATHER],
    )
    calls = [call for delta in deltas(chunks) for call in delta.get("tool_calls", [])]
    arguments = "".join(call["function"].get("arguments", "") for call in calls)
    assert calls[0]["function"]["name"] == "get_weather"
    assert json.loads(arguments) == {"city": "Oslo"}


def test_replies_never_carry_the_path(engine: EmbeddedServer) -> None:
    """Replies call the model by its alias, and the server's own pages too."""
    _, raw = stream(engine.url, messages=[{"role": "user", "content": "Hello!"}])
    pages = [
        httpx.get(f"{engine.url}{page}", trust_env=False).text
        for page in ("/v1/models", "/props", "/health")
    ]
    assert engine.model_name in raw
    assert not [page for page in (raw, *pages) if str(MODEL_PATH.parent) in page]


def test_tells_what_runs(engine: EmbeddedServer) -> None:
    """Load time, digest, version and limits are there for the record."""
    assert engine.load_s is not None
    assert 0 < engine.load_s < START_S
    assert engine.digest == hashlib.sha256(MODEL_PATH.read_bytes()).hexdigest()
    assert engine.engine_version
    assert engine.context_length == 1024
    assert engine.death() is None


def test_each_slot_has_the_whole_context(fresh: EmbeddedServer) -> None:
    """Two slots leave each request the context that was asked for."""
    fresh.slots = 2
    fresh.context_length = 512
    fresh.start(START_S)
    slots = httpx.get(f"{fresh.url}/slots", trust_env=False).json()
    assert [slot["n_ctx"] for slot in slots] == [512, 512]


def test_by_hand_it_prints_one_line_and_ends_with_its_input() -> None:
    """The module prints one JSON line, and ends well when its input is closed."""
    command = [sys.executable, "-m", "pytest_llmbench.calls.embedded.server"]
    with subprocess.Popen(  # noqa: S603  # our own module, no shell
        [*command, str(MODEL_PATH), "--threads", "1", "--slots", "1", "--ctx", "256"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline())
        assert httpx.get(f"{ready['url']}/health", trust_env=False).is_success
        assert child.poll() is None
        stdout, stderr = child.communicate(timeout=GONE_S)
    assert (stdout, stderr, child.returncode) == ("", "", 0)


def test_stop_ends_the_child_and_may_be_repeated(fresh: EmbeddedServer) -> None:
    """After stop the process is gone and the address is refused."""
    fresh.start(START_S)
    pid = fresh.pid
    assert pid is not None
    fresh.stop()
    fresh.stop()
    assert not is_alive(pid)
    assert not fresh.is_running
    with pytest.raises(EngineMissing, match="not started"):
        _ = fresh.url


def test_concurrent_starts_make_one_child(fresh: EmbeddedServer) -> None:
    """Threads that start at once share one child."""
    pids: list[int | None] = []

    def start() -> None:
        fresh.start(START_S)
        pids.append(fresh.pid)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 4
    assert len(set(pids)) == 1


def test_an_interrupt_leaves_the_child_running(fresh: EmbeddedServer) -> None:
    """Ctrl-C reaches the whole group: the child leaves it to its parent."""
    fresh.start(START_S)
    assert fresh.pid is not None
    os.kill(fresh.pid, signal.SIGINT)
    chunks, _ = stream(fresh.url, messages=[{"role": "user", "content": "Hello!"}])
    assert chunks
    assert fresh.is_running


def test_a_child_that_died_is_named_and_replaced(fresh: EmbeddedServer) -> None:
    """After a crash the reason is known and a new start works."""
    fresh.start(START_S)
    assert fresh.pid is not None
    os.kill(fresh.pid, signal.SIGABRT)
    assert "SIGABRT" in str(fresh.death(GONE_S))
    with pytest.raises(EngineMissing, match="SIGABRT"):
        _ = fresh.url
    fresh.start(START_S)
    assert fresh.is_running


def test_ends_when_the_parent_is_killed() -> None:
    """A parent killed with SIGKILL can clean up nothing; the child still ends."""
    script = (
        "import time\n"
        "from pytest_llmbench.calls.embedded.process import EmbeddedServer\n"
        "server = EmbeddedServer()\n"
        f"server.start({START_S})\n"
        "print(server.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(  # noqa: S603  # our own script, no shell
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    assert vanishes(pid)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"no model", "no GGUF file", id="foreign"),
        pytest.param(b"", "no GGUF file", id="empty"),
        pytest.param(MODEL_PATH.read_bytes()[:5000], "may be damaged", id="cut"),
    ],
)
def test_a_bad_model_file_fails_the_load(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    """A file that is no whole model is a load failure that names the file."""
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(content)
    with pytest.raises(LoadFailed, match=reason) as caught:
        EmbeddedServer(bad).start(START_S)
    assert "bad.gguf" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_model_file_fails_the_load(tmp_path: Path) -> None:
    """A file that is not there is a load failure that says so."""
    with pytest.raises(LoadFailed, match=r"none\.gguf cannot be read: No such file"):
        EmbeddedServer(tmp_path / "none.gguf").start(START_S)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(
            "raise ModuleNotFoundError(\"No module named 'xllamacpp'\")",
            r"pip install 'pytest-llmbench\[embedded\]'.*No module named",
            id="not installed",
        ),
        pytest.param(
            "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
            "AVX2, FMA and BMI2",
            id="old processor",
        ),
        pytest.param(
            "import os, sys; print('GGML_ASSERT: no', file=sys.stderr, flush=True);"
            "os.abort()",
            "SIGABRT: GGML_ASSERT: no",
            id="aborts",
        ),
        pytest.param("1 / 0", "exit status 1: .*ZeroDivisionError", id="our bug"),
    ],
)
def test_an_engine_that_cannot_start_says_why(
    fresh: EmbeddedServer,
    stub_engine: Callable[[str], None],
    source: str,
    message: str,
) -> None:
    """Each reason has a message that a person can act on, and leaves no child."""
    stub_engine(source)
    with pytest.raises(EngineMissing, match=message):
        fresh.start(START_S)
    assert not fresh.is_running


def test_a_start_that_takes_too_long_is_ended(
    fresh: EmbeddedServer, stub_engine: Callable[[str], None]
) -> None:
    """The limit holds also while the child hangs, and the child is ended."""
    stub_engine("import time; time.sleep(60)")
    with pytest.raises(LoadFailed, match=r"not ready within 0\.3 s"):
        fresh.start(0.3)
    assert fresh.pid is None


def test_much_noise_on_stderr_stops_nothing(
    fresh: EmbeddedServer, stub_engine: Callable[[str], None]
) -> None:
    """More words than a pipe holds neither block the child nor hide its end."""
    stub_engine("import sys; print('noise\\n' * 100_000, file=sys.stderr); 1 / 0")
    with pytest.raises(EngineMissing, match="ZeroDivisionError"):
        fresh.start(START_S)
