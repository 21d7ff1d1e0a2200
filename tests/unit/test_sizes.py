"""The size budget: small functions, short modules."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "pytest_llmbench"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60


def function_lines(path: Path) -> list[int]:
    """Return the length of every function of a module, docstring included."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text("utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    return [(node.end_lineno or 0) - node.lineno + 1 for node in found]


@pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_a_module_keeps_its_length(path: Path) -> None:
    """A module that outgrows the budget does more than its name says."""
    assert len(path.read_text("utf-8").splitlines()) <= MAX_MODULE_LINES
    assert max([0, *function_lines(path)]) <= MAX_FUNCTION_LINES


def test_functions_are_small() -> None:
    """The median function has at most 10 lines, nine of ten at most 30."""
    sizes = [size for path in MODULES for size in function_lines(path)]
    assert statistics.median(sizes) <= 10
    assert statistics.quantiles(sizes, n=10)[-1] <= 30
