"""What pytest shows and hands on of tests, errors and warnings: without secrets.

A traceback may hold a key in a local variable, and a server may echo one into
anything. Until `masking` is imported no secret has been read, and nothing is done.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import warnings
    from collections.abc import Callable, Generator


class ExitHooks:
    """The hooks through which texts leave this process, outside of all others."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self,
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Mask what a test has to tell: for terminal, JUnit XML and xdist alike."""
        report = yield
        _mask_report(report)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(
        self,
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Mask what collecting a file has to tell."""
        report = yield
        _mask_report(report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: object) -> None:
        """Mask a traceback of pytest's, or of a plugin's hook."""
        _mask_shown(excrepr)

    @pytest.hookimpl(trylast=True)
    def pytest_keyboard_interrupt(self) -> None:
        """Mask the traceback that `--full-trace` shows of an interrupt."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        for kept in list(vars(reporter).values()) if reporter else ():
            if hasattr(kept, "toterminal"):
                _mask_shown(kept)

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Mask a warning before it is listed, or sent to the controller."""
        mask = _mask()
        text = str(warning_message.message)
        if mask is not None and mask(text) != text:
            warning_message.message = mask(text)


def _mask() -> Callable[[str], str] | None:
    module = sys.modules.get("pytest_llmbench.masking")
    return module.masked_text if module else None


def _mask_report(report: pytest.TestReport | pytest.CollectReport) -> None:
    mask = _mask()
    if mask is None:
        return
    if report.longrepr is not None:
        report.longrepr = _masked(report.longrepr, mask)
    if report.sections:
        report.sections = _masked(report.sections, mask)
    if isinstance(report, pytest.TestReport) and report.user_properties:
        # Most hold nothing to hide: one look at all of them tells.
        whole = "\n".join(f"{name}\n{value}" for name, value in report.user_properties)
        if mask(whole) != whole:
            report.user_properties = _masked(report.user_properties, mask)


def _mask_shown(shown: object) -> None:
    mask = _mask()
    if mask is not None:
        _masked(shown, mask)


def _masked(value: Any, mask: Callable[[str], str]) -> Any:  # noqa: ANN401 - whatever pytest shows
    """Return a value with its texts masked; pytest's tracebacks change in place.

    A traceback is a tree of pytest's own objects. Changed and not turned into text,
    it keeps its colours, and what other plugins read of it.
    """
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [_masked(each, mask) for each in value]
    if type(value) is tuple:
        return tuple(_masked(each, mask) for each in value)
    if hasattr(value, "toterminal"):
        for name, part in list(vars(value).items()):
            setattr(value, name, _masked(part, mask))
    return value
