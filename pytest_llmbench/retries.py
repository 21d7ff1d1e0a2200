"""Retries: which trials pytest-rerunfailures runs again, how often, how soon."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import pytest

from pytest_llmbench.errors import SettingsError
from pytest_llmbench.report.numbers import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

DELAY_S: Final = 1.0
"""A refused connection asked again at once would be refused again."""

ONLY_RERUN: Final = "^(RetriedFailure|RetriedError): "
"""What our marker has run again, by class name: classes need rerunfailures 16.3."""


def retry_marks(
    config: pytest.Config, retries: Iterable[int]
) -> dict[int, pytest.MarkDecorator]:
    """Return the marker that has a trial retried `r` times, by r; none for 0.

    Raises:
        SettingsError: pytest-rerunfailures is absent or off, or `--pdb` is on.
    """
    wanted = sorted({count for count in retries if count})
    if wanted:
        _check(config, wanted[-1])
    delay_s = retry_delay_s(config)
    factor = _number(config, "reruns_delay_backoff_factor", 1.0)
    return {count: _mark(count, delay_s, factor) for count in wanted}


def _check(config: pytest.Config, retries: int) -> None:
    """Refuse retries that nothing can carry out."""
    given = f"--call-retries (or the setting call_retries) is {retries}"
    if not config.pluginmanager.hasplugin("rerunfailures"):
        msg = (
            f"{given}, but pytest-rerunfailures, which runs trials again, is not"
            " installed or is switched off (-p no:rerunfailures):"
            " pip install 'pytest-llmbench[parallel]', or --call-retries 0"
        )
        raise SettingsError(msg)
    if config.getoption("usepdb", default=False):
        msg = f"{given}, and --pdb allows no rerun: use --call-retries 0 with --pdb"
        raise SettingsError(msg)


@cache
def _mark(retries: int, delay_s: float, factor: float) -> pytest.MarkDecorator:
    return pytest.mark.flaky(
        reruns=retries,
        only_rerun=[ONLY_RERUN],
        reruns_delay=delay_s,
        reruns_delay_backoff_factor=factor,
    )


def is_retry_mark(mark: pytest.Mark | None) -> bool:
    """Whether a `flaky` marker is ours, and not the user's own."""
    return mark is not None and mark.kwargs.get("only_rerun") == [ONLY_RERUN]


def retry_delay_s(config: pytest.Config) -> float:
    """Return the seconds before a retry: `--reruns-delay`, else `DELAY_S`."""
    return _number(config, "reruns_delay", DELAY_S)


def _number(config: pytest.Config, name: str, default: float) -> float:
    """Read an option of pytest-rerunfailures, or its ini twin, as that does."""
    given = config.getoption(name, None)
    if given is None:
        try:
            given = float(config.getini(name))
        except (TypeError, ValueError):  # unset, unreadable, or not known
            given = default
    return max(0.0, float(given))


def retry_lines(config: pytest.Config, retries: Iterable[int]) -> list[str]:
    """Say what is tried again, and how the user's own reruns count.

    Args:
        retries: `r` of each spec.
    """
    most = max(retries, default=0)
    reruns = _user_reruns(config)
    lines = []
    if most:
        shown = f"up to {counted(most, 'retry', 'retries')} after a time-out or a"
        lines.append(f"llmbench: {shown} connection that gave no answer")
    if reruns and most:
        lines.append(f"llmbench: --call-retries rules trials, not {reruns}")
    elif reruns:
        lines.append(
            f"llmbench: {reruns} changes no result: a trial's first judged attempt"
            " counts"
        )
    return lines


def _user_reruns(config: pytest.Config) -> str:
    """Name the option by which the user has all tests rerun; empty if none."""
    for name, flag in (("force_reruns", "--force-reruns"), ("reruns", "--reruns")):
        given = int(_number(config, name, 0))
        if given:
            return f"{flag} {given}"
    return ""
