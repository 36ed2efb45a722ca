"""A few scenes, drawn once for all tests of the tabletop world."""

import pytest

from foveal.evals.tabletop import Scene, scene


@pytest.fixture(scope="session")
def scenes() -> list[Scene]:
    square = [scene(seed, "val", (288, 288)) for seed in range(20)]
    wide = [scene(seed, "val", (320, 240)) for seed in range(3)]
    tall = [scene(seed, "val", (256, 320)) for seed in range(3)]
    return [*square, *wide, *tall]
