"""The embedded model's shape fits its tokenizer, its pictures and the forward pass it is trained with."""

from typing import Any

import pytest
import torch

from foveal.agent.actions import GRID
from foveal.training.glimpses import grid_of
from foveal.training.sizes import PIXELS
from foveal.training.sizes import config as config_of


@pytest.fixture
def config(tokenizer: Any) -> Any:
    return config_of(tokenizer)


def test_every_token_has_a_row_and_rows_come_in_even_blocks(tokenizer: Any, config: Any) -> None:
    rows = config.text_config.vocab_size
    assert tokenizer.get_vocab_size() <= rows < tokenizer.get_vocab_size() + 64
    assert rows % 64 == 0


def test_the_rotary_sections_fill_a_head_and_no_heads_are_shared(config: Any) -> None:
    text = config.text_config
    head = text.hidden_size // text.num_attention_heads
    assert 2 * sum(text.rope_parameters["mrope_section"]) == head
    assert text.num_key_value_heads == text.num_attention_heads


def test_the_tower_ends_in_the_language_models_width(config: Any) -> None:
    assert config.vision_config.hidden_size == config.text_config.hidden_size


def test_a_square_picture_has_a_token_for_every_cell_of_the_region_grid() -> None:
    assert grid_of(512, 512) == (GRID, GRID)
    assert PIXELS == (GRID * 28) ** 2


def test_it_is_small_and_its_ends_are_tied(config: Any) -> None:
    from transformers import Qwen2VLForConditionalGeneration

    with torch.device("meta"):
        network = Qwen2VLForConditionalGeneration(config)
    assert sum(p.numel() for p in network.parameters()) < 8e6
    assert network.lm_head.weight is network.get_input_embeddings().weight


def test_special_tokens_are_those_of_the_tokenizer(tokenizer: Any, config: Any) -> None:
    names = {
        "<|image_pad|>": config.image_token_id,
        "<|vision_start|>": config.vision_start_token_id,
        "<|vision_end|>": config.vision_end_token_id,
        "<|im_end|>": config.text_config.eos_token_id,
    }
    assert {name: tokenizer.token_to_id(name) for name in names} == names
