"""How a prompt is put to the model."""

from __future__ import annotations

from pytest_llmbench.prompts.messages import Message, Rendered
from pytest_llmbench.prompts.suite import Prompt, Tool
from pytest_llmbench.prompts.variants import VARIANTS

TOOL = Tool(name="f")


def test_native_api_keeps_tools_beside_the_messages() -> None:
    """System and user text go as written; tools in the API's own field."""
    prompt = Prompt(id="P1", text=" Hi\n", system="Be brief.", tools=(TOOL,))
    assert VARIANTS["native_api"].render(prompt) == Rendered(
        messages=(
            Message(role="system", content="Be brief."),
            Message(role="user", content=" Hi\n"),
        ),
        tools=(TOOL,),
    )


def test_no_system_text_is_no_message() -> None:
    """An empty system text is left out, not sent empty."""
    rendered = VARIANTS["native_api"].render(Prompt(id="P1", text="Hi"))
    assert rendered == Rendered(messages=(Message(role="user", content="Hi"),))


def test_variants_are_listed_by_their_own_name() -> None:
    """The word in a spec is the variant's name."""
    assert all(name == variant.name for name, variant in VARIANTS.items())
