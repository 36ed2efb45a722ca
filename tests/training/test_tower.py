"""The vision tower's fast pass is transformers' own, to the precision of bfloat16, on any grid."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from foveal.training.tower import CELL, MEAN, STD, patches, tokens

GRIDS = [(8, 8), (6, 9), (9, 6), (1, 5), (2, 2)]


def noise(grid: tuple[int, int], count: int = 2) -> NDArray[np.uint8]:
    rows, columns = grid
    rng = np.random.default_rng(rows * 100 + columns)
    return rng.integers(0, 256, (count, rows * CELL, columns * CELL, 3)).astype(np.uint8)


def processed(images: NDArray[np.uint8]) -> Any:
    """What serving makes of pictures that need no resizing."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": CELL**2, "longest_edge": 10**7})
    return processor(images=[*images], return_tensors="pt", input_data_format="channels_last")


@pytest.mark.parametrize("grid", GRIDS)
def test_patches_come_in_the_processors_order(grid: tuple[int, int]) -> None:
    images = noise(grid)
    expected = processed(images)["pixel_values"].view(2, -1, 3, 2, 14, 14)
    assert torch.equal(expected[:, :, :, 0], expected[:, :, :, 1])
    assert torch.allclose(patches(images), expected[:, :, :, 0].flatten(2), atol=1e-5)


@pytest.mark.parametrize("grid", GRIDS)
def test_tokens_are_those_of_transformers(tokenizer: Any, tiny: Any, grid: tuple[int, int]) -> None:
    tower, images = tiny(tokenizer).eval().model.visual, noise(grid)
    inputs = processed(images)
    with torch.no_grad():
        found = tokens(tower, images)
        out = tower(inputs["pixel_values"], grid_thw=inputs["image_grid_thw"]).pooler_output
    expected = out.view(2, grid[0] * grid[1], -1)
    assert found.shape == expected.shape
    assert (expected[0] - expected[1]).abs().mean() > 20 * (found - expected).abs().mean()
    assert torch.cosine_similarity(found, expected, dim=-1).min() > 0.999


def test_colours_are_normalised_as_when_serving() -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    processor = Qwen2VLImageProcessorPil()
    assert (tuple(processor.image_mean), tuple(processor.image_std)) == (MEAN, STD)
