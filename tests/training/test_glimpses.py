"""What is said of every cell is what its pixels show, and grids are those that serving makes."""

from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.evals.tabletop import COLOURS, SHAPES
from foveal.evals.vocabulary import SYMBOLS
from foveal.training.glimpses import (
    close_up,
    content,
    detailed,
    grid_of,
    labels,
    picture,
    stream,
    words_of,
)
from foveal.training.meanings import ATTRIBUTES, CLOSE_UP, DETAIL
from foveal.training.scenes import MOST_THINGS, NAMES, SIDE, THING, Scenes
from foveal.training.sizes import PIXELS
from foveal.training.tower import CELL

SQUARE = (0, 0, SIDE, SIDE)
SHOWN = [(512, 512), (640, 480), (480, 640), (384, 512), (1080, 810), (1920, 1080), (300, 100),
         (28, 28), (57, 41), (90, 30), (29, 500), (224, 224)]  # fmt: skip


def one_scene(instances: NDArray[np.uint8], *names: str) -> Scenes:
    """A scene of the given things, thing j where `instances` is j + 1."""
    things = np.zeros((1, MOST_THINGS), THING)
    things["name"] = -1
    for j, name in enumerate(names):
        colour, shape = name.split()
        things["name"][0, j] = NAMES.index(name)
        things["colour"][0, j], things["shape"][0, j] = COLOURS.index(colour), SHAPES.index(shape)
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    depth = np.ones((224, 224), np.float16)
    whole, sizes = np.array([[0, 0, 1, 1]], np.float32), np.array([[SIDE, SIDE]], np.int32)
    flat = np.zeros(1, np.bool_)
    return Scenes([image], [instances], [depth], things, whole, [image], [instances], sizes, flat)


def spelled(scenes: Scenes, window: Any, grid: tuple[int, int]) -> list[str]:
    said = labels(scenes, 0, window, grid)
    colours, shapes = said["colour"], said["shape"]
    assert ((colours > 0) == (shapes > 0)).all()
    return [
        f"{COLOURS[c - 1]} {SHAPES[s - 1]}" if c else ""
        for c, s in zip(colours, shapes, strict=True)
    ]


def test_cells_are_named_after_what_fills_them() -> None:
    instances = np.zeros((SIDE, SIDE), np.uint8)
    instances[: SIDE // 2, : SIDE // 2] = 1
    instances[SIDE // 2 :, SIDE // 4 :] = 2
    found = spelled(one_scene(instances, "red cube", "blue cone"), SQUARE, (2, 4))
    assert found == ["red cube", "red cube", "", "", "", "blue cone", "blue cone", "blue cone"]


@pytest.mark.parametrize(("share", "named"), [(0.03, False), (0.3, True)])
def test_a_thing_must_fill_a_part_of_its_cell(share: float, named: bool) -> None:
    instances = np.zeros((SIDE, SIDE), np.uint8)
    instances[:, : round(SIDE * share)] = 1
    assert spelled(one_scene(instances, "red cube"), SQUARE, (1, 1)) == ["red cube" * named]


def test_the_larger_of_two_things_names_the_cell() -> None:
    instances = np.zeros((SIDE, SIDE), np.uint8)
    instances[:150], instances[150:] = 1, 2
    found = spelled(one_scene(instances, "red cube", "green sign"), SQUARE, (1, 1))
    assert found == ["green sign"]


def test_details_are_said_of_what_is_large_enough_and_has_them() -> None:
    rows = one_scene(np.zeros((SIDE, SIDE), np.uint8), "red card", "blue cube").things[0][:2]
    rows["symbol"], rows["hour"] = (SYMBOLS.index("star"), -1), (0, 0)
    rows["material"], rows["texture"] = (0, 2), (0, 1)
    near = words_of(rows, np.array([True, True]))
    assert (near["symbol"] == [SYMBOLS.index("star") + 1, -1]).all()
    assert (near["material"] == [1, 3]).all()
    assert (near["hour"] == [-1, -1]).all()
    far = words_of(rows, np.array([False, False]))
    assert all((far[name] == -1).all() for name in CLOSE_UP)
    assert (far["colour"] == near["colour"]).all()


def test_large_is_what_takes_two_cells_of_the_encoded_picture() -> None:
    boxes = np.array(
        [(0, 0, DETAIL, DETAIL), (0, 0, DETAIL, DETAIL - 1), (0, 0, DETAIL // 2, DETAIL // 2)]
    )
    whole = (0, 0, 8 * CELL, 8 * CELL)
    assert detailed(boxes, whole, (8, 8)).tolist() == [True, False, False]
    half = (0, 0, 4 * CELL, 4 * CELL)
    assert detailed(boxes, half, (8, 8)).tolist() == [True, True, True]


def test_only_the_window_counts() -> None:
    instances = np.zeros((SIDE, SIDE), np.uint8)
    instances[100:200, 100:300] = 1
    scenes = one_scene(instances, "red cube")
    assert set(spelled(scenes, (100, 100, 300, 200), (2, 4))) == {"red cube"}
    assert set(spelled(scenes, (0, 210, 380, 380), (2, 4))) == {""}


@pytest.mark.parametrize("size", SHOWN)
def test_grids_are_those_that_serving_makes(size: tuple[int, int]) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    width, height = size
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": PIXELS, "longest_edge": PIXELS})
    shown = processor(images=[np.zeros((height, width, 3), np.uint8)], return_tensors="np")
    _, rows, columns = shown["image_grid_thw"][0]
    assert grid_of(width, height) == (rows // 2, columns // 2)


@pytest.mark.parametrize("window", [SQUARE, (10, 20, 60, 80), (0, 48, 384, 336)])
def test_a_picture_has_the_size_of_its_grid(window: tuple[int, int, int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    assert picture(image, window, (6, 9)).shape == (6 * CELL, 9 * CELL, 3)


def test_close_ups_show_a_thing_inside_the_picture(eight: Scenes) -> None:
    rng = np.random.default_rng(0)
    for number in range(8):
        left, top, right, bottom = content(eight, number)
        for _ in range(20):
            x0, y0, x1, y1 = close_up(eight, number, rng)
            assert left <= x0 < x1 <= right
            assert top <= y0 < y1 <= bottom
            seen = set(np.unique(eight.masks[number][y0:y1, x0:x1]))
            assert seen - {0}


def test_batches_say_what_their_pixels_show(eight: Scenes) -> None:
    """Every thing is painted by its class, and is where the labels say."""
    painted = []
    for mask, things in zip(eight.masks, eight.things, strict=True):
        colours = np.zeros((*mask.shape, 3), np.uint8)
        for j, row in enumerate(things):
            if row["name"] >= 0:
                colours[mask == j + 1] = (100, 20 * int(row["colour"]), 12 * int(row["shape"]))
        painted.append(colours)
    scenes = replace(eight, pictures=painted)
    whole = 0
    for batch in islice(stream(scenes, np.random.default_rng(0), 2), 30):
        rows, columns = batch.grid
        assert batch.images.shape == (2, rows * CELL, columns * CELL, 3)
        assert {one.shape for one in batch.said.values()} == {(2, rows * columns)}
        colours, shapes = batch.said["colour"], batch.said["shape"]
        cells = batch.images.reshape(2, rows, CELL, columns, CELL, 3).transpose(0, 1, 3, 2, 4, 5)
        pixels = cells.reshape(2, rows * columns, CELL * CELL, 3).astype(float)
        painted_share = (pixels[..., 0] > 42).mean(2)
        assert (painted_share[colours > 0] > 0.03).all()
        assert (painted_share[colours == 0] < 0.25).all()
        alone = (painted_share == 1) & (np.ptp(pixels, axis=2).max(-1) <= 4)
        mean = pixels.mean(2)[alone]
        gain = mean[:, 0] / 100
        assert (np.rint(mean[:, 1] / gain / 20) + 1 == colours[alone]).all()
        assert (np.rint(mean[:, 2] / gain / 12) + 1 == shapes[alone]).all()
        whole += int(alone.sum())
    assert whole > 50


def test_the_same_generator_gives_the_same_batches(eight: Scenes) -> None:
    one, two = (next(stream(eight, np.random.default_rng(3), 2)) for _ in range(2))
    assert np.array_equal(one.images, two.images)
    assert all(np.array_equal(one.said[name], two.said[name]) for name in ATTRIBUTES)
