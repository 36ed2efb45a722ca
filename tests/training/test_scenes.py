"""The scenes on disk say the same as the scenes themselves."""

from pathlib import Path

import numpy as np
import pytest

from foveal.evals.splits import size_of
from foveal.evals.tabletop import Scene, scene
from foveal.evals.vocabulary import label
from foveal.training import scenes
from foveal.training.rows import things
from foveal.training.scenes import DEPTH_SIDE, NAMES, SIDE, boxed, letterbox


@pytest.fixture(scope="module")
def truths() -> list[Scene]:
    return [scene(number, "train", size_of(number)) for number in range(8)]


def test_every_thing_comes_back_whole(eight: scenes.Scenes, truths: list[Scene]) -> None:
    for rows, world in zip(eight.things, truths, strict=True):
        assert len(world.things) == len(things(rows))
        for kept, thing in zip(things(rows), world.things, strict=True):
            for name, value in vars(thing).items():
                found = getattr(kept, name)
                assert found == (
                    pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
                )


def test_names_are_labels(eight: scenes.Scenes, truths: list[Scene]) -> None:
    for rows, world in zip(eight.things, truths, strict=True):
        kept = [NAMES[name] for name in rows["name"] if name >= 0]
        assert kept == [label(t.colour, t.shape) for t in world.things]


def test_pictures_are_kept_as_they_were_drawn(eight: scenes.Scenes, truths: list[Scene]) -> None:
    for number, world in enumerate(truths):
        assert eight.sizes[number].tolist() == list(world.depth.shape[::-1])
        assert eight.flat[number] == world.flat
        assert np.array_equal(eight.masks[number], world.instances)
        error = eight.pictures[number].astype(int) - world.image
        assert np.abs(error).mean() < 3.5


def test_depth_is_kept_to_the_millimetre(eight: scenes.Scenes, truths: list[Scene]) -> None:
    for number, world in enumerate(truths):
        expected = boxed(world.depth, DEPTH_SIDE, 0)
        assert np.abs(eight.depth[number] - expected).max() < 0.005


def test_boxes_fit_the_instances(eight: scenes.Scenes) -> None:
    for rows, instances in zip(eight.things, eight.instances, strict=True):
        for index, row in enumerate(rows[rows["name"] >= 0], start=1):
            ys, xs = np.nonzero(instances == index)
            around = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
            assert np.abs(around - row["box"]).max() <= 2


def test_content_has_the_shape_of_the_picture(eight: scenes.Scenes) -> None:
    for (width, height), (x0, y0, x1, y1) in zip(eight.sizes, eight.content, strict=True):
        assert (x1 - x0) / (y1 - y0) == pytest.approx(width / height, abs=0.01)


def test_squares_are_letterboxed_in_grey(eight: scenes.Scenes) -> None:
    for number, (x0, y0, x1, y1) in enumerate(eight.content * SIDE):
        assert eight.images[number].shape == (SIDE, SIDE, 3)
        outside = np.ones((SIDE, SIDE), dtype=bool)
        outside[round(y0) : round(y1), round(x0) : round(x1)] = False
        assert (eight.images[number][outside] == 114).all()
        assert (eight.instances[number][outside] == 0).all()


def test_letterbox_centres_the_picture() -> None:
    assert letterbox(384, 640, 480) == (0.6, 0, 48, 384, 288)


def test_scenes_are_found_by_number_and_slice(eight: scenes.Scenes) -> None:
    assert len(eight.images) == len(eight) == 8
    assert np.array_equal(eight.masks[-1], eight.masks[7])
    assert [mask.shape for mask in eight.masks[2:4]] == [eight.masks[n].shape for n in (2, 3)]
    with pytest.raises(IndexError, match="no scene 8: there are 8"):
        eight.masks[8]


def test_a_scene_takes_less_than_a_quarter_of_a_megabyte(few: Path) -> None:
    (shard,) = few.iterdir()
    assert sum(file.stat().st_size for file in shard.iterdir()) / 8 < 250_000


def test_a_broken_rendering_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scenes, "pack", fail)
    with pytest.raises(KeyboardInterrupt):
        scenes.build(tmp_path, 1)
    assert list(tmp_path.iterdir()) == []


def test_processes_side_by_side_render_the_same(
    tmp_path: Path,
    eight: scenes.Scenes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pictures = [*eight.pictures]
    monkeypatch.setattr(scenes, "SHARD", 4)
    made = scenes.load(tmp_path, 8, workers=2)
    assert capsys.readouterr().err.splitlines()[1].startswith("rendered 8 of 8 scenes, ")
    assert np.array_equal(made.things, eight.things)
    assert all(
        np.array_equal(one, other) for one, other in zip(made.pictures, pictures, strict=True)
    )
    scenes.load(tmp_path, 8, workers=2)
    assert not capsys.readouterr().err
