"""The page as a text: what it may not hold, and that it is the same each time."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from stored_runs import store_run

from pytest_llmbench.commands.stored_run import stored_run
from pytest_llmbench.report.html.page import page

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from pytest_llmbench.report.rundata import RunData


def run_of(reports: Path) -> RunData:
    """Return a small stored run."""
    return stored_run(store_run(reports, {"m:1b": {"P1": "PF"}}))


def with_text(run: RunData, text: str) -> RunData:
    """Put a text wherever the view has one."""
    (job,) = run.view.jobs
    job = replace(job, spec=text, reason=text, differences=(text,), baseline=text)
    return replace(run, view=replace(run.view, jobs=(job,), notes=(text,), gate=text))


def test_what_does_not_print_is_written_out(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """No text brings a control character or a mark of direction into the page."""
    run = run_of(tmp_path_factory.mktemp("run"))

    @given(st.text(max_size=50))
    def holds(text: str) -> None:
        shown = page([with_text(run, f"{text}\x1b\x00\u202e\ud800")], {})
        assert shown.replace("\n", "").isprintable()

    holds()


def test_keys_are_masked(tmp_path: Path) -> None:
    """What looks like a key is in no part of the page."""
    key = "sk-live-abcdefghijklmnop0123456789"
    shown = page([with_text(run_of(tmp_path), f"key {key} refused")], {})
    assert "key *** refused" in shown
    assert key not in shown


def test_the_policy_names_the_pages_own_code_only(tmp_path: Path) -> None:
    """The hashes are those of its one style and its one script."""
    shown = page([run_of(tmp_path)], {})
    (style,) = re.findall(r"<style>(.*?)</style>", shown, re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", shown, re.DOTALL)
    digests = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (style, script)
    ]
    assert (
        f"content=\"default-src 'none'; style-src 'sha256-{digests[0]}';"
        f" script-src 'sha256-{digests[1]}'; base-uri 'none'; form-action 'none'\""
    ) in shown
    assert "http" not in re.sub(r"<svg[^>]*>|http-equiv", "", shown.lower())


def test_a_page_is_the_same_each_time(tmp_path: Path) -> None:
    """Nothing in it depends on when or where it was made."""
    run = run_of(tmp_path)
    assert page([run], {}) == page([run], {})
