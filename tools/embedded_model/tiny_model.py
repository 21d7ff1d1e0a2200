"""A llama decoder in PyTorch: RMSNorm, rotary positions, SwiGLU, tied embeddings.

The weights are a plain dictionary whose keys follow the names in a GGUF; only
`attn_qkv` (query, key, value) and `ffn_in` (gate, up) hold several tensors side
by side, because one wide product is faster than several narrow ones.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from tiny_tokenizer import Tokenizer
from torch.nn import functional

if TYPE_CHECKING:
    from pathlib import Path

Tensor = Any  # torch is not installed where types are checked
Weights = dict[str, Tensor]

_EMBEDDING_SPREAD = 0.02
_QUIET_START = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes of a model."""

    vocabulary: int = 1024
    width: int = 192
    layers: int = 6
    heads: int = 3
    hidden: int = 512
    context: int = 1024
    rope_base: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        """The width of one attention head."""
        return self.width // self.heads


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model with its tokenizer.

    Attributes:
        is_split: every sixth list item was held out of its training.
    """

    shape: Shape
    weights: Weights
    tokenizer: Tokenizer
    is_split: bool = False

    def save(self, path: Path) -> None:
        """Write everything to one file."""
        state = {
            "shape": asdict(self.shape),
            "weights": {key: each.detach() for key, each in self.weights.items()},
            "merges": self.tokenizer.merges,
            "is_split": self.is_split,
        }
        torch.save(state, path)


def load_trained(path: Path) -> Trained:
    """Read what `Trained.save` wrote."""
    state = torch.load(path, weights_only=True)
    return Trained(
        shape=Shape(**state["shape"]),
        weights=state["weights"],
        tokenizer=Tokenizer(state["merges"]),
        is_split=state["is_split"],
    )


def new_weights(shape: Shape) -> Weights:
    """Return random weights, ready to be trained."""
    width, hidden = shape.width, shape.hidden
    spread = _EMBEDDING_SPREAD
    weights = {"token_embd": torch.randn(shape.vocabulary, width) * spread}
    for layer in range(shape.layers):
        name = f"blk.{layer}."
        weights |= {
            name + "attn_norm": torch.ones(width),
            name + "attn_qkv": _random_matrix(3 * width, width),
            # What is added to the stream starts small.
            name + "attn_output": _random_matrix(width, width) * _QUIET_START,
            name + "ffn_norm": torch.ones(width),
            name + "ffn_in": _random_matrix(2 * hidden, width),
            name + "ffn_down": _random_matrix(width, hidden) * _QUIET_START,
        }
    weights["output_norm"] = torch.ones(width)
    return {key: each.requires_grad_() for key, each in weights.items()}


def logits(
    weights: Weights,
    shape: Shape,
    ids: Tensor,
    positions: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Return the scores of each next token.

    Args:
        weights: of the model.
        shape: of the model.
        ids: tokens, one row per chat.
        positions: of the tokens; by default they are counted.
        mask: added to the attention scores; by default causal.
    """
    if positions is None:
        positions = torch.arange(ids.shape[1])[None]
    rotation = _rotation(shape, positions)
    stream = functional.embedding(ids, weights["token_embd"])
    for layer in range(shape.layers):
        name = f"blk.{layer}."
        block = {
            key.removeprefix(name): each
            for key, each in weights.items()
            if key.startswith(name)
        }
        stream = stream + _attention(block, shape, stream, rotation, mask)
        stream = stream + _feed_forward(block, shape, stream)
    return _norm(stream, weights["output_norm"], shape) @ weights["token_embd"].T


def greedy(trained: Trained, ids: list[int], stop: int, limit: int = 96) -> list[int]:
    """Return the likeliest continuation, token by token, without the stop token."""
    written: list[int] = []
    with torch.no_grad():
        while len(written) < limit:
            chat = torch.tensor([ids + written])
            scores = logits(trained.weights, trained.shape, chat)
            token = int(scores[0, -1].argmax())
            if token == stop:
                break
            written.append(token)
    return written


def _random_matrix(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns) * columns**-0.5


def _norm(stream: Tensor, weight: Tensor, shape: Shape) -> Tensor:
    return functional.rms_norm(stream, (shape.width,), weight, shape.epsilon)


def _rotation(shape: Shape, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cosines and sines of the rotary angles, ready for all heads."""
    pairs = torch.arange(0, shape.head_width, 2).float() / shape.head_width
    angles = positions[:, None, :, None].float() * shape.rope_base**-pairs
    return angles.cos(), angles.sin()


def _rotate(heads: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the pairs (0, 1), (2, 3), …: llama.cpp's "norm" order."""
    cosine, sine = rotation
    even, odd = heads[..., 0::2], heads[..., 1::2]
    turned = (even * cosine - odd * sine, even * sine + odd * cosine)
    return torch.stack(turned, -1).flatten(-2)


def _attention(
    block: Weights,
    shape: Shape,
    stream: Tensor,
    rotation: tuple[Tensor, Tensor],
    mask: Tensor | None,
) -> Tensor:
    rows, length, _ = stream.shape
    normed = _norm(stream, block["attn_norm"], shape)
    joint = functional.linear(normed, block["attn_qkv"])
    split = joint.view(rows, length, 3, shape.heads, shape.head_width)
    query, key, value = split.permute(2, 0, 3, 1, 4)
    query, key = _rotate(query, rotation), _rotate(key, rotation)
    if mask is None:
        mixed = functional.scaled_dot_product_attention(
            query, key, value, is_causal=True
        )
    else:  # in bfloat16 on a CPU plain products beat the fused kernel
        scores = query @ key.transpose(-1, -2) * shape.head_width**-0.5 + mask
        mixed = scores.softmax(-1) @ value
    return functional.linear(mixed.transpose(1, 2).flatten(2), block["attn_output"])


def _feed_forward(block: Weights, shape: Shape, stream: Tensor) -> Tensor:
    normed = _norm(stream, block["ffn_norm"], shape)
    gate, up = functional.linear(normed, block["ffn_in"]).chunk(2, -1)
    return functional.linear(functional.silu(gate) * up, block["ffn_down"])
