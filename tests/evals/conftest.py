"""A few scenes, drawn once for all tests of the tabletop world."""

import pytest

from foveal.evals.splits import is_drawing
from foveal.evals.tabletop import Scene, scene


@pytest.fixture(scope="session")
def scenes() -> list[Scene]:
    """Tables and drawings as every split but `hard` has them."""
    square = [scene(seed, "val", (288, 288)) for seed in range(36)]
    wide = [scene(seed, "val", (320, 240)) for seed in range(3)]
    tall = [scene(seed, "val", (256, 320)) for seed in range(3)]
    return [*square, *wide, *tall]


@pytest.fixture(scope="session")
def tables(scenes: list[Scene]) -> list[Scene]:
    return [world for world in scenes if not world.flat]


@pytest.fixture(scope="session")
def hard() -> list[Scene]:
    """Full tables and drawings, at less than their usual size."""
    numbers = [0, 1, 2, 7, 15]
    assert [is_drawing(number) for number in numbers] == [False, False, False, True, True]
    return [scene(number, "hard", (512, 512)) for number in numbers]
