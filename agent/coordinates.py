"""How a model names places in an image: one adapter per convention, so that nothing else knows of them.

What is unambiguous is mended: swapped corners, and corners slightly outside the image. The rest is refused in
words that tell the model what is expected: a box that was guessed shows the wrong thing and nobody learns why.

The conventions are those that the models were trained on: Qwen2-VL, Qwen3-VL and InternVL write 0 to 1000
relative to the image, Qwen2.5-VL pixels of the image as it was resized for it, and models with perception tokens
cells of a grid.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from foveal.agent.actions import GRID, Area, Object, Region, Target, image_missing
from foveal.agent.errors import ActionError
from foveal.agent.regions import box_to_cells

Convention = Literal["thousand", "pixels", "grid"]
THOUSAND = 1000
SLACK = 0.05
"""How far outside the image a corner may lie and still be meant to be on its border, as a share of its extent."""

UNITS: dict[Convention, str] = {
    "thousand": "whole thousandths of the image's width and height",
    "pixels": "whole pixels of the image as it is shown",
    "grid": f"cells of an {GRID} x {GRID} grid over the image, both corners inside",
}
"""What the numbers of a box count, in words for the model."""

Size = tuple[int, int]
"""Width and height in pixels."""
Numbers = tuple[int, int, int, int]
"""Left, top, right, bottom, as a model writes them."""


@dataclass(frozen=True)
class Frame:
    """How one model names places in one image, or in the first of several; it then holds the others'."""

    convention: Convention
    image: Size
    """Of the original image."""
    shown: Size
    """Of the image as the model sees it; only "pixels" counts in it."""
    number: int | None = None
    """Which of several images it is, from 1; None when the question comes with one."""
    rest: tuple["Frame", ...] = ()
    """Of the images after it; the first has those of all others."""

    @property
    def each(self) -> tuple["Frame", ...]:
        """Of all images, in order."""
        return (self, *self.rest)

    def of(self, image: int | None) -> "Frame":
        """Of the image of this number; this one for None. Raises ActionError when there is no such image."""
        if image is None:
            return self
        if not 1 <= image <= len(self.each):
            raise image_missing(image, len(self.each))
        return self.each[image - 1]

    @property
    def limits(self) -> Size:
        """The largest x and y."""
        match self.convention:
            case "thousand":
                return THOUSAND, THOUSAND
            case "pixels":
                return self.shown
            case "grid":
                return GRID - 1, GRID - 1

    @property
    def rule(self) -> str:
        """The convention in words, for the model."""
        return f"[x0, y0, x1, y1] in {UNITS[self.convention]}: {self.sides}"

    @property
    def sides(self) -> str:
        """How far the numbers go, in words for the model."""
        across, down = self.limits
        return f"x from 0 (left) to {across}, y from 0 (top) to {down}"

    def target(self, numbers: Sequence[float]) -> Region | Area:
        """What four numbers point at: a region in the grid, an area otherwise.

        Raises ActionError when they are not four, not in order after a swap, or outside the image.
        """
        x0, y0, x1, y1 = self._four(numbers)
        (x0, x1), (y0, y1) = sorted((x0, x1)), sorted((y0, y1))
        if self.convention == "grid":
            return self._cells(x0, y0, x1, y1)
        if x1 <= 1 and y1 <= 1:
            raise self._refused(numbers, "these look like fractions of 1")
        left, right = self._clipped((x0, x1), self.limits[0], numbers)
        top, bottom = self._clipped((y0, y1), self.limits[1], numbers)
        return Area(x0=left, y0=top, x1=right, y1=bottom)

    def numbers(self, xyxy: tuple[float, float, float, float]) -> Numbers:
        """A box in pixels of the original image (half-open), as the model writes boxes."""
        if self.convention == "grid":
            cells = box_to_cells(xyxy, *self.image)
            return cells.x0, cells.y0, cells.x1, cells.y1
        left, right = _scaled(xyxy[0], xyxy[2], self.image[0], self.limits[0])
        top, bottom = _scaled(xyxy[1], xyxy[3], self.image[1], self.limits[1])
        return left, top, right, bottom

    def spelled(self, target: Target) -> str:
        """A region or an area as the model writes it, an object as its token."""
        match target:
            case Object():
                return f"<|obj_{target.index}|>"
            case Region():
                cells = (target.x0, target.y0, target.x1 + 1, target.y1 + 1)
                return written(self.numbers(self._pixels(cells, GRID)))
            case Area():
                sides = (target.x0, target.y0, target.x1, target.y1)
                return written(self.numbers(self._pixels(sides, 1)))

    def _pixels(
        self, sides: tuple[float, float, float, float], whole: int
    ) -> tuple[float, float, float, float]:
        width, height = self.image
        x0, y0, x1, y1 = sides
        return x0 * width / whole, y0 * height / whole, x1 * width / whole, y1 * height / whole

    def _four(self, numbers: Sequence[float]) -> Sequence[float]:
        if len(numbers) != 4:
            raise self._refused(numbers, f"a box has four numbers, not {len(numbers)}")
        if not all(math.isfinite(number) for number in numbers):
            raise self._refused(numbers, "not every one is a number")
        return numbers

    def _cells(self, x0: float, y0: float, x1: float, y1: float) -> Region:
        given = (x0, y0, x1, y1)
        if any(side != int(side) for side in given):
            raise self._refused(given, "cells are whole numbers")
        # A right or bottom of 8 is the end of the grid, as if it were outside the box.
        right, bottom = (GRID - 1 if side == GRID else side for side in (x1, y1))
        if min(x0, y0) < 0 or max(x0, y0, right, bottom) >= GRID:
            raise self._refused(given, "it lies outside the image")
        return Region(x0=int(x0), y0=int(y0), x1=int(right), y1=int(bottom))

    def _clipped(
        self, side: tuple[float, float], limit: int, numbers: Sequence[float]
    ) -> tuple[float, float]:
        """One side of a box as fractions of the image."""
        low, high = side
        if low < -SLACK * limit or high > (1 + SLACK) * limit:
            raise self._refused(numbers, "it lies outside the image")
        low, high = max(low, 0.0), min(high, float(limit))
        if high <= low:
            raise self._refused(numbers, "it has no extent")
        return low / limit, high / limit

    def _refused(self, numbers: Sequence[float], reason: str) -> ActionError:
        return ActionError(f"the box {written(numbers)} cannot be used: {reason}; {self.rule}")


def framed(convention: Convention, sizes: Sequence[tuple[Size, Size]]) -> Frame:
    """The frame of a question's images, from the size of each and the size in which it is shown."""
    if len(sizes) == 1:
        return Frame(convention, *sizes[0])
    first, *rest = [Frame(convention, *size, number) for number, size in enumerate(sizes, start=1)]
    return replace(first, rest=tuple(rest))


def written(numbers: Sequence[float]) -> str:
    """Numbers as models write a box."""
    return "[" + ", ".join(f"{number:g}" for number in numbers) + "]"


def _scaled(low: float, high: float, extent: int, limit: int) -> tuple[int, int]:
    """One side of a box in units of the convention, at least one unit long."""
    start = min(max(round(low * limit / extent), 0), limit - 1)
    return start, max(start + 1, min(round(high * limit / extent), limit))
