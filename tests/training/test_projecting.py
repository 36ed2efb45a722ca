"""Projectors learn to say what other encoders' features show."""

from typing import Any

import numpy as np
import pytest
import torch

from foveal.agent.profiles import embedded_weights
from foveal.training.meanings import Dictionary
from foveal.training.projecting import looked, nearness, projection_loss, stream
from foveal.training.reencoders import Encoders, add_projectors, encoders_of
from foveal.training.scenes import Scenes


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    return encoders_of(embedded_weights())


def test_the_loss_falls_and_near_is_told_from_far(
    eight: Scenes, tokenizer: Any, tiny: Any, encoders: Encoders
) -> None:
    network = tiny(tokenizer)
    add_projectors(network)
    words = Dictionary(network.get_input_embeddings().weight.detach(), tokenizer)
    batches = stream(eight, encoders, np.random.default_rng(0), 4)
    learning = [p for n, p in network.named_parameters() if "_projector" in n]
    optimiser = torch.optim.AdamW(learning, lr=5e-3)
    losses, told = [], []
    for _ in range(150):
        loss, said = projection_loss(network, words, next(batches))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        told += [said[name] for name in ("detection_measure",) if name in said]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5]), losses
    assert np.mean(told[-25:]) > np.mean(told[:5]) + 0.03, told


def test_nothing_lies_outside_the_picture(eight: Scenes, encoders: Encoders) -> None:
    for number in range(len(eight)):
        width, height = (int(v) for v in eight.sizes[number])
        one = looked(eight, number, "seg", encoders)
        blocks = one.said["shape"].reshape(one.grid)
        side = max(width, height)
        outside = np.arange(one.grid[0]) * side // one.grid[0]
        assert not blocks[outside >= height].any()
        assert not blocks[:, outside >= width].any()
        assert np.array_equal(np.isnan(one.measure), one.said["shape"] == 0)
        assert np.nan_to_num(one.measure).max() > 0


def test_nearness_is_that_of_the_scene_and_unknown_in_a_drawing(eight: Scenes) -> None:
    solid = next(n for n in range(8) if not eight.flat[n])
    grid = (10, 10)
    levels = nearness(eight, solid, grid).reshape(grid)
    assert 0 <= levels.min() < 0.3
    assert levels.max() <= 1
    # A table is nearer at the bottom of the picture.
    assert levels[-1].mean() > levels[0].mean()
    flat = next(n for n in range(8) if eight.flat[n])
    assert np.isnan(nearness(eight, flat, grid)).all()
