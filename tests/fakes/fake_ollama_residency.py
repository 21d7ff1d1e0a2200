"""Which models are loaded, for how long, and what a load costs."""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from os.path import commonpath
from typing import TYPE_CHECKING, Final, Protocol

from fake_ollama_models import TOKEN_CHARS, FakeModel, FakeSettings
from fake_ollama_replies import expiry
from fake_ollama_steps import ClientGone

if TYPE_CHECKING:
    from collections.abc import Iterator

_POLL_S: Final = 0.005


class Client(Protocol):
    """The peer of a request, as far as waiting for it goes."""

    def is_gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        ...

    def wait(self, seconds: float) -> None:
        """Sleep; raise ClientGone as soon as the client is gone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadKey:
    """What a loaded model was launched with; any difference means a reload."""

    num_ctx: int
    launch_options: tuple[tuple[str, object], ...] = ()


@dataclass(slots=True, kw_only=True, eq=False)
class LoadEvent:
    """One cold load, finished, aborted by its client, or still going.

    Attributes:
        started_ns, ended_ns: on the perf_counter clock; ended is 0 while going.
    """

    model: str
    num_ctx: int
    started_ns: int
    ended_ns: int = 0
    is_finished: bool = False
    is_aborted: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Resident:
    """One loaded model.

    Attributes:
        keep_alive_s: inf for ever.
        expires_at_s: on the monotonic clock; meaningful while nobody uses it.
        expires_at: as `/api/ps` shows it, set whenever the last user leaves; empty
            until then, and `/api/ps` counts from now at each look.
    """

    model: FakeModel
    key: LoadKey
    keep_alive_s: float
    slots: threading.Semaphore
    users: int = 0
    expires_at_s: float = 0.0
    expires_at: str = ""
    generations: int = 0
    is_warmed_up: bool = False
    seen_prompts: list[str] = field(default_factory=list)

    def is_leaving(self, now_s: float) -> bool:
        """Whether it is idle and past its time."""
        return self.users == 0 and now_s >= self.expires_at_s

    def seconds_left(self, now_s: float) -> float:
        """Return how long it stays if nobody asks again; inf for ever."""
        return self.keep_alive_s if self.users else self.expires_at_s - now_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What is known of a model at the moment a generation starts."""

    generations_since_load: int
    is_warmed_up: bool
    cached_tokens: int


