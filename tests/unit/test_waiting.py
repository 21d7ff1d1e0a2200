"""What is said of a wait, and how often a log is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.calls.keylimits import Wait
from pytest_llmbench.waiting import WaitingLine, waiting_text

if TYPE_CHECKING:
    import pytest

S: Final = 10**9


def wait_until(at_s: float) -> Wait:
    """Return a wait that ends then."""
    return Wait(server="openai", why="rate limited", until_ns=round(at_s * S))


def test_a_wait_is_one_line() -> None:
    """Seconds are rounded up; calls are left out where nothing is known of them."""
    wait = wait_until(12.5)
    assert waiting_text(wait, S, (3, 8)) == (
        "openai: rate limited, 12 s, 3 of 8 calls left"
    )
    assert waiting_text(wait, S, (0, 0)) == "openai: rate limited, 12 s"
    assert waiting_text(wait, 20 * S, (1, 1)).endswith(", 1 s, 1 of 1 calls left")


def test_a_log_is_told_of_long_waits_and_seldom(pytester: pytest.Pytester) -> None:
    """A wait of 5 s or more is told as it begins; another not before 30 s later."""
    config = pytester.parseconfigure()
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    told: list[str] = []
    reporter.write_line = told.append
    reporter.isatty = False
    line = WaitingLine(config, lambda: (1, 2))
    for now_s, until_s in ((0, 4), (1, 11), (2, 11), (20, 30), (32, 40), (33, 40)):
        line.look([wait_until(until_s)], now_s * S)
    line.look([], 50 * S)
    line.end()
    assert told == [
        "openai: rate limited, 10 s, 1 of 2 calls left",
        "openai: rate limited, 8 s, 1 of 2 calls left",
    ]
