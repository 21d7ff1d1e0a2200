"""What servers are seen to hold, over real sockets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from asking import target_of
from canned_server import CannedServer, http_json
from fake_ollama import FakeModel, FakeOllama, refuse, slow_first_byte
from fake_ollama_probe import preload

from pytest_llmbench.calls.clock import SystemClock
from pytest_llmbench.calls.embedded.process import MODEL_PATH
from pytest_llmbench.calls.occupancy import occupancies
from pytest_llmbench.calls.providers.ollama import OllamaProvider
from pytest_llmbench.calls.request import Occupancy, Target

if TYPE_CHECKING:
    from pytest_llmbench.calls.engine import Engine

TWO = (FakeModel(), FakeModel(name="other:7b", size=4_000, size_vram=1_000))


def test_own_and_other_models(engine: Engine) -> None:
    """Each loaded model has its size, VRAM share and end, and whether it is tested."""
    with FakeOllama(*TWO) as server:
        preload(server)
        preload(server, model="other:7b")
        (seen,) = engine.occupancies([target_of(server, "FAKE:1b")])
    loaded = {model.name: model for model in seen.loaded}
    assert seen.server == f"ollama at {server.url}"
    assert (seen.is_local, seen.is_child) == (True, False)
    assert loaded["fake:1b"].tested_as == "FAKE:1b"
    other = loaded["other:7b"]
    assert (other.tested_as, other.size_bytes, other.gpu_share) == ("", 4_000, 0.25)
    assert other.expires_at
    assert seen.sizes_bytes == {"FAKE:1b": 1_300_000_000}


def test_each_server_is_asked_once(engine: Engine) -> None:
    """Several models of one server cost one look; nothing is loaded by it."""
    with FakeOllama(*TWO) as one, FakeOllama() as two:
        targets = [target_of(one), target_of(one, "other:7b"), target_of(two)]
        seen = engine.occupancies(targets)
        asked = [len(server.requests_to("/api/ps")) for server in (one, two)]
        assert not one.loads
    assert asked == [1, 1]
    assert [set(one.sizes_bytes) for one in seen] == [
        {"fake:1b", "other:7b"},
        {"fake:1b"},
    ]


def test_a_copy_under_another_name_is_the_tested_model(engine: Engine) -> None:
    """Equal digests are one model, whatever it was loaded as."""
    with FakeOllama(
        FakeModel(digest="sha256:1"), FakeModel(name="copy:1b", digest="sha256:1")
    ) as server:
        preload(server, model="copy:1b")
        (seen,) = engine.occupancies([target_of(server)])
    assert [(one.name, one.tested_as) for one in seen.loaded] == [
        ("copy:1b", "fake:1b")
    ]


@pytest.mark.parametrize("path", ["/api/ps", "/api/tags"])
def test_a_server_that_fails_is_left_out(engine: Engine, path: str) -> None:
    """A fault, a wrong shape, nobody there, no URL: the others are told of anyway."""
    strange = CannedServer({path: http_json({"models": [1]})})
    with FakeOllama() as bad, FakeOllama() as good, strange:
        bad.faults.append(refuse(500, "no").where(path=path))
        targets = [
            target_of(bad),
            target_of(strange.url),
            target_of("http://127.0.0.1:1"),
            target_of("http://[oh:no"),
            target_of(good),
        ]
        seen = engine.occupancies(targets)
    assert [one.server for one in seen] == [f"ollama at {good.url}"]


def test_nobody_to_ask(engine: Engine) -> None:
    """No target, nothing seen."""
    assert engine.occupancies([]) == []


def test_a_slow_server_is_not_waited_for() -> None:
    """The look has a limit of its own."""

    async def look(url: str) -> list[Occupancy]:
        provider = OllamaProvider(url, SystemClock())
        try:
            return await occupancies({provider: ["fake:1b"]}, look_s=0.05)
        finally:
            await provider.close()

    with FakeOllama() as server:
        server.faults.append(slow_first_byte(5.0).where(path="/api/ps"))
        assert asyncio.run(look(server.url)) == []
        assert len(asyncio.run(look(server.url))) == 1


def test_the_embedded_engine_is_our_own_child(engine: Engine) -> None:
    """It holds nobody's models, and nothing is started to look at it."""
    target = Target(provider="embedded", model="llmbench-tiny", base_url="")
    (seen,) = engine.occupancies([target])
    assert seen == Occupancy(
        server="the embedded engine",
        is_local=True,
        is_child=True,
        sizes_bytes={"llmbench-tiny": MODEL_PATH.stat().st_size},
    )
