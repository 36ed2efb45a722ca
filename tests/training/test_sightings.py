"""What is imagined of specialists has the units of real ones."""

import pytest

from foveal.agent.dialogue import SPREAD
from foveal.training.sightings import relative


def test_depth_is_even_in_inverse_distance_and_true_sizes_come_out_of_it() -> None:
    assert relative(1.5, 1.5) == 0
    assert relative(6.0, 1.5) == pytest.approx(1)
    assert relative(60.0, 1.5) == 1
    assert relative(0.0, 1.5) == 0
    for metres in (1.5, 2.0, 4.5):
        assert 1 / (1 - SPREAD * relative(metres, 1.5)) == pytest.approx(metres / 1.5)
