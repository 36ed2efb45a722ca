"""Cells to pixels and back, against crops that the reference implementation of the paper made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.agent.actions import GRID, Area, Region
from foveal.agent.regions import MIN_SIDE, area_to_box, box_to_cells, cells_to_box, grown, quarters

REFERENCE = [
    # width, height, cells, crop
    (800, 600, (2, 1, 4, 3), (100, 0, 600, 375)),
    (800, 600, (0, 0, 7, 7), (0, 0, 800, 600)),
    (640, 480, (5, 5, 5, 5), (320, 240, 560, 420)),
    (1000, 333, (0, 7, 0, 7), (0, 249, 250, 333)),
    (800, 600, (2, 1, 2, 1), (100, 0, 400, 225)),
    (800, 600, (0, 3, 7, 4), (0, 150, 800, 450)),
    (640, 480, (7, 7, 7, 7), (480, 360, 640, 480)),
    (640, 480, (0, 7, 7, 7), (0, 360, 640, 480)),
    (640, 480, (1, 1, 6, 6), (0, 0, 640, 480)),
    (640, 480, (3, 0, 4, 0), (160, 0, 480, 120)),
    (641, 479, (3, 3, 3, 3), (160, 119, 400, 299)),
    (1023, 767, (1, 6, 2, 7), (0, 479, 511, 767)),
    (13, 29, (2, 2, 5, 5), (1, 3, 11, 25)),
    (7, 5, (3, 3, 4, 4), (1, 1, 5, 3)),
    (4, 4, (0, 0, 0, 0), (0, 0, 1, 1)),
    (1, 1, (7, 7, 7, 7), (0, 0, 1, 1)),
    (3000, 20, (2, 2, 3, 3), (375, 2, 1875, 12)),
    (5000, 16, (0, 0, 7, 7), (0, 0, 5000, 16)),
    (1920, 1080, (1, 2, 1, 2), (0, 135, 720, 540)),
    (800, 600, (0, 0, 0, 0), (0, 0, 200, 150)),
    (800, 600, (7, 0, 7, 0), (600, 0, 800, 150)),
    (800, 600, (1, 1, 2, 2), (0, 0, 400, 300)),
    (800, 600, (1, 2, 1, 2), (0, 75, 300, 300)),
    (800, 600, (3, 3, 3, 3), (200, 150, 500, 375)),
]

CELL = st.integers(0, GRID - 1)
SIDE = st.integers(1, 3000)


def region(x0: int, y0: int, x1: int, y1: int) -> Region:
    return Region(x0=min(x0, x1), y0=min(y0, y1), x1=max(x0, x1), y1=max(y0, y1))


REGIONS = st.builds(region, CELL, CELL, CELL, CELL)


@st.composite
def placed(draw: st.DrawFn, least: int = GRID) -> tuple[tuple[int, int, int, int], int, int]:
    """A box of whole pixels inside an image, and the image's width and height."""
    width, height = draw(st.integers(least, 3000)), draw(st.integers(least, 3000))
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    x1, y1 = draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))
    return (x0, y0, x1, y1), width, height


@pytest.mark.parametrize(("width", "height", "cells", "crop"), REFERENCE)
def test_crops_are_those_of_the_reference(
    width: int, height: int, cells: tuple[int, int, int, int], crop: tuple[int, ...]
) -> None:
    assert cells_to_box(region(*cells), width, height) == crop


@pytest.mark.parametrize("side", range(1, GRID))
def test_a_cell_of_a_tiny_image_is_a_pixel_at_least(side: int) -> None:
    for cell in range(GRID):
        x0, y0, x1, y1 = cells_to_box(region(cell, cell, cell, cell), side, side)
        assert 0 <= x0 < x1 <= side
        assert (x0, x1) == (y0, y1)


@given(REGIONS, SIDE, SIDE)
def test_a_crop_lies_inside_and_is_never_empty(cells: Region, width: int, height: int) -> None:
    x0, y0, x1, y1 = cells_to_box(cells, width, height)
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height


@given(placed())
def test_the_crop_of_a_boxs_cells_holds_the_box(
    case: tuple[tuple[int, int, int, int], int, int],
) -> None:
    (x0, y0, x1, y1), width, height = case
    left, top, right, bottom = cells_to_box(
        box_to_cells((x0, y0, x1, y1), width, height), width, height
    )
    assert left <= x0 < x1 <= right
    assert top <= y0 < y1 <= bottom


