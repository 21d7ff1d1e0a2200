"""The chat template against the renderer of the training text."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from tiny_chats import draw_exchange, draw_setting
from tiny_client import chat_request
from tiny_draw import seeded
from tiny_template import (
    TEMPLATE,
    Call,
    Message,
    Parameter,
    Tool,
    render_head,
    render_lead,
    render_message,
)

from pytest_llmbench.calls.embedded.process import MODEL_PATH

# The engine renders in a process of its own: no test process loads it. Its input
# is the template to use (empty: the file's own) and requests; its output, prompts.
RENDER = """
import http.client, json, os, sys, xllamacpp
given = json.load(sys.stdin)
parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.n_ctx = 256
parameters.verbosity = 0
parameters.chat_template = given["template"]
server = xllamacpp.Server(parameters)
prompts = []
for request in given["requests"]:
    connection = http.client.HTTPConnection(server.listening_address.split("//")[1])
    connection.request("POST", "/apply-template", json.dumps(request))
    prompts.append(json.load(connection.getresponse()).get("prompt"))
    connection.close()
print(json.dumps(prompts), flush=True)
os._exit(0)
"""

PLAIN_TOOL = Tool(name="ping", description="", parameters=())
RICH_TOOL = Tool(
    name="plan",
    description="Plan a “call”.",
    parameters=(
        Parameter(name="who", role="who", type="array", is_required=False),
        Parameter(name="unit", role="unit", choices=("C", "F")),
        Parameter(name="minutes", role="minutes", type="integer", is_required=False),
    ),
)
UNICODE_CALL = Call(name="plan", arguments={"unit": "C", "who": ["Zoë", '"Bo"']})
Chat = tuple[str, tuple[Tool, ...], tuple[Message, ...]]
HAND_MADE: tuple[Chat, ...] = (
    ("", (), (Message(role="user", text="Hi"),)),
    ("Be concise.", (), (Message(role="user", text="Hi"),)),
    ("", (PLAIN_TOOL,), (Message(role="user", text="a\n\nb"),)),
    (
        "Be concise.",
        (RICH_TOOL, PLAIN_TOOL),
        (
            Message(role="user", text="do"),
            Message(role="assistant", calls=(UNICODE_CALL, Call(name="ping"))),
            Message(role="tool", text='{"ok": true}'),
            Message(role="assistant", text="Done."),
            Message(role="user", text="Thanks!"),
        ),
    ),
)


def drawn_chats(count: int) -> list[Chat]:
    """Return chats of the training data, each up to the assistant's turn."""
    draw = seeded(11)
    chats = []
    for _ in range(count):
        setting = draw_setting(draw)
        exchange = draw_exchange(draw, setting)
        chats.append((setting.system, setting.tools, exchange.asked))
    return chats


def render_with_engine(template: str, chats: list[Chat]) -> list[Any]:
    """Return the prompts that llama.cpp makes of the chats."""
    given = {"template": template, "requests": [chat_request(*chat) for chat in chats]}
    done = subprocess.run(  # noqa: S603  # our own script, no shell
        [sys.executable, "-c", RENDER, str(MODEL_PATH)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    prompts: list[Any] = json.loads(done.stdout)
    return prompts


@pytest.mark.parametrize(
    "template",
    [pytest.param(TEMPLATE, id="recipe"), pytest.param("", id="shipped model")],
)
def test_engine_and_training_render_the_same_text(template: str) -> None:
    """What the model is asked with is what it was trained on, to the letter."""
    chats = [*HAND_MADE, *drawn_chats(25)]
    ours = [
        render_head(system, tools)
        + "".join(map(render_message, messages))
        + render_lead("assistant")
        for system, tools, messages in chats
    ]
    assert render_with_engine(template, chats) == ours


def test_a_tool_is_shown_as_one_line() -> None:
    """Optional parameters have a question mark, choices stand for the type."""
    assert render_head("", (RICH_TOOL,)) == (
        "<|im_start|>system\nTools:\n"
        "- plan(who?: array, unit: C|F, minutes?: integer) Plan a “call”.<|im_end|>\n"
    )


def test_a_call_is_shown_in_tags() -> None:
    """A call is JSON in tags, its letters not escaped."""
    message = Message(role="assistant", calls=(UNICODE_CALL,))
    assert render_message(message) == (
        "<|im_start|>assistant\n<tool_call>\n"
        '{"name": "plan", "arguments": {"unit": "C", "who": ["Zoë", "\\"Bo\\""]}}'
        "\n</tool_call><|im_end|>\n"
    )
