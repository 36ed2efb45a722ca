"""Positions as each family counts them, against what transformers computes."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foveal.agent.chat.family import FAMILIES, UNKNOWN, family_of, in_line, in_planes
from foveal.agent.errors import InputError

PAD = 7
GRIDS = st.tuples(st.just(1), st.integers(1, 6), st.integers(1, 6)).map(
    lambda grid: (grid[0], 2 * grid[1], 2 * grid[2])
)


def laid(stretches: list[Any]) -> tuple[list[int], list[Any]]:
    """Token ids of words (so many) and pictures (a grid), with words between pictures."""
    ids: list[int] = []
    grids = [stretch for stretch in stretches if isinstance(stretch, tuple)]
    for stretch in stretches:
        ids += [1] * (1 if isinstance(stretch, tuple) else stretch)
        ids += [PAD] * (stretch[1] * stretch[2] // 4 if isinstance(stretch, tuple) else 0)
    return [*ids, 1], grids


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.planes])
@given(stretches=st.lists(st.integers(0, 5) | GRIDS, max_size=6), cut=st.integers(0, 5))
def test_positions_are_those_of_the_whole_sequence(
    chat: Any, family: str, stretches: list[Any], cut: int
) -> None:
    """Also when the sequence comes in two pieces."""
    stock = chat(family).network.model.model
    ids, grids = laid(stretches)
    mine: list[list[int]] = [[], [], []]
    start = 0
    for piece in (stretches[:cut], stretches[cut:]):
        part, some = laid(piece)
        positions, start = in_planes(part[:-1], PAD, some, start, 2)
        mine = [axis + more for axis, more in zip(mine, positions, strict=True)]
    positions, start = in_planes([1], PAD, [], start, 2)
    mine = [axis + more for axis, more in zip(mine, positions, strict=True)]
    tensor = torch.tensor([ids])
    theirs, delta = stock.get_rope_index(
        tensor, (tensor == PAD).int(), torch.tensor(grids) if grids else None
    )
    assert mine == theirs[:, 0].tolist()
    assert start == len(ids) + int(delta)


def test_a_line_goes_on_where_it_stopped() -> None:
    assert in_line(3, 4) == ([4, 5, 6], 7)
    assert in_line(0, 4) == ([], 4)


def test_families_by_model_type_or_by_likeness() -> None:
    assert family_of("qwen2_5_vl").convention == "pixels"
    assert family_of("something_new") == UNKNOWN
    assert not UNKNOWN.continues
    assert family_of("something_new", like="qwen3_vl") == FAMILIES["qwen3_vl"]
    with pytest.raises(InputError, match="no model family 'mine'; known: qwen2_vl, "):
        family_of("qwen2_vl", like="mine")
