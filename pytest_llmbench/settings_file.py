"""The settings file of a project: where it is, what it holds, what history it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_llmbench.aliases import as_table
from pytest_llmbench.errors import SettingsError
from pytest_llmbench.masking import masks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def project_root(start: Path) -> Path:
    """Return the folder whose settings file holds for a folder, else that folder.

    For commands, which have no pytest to tell them its root.
    """
    for folder in (start, *start.parents):
        if (folder / "llmbench.toml").is_file() or _has_table(folder):
            return folder
    return start


def _has_table(folder: Path) -> bool:
    tools = _read_toml(folder / "pyproject.toml").get("tool")
    return isinstance(tools, dict) and "llmbench" in tools


def history_url(values: Mapping[str, Any], name: str, root: Path) -> str:
    """Return the database of `history`; empty where it is not set.

    Args:
        values: the settings file's, read from `name`.
        root: where a relative SQLite file lies.

    Raises:
        SettingsError: it is no text.
    """
    url = values.get("history", "")
    if not isinstance(url, str) or ("history" in values and not url.strip()):
        msg = (
            f"{name}: history is {url!r}; it takes a URL, sqlite:///reports/history.db"
        )
        raise SettingsError(msg)
    masks.add_password(url)
    head, mark, path = url.strip().partition(":///")
    is_relative = head.startswith("sqlite") and mark and not path.startswith("file:")
    return f"{head}:///{root / path}" if is_relative and path else url.strip()


def file_settings(root: Path) -> tuple[dict[str, Any], str]:
    """Return what a root's settings file holds, and the file's name for messages.

    Raises:
        SettingsError: it can't be read, or there are two.
    """
    own, project = root / "llmbench.toml", root / "pyproject.toml"
    name = "pyproject.toml [tool.llmbench]"
    tools = as_table(_read_toml(project).get("tool", {}), "pyproject.toml: tool")
    from_project = as_table(tools.get("llmbench", {}), name)
    if not own.is_file():
        return from_project, name
    if from_project:
        msg = f"settings stand in llmbench.toml and in {name}; keep them in one"
        raise SettingsError(msg)
    return _read_toml(own), "llmbench.toml"


def _read_toml(path: Path) -> dict[str, Any]:
    import tomllib

    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path.name}: {error}"
        raise SettingsError(msg) from None
