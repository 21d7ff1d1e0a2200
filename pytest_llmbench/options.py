"""What the user may set, where, and how each value is read.

One table serves the command line, the ini file and `[tool.llmbench]`. The
command line wins over the ini file, which wins over the settings file.

Imported with every pytest start, so it stays light (PYTEST_DONT_REWRITE: there is
no assert in it to be rewritten).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Struct

from pytest_llmbench.option_values import (
    FAIL_FAST,
    read_cold_start,
    read_count,
    read_gate,
    read_names,
    read_position,
    read_retries,
    read_runs,
    read_seconds,
    read_specs,
    read_streak,
    read_switch,
    read_text,
    read_usd,
    read_wait,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


class Option(NamedTuple):
    """One setting.

    Attributes:
        key: the word in `[tool.llmbench]`; the ini key is `llmbench_<key>`.
        read: turns a text or a TOML value into the setting's value, or raises
            ValueError saying what is allowed.
        flag: the command-line option; empty where there is none.
        metavar: names the unit; empty for a switch.
        alone: what the flag means without a value; empty where it needs one.
    """

    key: str
    read: Callable[[object], Any]
    default: Any
    help: str
    flag: str = ""
    metavar: str = ""
    is_list: bool = False
    alone: str = ""


OPTIONS: Final = (
    Option(
        "model",
        read_names,
        (),
        "model to test: [provider/]name[?key=value&...]; repeat, or separate by commas",
        "--model",
        "M",
        is_list=True,
    ),
    Option(
        "variant",
        read_names,
        ("native_api",),
        "how prompts are put to the model (default: native_api); repeat, or commas",
        "--variant",
        "V",
        is_list=True,
    ),
    Option(
        "runs",
        read_runs,
        1,
        "passes over all prompts, each with its own seed (default: 1); auto:MAX ends"
        " them once each candidate is known to be worse or not (auto: 20 at most)",
        "--runs",
        "N",
    ),
    Option(
        "prompts",
        read_names,
        (),
        "only these prompt ids, separated by commas",
        "--prompts",
        "IDS",
    ),
    Option(
        "context_position",
        read_position,
        None,
        "where prompts of a given length stand in their filler (default: as the suite"
        " says, else end)",
        "--context-position",
        "{start,middle,end}",
    ),
    Option(
        "call_timeout",
        read_seconds,
        60.0,
        "limit of one call, model load set aside (default: 60)",
        "--call-timeout",
        "SECONDS",
    ),
    Option(
        "call_retries",
        read_retries,
        0,
        "retries after a time-out or a connection that gave no answer (default: 0)",
        "--call-retries",
        "N",
    ),
    Option(
        "isolate_call",
        read_switch,
        default=False,
        help="make each call in a child process that is killed at its limit",
        flag="--isolate-call",
    ),
    Option(
        "concurrency",
        read_count,
        None,
        "calls in flight at once per address (default: 1 for ollama and embedded, 2 for"
        " claude-code, 8 for other services)",
        "--concurrency",
        "N",
    ),
    Option(
        "fail_fast",
        read_streak,
        0,
        "give a spec up after N trials in a row that are error or timeout, or a"
        f" prompt that failed its first 3 runs (N: {FAIL_FAST} if not said)",
        "--fail-fast",
        "N",
        alone=str(FAIL_FAST),
    ),
    Option(
        "max_cost",
        read_usd,
        None,
        "ask nothing more before a call might bring the run above this cost, by the"
        " configured prices",
        "--max-cost",
        "USD",
    ),
    Option(
        "resume",
        read_text,
        "",
        "finish this interrupted run: its finished trials are not asked again",
        "--resume",
        "RUN_ID",
    ),
    Option(
        "require_idle",
        read_switch,
        default=False,
        help="stop before the first trial if a server is busy with other work",
        flag="--require-idle",
    ),
    Option(
        "warmup",
        read_switch,
        default=True,
        help="load each model and ask it one small question first (default)",
    ),
    Option(
        "baseline",
        read_text,
        "",
        "spec to compare with, by its newest stored run (default: the canonical"
        " one of the phase)",
        "--baseline",
        "SPEC",
    ),
    Option(
        "candidate",
        read_specs,
        (),
        "spec to run side by side with the baseline, run by run; repeat",
        "--candidate",
        "SPEC",
        is_list=True,
    ),
    Option(
        "cold_start",
        read_cold_start,
        None,
        "unload the model before each spec's first run, or before each run (default:"
        " spec with --candidate, else never)",
        "--cold-start",
        "{never,spec,run}",
    ),
    Option(
        "gate",
        read_gate,
        "none",
        "exit status by decision: promote (0 only if all are PROMOTE), no-reject"
        " (HOLD passes too), none (pytest's own rule, default)",
        "--gate",
        "{none,promote,no-reject}",
    ),
    Option(
        "reports",
        read_text,
        "reports",
        "folder of all records and reports (default: reports)",
        "--reports",
        "DIR",
    ),
    Option(
        "plot",
        read_text,
        "",
        "write the curves into this folder, as SVG and (extra `plot`) PNG",
        "--plot",
        "DIR",
    ),
    Option(
        "debug_log",
        read_switch,
        default=False,
        help="write full requests and responses into the run's folder, secrets masked",
        flag="--debug-log",
    ),
    Option(
        "replay",
        read_text,
        "",
        "take replies from this results.jsonl instead of a model, and judge them"
        " with today's checks",
        "--replay",
        "PATH",
    ),
    Option(
        "load_timeout",
        read_seconds,
        300.0,
        "seconds a model may take to load, on top of the call's limit (default: 300)",
    ),
    Option(
        "stall_timeout",
        read_seconds,
        None,
        "seconds between two arrivals in mid-reply (default: the call's limit)",
    ),
    Option(
        "keep_alive",
        read_seconds,
        1800.0,
        "seconds a local server keeps the model after a call (default: 1800)",
    ),
    Option(
        "num_predict",
        read_count,
        2048,
        "output tokens allowed where neither suite nor spec says (default: 2048)",
    ),
    Option(
        "backoff_wait",
        read_wait,
        120.0,
        "seconds of one wait for a busy server; one that asks for more is not waited"
        " for (default: 120)",
    ),
    Option(
        "backoff_call",
        read_wait,
        600.0,
        "seconds that one call waits for a busy server in all; 0: never (default: 600)",
    ),
    Option(
        "backoff_run",
        read_wait,
        3600.0,
        "seconds of a run in which some call waits for a busy server (default: 3600)",
    ),
)
"""Every plain setting; tables (`models`, `policy`, `routing`) stand beside them."""


class OptionTable(Struct, frozen=True):
    """The options as pytest has read them, with the settings file beside."""

    config: pytest.Config
    file_values: dict[str, Any]
    file_name: str

    def value(self, option: Option) -> Any:  # noqa: ANN401 - each option has its type
        """Return an option's value from the first place that sets it.

        Raises:
            SettingsError: names the place, the value and what is allowed.
        """
        for place, raw in self._places(option):
            if raw is not None and raw not in ([], ""):
                try:
                    return option.read(raw)
                except ValueError as error:
                    from pytest_llmbench.errors import SettingsError

                    msg = f"{place} is {raw!r}; it takes {error}"
                    raise SettingsError(msg) from None
        return option.default

    def _places(self, option: Option) -> list[tuple[str, object]]:
        given = self.config.getoption(f"llmbench_{option.key}", None)
        flag = option.flag or f"--enable-{option.key} / --disable-{option.key}"
        return [
            (flag, given),
            (f"ini key llmbench_{option.key}", self._ini(option.key)),
            (f"{self.file_name}: {option.key}", self.file_values.get(option.key)),
        ]

    def _ini(self, key: str) -> object:
        value: object = self.config.getini(f"llmbench_{key}")
        return value


def add_options(parser: pytest.Parser) -> None:
    """Declare every option and its ini twin."""
    group = parser.getgroup("llmbench", "prompts as test cases (llmbench)")
    for option in OPTIONS:
        parser.addini(f"llmbench_{option.key}", option.help, default=None)
        if option.flag:
            _add_flag(group, option)
    for word, value in (("enable", True), ("disable", False)):
        group.addoption(
            f"--{word}-warmup",
            dest="llmbench_warmup",
            action="store_const",
            const=value,
            help=f"{word} loading and warming each model before its first trial",
        )


def _add_flag(group: pytest.OptionGroup, option: Option) -> None:
    dest = f"llmbench_{option.key}"
    if not option.metavar:
        group.addoption(
            option.flag, dest=dest, action="store_const", const=True, help=option.help
        )
        return
    # The default stays None: only then can ini and settings file have their say.
    if option.alone:
        group.addoption(
            option.flag,
            dest=dest,
            nargs="?",
            const=option.alone,
            metavar=option.metavar,
            help=option.help,
        )
        return
    action = "append" if option.is_list else "store"
    group.addoption(
        option.flag, dest=dest, action=action, metavar=option.metavar, help=option.help
    )


def is_any_given(config: pytest.Config) -> bool:
    """Whether the command line names any of our options."""
    dests = (f"llmbench_{option.key}" for option in OPTIONS)
    return any(config.getoption(dest, None) is not None for dest in dests)
