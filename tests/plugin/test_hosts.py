"""Workers on other machines, over a real ssh to this one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

import pytest
from bench_project import SMALL_ANSWERS
from fake_ollama import FakeModel, answers_by_prompt, says

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench_project import Bench
    from fake_ollama import FakeOllama

SSHD: Final = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
"""Debian has it in openssh-server; sshd must be started by its absolute path."""

SERVER: Final = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
SetEnv {environment}
"""

CLIENT: Final = """
Host *
  HostName 127.0.0.1
  Port {port}
  IdentityFile {folder}/key
  IdentitiesOnly yes
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  LogLevel ERROR
"""

MODEL: Final = FakeModel(answer=answers_by_prompt(SMALL_ANSWERS, says("4")))


@pytest.fixture
def hosts(
    tmp_path: Path, serve: Callable[..., FakeOllama]
) -> Iterator[tuple[list[str], list[FakeOllama]]]:
    """Give the specs of two hosts and their servers; one is its host's default."""
    if SSHD is None or not shutil.which("ssh") or not shutil.which("ssh-keygen"):
        pytest.skip("no sshd here: install openssh-server to test with several hosts")
    servers = [serve(MODEL), serve(MODEL)]
    for name in ("host_key", "key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name]
        subprocess.run(command, cwd=tmp_path, check=True)  # noqa: S603 - fixed words
    told = {"OLLAMA_HOST": servers[0].host_port}
    if "PYTHONPATH" in os.environ:
        told["PYTHONPATH"] = os.environ["PYTHONPATH"]
    environment = " ".join(f"{name}={value}" for name, value in told.items())
    port = _free_port()
    for name, text in (("sshd", SERVER), ("ssh", CLIENT)):
        filled = text.format(folder=tmp_path, port=port, environment=environment)
        (tmp_path / f"{name}_config").write_text(filled, "utf-8")
    config = str(tmp_path / "sshd_config")
    command = [SSHD, "-D", "-e", "-f", config]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)  # noqa: S603 - our own
    try:
        _wait_for(process, port)
        yield [_spec(tmp_path, "a"), _spec(tmp_path, "b", servers[1])], servers
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    process.terminate()
    said = process.communicate(timeout=10)[1].decode(errors="replace").strip()
    pytest.skip(f"sshd does not start here: {said}")


def _spec(folder: Path, name: str, server: FakeOllama | None = None) -> str:
    parts = [
        f"ssh={name}",
        f"ssh_config={folder / 'ssh_config'}",
        f"python={sys.executable}",
        f"chdir={folder / name}",
    ]
    if server is not None:
        parts.append(f"env:OLLAMA_HOST={server.host_port}")
    return "//".join(parts)


def run(bench: Bench, specs: list[str]) -> pytest.RunResult:
    """Run the small suite on hosts to which the project is copied."""
    path = bench.suite()
    (bench.pytester.path / "llmbench.toml").write_text("runs = 6\n", "utf-8")
    tx = [part for spec in specs for part in ("--tx", spec)]
    copied = f"--rsyncdir={bench.pytester.path}"
    return bench.run_apart("--model=fake:1b", "--dist=load", *tx, copied, str(path))


def test_hosts_share_the_runs_of_a_model(
    bench: Bench, hosts: tuple[list[str], list[FakeOllama]]
) -> None:
    """Whole runs on each, at its own server, and one summary and file of records."""
    specs, servers = hosts
    bench.pytester.makeini("[pytest]")
    run(bench, specs).assert_outcomes(passed=18)
    found = {(record["run"], record["worker"]) for record in bench.records()}
    assert sorted(run for run, _worker in found) == [*range(1, 7)]
    assert len({worker for _run, worker in found}) == 2
    for server in servers:
        assert len(server.requests_to("/api/chat")) > 4
    assert bench.summary()["job_summaries"][0]["recorded_trials"] == 18


def test_other_settings_on_a_host_are_an_error(
    bench: Bench, hosts: tuple[list[str], list[FakeOllama]]
) -> None:
    """Without an ini file pytest's root is elsewhere there, and the file not read."""
    specs, servers = hosts
    result = run(bench, specs[:1])
    result.stdout.fnmatch_lines(["*other settings than the controller: runs;*"])
    assert result.ret != pytest.ExitCode.OK
    assert not servers[0].requests_to("/api/chat")
