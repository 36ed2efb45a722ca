"""From where a client points to a box in the image."""

from foveal.agent.errors import InputError
from foveal.tools.images import Pixels

Sides = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the original image; right and bottom are outside."""

SLACK = 0.02
"""How far outside the image a side may lie and still be meant to be its border, as a share of its extent."""
WINDOW = 8
"""So many squares around a point fit along the image's shorter side. The outliner is prompted with a box; of the
eight objects of the example picture the outline from this one overlaps that from the exact box by 0.84 to 0.99."""


def within(sides: Sides, pixels: Pixels) -> Sides:
    """The rectangle, cut off at the image's border. Raises InputError when it lies outside."""
    height, width = pixels.shape[:2]
    left, right = _cut(sides[0], sides[2], width, "x", pixels)
    top, bottom = _cut(sides[1], sides[3], height, "y", pixels)
    return left, top, right, bottom


def around(x: float, y: float, pixels: Pixels) -> Sides:
    """The square that stands for a point. Raises InputError when the point is outside the image."""
    height, width = pixels.shape[:2]
    if not (0 <= x < width and 0 <= y < height):
        raise InputError(f"the point {x:g}, {y:g} is outside the image{_size(pixels)}")
    half = max(min(width, height) / WINDOW, 2.0) / 2
    return max(x - half, 0), max(y - half, 0), min(x + half, width), min(y + half, height)


def _cut(low: float, high: float, extent: int, axis: str, pixels: Pixels) -> tuple[float, float]:
    slack = SLACK * extent
    start, stop = max(low, 0.0), min(high, float(extent))
    if low < -slack or high > extent + slack or stop - start < 1:
        raise InputError(
            f"the region from {axis} {low:g} to {high:g} cannot be used: give at least one pixel "
            f"inside the image{_size(pixels)}"
        )
    return start, stop


def _size(pixels: Pixels) -> str:
    height, width = pixels.shape[:2]
    return f", which is {width} pixels wide and {height} high"
