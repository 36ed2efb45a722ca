"""Regions and areas to pixels and back: 8 x 8 equal cells over the original image, or fractions of it.

Source of the cells: Visual Perception Token (arXiv 2502.17425); both corners of a region lie inside it, and a
crop takes one more cell on every side, cut off at the image's border. Areas have no margin.
"""

import math

from foveal.agent.actions import GRID, Area, Region

MIN_SIDE = 28
"""A crop is never narrower than this many pixels where the image allows it: one merged patch."""
QUARTER = 9 / 16
"""Of either side of an image: neighbours share an eighth, so that what is small is whole in one of them."""


def cells_to_box(region: Region, width: int, height: int) -> tuple[int, int, int, int]:
    """The crop of a region as left, top, right, bottom pixels (half-open), margin included.

    At least one pixel, also where an image is narrower than the grid and its cells are empty.
    """
    left, right = _span(region.x0, region.x1, width)
    top, bottom = _span(region.y0, region.y1, height)
    return left, top, right, bottom


def _span(first: int, last: int, extent: int) -> tuple[int, int]:
    start = max(first - 1, 0) * extent // GRID
    return start, max(start + 1, min(last + 2, GRID) * extent // GRID)


def area_to_box(area: Area, width: int, height: int) -> tuple[int, int, int, int]:
    """The whole pixels that an area touches, as left, top, right, bottom (half-open); at least one."""
    left, right = _pixels(area.x0, area.x1, width)
    top, bottom = _pixels(area.y0, area.y1, height)
    return left, top, right, bottom


def _pixels(low: float, high: float, extent: int) -> tuple[int, int]:
    # To a millionth of a pixel first: 0.3 of 100 must not touch a 31st.
    start = min(math.floor(round(low * extent, 6)), extent - 1)
    return start, max(start + 1, math.ceil(round(high * extent, 6)))


def box_to_cells(xyxy: tuple[float, float, float, float], width: int, height: int) -> Region:
    """The cells that hold the top-left and the bottom-right pixel of a box (half-open, pixels)."""
    x0, y0, x1, y1 = xyxy
    left, right = _cell(x0, width), _cell(max(x0, x1 - 1), width)
    top, bottom = _cell(y0, height), _cell(max(y0, y1 - 1), height)
    return Region(x0=left, y0=top, x1=right, y1=bottom)


def _cell(position: float, extent: int) -> int:
    return min(max(int(position * GRID // extent), 0), GRID - 1)


def grown(
    xyxy: tuple[float, float, float, float],
    width: int,
    height: int,
    margin: float = 0.25,
    smallest: int = MIN_SIDE,
) -> tuple[int, int, int, int]:
    """A box with `margin` of its size on every side and at least `smallest` pixels, inside the image."""
    x0, y0, x1, y1 = xyxy
    left, right = _stretch(x0, x1, margin, width, smallest)
    top, bottom = _stretch(y0, y1, margin, height, smallest)
    return left, top, right, bottom


def _stretch(low: float, high: float, margin: float, extent: int, smallest: int) -> tuple[int, int]:
    half = max((high - low) * (0.5 + margin), smallest / 2)
    middle = (low + high) / 2
    start, stop = max(0, round(middle - half)), min(extent, round(middle + half))
    if stop - start < smallest:  # at a border: slide inwards, as far as the image reaches
        start = max(0, min(start, extent - smallest))
        stop = min(extent, start + smallest)
    return start, stop


def quarters(width: int, height: int) -> tuple[tuple[int, int, int, int], ...]:
    """An image in four overlapping parts (xyxy, pixels), in reading order: each is shown larger."""
    wide, high = math.ceil(width * QUARTER), math.ceil(height * QUARTER)
    lefts, tops = (0, width - wide), (0, height - high)
    return tuple((x, y, x + wide, y + high) for y in tops for x in lefts)
