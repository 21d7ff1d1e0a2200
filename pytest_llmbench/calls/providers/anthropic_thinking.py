"""What effort means to a Claude model: by what the model itself says it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from pytest_llmbench.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS: Final = {"minimal": "low"}
"""Our words for effort that are not the API's."""

BUDGETS_TOKENS: Final = {
    "low": 1024,
    "medium": 4096,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 32_000,
}
"""Thinking tokens granted to a model that knows a budget instead of an effort."""


class Abilities(Struct, frozen=True, kw_only=True):
    """What a model says it can do.

    Attributes:
        names: its capabilities, as the API calls them.
        efforts: the words of effort it takes; empty for none.
        thinking: kinds of thinking it takes: adaptive, enabled, disabled.
        refused: kinds of thinking it refuses.
    """

    names: frozenset[str] = frozenset()
    efforts: frozenset[str] = frozenset()
    thinking: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


class Thinking(Struct, frozen=True, kw_only=True):
    """What goes into a request for an effort.

    Attributes:
        fields: of the request's body.
        budget_tokens: output granted on top of the answer's own.
    """

    fields: Mapping[str, Any]
    budget_tokens: int = 0


def abilities_of(entry: Mapping[str, Any]) -> Abilities:
    """Read one entry of the list of models; what it does not tell is left open.

    >>> told = {"effort": {"supported": True, "low": {"supported": True}}}
    >>> abilities_of({"capabilities": told}).efforts
    frozenset({'low'})
    """
    told = entry.get("capabilities") or {}
    names = _supported(told)
    thinking = (told.get("thinking") or {}).get("types") or {}
    effort = told.get("effort") or {}
    can_think = "thinking" in names
    return Abilities(
        names=names,
        efforts=_supported(effort) if "effort" in names else frozenset(),
        thinking=_supported(thinking) if can_think else frozenset(),
        refused=frozenset(thinking) - _supported(thinking),
    )


def thinking_for(effort: str, abilities: Abilities | None, where: str) -> Thinking:
    """Translate an effort; nothing is sent that the model says it refuses.

    Args:
        abilities: None where the server does not tell: then the effort goes out
            as asked, and the server may refuse it.

    Raises:
        Unsupported: the model does not take this effort.
    """
    if effort == "none":
        return _without_thinking(abilities, where)
    word = _WORDS.get(effort, effort)
    sent: dict[str, Any] = {"output_config": {"effort": word}}
    if abilities is None:
        return Thinking(fields=sent)
    if word in abilities.efforts:
        if "adaptive" in abilities.thinking:
            sent["thinking"] = {"type": "adaptive"}
        return Thinking(fields=sent)
    if abilities.efforts or "enabled" not in abilities.thinking:
        have = ", ".join(sorted(abilities.efforts)) or "none at all; leave it out"
        msg = f"{where}: the model does not take effort={effort}; it takes {have}"
        raise Unsupported(msg)
    budget = BUDGETS_TOKENS[word]
    enabled = {"type": "enabled", "budget_tokens": budget}
    return Thinking(fields={"thinking": enabled}, budget_tokens=budget)


def _without_thinking(abilities: Abilities | None, where: str) -> Thinking:
    if abilities is not None and "disabled" in abilities.refused:
        msg = (
            f"{where}: the model's thinking can't be switched off (effort=none);"
            " take effort=low, or leave it out"
        )
        raise Unsupported(msg)
    if abilities is not None and not abilities.thinking:
        return Thinking(fields={})
    return Thinking(fields={"thinking": {"type": "disabled"}})


def _supported(told: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(
        name
        for name, value in told.items()
        if isinstance(value, dict) and value.get("supported") is True
    )
