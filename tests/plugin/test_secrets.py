"""Keys and passwords: whatever a run prints or writes, none is in it."""

from __future__ import annotations

import base64
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from echoing_server import FOREIGN, NAME, WAYS, EchoingServer
from fake_ollama import always, says
from fake_openai import FakeOpenAI
from fake_openai_models import ChatModel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench_project import Bench

ENV = "env-Planted/Key+of~31415926"
COMMAND = "cmd-Planted-Key-of-27182818"
HEADER = "hdr-Planted-Org-16180339"
LITERAL = "lit-Planted-Key-14142135"
PASSWORD = "url-Planted%2FPw-17320508"
SECRETS = (ENV, COMMAND, HEADER, LITERAL, PASSWORD, "url-Planted/Pw-17320508", FOREIGN)

SUITE = """
suite: echo
phase: atomic
tools:
  - name: get_weather
    parameters: {type: object, properties: {city: {type: string}}}
prompts:
""" + "".join(
    f"  - {{id: {way}, prompt: {way} please, expect: {{exact: nothing}}}}\n"
    for way in WAYS
)

ORDINARY = """
import logging, os, warnings
import pytest

@pytest.fixture
def shown():
    print("set up", os.environ["MY_KEY"])

def test_that_fails(shown, record_property):
    key = os.environ["MY_KEY"]
    headers = {"authorization": f"Bearer {key}", "long": "x" * 200 + key + "y" * 200}
    record_property("key", key)
    warnings.warn(f"the key {key} is old")
    logging.getLogger("x").warning("the key is %s", key)
    print(headers)
    assert headers == key

def test_that_is_skipped():
    pytest.skip("without " + os.environ["MY_KEY"])
"""

SETTINGS = """
[tool.llmbench]
call_timeout = 20
[tool.llmbench.models.by_env]
model = "{name}"
base_url = "http://127.0.0.1:{port}"
api_key_env = "MY_KEY"
[tool.llmbench.models.by_command]
model = "{name}"
base_url = "http://127.0.0.1:{port}"
api_key_command = ["{python}", "key_of.py"]
[tool.llmbench.models.by_header]
model = "{name}"
base_url = "http://127.0.0.1:{port}"
headers = {{x-org = "env:MY_ORG", x-api-key = "{literal}"}}
[tool.llmbench.models.by_url]
model = "{name}"
base_url = "http://me:{password}@127.0.0.1:{port}"
"""

SHOWN = ("--tb=long", "-l", "--full-trace", "-rA", "--durations=0", "-v")


@pytest.fixture
def echo() -> Iterator[EchoingServer]:
    """Serve a model that tells every secret."""
    with EchoingServer() as server:
        yield server


@pytest.fixture
def project(
    bench: Bench, echo: EchoingServer, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    """Give a project whose four models each have a secret of another kind."""
    _furnish(bench, echo, monkeypatch)
    return bench


def _furnish(
    bench: Bench, echo: EchoingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", ENV)
    monkeypatch.setenv("MY_ORG", HEADER)
    bench.suite(SUITE, "echo")
    bench.pytester.makepyfile(test_ordinary=ORDINARY, key_of=f"print({COMMAND!r})")
    settings = SETTINGS.format(
        name=NAME,
        port=echo.port,
        python=sys.executable,
        literal=LITERAL,
        password=PASSWORD,
    )
    bench.pytester.makepyprojecttoml(settings)


def leaks(bench: Bench, result: pytest.RunResult) -> list[str]:
    """Return where a secret, or twelve characters of one, is found."""
    texts = {"output": "\n".join([*result.outlines, *result.errlines])}
    texts |= {str(path): text for path, text in _written(bench.pytester.path)}
    return [
        f"{place}: …{text[max(0, at - 80) : at + 80]}…"
        for place, text in texts.items()
        for form in _forms()
        if (at := text.find(form)) >= 0
    ]


def _written(folder: Path) -> Iterator[tuple[Path, str]]:
    own = {"pyproject.toml", "key_of.py", "conftest.py"}
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in own and path.suffix != ".pyc":
            yield path, path.read_bytes().decode("utf-8", "replace")


def _forms() -> set[str]:
    found: set[str] = set()
    for secret in SECRETS:
        codes = [
            base64.b64encode(b"." * n + secret.encode()).decode() for n in range(3)
        ]
        whole = {secret, quote(secret, safe=""), *(code[4:-4] for code in codes)}
        found |= whole | {f"{secret[:4]}****{secret[-4:]}"}
        found |= {secret[at : at + 12] for at in range(len(secret) - 11)}
    return found


@pytest.mark.parametrize(
    "more",
    [(), ("-n2",), ("--isolate-call", "--model", "by_env,by_command")],
    ids=["alone", "workers", "isolated"],
)
def test_nothing_that_a_run_leaves_holds_a_secret(
    project: Bench, echo: EchoingServer, more: tuple[str, ...]
) -> None:
    """Screen, records, summaries, debug log and JUnit show masks in their places."""
    xml = ("--junitxml=junit.xml", "-o", "junit_logging=all")
    result = project.run_apart("--debug-log", *xml, *SHOWN, *more)
    assert leaks(project, result) == []
    records = project.records()
    assert len(records) == len(WAYS) * (2 if "--model" in more else 4)
    for record in records:
        told = "***" in str(record["fault"]) + str(record["reply"])
        assert told or record["prompt_id"] == "header", record
    # The test is worth something only where the secrets were there to be told.
    brought = " ".join(echo.credentials)
    assert ENV in brought
    assert COMMAND in brought
    result.stdout.fnmatch_lines(["*the key *** is old*"])
    assert "***" in (project.pytester.path / "junit.xml").read_text()
    assert any("***" in text for path, text in _written(project.pytester.path))


def test_every_kind_of_secret_is_sent(project: Bench, echo: EchoingServer) -> None:
    """A bearer key, a header from a variable, a literal one, and a password."""
    project.run_apart("-q")
    user = base64.b64encode(b"me:url-Planted/Pw-17320508").decode()
    assert echo.credentials == {
        *(f"Bearer {ENV}", f"Bearer {COMMAND}", HEADER, LITERAL, f"Basic {user}")
    }


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "workers"])
def test_an_internal_error_holds_no_secret(
    project: Bench, workers: tuple[str, ...]
) -> None:
    """A plugin's hook that fails shows its own traceback, with locals, and no key."""
    project.pytester.makeconftest(
        """
        import os

        def pytest_runtest_logfinish(nodeid, location):
            key = os.environ["MY_KEY"]
            if "redirect" in nodeid:
                raise RuntimeError(f"boom with {key}")
        """
    )
    result = project.run_apart(*SHOWN, "--model=by_env", *workers)
    assert leaks(project, result) == []
    output = "\n".join([*result.outlines, *result.errlines])
    assert "INTERNALERROR" in output
    assert "boom with ***" in output


