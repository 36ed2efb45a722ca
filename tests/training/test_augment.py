"""Changed pictures keep their truth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from foveal.evals.palette import PAINTS
from foveal.training import scenes
from foveal.training.augment import move, recolour


@pytest.mark.parametrize("seed", range(6))
def test_moved_boxes_still_frame_what_they_framed(
    few: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(scenes, "SHARD", 8)
    eight = scenes.load(few, 8)
    names = eight.things[0]["name"]
    for index in np.flatnonzero(names >= 0):
        eight.things[0]["name"] = np.where(np.arange(len(names)) == index, names, -1)
        # White where the thing is, black elsewhere, so that it can be found again after the move.
        alone = np.where(eight.instances[0] == index + 1, np.uint8(255), np.uint8(0))
        painted = replace(eight, images=[np.repeat(alone[:, :, None], 3, axis=2)])
        sample = move(painted, 0, 320, np.random.default_rng(seed))
        for box, name in zip(sample.boxes, sample.names, strict=True):
            ys, xs = np.nonzero(sample.image[:, :, 0] > 127)
            around = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
            assert np.abs(around - box).max() <= 2.5
            assert name == names[index]


@pytest.mark.parametrize("seed", range(12))
def test_colours_keep_their_names(seed: int) -> None:
    paints = np.array(list(PAINTS.values()))
    flat = np.repeat((paints * 255).astype(np.uint8)[:, None], 16, axis=1)[:, :, None, :]
    board = flat.reshape(8, 16, 3).repeat(16, axis=0)
    seen = recolour(board, np.random.default_rng(seed)).reshape(8, 16, 16, 3)[:, 5:11, 3:13]
    mean = seen.reshape(8, -1, 3).mean(axis=1) / 255
    nearest = np.linalg.norm(mean[:, None] - paints[None], axis=2).argmin(axis=1)
    assert nearest.tolist() == list(range(8))
