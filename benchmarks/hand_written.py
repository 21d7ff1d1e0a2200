"""What one would write without the plugin; engine.py copies it as a test file."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TRIALS = int(os.environ.get("TRIALS", "1"))
URL = os.environ.get("OLLAMA_HOST", "")


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    """Keep one connection for all tests."""
    with httpx.Client(timeout=60) as opened:
        yield opened


@pytest.mark.parametrize("number", range(TRIALS))
def test_prompt(client: httpx.Client, number: int) -> None:
    """The model gives the expected answer."""
    message = {"role": "user", "content": f"question {number}"}
    body = {"model": "m:1b", "messages": [message], "stream": True}
    text = ""
    with client.stream("POST", f"{URL}/api/chat", json=body) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            text += json.loads(line)["message"]["content"]
    assert text == "The answer is 4"  # noqa: S101 - a test
