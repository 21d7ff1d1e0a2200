"""Where a service's key comes from, and that it is never shown."""

from __future__ import annotations

import copy
import pickle
import sys
from typing import Any

import pytest
from msgspec.structs import replace

from pytest_llmbench.calls.providers import keys
from pytest_llmbench.calls.providers.keys import (
    Secret,
    check_recipient,
    read_key,
    sent_headers,
)
from pytest_llmbench.calls.request import Target
from pytest_llmbench.errors import Unauthorised
from pytest_llmbench.masking import masked_text

KEY = "planted-Key-31415926"
TARGET = Target(provider="openai", model="m")
DEFAULTS = ("FIRST_API_KEY", "SECOND_API_KEY")


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*DEFAULTS, "MY_KEY", "ORG"):
        monkeypatch.delenv(name, raising=False)


def printing(code: str) -> Target:
    """Return a target whose key a Python program prints."""
    return replace(TARGET, key_command=(sys.executable, "-c", code))


def fault_of(target: Target, default_env: str | tuple[str, ...] = DEFAULTS) -> str:
    """Return why there is no key."""
    with pytest.raises(Unauthorised) as raised:
        read_key(target, default_env=default_env)
    return str(raised.value)


def test_a_secret_shows_nothing() -> None:
    """Only `reveal` gives the key: no text form, comparison or pickle does."""
    secret = Secret(KEY, "MY_KEY")
    assert secret.reveal() == KEY
    assert {str(secret), repr(secret), f"{secret}", f"{secret:>40}"} == {"***"}
    assert f"{[secret]} {{'k': {secret!r}}} %s" % secret == "[***] {'k': ***} ***"
    others: list[object] = [KEY, Secret(KEY, "MY_KEY")]
    assert secret not in others
    assert not hasattr(secret, "__dict__")
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="does not leave its process"):
            leave(secret)


def test_a_key_read_is_masked_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever prints a key later prints ***."""
    monkeypatch.setenv("MY_KEY", "a-key-nobody-else-has-1")
    read_key(replace(TARGET, key_env="MY_KEY"), default_env=())
    assert masked_text("got a-key-nobody-else-has-1!") == "got ***!"


def test_the_configured_variable_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The alias's variable is the only one that is read if it is named."""
    monkeypatch.setenv("FIRST_API_KEY", "of-the-dialect-1")
    monkeypatch.setenv("MY_KEY", KEY)
    found = read_key(replace(TARGET, key_env="MY_KEY"), default_env=DEFAULTS)
    assert (found.reveal(), found.source) == (KEY, "MY_KEY")
    monkeypatch.delenv("MY_KEY")
    fault = fault_of(replace(TARGET, key_env="MY_KEY"))
    assert fault.startswith("no key for openai: MY_KEY is not set; set MY_KEY, or ")


def test_the_dialects_variables_are_read_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first that holds anything is taken, and says which it was."""
    monkeypatch.setenv("SECOND_API_KEY", KEY)
    assert read_key(TARGET, default_env=DEFAULTS).source == "SECOND_API_KEY"
    monkeypatch.setenv("FIRST_API_KEY", "")
    assert read_key(TARGET, default_env=DEFAULTS).source == "SECOND_API_KEY"
    monkeypatch.setenv("FIRST_API_KEY", "of-the-dialect-1")
    assert read_key(TARGET, default_env=DEFAULTS).source == "FIRST_API_KEY"
    assert read_key(TARGET, default_env="SECOND_API_KEY").reveal() == KEY


def test_a_missing_key_names_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to set is said; a variable that is empty is told apart from none."""
    fault = fault_of(TARGET)
    assert "FIRST_API_KEY or SECOND_API_KEY is not set" in fault
    assert "api_key_env" in fault
    monkeypatch.setenv("SECOND_API_KEY", "")
    assert "SECOND_API_KEY is empty" in fault_of(TARGET)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("   ", "holds nothing but blanks"),
        (f"{KEY}\n", "holds a line end or another control character"),
        (f"{KEY}\r\nX-Other: 1", "holds a line end or another control character"),
        (f"{KEY} # mine", "holds a blank or a character beyond ASCII"),
        (f"“{KEY}”", "holds a blank or a character beyond ASCII"),
    ],
)
def test_a_key_that_cannot_be_sent_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str, fault: str
) -> None:
    """What is wrong with it is said, not what it is."""
    monkeypatch.setenv("MY_KEY", value)
    told = fault_of(replace(TARGET, key_env="MY_KEY"))
    assert told.startswith(f"the key in MY_KEY {fault}; set it to")
    assert "planted" not in told


