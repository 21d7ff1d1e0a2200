"""Tool calls that a model wrote into its text. Pure."""

from pytest_llmbench.checks.calltext.reading import (
    TextCalls,
    read_calls,
    with_text_calls,
)

__all__ = ["TextCalls", "read_calls", "with_text_calls"]
