"""Every convention against cases worked by hand; what is mended, and what is refused."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.agent.actions import Area, Object, Region
from foveal.agent.coordinates import Convention, Frame
from foveal.agent.errors import ActionError

THOUSAND = Frame("thousand", (640, 480), (640, 480))
PIXELS = Frame("pixels", (1280, 960), (644, 476))
"""The image that Qwen2.5-VL sees has sides that are multiples of 28."""
GRID = Frame("grid", (640, 480), (640, 480))


def area(*sides: float) -> Area:
    return Area(x0=sides[0], y0=sides[1], x1=sides[2], y1=sides[3])


def cells(*sides: int) -> Region:
    return Region(x0=sides[0], y0=sides[1], x1=sides[2], y1=sides[3])


POINTED: list[tuple[Frame, tuple[float, ...], Region | Area]] = [
    (THOUSAND, (250, 500, 750, 1000), area(0.25, 0.5, 0.75, 1)),
    (THOUSAND, (0, 0, 1000, 1000), area(0, 0, 1, 1)),
    (THOUSAND, (0, 0, 2, 2), area(0, 0, 0.002, 0.002)),
    (THOUSAND, (0.5, 0, 2.5, 1), area(0.0005, 0, 0.0025, 0.001)),
    (THOUSAND, (750, 1000, 250, 500), area(0.25, 0.5, 0.75, 1)),  # both corners swapped
    (THOUSAND, (750, 500, 250, 1000), area(0.25, 0.5, 0.75, 1)),  # one axis swapped
    (THOUSAND, (-50, -3, 1050, 1001), area(0, 0, 1, 1)),  # slightly outside
    (PIXELS, (161, 119, 322, 476), area(0.25, 0.25, 0.5, 1)),
    (PIXELS, (0, 0, 644, 476), area(0, 0, 1, 1)),
    (PIXELS, (-8, -8, 650, 480), area(0, 0, 1, 1)),
    (PIXELS, (322, 476, 161, 119), area(0.25, 0.25, 0.5, 1)),
    (GRID, (2, 1, 4, 3), cells(2, 1, 4, 3)),
    (GRID, (4, 3, 2, 1), cells(2, 1, 4, 3)),
    (GRID, (0, 0, 0, 0), cells(0, 0, 0, 0)),
    (GRID, (0, 0, 8, 8), cells(0, 0, 7, 7)),  # the end of the grid
    (GRID, (7, 7, 8, 8), cells(7, 7, 7, 7)),
    (GRID, (2.0, 1.0, 4.0, 3.0), cells(2, 1, 4, 3)),
]


@pytest.mark.parametrize(("frame", "numbers", "target"), POINTED)
def test_what_numbers_point_at(
    frame: Frame, numbers: tuple[float, ...], target: Region | Area
) -> None:
    assert frame.target(numbers) == target


REFUSED: list[tuple[Frame, tuple[float, ...], str]] = [
    (THOUSAND, (1, 2, 3), "four numbers, not 3"),
    (THOUSAND, (1, 2, 3, 4, 5), "four numbers, not 5"),
    (THOUSAND, (), "four numbers, not 0"),
    (THOUSAND, (300, 10, 300, 90), "no extent"),
    (THOUSAND, (300, 10, 400, 10), "no extent"),
    (THOUSAND, (0, 0, 0, 0), "fractions of 1"),
    (THOUSAND, (0.1, 0.2, 0.5, 0.6), "fractions of 1"),
    (THOUSAND, (0, 0, 1, 1), "fractions of 1"),
    (THOUSAND, (0, 0, 1051, 500), "outside"),
    (THOUSAND, (-51, 0, 500, 500), "outside"),
    (THOUSAND, (1010, 0, 1040, 500), "no extent"),  # nothing of it is inside
    (THOUSAND, (0, 0, 1920, 1080), "outside"),  # pixels of the original
    (THOUSAND, (0, 0, math.nan, 5), "not every one is a number"),
    (THOUSAND, (0, 0, math.inf, 5), "not every one is a number"),
    (PIXELS, (0, 0, 1280, 960), "outside"),  # of the original, which it never saw
    (PIXELS, (0, 0, 10, 700), "y from 0 \\(top\\) to 476"),
    (GRID, (0, 0, 9, 3), "outside"),
    (GRID, (-1, 0, 3, 3), "outside"),
    (GRID, (8, 0, 8, 3), "outside"),
    (GRID, (0.5, 0, 3, 3), "whole numbers"),
    (GRID, (250, 500, 750, 1000), "x from 0 \\(left\\) to 7"),
]


@pytest.mark.parametrize(("frame", "numbers", "reason"), REFUSED)
def test_what_is_refused_and_told(frame: Frame, numbers: tuple[float, ...], reason: str) -> None:
    with pytest.raises(ActionError, match=reason):
        frame.target(numbers)


@pytest.mark.parametrize(
    ("frame", "box", "numbers"),
    [
        (THOUSAND, (160, 120, 480, 480), (250, 250, 750, 1000)),
        (THOUSAND, (0, 0, 640, 480), (0, 0, 1000, 1000)),
        (THOUSAND, (639.9, 479.9, 640, 480), (999, 999, 1000, 1000)),  # at least a unit
        (PIXELS, (320, 240, 640, 960), (161, 119, 322, 476)),
        (PIXELS, (1, 1, 2, 2), (1, 0, 2, 1)),
        (GRID, (160, 60, 399, 239), (2, 1, 4, 3)),
        (GRID, (0, 0, 640, 480), (0, 0, 7, 7)),
    ],
)
def test_how_a_box_of_the_original_is_told(
    frame: Frame, box: tuple[float, float, float, float], numbers: tuple[int, ...]
) -> None:
    assert frame.numbers(box) == numbers


@pytest.mark.parametrize(
    ("frame", "target", "text"),
    [
        (THOUSAND, area(0.25, 0.5, 0.75, 1), "[250, 500, 750, 1000]"),
        (PIXELS, area(0.25, 0.25, 0.5, 1), "[161, 119, 322, 476]"),
        (GRID, cells(2, 1, 4, 3), "[2, 1, 4, 3]"),
        (THOUSAND, cells(2, 1, 4, 3), "[250, 125, 625, 500]"),
        (GRID, Object(index=4), "<|obj_4|>"),
    ],
)
def test_how_a_target_is_spelled(frame: Frame, target: Any, text: str) -> None:
    assert frame.spelled(target) == text


SIDES = st.tuples(*[st.floats(0, 1)] * 4).filter(
    lambda s: s[2] - s[0] > 0.01 and s[3] - s[1] > 0.01
)


@pytest.mark.parametrize("convention", ["thousand", "pixels", "grid"])
@given(sides=SIDES, size=st.tuples(st.integers(56, 4000), st.integers(56, 4000)))
def test_a_box_that_was_told_can_be_pointed_at(
    convention: Convention, sides: Any, size: tuple[int, int]
) -> None:
    frame = Frame(convention, size, (644, 476))
    box = (sides[0] * size[0], sides[1] * size[1], sides[2] * size[0], sides[3] * size[1])
    target = frame.target(frame.numbers(box))
    if isinstance(target, Area):  # to the nearest unit
        seen = (target.x0, target.y0, target.x1, target.y1)
        assert max(abs(a - b) for a, b in zip(seen, sides, strict=True)) <= 0.5 / 476 + 1e-9
