"""The embedded model's shape: stock Qwen2-VL classes, a thousandth of the usual size."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from foveal.training.tokenizer import number

if TYPE_CHECKING:
    from transformers import Qwen2VLConfig

PIXELS = 224 * 224
"""Pixels an image is resized to: 64 merged tokens for a square one, one per cell of the region grid."""


def config(tokenizer: Tokenizer) -> Qwen2VLConfig:
    """The configuration of the embedded model for a tokenizer."""
    from transformers import Qwen2VLConfig

    token = partial(number, tokenizer)
    vocabulary = -(-tokenizer.get_vocab_size() // 64) * 64
    return Qwen2VLConfig(
        text_config={
            "vocab_size": vocabulary,
            "hidden_size": 256,
            "intermediate_size": 768,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 4096,
            # Base 10 000 rather than the stock million: a few hundred positions must be told apart.
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": [8, 12, 12],
            },
            "tie_word_embeddings": True,
            "bos_token_id": token("<|endoftext|>"),
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
        },
        vision_config={
            "depth": 4,
            "embed_dim": 192,
            "hidden_size": 256,
            "num_heads": 4,
            "mlp_ratio": 4,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )
