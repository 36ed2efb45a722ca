"""Flat drawings: figures of the named shape and colour, at any size."""

from dataclasses import replace

import numpy as np
import pytest

from foveal.evals.drawings import LEAST, SHARE, drawing
from foveal.evals.palette import PAINTS
from foveal.evals.splits import LEVELS
from foveal.evals.tabletop import Scene, Thing, scene
from foveal.evals.vocabulary import FIGURES


@pytest.fixture(scope="module")
def drawings() -> list[Scene]:
    sizes = ((64, 64), (96, 64), (300, 200), (640, 480), (200, 400))
    numbers = range(7, 7 + 8 * 20, 8)
    return [scene(seed, "val", sizes[i % len(sizes)]) for i, seed in enumerate(numbers)]


def whole(drawings: list[Scene]) -> list[tuple[Scene, Thing]]:
    return [(d, t) for d in drawings for t in d.things if t.visible == t.full]


def test_figures_show_and_lie_in_the_picture(drawings: list[Scene]) -> None:
    for world in drawings:
        assert world.flat
        assert (world.depth == 1).all()
        assert 1 <= len(world.things) <= 10
        for thing in world.things:
            assert thing.shape in FIGURES
            assert thing.visible >= SHARE * thing.full
            row, column = np.nonzero(world.instances == thing.id)
            assert (len(row), thing.box) == (
                thing.visible,
                (column.min(), row.min(), column.max() + 1, row.max() + 1),
            )


def test_figures_fill_their_box_as_their_shape_does(drawings: list[Scene]) -> None:
    seen = {shape: 0 for shape in FIGURES}
    for _, thing in whole(drawings):
        x0, y0, x1, y1 = thing.box
        if min(x1 - x0, y1 - y0) < 20:
            continue
        seen[thing.shape] += 1
        share = thing.full / ((x1 - x0) * (y1 - y0))
        longer = max(x1 - x0, y1 - y0) / min(x1 - x0, y1 - y0)
        match thing.shape:
            case "circle":
                assert share == pytest.approx(np.pi / 4, abs=0.06)
                assert longer < 1.1
            case "square":
                assert share > 0.7
                assert longer < 1.1
            case "rectangle":
                assert longer > 1.2
            case _:
                assert 0.35 < share < 0.62
    assert min(seen.values()) >= 3


def test_figures_have_their_colour(drawings: list[Scene]) -> None:
    paints = np.array(list(PAINTS.values()))
    for world, thing in whole(drawings):
        if min(world.depth.shape) >= 200:
            mean = world.image[world.instances == thing.id].mean(axis=0) / 255
            nearest = np.linalg.norm(paints - mean, axis=1).argmin()
            assert list(PAINTS)[nearest] == thing.colour


def test_figures_stand_out_from_what_is_behind_them(drawings: list[Scene]) -> None:
    for world, thing in whole(drawings):
        inside = np.median(world.image[world.instances == thing.id], axis=0)
        outside = np.median(world.image[world.instances == 0], axis=0)
        assert np.abs(inside - outside).max() > 25


def test_the_smallest_picture_still_shows_every_figure() -> None:
    for seed in range(30):
        world = drawing((64, 64), np.random.default_rng(seed), LEVELS["train"])
        for thing in world.things:
            assert thing.full >= LEAST**2 / 2.5


def test_too_many_figures_are_refused() -> None:
    crowd = replace(LEVELS["train"], things=(120, 120))
    with pytest.raises(RuntimeError, match=r"\(64, 64\)"):
        drawing((64, 64), np.random.default_rng(0), crowd)
