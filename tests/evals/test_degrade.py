"""Pictures get worse, by as much as is asked for, and always in the same way."""

import numpy as np
import pytest

from foveal.evals.degrade import blurred, compressed, degraded, noisy

BOARD = np.repeat(np.repeat(np.indices((16, 20)).sum(axis=0) % 2, 8, axis=0), 8, axis=1)
PICTURE = np.stack([BOARD * 200, BOARD * 90 + 40, 220 - BOARD * 180], axis=2).astype(np.uint8)


def error(picture: np.ndarray) -> float:
    return float(np.abs(picture.astype(float) - PICTURE).mean())


def test_the_same_generator_does_the_same() -> None:
    one, two, other = (degraded(PICTURE, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert one.shape == PICTURE.shape
    assert one.dtype == np.uint8


def test_some_are_left_alone_and_most_are_not() -> None:
    changed = [error(degraded(PICTURE, np.random.default_rng(seed))) > 0 for seed in range(60)]
    assert 0.6 < np.mean(changed) < 0.98


def test_mildly_is_milder() -> None:
    means = [
        np.mean([error(degraded(PICTURE, np.random.default_rng(s), mildly=m)) for s in range(40)])
        for m in (True, False)
    ]
    assert means[0] < 0.75 * means[1]


def test_noise_has_the_deviation_asked_for() -> None:
    grey = np.full((300, 700, 3), 128, dtype=np.uint8)
    noise = noisy(grey, 5.0, np.random.default_rng(0)).astype(float) - 128
    assert noise.std() == pytest.approx(5, rel=0.05)
    assert abs(noise.mean()) < 0.1


def test_more_blur_and_lower_quality_are_worse() -> None:
    assert 0 < error(blurred(PICTURE, 0.5)) < error(blurred(PICTURE, 1.5))
    assert 0 < error(compressed(PICTURE, 90)) < error(compressed(PICTURE, 40))
