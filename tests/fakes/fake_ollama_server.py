"""The fake Ollama: its models, its faults and what it has loaded."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from fake_http_server import FakeServer
from fake_ollama_chat import Host
from fake_ollama_models import FakeModel, FakeSettings, Fault
from fake_ollama_residency import LoadEvent, Residency, Resident
from fake_ollama_routes import answer

if TYPE_CHECKING:
    import ssl

    from fake_wire import Wire
    from typing_extensions import override

else:
    from fake_http_server import override


class FakeOllama(FakeServer):
    """A fake Ollama on a real socket of 127.0.0.1.

    After `stop` it can be started again on the same port, with nothing loaded.

    Attributes:
        faults: what goes wrong with the next matching calls.
    """

    def __init__(
        self,
        *models: FakeModel,
        settings: FakeSettings | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(port=port, tls=tls)
        self.settings = settings or FakeSettings()
        self.faults: list[Fault] = []
        self._host = Host(
            models={model.name: model for model in models or (FakeModel(),)},
            settings=self.settings,
            residency=Residency(self.settings),
            faults=self.faults,
            lock=threading.Lock(),
        )

    @property
    def models(self) -> dict[str, FakeModel]:
        """What is pulled, by name; a replaced model behaves so from its next load."""
        return self._host.models

    @property
    def loads(self) -> list[LoadEvent]:
        """Every cold load, aborted ones too."""
        return self._host.residency.loads

    @property
    def most_in_flight(self) -> int:
        """How many calls of loaded models were open at once, at most."""
        return self._host.residency.most_users

    @property
    def loaded_names(self) -> list[str]:
        """The models that /api/ps would list now."""
        return [resident.model.name for resident, _left_s in self.residents()]

    def residents(self) -> list[tuple[Resident, float]]:
        """Return what is loaded, with the seconds left to each."""
        return self._host.residency.listing()

    @override
    def stop(self) -> None:
        """Break every connection and forget loaded models."""
        super().stop()
        self._host.residency.clear()

    @override
    def respond(self, wire: Wire, body: bytes) -> None:
        """Answer one request."""
        answer(self._host, wire, body)