@given(REGIONS, st.integers(1, 300), st.integers(1, 300))
def test_a_box_drawn_around_whole_cells_is_those_cells(cells: Region, wide: int, high: int) -> None:
    box = (cells.x0 * wide, cells.y0 * high, (cells.x1 + 1) * wide, (cells.y1 + 1) * high)
    assert box_to_cells(box, wide * GRID, high * GRID) == cells


@pytest.mark.parametrize("box", [(-50, -9, -1, -2), (-10, -10, 900, 900), (700, 650, 800, 700.5)])
def test_a_box_that_leaves_the_image_has_cells_at_its_border(
    box: tuple[float, float, float, float],
) -> None:
    cells = box_to_cells(box, 640, 480)
    assert {cells.x0, cells.y0, cells.x1, cells.y1} <= {0, GRID - 1}


@given(placed(least=1), st.floats(0, 2))
def test_a_grown_box_is_inside_and_wide_enough(
    case: tuple[tuple[int, int, int, int], int, int], margin: float
) -> None:
    box, width, height = case
    left, top, right, bottom = grown(box, width, height, margin)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert right - left >= min(MIN_SIDE, width)
    assert bottom - top >= min(MIN_SIDE, height)


@given(placed())
def test_a_grown_box_holds_the_box(case: tuple[tuple[int, int, int, int], int, int]) -> None:
    (x0, y0, x1, y1), width, height = case
    left, top, right, bottom = grown((x0, y0, x1, y1), width, height)
    assert left <= x0 < x1 <= right
    assert top <= y0 < y1 <= bottom


BOXES = st.tuples(*[st.floats(-4000, 4000)] * 4)


@given(BOXES, SIDE, SIDE)
def test_a_grown_box_is_inside_wherever_a_detector_puts_it(
    box: tuple[float, float, float, float], width: int, height: int
) -> None:
    x0, y0, x1, y1 = box
    ordered = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    left, top, right, bottom = grown(ordered, width, height)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_a_grown_box_has_a_quarter_on_every_side() -> None:
    assert grown((100, 200, 200, 300), 640, 480) == (75, 175, 225, 325)
    assert grown((0, 0, 100, 100), 640, 480) == (0, 0, 125, 125)
    assert grown((630, 470, 640, 480), 640, 480) == (612, 452, 640, 480)


@pytest.mark.parametrize(
    ("width", "height", "area", "box"),
    [
        (
            100,
            50,
            (0.3, 0.2, 0.7, 0.6),
            (30, 10, 70, 30),
        ),  # not 71: 0.7 of 100 is 70.00000000000001
        (100, 50, (0.0, 0.0, 1.0, 1.0), (0, 0, 100, 50)),
        (100, 50, (0.305, 0.01, 0.306, 0.011), (30, 0, 31, 1)),  # what it touches, at least a pixel
        (100, 50, (0.9999, 0.9999, 1.0, 1.0), (99, 49, 100, 50)),
        (3, 1, (0.5, 0.5, 0.9, 0.6), (1, 0, 3, 1)),
    ],
)
def test_the_pixels_of_an_area(
    width: int, height: int, area: tuple[float, ...], box: tuple[int, ...]
) -> None:
    x0, y0, x1, y1 = area
    assert area_to_box(Area(x0=x0, y0=y0, x1=x1, y1=y1), width, height) == box


FRACTION = st.floats(0, 1, exclude_max=True)


@given(FRACTION, FRACTION, SIDE, SIDE)
def test_every_area_has_pixels_inside_the_image(
    left: float, top: float, width: int, height: int
) -> None:
    area = Area(x0=left, y0=top, x1=1.0, y1=1.0)
    x0, y0, x1, y1 = area_to_box(area, width, height)
    assert 0 <= x0 < x1 == width
    assert 0 <= y0 < y1 == height


@given(width=st.integers(1, 4000), height=st.integers(1, 4000))
def test_quarters_cover_the_image_overlap_and_are_alike(width: int, height: int) -> None:
    parts = quarters(width, height)
    first, right, below, last = parts
    assert first[:2] == (0, 0)
    assert last[2:] == (width, height)
    assert {(x1 - x0, y1 - y0) for x0, y0, x1, y1 in parts} == {(first[2], first[3])}
    assert right[0] <= first[2] - width // 9
    assert below[1] <= first[3] - height // 9
    assert first[2] <= width * 0.5625 + 1
    assert first[3] <= height * 0.5625 + 1
