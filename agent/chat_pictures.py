"""Pictures as processors take them: never so small or so narrow that one refuses them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SMALLEST = 32
"""Pixels of the shortest side: one merged patch of the largest patches that the families have."""
NARROWEST = 100
"""The longer side divided by the shorter, at most; Qwen2-VL's resize refuses more than 200."""


def picture(pixels: NDArray[np.uint8]) -> Any:
    """(height, width, 3) as a PIL image; what is too small or too narrow is enlarged, without its aspect.

    Places in it stay where they are in fractions of its sides, which is how they are named.
    """
    made = Image.fromarray(np.ascontiguousarray(pixels))
    least = max(SMALLEST, -(-max(made.size) // NARROWEST))
    size = max(made.width, least), max(made.height, least)
    return made if size == made.size else made.resize(size, Image.Resampling.NEAREST)
