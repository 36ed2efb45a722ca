"""Pictures of any size that compress like photographs: soft shapes under a little grain."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

GRAIN = 12.0
"""Standard deviation of the noise, of 255: makes a 4K picture 1.8 MB of JPEG, as photographs are."""


@cache
def photograph(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """(height, width, 3), RGB, read-only; always the same for the same numbers."""
    from PIL import Image

    rng = np.random.default_rng([width, height, seed])
    coarse = Image.fromarray(rng.integers(0, 256, (9, 16, 3), np.uint8))
    soft = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    grain = rng.standard_normal((height, width, 1), np.float32) * GRAIN
    pixels: NDArray[np.uint8] = np.clip(soft + grain, 0, 255).astype(np.uint8)
    pixels.setflags(write=False)
    return pixels
