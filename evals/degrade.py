"""What cameras and files do to a picture: blur, noise and JPEG. The truth about it stays as it was."""

from __future__ import annotations

import functools
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]
TILE = 512


def degraded(picture: Pixels, rng: np.random.Generator, mildly: bool = False) -> Pixels:
    """The picture (H x W x 3) with up to all three; `mildly` where something small must stay recognisable."""
    chance, strength = rng.random(3), rng.random(3)
    if chance[0] < 0.3:
        reach = (0.3 + (0.25 if mildly else 0.65) * strength[0]) * min(picture.shape[:2]) / 512
        picture = blurred(picture, float(reach))
    if chance[1] < 0.4:
        picture = noisy(picture, float(1 + (3 if mildly else 7) * strength[1]), rng)
    if chance[2] < 0.6:
        least = 82 if mildly else 55
        picture = compressed(picture, round(least + (96 - least) * float(strength[2])))
    return picture


def blurred(picture: Pixels, radius: float) -> Pixels:
    """Out of focus by a Gaussian of that many pixels."""
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


def noisy(picture: Pixels, deviation: float, rng: np.random.Generator) -> Pixels:
    """Grain of a sensor, its standard deviation in steps of 255."""
    height, width = picture.shape[:2]
    rows = (np.arange(height) + int(rng.integers(TILE))) % TILE
    columns = (np.arange(width) + int(rng.integers(TILE))) % TILE
    tile = (_tile() * np.int16(round(16 * deviation)) + np.int16(256)) >> 9
    grain = tile.take(rows, axis=0).take(columns, axis=1)
    grain += picture
    return np.asarray(grain.clip(0, 255), dtype=np.uint8)


def compressed(picture: Pixels, quality: int) -> Pixels:
    """Once through a JPEG file."""
    with io.BytesIO() as file:
        Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=0)
        with Image.open(file) as read:
            return np.asarray(read.convert("RGB"))


@functools.cache
def _tile() -> NDArray[np.int16]:
    """Noise of deviation 32, drawn once: what must differ from picture to picture is where it starts.

    Whole numbers, because a picture is noisy in a quarter of the time this way.
    """
    noise = np.random.default_rng(0).standard_normal((TILE, TILE, 3), dtype=np.float32)
    return np.rint(noise * 32).astype(np.int16)