class Residency:
    """Load models on demand, one at a time, and let them go when their time is up.

    Nothing runs in the background: expiry is worked out whenever it is looked at.
    """

    def __init__(self, settings: FakeSettings) -> None:
        self.loads: list[LoadEvent] = []
        self.most_users = 0
        self._settings = settings
        self._changed = threading.Condition()
        self._residents: dict[str, Resident] = {}
        self._is_loading = False
        self._loading: Resident | None = None

    def acquire(
        self,
        model: FakeModel,
        key: LoadKey,
        keep_alive_s: float | None,
        client: Client,
    ) -> Resident:
        """Return the loaded model with one more user, loading it if need be.

        Raises:
            ClientGone: the client left; a load under way is aborted.
        """
        while True:
            with self._changed:
                resident = self._take_loaded(model, key, keep_alive_s)
                if resident is None and self._make_room(model.name):
                    self._is_loading = True
                    break
                if resident is None:
                    self._changed.wait(_POLL_S)
            if resident is not None:
                return self._warm(resident, client)
            if client.is_gone():
                raise ClientGone
        return self._load(model, key, keep_alive_s, client)

    def release(self, resident: Resident) -> None:
        """Give one use back; the keep-alive time starts when the last is back."""
        with self._changed:
            resident.users -= 1
            resident.expires_at_s = time.monotonic() + resident.keep_alive_s
            if not resident.users:
                resident.expires_at = expiry(resident.keep_alive_s)
            self._changed.notify_all()

    def unload(self, name: str) -> None:
        """Let a model go as soon as it is idle; nothing happens if it isn't loaded."""
        with self._changed:
            resident = self._residents.get(name)
            if resident:
                resident.keep_alive_s = 0.0
                resident.expires_at_s = min(resident.expires_at_s, time.monotonic())

    def drop(self, name: str) -> None:
        """Forget a model at once, as when its process dies."""
        with self._changed:
            self._residents.pop(name, None)
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget every model, as when the server stops."""
        with self._changed:
            self._residents.clear()
            self._changed.notify_all()

    def listing(self) -> list[tuple[Resident, float]]:
        """Return what is loaded, latest expiry first, with the seconds left."""
        with self._changed:
            now_s = time.monotonic()
            self._sweep(now_s)
            shown = list(self._residents.values())
            if self._loading and self._settings.lists_loading:
                shown.append(self._loading)
            rows = [(r, r.seconds_left(now_s)) for r in shown]
        return sorted(rows, key=lambda row: -row[1])

    @contextmanager
    def slot(self, resident: Resident, client: Client) -> Iterator[None]:
        """Hold one of the model's parallel slots; waiting for it is no load time.

        Raises:
            ClientGone: the client left while waiting.
        """
        while not resident.slots.acquire(timeout=_POLL_S):
            if client.is_gone():
                raise ClientGone
        try:
            yield
        finally:
            resident.slots.release()

    def begin_turn(self, resident: Resident, prompt: str, *, is_warm_up: bool) -> Turn:
        """Count a generation and return what was so before it."""
        with self._changed:
            turn = Turn(
                generations_since_load=resident.generations,
                is_warmed_up=resident.is_warmed_up,
                cached_tokens=_cached_tokens(resident, prompt),
            )
            resident.generations += 1
            resident.is_warmed_up = resident.is_warmed_up or is_warm_up
            if resident.model.caches_prompts:
                resident.seen_prompts.append(prompt)
        return turn

    def _take_loaded(
        self, model: FakeModel, key: LoadKey, keep_alive_s: float | None
    ) -> Resident | None:
        now_s = time.monotonic()
        self._sweep(now_s)
        resident = self._residents.get(model.name)
        if resident is None or resident.is_leaving(now_s) or resident.key != key:
            return None
        resident.users += 1
        self._note_users()
        if keep_alive_s is not None:
            resident.keep_alive_s = keep_alive_s
        return resident

    def _note_users(self) -> None:
        users = sum(resident.users for resident in self._residents.values())
        self.most_users = max(self.most_users, users)

    def _make_room(self, name: str) -> bool:
        if self._is_loading:
            return False
        now_s = time.monotonic()
        old = self._residents.get(name)
        if old:
            if old.users or old.is_leaving(now_s):
                return False
            del self._residents[name]
        limit = self._settings.max_loaded
        if limit and len(self._residents) >= limit:
            return self._evict_one()
        return True

    def _evict_one(self) -> bool:
        idle = [r for r in self._residents.values() if not r.users]
        if not idle:
            return False
        victim = min(idle, key=lambda resident: resident.keep_alive_s)
        del self._residents[victim.model.name]
        return True

    def _sweep(self, now_s: float) -> None:
        delay_s = self._settings.unload_delay_s
        gone = [
            name
            for name, resident in self._residents.items()
            if resident.is_leaving(now_s - delay_s)
        ]
        for name in gone:
            del self._residents[name]

    def _warm(self, resident: Resident, client: Client) -> Resident:
        try:
            client.wait(resident.model.warm_load_s)
        except ClientGone:
            self.release(resident)
            raise
        return resident

    def _load(
        self,
        model: FakeModel,
        key: LoadKey,
        keep_alive_s: float | None,
        client: Client,
    ) -> Resident:
        event = LoadEvent(
            model=model.name, num_ctx=key.num_ctx, started_ns=time.perf_counter_ns()
        )
        resident = self._loading = self._new_resident(model, key, keep_alive_s)
        self.loads.append(event)
        try:
            client.wait(model.load_s)
        except ClientGone:
            event.is_aborted = True
            self._end_load(None)
            raise
        finally:
            event.ended_ns = time.perf_counter_ns()
        event.is_finished = True
        self._end_load(resident)
        return resident

    def _new_resident(
        self, model: FakeModel, key: LoadKey, keep_alive_s: float | None
    ) -> Resident:
        default_s = self._settings.default_keep_alive_s
        if keep_alive_s is None:
            keep_alive_s = math.inf if default_s < 0 else default_s
        return Resident(
            model=model,
            key=key,
            keep_alive_s=keep_alive_s,
            slots=threading.Semaphore(self._settings.num_parallel),
            users=1,
        )

    def _end_load(self, resident: Resident | None) -> None:
        with self._changed:
            self._is_loading, self._loading = False, None
            if resident:
                self._residents[resident.model.name] = resident
                self._note_users()
            self._changed.notify_all()


def _cached_tokens(resident: Resident, prompt: str) -> int:
    shared = (commonpath([prompt, seen]) for seen in resident.seen_prompts)
    return max((len(prefix) // TOKEN_CHARS for prefix in shared), default=0)
