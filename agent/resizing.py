"""The resize that the Visual Perception Token models were trained behind: every picture passes it first.

Source: the data pipeline of Visual Perception Token (arXiv 2502.17425), LLaMA-Factory's `image_resolution`. An
encoder's own preprocessing comes after it.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.agent.errors import InputError

SMALLEST = 28
"""Pixels of the shortest side: one merged patch of Qwen2-VL."""

Pixels = NDArray[np.uint8]


def resized(pixels: Pixels, cap: int) -> Pixels:
    """A picture (height, width, 3) whose longer side is at most `cap` and whose shorter one at least SMALLEST.

    Nearest neighbours, first down, then up; what is enlarged does not keep its aspect. A picture that fits is
    returned as it is. Raises InputError for one so narrow that the cap leaves it without a pixel.
    """
    height, width = pixels.shape[:2]
    small = capped(width, height, cap)
    large = max(small[0], SMALLEST), max(small[1], SMALLEST)
    return _nearest(_nearest(pixels, small), large)


def capped(width: int, height: int, cap: int) -> tuple[int, int]:
    """Width and height under the cap, cut off to whole pixels. Raises InputError when one would be 0."""
    longest = max(width, height)
    if longest <= cap:
        return width, height
    factor = (
        cap / longest
    )  # not width * cap // longest: 561 pixels become 511 there, and so they must here
    size = int(width * factor), int(height * factor)
    if min(size) < 1:
        raise InputError(
            f"a picture of {width} x {height} pixels is too narrow: nothing of it is left once its longer side"
            f" has {cap} pixels; crop it to a stretch at most {cap} times as long as it is wide"
        )
    return size


def _nearest(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST))
