"""What other plugins add: variants and checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from msgspec import Struct

from pytest_llmbench.prompts.variants import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from pytest_llmbench.checks.custom import CustomCheck
    from pytest_llmbench.prompts.variants import Variant


class Extras(Struct, frozen=True, kw_only=True):
    """What other plugins have added, by name; the package's own included."""

    variants: Mapping[str, Variant]
    checks: Mapping[str, CustomCheck]

    @classmethod
    def of(cls, config: pytest.Config) -> Self:
        """Ask other plugins for their variants and checks."""
        variants = config.hook.pytest_llmbench_variants(config=config)
        checks = config.hook.pytest_llmbench_checks(config=config)
        return cls(
            variants={**VARIANTS, **{v.name: v for group in variants for v in group}},
            checks={name: check for group in checks for name, check in group.items()},
        )
