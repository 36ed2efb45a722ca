"""Pictures as processors take them: no larger than a look is worth, never so small that one refuses them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LARGEST = 2048
"""Pixels of the longer side; what is larger is scaled down. A closer look shows every pixel of a part, and an
image of twelve megapixels would fill the context of a Qwen2.5-VL by itself."""
SMALLEST = 32
"""Pixels of the shorter side: one merged patch of the largest patches that the families have."""
NARROWEST = 100
"""The longer side divided by the shorter, at most; Qwen2-VL's own resize refuses more than 200."""


def picture(pixels: NDArray[np.uint8]) -> Any:
    """(height, width, 3) as a PIL image; what is too small or too narrow is enlarged, without its aspect.

    Places in it stay where they are in fractions of its sides, which is how they are named.
    """
    made = Image.fromarray(np.ascontiguousarray(pixels))
    factor = min(1.0, LARGEST / max(made.size))
    width, height = (max(1, round(side * factor)) for side in made.size)
    if factor < 1:
        made = made.resize((width, height), Image.Resampling.LANCZOS)
    least = max(SMALLEST, -(-max(width, height) // NARROWEST))
    size = max(width, least), max(height, least)
    return made if size == made.size else made.resize(size, Image.Resampling.NEAREST)
