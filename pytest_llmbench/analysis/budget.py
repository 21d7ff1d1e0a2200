"""What may still be asked under `--max-cost`, and what a call may cost at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmbench.analysis.cost import ZERO, amount, exact_sum

if TYPE_CHECKING:
    from collections.abc import Hashable
    from decimal import Decimal

    from pytest_llmbench.analysis.cost import Prices
    from pytest_llmbench.checks.reply import Usage

BYTES_PER_TOKEN: Final = 3
"""No tokenizer of today splits plain text finer than this, on average."""

OUTPUT_TOKENS: Final = 2048
"""Taken for an answer that has no limit of its own and no forerunner."""


class Budget:
    """An amount that must not be passed: spent, in flight and next together.

    Args:
        limit_usd: what may be spent in all.
        spent_usd: what was spent before.

    Attributes:
        spent_usd: what ended calls have cost; where that isn't known, their upper
            estimate.
        unknown: calls for which that estimate stands.
    """

    def __init__(self, limit_usd: Decimal, spent_usd: Decimal = ZERO) -> None:
        self.limit_usd = limit_usd
        self.spent_usd = spent_usd
        self.unknown = 0
        self._held: dict[int, Decimal] = {}
        self._numbers = 0

    @property
    def held_usd(self) -> Decimal:
        """The upper estimate of the calls in flight."""
        return exact_sum(self._held.values())

    @property
    def is_idle(self) -> bool:
        """Whether no call is in flight."""
        return not self._held

    def has_room(self, upper_usd: Decimal) -> bool:
        """Whether a call of that upper estimate stays within the limit."""
        parts = (self.spent_usd, self.held_usd, upper_usd)
        return exact_sum(parts) <= self.limit_usd

    def hold(self, upper_usd: Decimal) -> int:
        """Set the upper estimate of a call aside; return the number to settle it by."""
        self._numbers += 1
        self._held[self._numbers] = upper_usd
        return self._numbers

    def settle(self, number: int, usd: Decimal | None) -> None:
        """Book a call that has ended.

        Args:
            usd: its cost; None if that isn't known, so that its estimate stands.
        """
        upper_usd = self._held.pop(number)
        self.unknown += usd is None
        paid = upper_usd if usd is None else usd
        self.spent_usd = exact_sum((self.spent_usd, paid))


class Estimates:
    """Upper estimates of calls, from what calls like them have shown."""

    def __init__(self) -> None:
        self._prompts: dict[Hashable, int] = {}
        self._excess: dict[Hashable, int] = {}
        self._outputs: dict[Hashable, int] = {}

    def note(
        self, model: Hashable, question: Hashable, sent_bytes: int, usage: Usage
    ) -> None:
        """Learn from a call that has ended.

        Args:
            question: equal for calls that ask the same again.
            sent_bytes: the size of its messages and tools.
        """
        prompt, output = usage.prompt_tokens, usage.output_tokens
        if prompt is not None:
            excess = prompt - _by_size(sent_bytes)
            self._prompts[question] = max(prompt, self._prompts.get(question, 0))
            self._excess[model] = max(excess, self._excess.get(model, 0))
        if output is not None:
            self._outputs[model] = max(output, self._outputs.get(model, 0))

    def upper_usd(
        self,
        model: Hashable,
        question: Hashable,
        sent_bytes: int,
        *,
        limit_tokens: int,
        prices: Prices,
    ) -> Decimal:
        """Return the most that a call is expected to cost.

        Prompt: the most that this question took before; else its bytes / 3, and as
        many more tokens as the model's other prompts took beyond that. All of it at
        the dearest price of a prompt token. Output: its limit, or the longest of the
        model's answers if one was longer.

        Args:
            limit_tokens: output tokens allowed; 0 and below for no limit.
        """
        prompt = self._prompts.get(question)
        if prompt is None:
            prompt = _by_size(sent_bytes) + self._excess.get(model, 0)
        seen = self._outputs.get(model, 0)
        output = max(limit_tokens, seen, 0) or OUTPUT_TOKENS
        return exact_sum((
            amount(prompt, prices.dearest_in_usd_per_mtok),
            amount(output, prices.out_usd_per_mtok),
        ))


def _by_size(sent_bytes: int) -> int:
    return -(-sent_bytes // BYTES_PER_TOKEN)
