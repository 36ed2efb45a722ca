"""From where a client points to pixels of the image."""

import numpy as np
import pytest

from foveal.agent.errors import InputError
from foveal.mcp.places import around, within

IMAGE = np.zeros((50, 100, 3), np.uint8)


def test_a_region_is_cut_off_at_the_border() -> None:
    assert within((10, 5, 20.5, 50), IMAGE) == (10, 5, 20.5, 50)
    assert within((-1, 0, 101, 50.5), IMAGE) == (0, 0, 100, 50)


@pytest.mark.parametrize(
    "sides", [(-9, 0, 20, 20), (0, 0, 120, 20), (90, 10, 90.5, 20), (0, 60, 20, 80)]
)
def test_a_region_outside_is_refused(sides: tuple[float, float, float, float]) -> None:
    with pytest.raises(InputError, match="100 pixels wide and 50 high"):
        within(sides, IMAGE)


def test_a_point_stands_for_a_square() -> None:
    assert around(50, 25, IMAGE) == (46.875, 21.875, 53.125, 28.125)
    assert around(0, 49, IMAGE) == (0, 45.875, 3.125, 50)
    with pytest.raises(InputError, match="outside the image"):
        around(100, 25, IMAGE)
