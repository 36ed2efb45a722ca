"""Positions given stretch by stretch are those that transformers gives the whole sequence."""

from typing import Any

import pytest
import torch

from foveal.agent.native.positions import text_positions, visual_positions
from foveal.agent.observations import VisualTokens

PAD = 9
"""The image token of these sequences; 1 stands for text."""
GRIDS = [
    [(1, 4, 6), (1, 10, 2)],
    [(1, 2, 2), (1, 2, 2), (1, 8, 4)],
    [(1, 2, 40)],
    [],
]


def ours(stretches: list[Any]) -> list[list[int]]:
    """Time, height and width of a sequence of text lengths and image grids."""
    axes: list[list[int]] = [[], [], []]
    start = 0
    for stretch in stretches:
        if isinstance(stretch, int):
            places, start = text_positions(stretch, start)
        else:
            places, start = visual_positions(stretch, start)
        for axis, place in zip(axes, places, strict=True):
            axis += place
    return axes


def theirs(network: Any, stretches: list[Any]) -> list[list[int]]:
    ids: list[int] = []
    grids = [stretch for stretch in stretches if not isinstance(stretch, int)]
    for stretch in stretches:
        count = VisualTokens(key="", grid=stretch).count if stretch in grids else 0
        ids += [PAD] * count if count else [1] * stretch
    tensor = torch.tensor([ids])
    positions, _ = network.model.get_rope_index(
        tensor,
        mm_token_type_ids=(tensor == PAD).int(),
        image_grid_thw=torch.tensor(grids) if grids else None,
        attention_mask=torch.ones_like(tensor),
    )
    found: list[list[int]] = positions[:, 0].tolist()
    return found


@pytest.mark.parametrize("grids", GRIDS, ids=len)
@pytest.mark.parametrize("between", [1, 5])
def test_whole_sequences_agree_with_transformers(
    native: Any, grids: list[tuple[int, int, int]], between: int
) -> None:
    stretches: list[Any] = [7]
    for grid in grids:
        stretches += [grid, between]
    assert ours(stretches) == theirs(native.network, stretches)


def test_an_image_takes_as_many_positions_as_its_longer_side() -> None:
    (time, height, width), after = visual_positions((1, 4, 6), 10)
    assert time == [10] * 6
    assert height == [10, 10, 10, 11, 11, 11]
    assert width == [10, 11, 12, 10, 11, 12]
    assert after == 13


def test_text_counts_up_on_all_axes() -> None:
    assert text_positions(3, 5) == (([5, 6, 7],) * 3, 8)
    assert text_positions(0, 5) == (([],) * 3, 5)
