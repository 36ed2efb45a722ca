"""The fast forward pass is transformers' own, to the precision of bfloat16, pictures included."""

from typing import Any

import numpy as np
import pytest
import torch

from foveal.training.encode import Sequence, encode
from foveal.training.forward import hidden_states, rotations
from foveal.training.packing import Packed, Row, stack
from foveal.training.pictured import view_grid
from foveal.training.reseeing import seen
from foveal.training.tokenizer import number


@pytest.fixture(scope="module")
def network(tokenizer: Any, tiny: Any) -> Any:
    return tiny(tokenizer).eval()


@pytest.fixture(scope="module")
def looked(tokenizer: Any, play: Any) -> Sequence:
    """A dialogue that sees the whole image and one crop of it."""
    runs = (play("colour", seed, views=True) for seed in range(20))
    return next(s for run in runs if len((s := encode(run, tokenizer, view_grid)).views) == 2)


def pictures(sequence: Sequence) -> tuple[Any, ...]:
    """Noise for every view, of the size that its tokens stand for."""
    rng = np.random.default_rng(0)
    sizes = [(28 * rows, 28 * columns, 3) for _, (rows, columns) in sequence.views]
    return tuple(rng.integers(0, 256, size).astype(np.uint8) for size in sizes)


def alone(sequence: Sequence, tokenizer: Any) -> Packed:
    row = Row()
    row.add(sequence)
    pad, image = (number(tokenizer, t) for t in ("<|endoftext|>", "<|image_pad|>"))
    return stack([row], len(sequence.ids), pad, image)


def ours(network: Any, packed: Packed, seen: torch.Tensor) -> torch.Tensor:
    inner, text = network.model.language_model, network.config.text_config
    embeds = inner.embed_tokens(packed.ids).masked_scatter(packed.visual[..., None], seen)
    rope = text.rope_parameters
    head = text.hidden_size // text.num_attention_heads
    cos, sin = rotations(packed.positions, head, rope["rope_theta"], rope["mrope_section"])
    return hidden_states(inner, embeds, cos, sin, packed.bias).float()


def stock(network: Any, sequence: Sequence) -> torch.Tensor:
    """Pixels and ids in; transformers finds the places of pictures and all positions by itself."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": 28**2, "longest_edge": 10**7})
    shown = processor(
        images=[*pictures(sequence)], return_tensors="pt", input_data_format="channels_last"
    )
    ids = torch.from_numpy(sequence.ids)[None]
    out = network.model(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        mm_token_type_ids=(ids == network.config.image_token_id).int(),
        **shown,
    )
    hidden: torch.Tensor = out.last_hidden_state
    return hidden


def test_hidden_states_are_those_of_transformers(
    network: Any, looked: Sequence, tokenizer: Any
) -> None:
    with torch.no_grad():
        expected = stock(network, looked)
        packed = alone(looked, tokenizer)
        found = ours(network, packed, seen(network, packed, pictures(looked))[0])
    assert expected.std() > 0.3, "too flat to tell anything"
    assert (found - expected).abs().max() < 0.15
    assert (found - expected).abs().mean() < 0.015


def test_gradients_are_those_of_transformers(
    network: Any, looked: Sequence, tokenizer: Any
) -> None:
    def gradients(hidden: torch.Tensor) -> dict[str, torch.Tensor]:
        inner = network.model.language_model
        aim = torch.sin(torch.arange(hidden.numel())).view(hidden.shape)
        names, values = zip(*inner.named_parameters(), strict=True)
        return dict(zip(names, torch.autograd.grad((hidden * aim).sum(), values), strict=True))

    packed = alone(looked, tokenizer)
    found = gradients(ours(network, packed, seen(network, packed, pictures(looked))[0]))
    for name, expected in gradients(stock(network, looked)).items():
        if (
            "k_proj.bias" in name
        ):  # shifts all scores of a query alike: no gradient but for rotation
            continue
        likeness = torch.cosine_similarity(expected.flatten(), found[name].flatten(), dim=0)
        assert likeness > 0.99, name


def test_text_stands_where_a_plain_rotary_embedding_puts_it() -> None:
    line = torch.arange(5).expand(3, 1, 5)
    cos, sin = rotations(line, 8, 10_000.0, [1, 1, 2])
    angles = torch.arange(5)[:, None] * 10_000.0 ** (-torch.arange(0, 8, 2) / 8)
    assert torch.allclose(cos[0, 0], torch.cat([angles, angles], dim=1).cos())
    assert torch.allclose(sin[0, 0], torch.cat([angles, angles], dim=1).sin())
