"""Splits share nothing, and `hard` is harder in every way it claims."""

from itertools import combinations

import pytest

from foveal.evals.deck import BLOCK
from foveal.evals.splits import LEVELS, SPLITS, generator, is_drawing, size_of


def test_no_two_splits_draw_from_the_same_numbers() -> None:
    assert len(set(SPLITS.values())) == len(SPLITS)
    assert set(LEVELS) == set(SPLITS)
    numbers = (0, 1, 2, BLOCK, 7 * BLOCK + 3)
    states = [
        tuple(generator(seed, split).integers(1 << 62, size=4).tolist())
        for split in SPLITS
        for seed in numbers
    ]
    assert len(set(states)) == len(SPLITS) * len(numbers)


def test_hard_is_fuller_smaller_and_larger() -> None:
    seen, hard = LEVELS["train"], LEVELS["hard"]
    assert LEVELS["val"] == LEVELS["test"] == seen
    assert hard.things[0] > seen.things[1]
    assert hard.held_out
    assert not seen.held_out
    for smaller in ("solids", "glyph", "symbol", "trinket", "figure"):
        assert getattr(hard, smaller)[1] < getattr(seen, smaller)[1], smaller
    areas = [width * height for width, height in hard.sizes]
    assert min(areas) > max(width * height for width, height in seen.sizes)


@pytest.mark.parametrize("split", SPLITS)
def test_sizes_can_be_drawn_and_are_always_the_same(split: str) -> None:
    for seed in range(200):
        width, height = size_of(seed, split)  # type: ignore[arg-type]
        assert (width, height) == size_of(seed, split)  # type: ignore[arg-type]
        assert (64 if is_drawing(seed) else 160) <= min(width, height)
        assert max(width, height) <= 2048
    sizes = [size_of(seed, split) for seed in range(200)]  # type: ignore[arg-type]
    assert len({size for seed, size in enumerate(sizes) if is_drawing(seed)}) > 15


def test_splits_do_not_share_their_sizes_by_number() -> None:
    for one, two in combinations(("train", "val", "test"), 2):
        assert [size_of(n, one) for n in range(40)] != [size_of(n, two) for n in range(40)]  # type: ignore[arg-type]