def test_an_interrupt_holds_no_secret(project: Bench) -> None:
    """The traceback of `--full-trace` at Ctrl-C is masked like any other."""
    project.pytester.makeconftest(
        """
        import os

        def shout(key):
            raise KeyboardInterrupt(f"at {key}")

        def pytest_runtest_logfinish(nodeid, location):
            shout(os.environ["MY_KEY"])
        """
    )
    result = project.run_apart(*SHOWN, "--model=by_env")
    assert leaks(project, result) == []
    result.stdout.fnmatch_lines(["*KeyboardInterrupt*at ****"])


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "workers"])
def test_a_usage_error_holds_no_secret(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    """A server that refuses every key, and quotes it, stops the run with masks."""
    with EchoingServer(is_locked=True) as locked:
        _furnish(bench, locked, monkeypatch)
        result = bench.run_apart(*SHOWN, *workers, "echo.bench.yaml")
    assert leaks(bench, result) == []
    output = "\n".join([*result.outlines, *result.errlines])
    assert "unauthorized: ***" in output


def test_a_broken_conftest_holds_no_secret(project: Bench) -> None:
    """A file that cannot be collected tells why, without the key."""
    project.pytester.makepyfile(
        test_broken="import os; raise ValueError(os.environ['MY_KEY'])",
        test_later="def test_it(): pass",
    )
    # Suites are collected first, so the key has been read by then.
    result = project.run_apart(*SHOWN, "--model=by_env", "echo.bench.yaml", ".")
    assert leaks(project, result) == []
    result.stdout.fnmatch_lines(["*ValueError: ****"])


@pytest.mark.parametrize("is_locked", [False, True])
def test_doctor_holds_no_secret(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    is_locked: bool,  # noqa: FBT001 - a case
) -> None:
    """What a server says to the command is masked too, models and refusals."""
    with EchoingServer(is_locked=is_locked) as server:
        host = f"http://me:{PASSWORD}@127.0.0.1:{server.port}"
        monkeypatch.setenv("OLLAMA_HOST", host)
        result = bench.pytester.runpython_c(
            "from pytest_llmbench.cli import main; raise SystemExit(main(['doctor']))"
        )
    assert result.ret == int(is_locked)
    told = "*unauthorized: Basic ****" if is_locked else f"models*{NAME}, ****"
    result.stdout.fnmatch_lines([told])
    text = "\n".join([*result.outlines, *result.errlines])
    assert not any(form in text for form in (PASSWORD, "url-Planted/Pw", FOREIGN))


def test_a_missing_key_stops_the_run_by_its_name(
    project: Bench, monkeypatch: pytest.MonkeyPatch, echo: EchoingServer
) -> None:
    """Nothing is asked without a key; the variable to set is named."""
    monkeypatch.delenv("MY_KEY")
    result = project.run_apart("--model=by_env", "echo.bench.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: no key for ollama: MY_KEY is not set; set*"])
    assert echo.credentials == set()


@pytest.mark.parametrize("isolated", [(), ("--isolate-call",)], ids=["", "isolated"])
def test_a_reply_that_quotes_the_key_is_judged_whole_and_stored_masked(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, isolated: tuple[str, ...]
) -> None:
    """The model is right, and nobody learns the key from what is kept of that."""
    answer = says(f"The key is {ENV}.")
    model = ChatModel(name="gpt-4.1-mini", answer=always(answer))
    with FakeOpenAI(model, key=ENV) as server:
        monkeypatch.setenv("OPENAI_API_KEY", ENV)
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        bench.suite(f"""
            suite: quoting
            phase: atomic
            prompts: [{{id: P1, prompt: Which key?, expect: {{contains: {ENV!r}}}}}]
        """)
        name = "openai/gpt-4.1-mini"
        result = bench.run_apart("--model", name, "--debug-log", *isolated)
    assert result.ret == pytest.ExitCode.OK
    [record] = bench.records()
    assert record["reply"]["text"] == "The key is ***."
    output = "\n".join([*result.outlines, *result.errlines])
    assert ENV not in output
    for path, text in _written(bench.reports):
        assert ENV not in text, path
