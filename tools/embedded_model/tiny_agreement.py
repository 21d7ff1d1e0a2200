"""Hold a GGUF against the PyTorch model it was exported from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tiny_client import Client, request_for
from tiny_model import greedy
from tiny_template import render_head, render_lead, render_message
from tiny_tokenizer import TURN_END

if TYPE_CHECKING:
    from collections.abc import Sequence

    from check_model import Case
    from tiny_model import Trained

_ANSWER_TOKENS = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """On how many cases both give the same.

    Attributes:
        prompts: the rendered prompt.
        tokens: its token ids.
        answers: the likeliest reply; may differ where the weights are rounded.
    """

    cases: int
    prompts: int
    tokens: int
    answers: int

    @property
    def is_faithful(self) -> bool:
        """Whether template and tokenizer are the same in every case."""
        return self.prompts == self.tokens == self.cases


def measure_agreement(
    client: Client, trained: Trained, cases: Sequence[Case]
) -> Agreement:
    """Compare prompts, token ids and greedy answers."""
    results = [_agrees(client, trained, case) for case in cases]
    prompts, tokens, answers = (sum(column) for column in zip(*results, strict=True))
    return Agreement(cases=len(cases), prompts=prompts, tokens=tokens, answers=answers)


def _agrees(client: Client, trained: Trained, case: Case) -> tuple[bool, bool, bool]:
    setting, exchange = case
    request = request_for(setting, exchange)
    theirs = client.post("/apply-template", **request)["prompt"]
    head = render_head(setting.system, setting.tools)
    turns = "".join(map(render_message, exchange.asked))
    ours = head + turns + render_lead("assistant")
    ids = trained.tokenizer.encode(ours)
    their_ids = client.post("/tokenize", content=ours, parse_special=True)["tokens"]
    stop = trained.tokenizer.id_of[TURN_END]
    written = client.post(
        "/completion",
        prompt=ids,
        n_predict=_ANSWER_TOKENS,
        temperature=0,
        return_tokens=True,
    )["tokens"]
    their_answer = [token for token in written if token != stop]
    our_answer = greedy(trained, ids, stop, _ANSWER_TOKENS)
    return theirs == ours, their_ids == ids, their_answer == our_answer
