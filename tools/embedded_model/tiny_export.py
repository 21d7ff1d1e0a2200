"""Write a trained model as a GGUF that llama.cpp reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import gguf
import numpy as np
from tiny_template import TEMPLATE
from tiny_tokenizer import CALL_END, CALL_START, PAD, TURN_END, TURN_START

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tiny_model import Shape, Tensor, Trained
    from tiny_tokenizer import Tokenizer

Precision = Literal["q8_0", "f16"]

MODEL_NAME: Final = "llmbench-tiny"
_MATRIX_DIMENSIONS: Final = 2
# Tensors that lie side by side in training, and what they are called apart.
_JOINT: Final = {
    "attn_qkv": ("attn_q", "attn_k", "attn_v"),
    "ffn_in": ("ffn_gate", "ffn_up"),
}


def export(trained: Trained, path: Path, precision: Precision = "q8_0") -> None:
    """Write the model, its tokenizer and its chat template to one file."""
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, trained.shape, precision)
    _add_tokenizer(writer, trained.tokenizer)
    writer.add_chat_template(TEMPLATE)
    for name, tensor in _separate(trained):
        _add_tensor(writer, f"{name}.weight", tensor, precision)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: Any, shape: Shape, precision: Precision) -> None:  # noqa: ANN401  # untyped
    kinds = gguf.LlamaFileType
    is_small = precision == "q8_0"
    writer.add_name(MODEL_NAME)
    writer.add_license("MIT")
    writer.add_file_type(kinds.MOSTLY_Q8_0 if is_small else kinds.MOSTLY_F16)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)


def _add_tokenizer(writer: Any, tokenizer: Tokenizer) -> None:  # noqa: ANN401  # untyped
    types = gguf.TokenType
    type_of = {
        **dict.fromkeys((PAD, TURN_START, TURN_END), types.CONTROL),
        **dict.fromkeys((CALL_START, CALL_END), types.USER_DEFINED),
    }
    # These two names mean byte-level BPE cut as GPT-2 cuts it.
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_types([
        type_of.get(token, types.NORMAL) for token in tokenizer.tokens
    ])
    writer.add_token_merges([" ".join(merge) for merge in tokenizer.merges])
    writer.add_bos_token_id(tokenizer.id_of[TURN_START])
    writer.add_eos_token_id(tokenizer.id_of[TURN_END])
    writer.add_eot_token_id(tokenizer.id_of[TURN_END])
    writer.add_pad_token_id(tokenizer.id_of[PAD])
    writer.add_add_bos_token(value=False)
    writer.add_add_eos_token(value=False)


def _separate(trained: Trained) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors under their names in a GGUF.

    There is no `output`: llama.cpp then takes the embedding, which is tied.
    """
    for key, tensor in trained.weights.items():
        block, dot, name = key.rpartition(".")
        parts = _JOINT.get(name, (name,))
        for part, piece in zip(parts, tensor.chunk(len(parts)), strict=True):
            yield f"{block}{dot}{part}", piece


def _add_tensor(
    writer: Any,  # noqa: ANN401  # untyped
    name: str,
    tensor: Tensor,
    precision: Precision,
) -> None:
    values = tensor.detach().float().numpy()
    if values.ndim < _MATRIX_DIMENSIONS:
        writer.add_tensor(name, np.ascontiguousarray(values))
    elif precision == "q8_0":
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    else:
        writer.add_tensor(name, np.ascontiguousarray(values.astype(np.float16)))