def test_a_command_prints_the_key() -> None:
    """The first line of its output is the key, whatever follows and whatever is set."""
    target = printing(f"print('{KEY}'); print('more')")
    found = read_key(replace(target, key_env="MY_KEY"), default_env=DEFAULTS)
    assert (found.reveal(), found.source) == (KEY, "api_key_command")


def test_a_command_runs_once_and_without_a_shell(
    tmp_path: Any,  # noqa: ANN401 - pytest's path
) -> None:
    """A keyring may ask its owner: not at each call. No word of it is interpreted."""
    log = tmp_path / "runs"
    code = f"open({str(log)!r}, 'a').write('x'); import sys; print(sys.argv[1])"
    command = (sys.executable, "-c", code, "$HOME;`id`")
    target = replace(TARGET, key_command=command)
    for _ in range(2):
        assert read_key(target, default_env=()).reveal() == "$HOME;`id`"
    assert log.read_text() == "x"


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("exit(3)", "ended with status 3: it said nothing on stderr"),
        (
            f"import sys; print('{KEY}'); sys.exit('locked; not {KEY}')",
            "ended with status 1: locked; not ***",
        ),
        ("pass", "printed nothing; its first line must be the key"),
        ("print()", "holds nothing but blanks"),
        (f"print('{KEY} x')", "holds a blank or a character beyond ASCII"),
    ],
)
def test_a_commands_failure_is_told(code: str, fault: str) -> None:
    """Its status and stderr are shown; its output and its arguments never."""
    told = fault_of(printing(code))
    assert fault in told
    assert "planted" not in told
    assert "-c" not in told


def test_a_command_that_cannot_run_is_told() -> None:
    """A program that is not there is named."""
    told = fault_of(replace(TARGET, key_command=("no-such-program", "x")))
    assert told.startswith("api_key_command `no-such-program` cannot be run: No such")


def test_a_command_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits for a person is ended."""
    monkeypatch.setattr(keys, "COMMAND_S", 0.2)
    told = fault_of(printing(f"print('{KEY}', flush=True); import time; time.sleep(9)"))
    assert "gave no key in 0.2 s" in told
    assert "planted" not in told


@pytest.mark.parametrize(
    ("url", "is_right"),
    [
        ("", True),
        ("https://v.example/v1", True),
        ("http://localhost:1", True),
        ("http://127.0.0.2", True),
        ("https://v.example.to", False),
        ("http://10.0.0.1", False),
    ],
)
def test_the_environments_key_goes_to_nobody_else(url: str, *, is_right: bool) -> None:
    """To the vendor and this machine; any other address takes a key that is named."""
    target = Target(provider="anthropic", model="m", base_url=url)
    check_recipient(replace(target, key_env="K"), "https://v.example")
    check_recipient(replace(target, key_command=("k",)), "https://v.example")
    if is_right:
        check_recipient(target, "https://v.example")
        return
    with pytest.raises(Unauthorised, match="api_key_env") as caught:
        check_recipient(target, "https://v.example")
    assert caught.value.is_permanent


def test_headers_are_read_where_they_are_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`env:NAME` stands for the variable's value; the target holds the name only."""
    target = replace(TARGET, headers=(("X-Team", "blue"), ("X-Org", "env:ORG")))
    monkeypatch.setenv("ORG", "org-planted-2718")
    assert sent_headers(target) == {"x-team": "blue", "x-org": "org-planted-2718"}
    assert masked_text("of org-planted-2718") == "of ***"
    assert "org-planted" not in repr(target)
    for value, fault in (("", "is not set"), ("a\nb", "holds no text of one line")):
        monkeypatch.setenv("ORG", value)
        with pytest.raises(Unauthorised, match=f"^header X-Org of openai: ORG {fault}"):
            sent_headers(target)
