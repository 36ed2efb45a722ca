"""What is imagined of specialists has the units of real ones."""

import numpy as np
import pytest

from foveal.agent.wording import SPREAD
from foveal.evals.vocabulary import fits
from foveal.training.sightings import elsewhere, relative


def test_depth_is_even_in_inverse_distance_and_true_sizes_come_out_of_it() -> None:
    assert relative(1.5, 1.5) == 0
    assert relative(6.0, 1.5) == pytest.approx(1)
    assert relative(60.0, 1.5) == 1
    assert relative(0.0, 1.5) == 0
    for metres in (1.5, 2.0, 4.5):
        assert 1 / (1 - SPREAD * relative(metres, 1.5)) == pytest.approx(metres / 1.5)


@pytest.mark.parametrize("asked", [["red cube"], ["chip", "yellow thing"], ["sphere"]])
def test_what_goes_astray_answers_another_request(asked: list[str]) -> None:
    rng = np.random.default_rng(0)
    numbers, phrased = set(), set()
    for _ in range(50):
        phrases, found = elsewhere(asked, (640, 480), rng)
        numbers.add(len(found))
        phrased.add(len(phrases))
        assert found
        for one in found:
            assert any(fits(one.label, phrase) for phrase in phrases)
            assert not any(fits(one.label, phrase) for phrase in asked)
            assert 0 <= one.xyxy[0] < one.xyxy[2] <= 640
            assert 0 <= one.xyxy[1] < one.xyxy[3] <= 480
    assert {1, 2, 4} <= numbers
    assert phrased == {1, 2}


def test_where_anything_was_asked_for_nothing_goes_astray() -> None:
    assert elsewhere(["thing"], (640, 480), np.random.default_rng(0)) == ([], ())
