"""The hooks that other plugins and conftest files may implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmbench.checks.custom import CustomCheck
    from pytest_llmbench.prompts.variants import Variant


@pytest.hookspec
def pytest_llmbench_variants(config: pytest.Config) -> Sequence[Variant]:  # type: ignore[empty-body] # a specification
    """Return variants of your own: more ways of putting a prompt to a model.

    Example::

        class Shouting:
            name = "shouting"
            asks_to_think = False

            def render(self, prompt):
                user = Message(role="user", content=prompt.text.upper())
                return Rendered(messages=(user,), tools=prompt.tools)

            def go_on(self, text, calls, results):
                return NativeApi().go_on(text, calls, results)

        def pytest_llmbench_variants(config):
            return [Shouting()]
    """


@pytest.hookspec
def pytest_llmbench_checks(config: pytest.Config) -> Mapping[str, CustomCheck]:  # type: ignore[empty-body] # a specification
    """Return checks of your own, by the name that suites use: `expect: {check: NAME}`.

    Example::

        def rhymes(reply, prompt):
            return None if reply.text.endswith("ate") else "it does not rhyme"

        def pytest_llmbench_checks(config):
            return {"rhymes": rhymes}
    """
