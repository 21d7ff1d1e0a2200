"""Answer /api/chat and /api/generate: load, ask the script, play the reply."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fake_ollama_faults import BEFORE_REPLY, bend, spoil
from fake_ollama_models import Answer, FakeCall, Fault, last_user_text
from fake_ollama_replies import Plan, idle_line, merged_steps, reply_steps
from fake_ollama_requests import check_ability, check_options, fit_prompt
from fake_ollama_steps import Line, Refusal
from fake_ollama_wire import play

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from fake_ollama_models import FakeModel, FakeSettings
    from fake_ollama_requests import Conversation
    from fake_ollama_residency import Residency, Resident
    from fake_ollama_steps import Step
    from fake_wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What every exchange of one server shares."""

    models: dict[str, FakeModel]
    settings: FakeSettings
    residency: Residency
    faults: list[Fault]
    lock: threading.Lock

    def find(self, name: str) -> FakeModel:
        """Return a pulled model, by name in any case, `:latest` added.

        Raises:
            Refusal: 404, it is not pulled.
        """
        full_name = (name if ":" in name else f"{name}:latest").lower()
        for model in self.models.values():
            if model.name.lower() == full_name:
                return model
        raise Refusal(404, f"model '{name}' not found")

    def take_fault(self, path: str, asked: Conversation | None = None) -> Fault | None:
        """Return the first fault that hits this call, used up unless it is kept."""
        with self.lock:
            for fault in self.faults:
                if _hits(fault, path, asked):
                    if not fault.is_always:
                        self.faults.remove(fault)
                    return fault
        return None


def _hits(fault: Fault, path: str, asked: Conversation | None) -> bool:
    if fault.path not in {"", path}:
        return False
    if asked is None:
        return True
    if asked.is_empty and fault.kind not in BEFORE_REPLY:
        return False
    is_model = fault.model in {"", asked.model_name}
    return is_model and fault.prompt_contains in last_user_text(asked.messages)


def converse(host: Host, asked: Conversation, wire: Wire) -> None:
    """Answer one chat or generate request.

    Raises:
        Refusal: the request is refused before anything was sent.
        ClientGone: the client left.
    """
    model = host.find(asked.model_name)
    fault = host.take_fault(f"/api/{asked.endpoint}", asked)
    if fault and fault.kind == "refuse":
        wire.wait(fault.delay_s)
        raise Refusal(fault.status, fault.text)
    if asked.is_unload:
        host.residency.unload(model.name)
        _play_idle(asked, wire, fault, "unload")
        return
    check_ability(asked, model)
    check_options(asked)
    if fault and fault.kind == "fail_load":
        _fail_load(host, model, wire, fault)
    _answer_loaded(host, asked, wire, fault)


def _fail_load(host: Host, model: FakeModel, wire: Wire, fault: Fault) -> None:
    host.residency.drop(model.name)
    wire.wait(model.load_s)
    raise Refusal(fault.status, fault.text)


def _answer_loaded(
    host: Host, asked: Conversation, wire: Wire, fault: Fault | None
) -> None:
    model = host.find(asked.model_name)
    key = asked.load_key(model, host.settings)
    resident = host.residency.acquire(model, key, asked.keep_alive_s, wire)
    load_ns = time.perf_counter_ns() - wire.record.received_at_ns
    with ExitStack() as held:
        held.callback(host.residency.release, resident)
        if asked.is_empty:
            held.close()
            _play_idle(asked, wire, fault, "load")
            return
        held.enter_context(host.residency.slot(resident, wire))
        turn = _Turn(host=host, asked=asked, resident=resident, load_ns=load_ns)
        turn.play(wire, fault, held)


def _play_idle(
    asked: Conversation, wire: Wire, fault: Fault | None, reason: str
) -> None:
    steps = [idle_line(asked.endpoint, asked.model_name, reason)]
    play_whole(steps, wire, fault, asked.endpoint)


def play_whole(
    steps: list[Line], wire: Wire, fault: Fault | None, endpoint: str = "chat"
) -> None:
    """Play an answer of one JSON object, spoilt by a fault if there is one."""
    play(merged_steps(bend(steps, fault), endpoint), wire, fault)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """One generation by a loaded model whose slot is held."""

    host: Host
    asked: Conversation
    resident: Resident
    load_ns: int

    def play(self, wire: Wire, fault: Fault | None, held: ExitStack) -> None:
        """Ask the script and send what it says."""
        plan, scripted = self._plan(wire, fault)
        fault = fault or scripted
        if fault and fault.drops_model:
            self.host.residency.drop(self.resident.model.name)
        steps = bend(_letting_go(reply_steps(plan), held), fault)
        if not self.asked.is_streamed:
            steps = merged_steps(steps, self.asked.endpoint)
        play(steps, wire, fault)

    def _plan(self, wire: Wire, fault: Fault | None) -> tuple[Plan, Fault | None]:
        asked, model = self.asked, self.resident.model
        num_ctx, settings = self.resident.key.num_ctx, self.host.settings
        num_ctx = min(num_ctx, model.granted_num_ctx or num_ctx)
        prompt = fit_prompt(asked, num_ctx, settings)
        room = max(0, num_ctx - prompt.tokens)
        turn = self.host.residency.begin_turn(
            self.resident, prompt.text, is_warm_up=asked.is_warm_up
        )
        has_thinking = "thinking" in model.capabilities and asked.think is not False
        said = model.answer(
            FakeCall(
                model=model.name,
                endpoint=asked.endpoint,
                messages=prompt.messages,
                tools=asked.tools,
                options=asked.options,
                think=has_thinking,
                generations_since_load=turn.generations_since_load,
                is_warmed_up=turn.is_warmed_up,
            )
        )
        scripted = said if isinstance(said, Fault) else None
        answer = said.answer if isinstance(said, Fault) else said
        answer = spoil(answer, fault or scripted)
        plan = Plan(
            model=model,
            requested_name=asked.model_name,
            endpoint=asked.endpoint,
            answer=answer,
            has_thinking=has_thinking,
            prompt_tokens=_reported(answer, prompt.tokens),
            prefill_tokens=max(1, prompt.tokens - turn.cached_tokens),
            load_ns=self.load_ns,
            entry_ns=wire.record.received_at_ns,
            num_predict=_limit(asked, None if settings.shifts else room),
        )
        return plan, scripted


def _limit(asked: Conversation, room: int | None) -> int:
    """Return the most tokens of a reply: its own limit, or the room of its context."""
    limit = int(asked.options.get("num_predict", -1))
    if room is None:
        return limit
    return room if limit < 0 else min(limit, room)


def _reported(answer: Answer, counted: int) -> int:
    return counted if answer.prompt_tokens is None else answer.prompt_tokens


def _letting_go(steps: Iterator[Step], held: ExitStack) -> Iterator[Step]:
    # Model and slot are free before the client can know that the reply is over;
    # otherwise its next call would race against this thread.
    for step in steps:
        if isinstance(step, Line) and step.is_done:
            held.close()
        yield step
