"""What a call asks for, and what is known of the model that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field
from msgspec.structs import asdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmbench.checks.reply import Backoff, Reply
    from pytest_llmbench.errors import CallError
    from pytest_llmbench.prompts.messages import Message
    from pytest_llmbench.prompts.suite import Json, Tool


class Target(Struct, frozen=True, kw_only=True):
    """One model at one server.

    Attributes:
        provider: the wire dialect's word.
        model: the name sent to the server.
        base_url: where the server is; empty for the dialect's own default.
        key_env: the environment variable that holds the key; empty for the
            dialect's own. The key itself is nowhere but in the transport.
        key_command: a command that prints the key, asked before the variable.
        headers: sent with each call; a value `env:NAME` is read where it is sent.
        rpm: requests a minute that the key allows; None if not told.
        tpm: tokens a minute that the key allows; None if not told.
    """

    provider: str
    model: str
    base_url: str = ""
    key_env: str = ""
    key_command: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    rpm: int | None = None
    tpm: int | None = None


class Limits(Struct, frozen=True, kw_only=True):
    """How long a call may take, in seconds, and how large its reply may be.

    Attributes:
        connect_s: until the connection stands.
        call_s: the whole call, model load set aside.
        load_s: granted on top while the model is not resident.
        stall_s: between two arrivals once the reply has begun; None for no
            limit of its own.
        is_loading: whether a load is granted its time: the model was seen not
            resident, before the call or within it.
        max_reply_bytes: a longer reply is cut off as a protocol fault.
    """

    connect_s: float = 5.0
    call_s: float = 60.0
    load_s: float = 300.0
    stall_s: float | None = None
    is_loading: bool = False
    max_reply_bytes: int = 32 * 1024 * 1024

    @property
    def first_byte_s(self) -> float:
        """The limit of the first byte: a load in progress is granted its time."""
        return self.call_s + (self.load_s if self.is_loading else 0.0)

    @property
    def longest_s(self) -> float:
        """How long a call may last: the whole limit may count from the first byte."""
        return self.first_byte_s + self.call_s


class Patience(Struct, frozen=True, kw_only=True):
    """How long a busy server is waited for, in seconds; not at all by default.

    Attributes:
        wait_s: one wait; a server that asks for more is not waited for.
        call_s: all waits of one call; 0 switches waiting off.
        run_s: time in which some call of the run waits.
    """

    wait_s: float = 0.0
    call_s: float = 0.0
    run_s: float = 0.0


class CallRequest(Struct, frozen=True, kw_only=True):
    """One request to one model.

    Attributes:
        options: sampling options by Ollama's names; dialects translate.
        keep_alive_s: how long a local server shall keep the model loaded.
        isolate: make the call in a child process.
        expected_tokens: what the server should count of the prompt, within a few in
            a hundred; None where that isn't known.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    options: Mapping[str, Json] = field(default_factory=dict)
    seed: int | None = None
    keep_alive_s: float = 1800.0
    limits: Limits = field(default_factory=Limits)
    isolate: bool = False
    expected_tokens: int | None = None


class Residency(Struct, frozen=True, kw_only=True):
    """Whether a model is loaded, as its server shows it.

    Attributes:
        gpu_share: part of the model in VRAM, 0 to 1; None if not told.
        context_length: tokens of context allocated; None if not told.
        expires_at: when the server will drop it, in its own words.
    """

    is_resident: bool
    gpu_share: float | None = None
    context_length: int | None = None
    expires_at: str = ""

    def serves(self, num_ctx: object) -> bool:
        """Say whether a call with this context needs no load.

        A model that is there with another context is loaded anew.

        >>> Residency(is_resident=True, context_length=4096).serves(8192)
        False
        >>> Residency(is_resident=True, context_length=4096).serves(None)
        True
        """
        is_other = None not in {num_ctx, self.context_length} and (
            num_ctx != self.context_length
        )
        return self.is_resident and not is_other


class LoadedModel(Struct, frozen=True, kw_only=True):
    """A model that a server holds in memory.

    Attributes:
        tested_as: the name by which the run asks it at this server; empty if
            the run does not.
        size_bytes: memory it takes; None if not told.
        gpu_share: part of it in VRAM, 0 to 1; None if not told.
        expires_at: when the server will drop it, in its own words.
    """

    name: str
    tested_as: str = ""
    size_bytes: int | None = None
    gpu_share: float | None = None
    expires_at: str = ""


class Occupancy(Struct, frozen=True, kw_only=True):
    """What a server holds, and what the run will put there.

    Attributes:
        server: where it is, as messages name it.
        is_local: whether it runs on this machine, as far as its address says.
        is_child: whether it is a process of our own, which nobody else uses and
            which computes on the CPU.
        loaded: what it holds in memory now.
        sizes_bytes: by name of a tested model, the size of its file.
    """

    server: str
    is_local: bool
    is_child: bool = False
    loaded: tuple[LoadedModel, ...] = ()
    sizes_bytes: Mapping[str, int] = field(default_factory=dict)


class ModelFacts(Struct, frozen=True, kw_only=True):
    """What identifies a model and its server; empty where not told.

    Attributes:
        context_length: the longest context the model was trained for.
    """

    server: str
    server_version: str = ""
    digest: str = ""
    quantization: str = ""
    parameter_size: str = ""
    capabilities: tuple[str, ...] = ()
    context_length: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain JSON."""
        return asdict(self)


WarmupStatus = Literal["success", "already_loaded", "failed", "skipped"]


class WarmupResult(Struct, frozen=True, kw_only=True):
    """What warming one model at one server came to.

    Attributes:
        spec: whose turn it was, where specs are warmed one by one; else empty.
        run: the run that it came before, counted from 1; 0 where `spec` is empty.
        unloaded: whether the model was unloaded before, confirmed by its server;
            None where it was not meant to be.
        unload_fault: why it could not be.
        wall_s: seconds from the first probe to the last.
        load_s: seconds the load took; None if the server did not tell.
        usage: the question's token counts by their name in `Usage`; None if it was
            not answered.
    """

    model: str
    server: str
    status: WarmupStatus
    wall_s: float = 0.0
    load_s: float | None = None
    gpu_share: float | None = None
    context_length: int | None = None
    expires_at: str = ""
    detail: str = ""
    usage: Mapping[str, int | None] | None = None
    spec: str = ""
    run: int = 0
    unloaded: bool | None = None
    unload_fault: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON."""
        return asdict(self)


class Answer(Struct, frozen=True, kw_only=True):
    """One finished call: a reply, or an error with what had come by then.

    Attributes:
        started_at: ISO 8601 UTC, when the request was about to be sent.
        residency: seen just before the call, or what its load proves; None where
            it can't be told.
        server: who was asked, as messages name it.
        backoffs: refusals before this, oldest first, with the waits behind them.
    """

    reply: Reply | None = None
    error: CallError | None = None
    started_at: str = ""
    residency: Residency | None = None
    server: str = ""
    backoffs: tuple[Backoff, ...] = ()

    @property
    def is_resident(self) -> bool | None:
        """Whether the model was loaded just before the call; None if unknown."""
        return self.residency.is_resident if self.residency else None
