"""How a prompt is put to the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.prompts.suite import Prompt, Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: `system`, `user`, `assistant` or `tool`.
    """

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A prompt as it is sent: messages, and tools for the API's own field."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()


class Variant(Protocol):
    """One way of putting tools and task to a model."""

    @property
    def name(self) -> str:
        """The word used in specs and ids."""
        ...

    def render(self, prompt: Prompt) -> Rendered:
        """Return what is sent for one prompt; the same for the same prompt."""
        ...


@dataclass(frozen=True, slots=True)
class NativeApi:
    """Tools travel in the API's own field; the prompt is sent as written."""

    name: str = "native_api"

    def render(self, prompt: Prompt) -> Rendered:
        """Return system and user message, with the tools beside them."""
        system = (Message(role="system", content=prompt.system),)
        user = Message(role="user", content=prompt.text)
        messages = (*(system if prompt.system else ()), user)
        return Rendered(messages=messages, tools=prompt.tools)


VARIANTS: Final[Mapping[str, Variant]] = {"native_api": NativeApi()}
"""The variants shipped with the package, by name."""
