"""Train the model from nothing within a limit of wall-clock minutes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import torch
from tiny_chats import draw_exchange, draw_setting
from tiny_draw import seeded
from tiny_model import Shape, Trained, logits, new_weights
from tiny_rows import PREFIX_SEGMENT, ROW_TOKENS, draw_row
from tiny_template import render_head, render_message
from tiny_tokenizer import Tokenizer, train_tokenizer
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from tiny_model import Tensor, Weights

_TOKENIZER_SEED: Final = 10_000
_TOKENIZER_SETTINGS: Final = 400
_TOKENIZER_EXCHANGES: Final = 8
_ROWS: Final = 6
_LEARNING_RATE: Final = 4e-3
_LOWEST_SHARE: Final = 0.01
_FULL_RATE_SHARE: Final = 0.35  # of the time, before the rate goes down
_WARM_UP_STEPS: Final = 100
_WEIGHT_DECAY: Final = 0.05
_CLIP: Final = 1.0
_REPORT_EVERY_STEPS: Final = 50
_AVERAGE_KEEPS: Final = 0.95
_UNSEEN: Final = -1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a training run is given.

    Attributes:
        is_split: hold every sixth list item out, to measure on it later.
        threads: processor threads.
    """

    minutes: float
    seed: int = 0
    is_split: bool = False
    threads: int = 1
    shape: Shape = field(default_factory=Shape)


@dataclass(slots=True)
class _Progress:
    """How far a run is.

    Attributes:
        done: the share of the time that has passed.
        answer_loss: moving average of the loss per answer token, in nats.
    """

    started_s: float
    step: int = 0
    done: float = 0.0
    answer_loss: float | None = None

    def note(self, answer_loss: float) -> None:
        """Count a step and its loss."""
        self.step += 1
        kept = _AVERAGE_KEEPS if self.answer_loss is not None else 0.0
        self.answer_loss = kept * (self.answer_loss or 0.0) + (1 - kept) * answer_loss

    def line(self) -> str:
        """Describe the progress."""
        elapsed_s = time.monotonic() - self.started_s
        tokens = self.step * _ROWS * ROW_TOKENS / 1e6
        return (
            f"{self.done:4.0%} {elapsed_s:5.0f} s  step {self.step:5d}  "
            f"{tokens:5.2f} M tokens  answer loss {self.answer_loss:.4f}"
        )


def train(training: Training, report: Callable[[str], None]) -> Trained:
    """Train tokenizer and model; report a line now and then."""
    torch.set_num_threads(training.threads)
    torch.manual_seed(training.seed)
    tokenizer = fit_tokenizer(training)
    shape = replace(training.shape, vocabulary=len(tokenizer.tokens))
    weights = new_weights(shape)
    parameters = sum(each.numel() for each in weights.values())
    report(f"{parameters / 1e6:.2f} M parameters, {shape.vocabulary} tokens")
    trained = Trained(
        shape=shape, weights=weights, tokenizer=tokenizer, is_split=training.is_split
    )
    _fit(training, trained, report)
    return trained


def fit_tokenizer(training: Training) -> Tokenizer:
    """Learn the tokenizer from chats of their own seed."""
    draw = seeded(_TOKENIZER_SEED + training.seed, is_split=training.is_split)
    texts = []
    for _ in range(_TOKENIZER_SETTINGS):
        setting = draw_setting(draw)
        texts.append(render_head(setting.system, setting.tools))
        for _ in range(_TOKENIZER_EXCHANGES):
            messages = draw_exchange(draw, setting).messages
            texts.extend(map(render_message, messages))
    return train_tokenizer(texts, training.shape.vocabulary)


def learning_rate(step: int, done: float) -> float:
    """Return the rate: a short rise, full for a third of the time, then down.

    Args:
        step: counted from 0.
        done: the share of the time that has passed, from 0 to 1.
    """
    rise = min(1.0, (step + 1) / _WARM_UP_STEPS)
    fall = min(1.0, max(_LOWEST_SHARE, (1 - done) / (1 - _FULL_RATE_SHARE)))
    return _LEARNING_RATE * rise * fall


def _fit(training: Training, trained: Trained, report: Callable[[str], None]) -> None:
    draw = seeded(training.seed, is_split=training.is_split)
    optimizers = _optimizers(trained.weights)
    progress = _Progress(started_s=time.monotonic())
    while progress.done < 1:
        rate = learning_rate(progress.step, progress.done)
        for group in (group for each in optimizers for group in each.param_groups):
            group["lr"] = rate
        rows = [draw_row(draw, trained.tokenizer) for _ in range(_ROWS)]
        progress.note(_step(trained, optimizers, rows))
        elapsed_s = time.monotonic() - progress.started_s
        progress.done = min(1.0, elapsed_s / (60 * training.minutes))
        if progress.step % _REPORT_EVERY_STEPS == 0 or progress.done >= 1:
            report(progress.line())


def _optimizers(weights: Weights) -> list[Any]:
    """Return Muon for the inner matrices and AdamW for embedding and norms."""
    inner: list[Tensor] = []
    rest: list[Tensor] = []
    for key, weight in weights.items():
        is_inner = weight.ndim == 2 and key != "token_embd"  # noqa: PLR2004  # a matrix
        (inner if is_inner else rest).append(weight)
    muon = torch.optim.Muon(
        inner,
        lr=_LEARNING_RATE,
        weight_decay=_WEIGHT_DECAY,
        adjust_lr_fn="match_rms_adamw",
    )
    adam = torch.optim.AdamW(
        rest, lr=_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0
    )
    return [muon, adam]


def _step(trained: Trained, optimizers: list[Any], rows: list[Any]) -> float:
    """Take one step on a batch of rows and return its loss per answer token."""
    ids, positions, targets, weights = (
        torch.tensor([getattr(row, name) for row in rows])
        for name in ("ids", "positions", "targets", "weights")
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = logits(trained.weights, trained.shape, ids, positions, _mask(rows))
    losses = functional.cross_entropy(
        scores.float().flatten(0, 1), targets.flatten(), reduction="none"
    )
    (losses @ weights.flatten() / weights.sum()).backward()
    torch.nn.utils.clip_grad_norm_(trained.weights.values(), _CLIP)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    return float(losses.detach()[weights.flatten() >= 1].mean())


def _mask(rows: list[Any]) -> Tensor:
    """Let each token see the prefix and its own exchange, up to itself."""
    segments = torch.tensor([row.segments for row in rows])
    of_key, of_query = segments[:, None, :], segments[:, :, None]
    earlier = torch.ones(ROW_TOKENS, ROW_TOKENS, dtype=torch.bool).tril()
    is_seen = ((of_key == of_query) | (of_key == PREFIX_SEGMENT)) & earlier
    mask = torch.zeros(is_seen.shape, dtype=torch.bfloat16)
    return mask.masked_fill_(~is_seen, _UNSEEN)[:, None]
