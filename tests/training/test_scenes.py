"""The scenes on disk say the same as the scenes themselves."""

from pathlib import Path

import numpy as np
import pytest

from foveal.evals.tabletop import scene
from foveal.training import scenes
from foveal.training.scenes import DEPTH_SIDE, NAMES, SIDE, SIZES, letterbox


def test_every_colour_and_shape_is_a_class_once() -> None:
    assert len(set(NAMES)) == len(NAMES) == 48


def test_things_keep_their_names_and_order(six: scenes.Scenes) -> None:
    for number, rows in enumerate(six.things):
        world = scene(number, "train", SIZES[number])
        kept = [NAMES[name] for name in rows["name"] if name >= 0]
        assert kept == [f"{t.colour} {t.shape}" for t in world.things]


def test_boxes_fit_the_instances(six: scenes.Scenes) -> None:
    for rows, instances in zip(six.things, six.instances, strict=True):
        for index, row in enumerate(rows[rows["name"] >= 0], start=1):
            ys, xs = np.nonzero(instances == index)
            around = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
            assert np.abs(around - row["box"]).max() <= 2


def test_depth_agrees_with_the_things(six: scenes.Scenes) -> None:
    step = SIDE / DEPTH_SIDE
    for rows, depth in zip(six.things, six.depth, strict=True):
        for row in rows[rows["name"] >= 0]:
            x, y = ((row["box"][:2] + row["box"][2:]) / 2 / step).astype(int)
            assert depth[y, x] == pytest.approx(row["depth"], rel=0.25)


def test_content_has_the_shape_of_the_picture(six: scenes.Scenes) -> None:
    for number, (x0, y0, x1, y1) in enumerate(six.content):
        width, height = SIZES[number]
        assert (x1 - x0) / (y1 - y0) == pytest.approx(width / height, abs=0.01)


def test_letterbox_centres_the_picture() -> None:
    assert letterbox(384, 640, 480) == (0.6, 0, 48, 384, 288)


def test_a_broken_rendering_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scenes, "pack", fail)
    with pytest.raises(KeyboardInterrupt):
        scenes.build(tmp_path, 1)
    assert list(tmp_path.iterdir()) == []
