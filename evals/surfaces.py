"""The grain of table tops and walls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.evals.geometry import Floats

GRAIN = 512
"""Side of a grain tile in texels; a power of two, so that wrapping is a bit mask."""


def grain(kind: str, rng: np.random.Generator) -> Floats:
    """A wrapping tile, GRAIN x GRAIN, of brightness factors around 1."""
    if kind == "wood":
        tile = 0.10 * _noise((4, 64), rng) + 0.05 * _noise((16, 256), rng)
    elif kind == "cloth":
        wave = np.sin(np.arange(GRAIN) * (2 * np.pi * 48 / GRAIN))
        tile = 0.02 * (wave[:, None] + wave[None, :]) + 0.05 * _noise((8, 8), rng)
    elif kind == "tiles":
        joint = (np.arange(GRAIN) % 128) < 4
        tile = 0.05 * _noise((4, 4), rng) - 0.13 * (joint[:, None] | joint[None, :])
    elif kind == "planks":
        joint = (np.arange(GRAIN) % 64) < 3
        tones = np.repeat(rng.uniform(-0.09, 0.09, 8), 64)
        tile = 0.06 * _noise((8, 128), rng) + (tones - 0.12 * joint)[None, :]
    elif kind == "weave":
        band = (np.arange(GRAIN) % 64) < 32
        tile = 0.07 * (band[:, None] * 1.0 + band[None, :]) - 0.07 + 0.02 * _noise((8, 8), rng)
    elif kind == "stone":
        layers = ((0.05, 6), (0.035, 32), (0.02, 128))
        tile = np.add.reduce([depth * _noise((cells, cells), rng) for depth, cells in layers])
    else:
        tile = 0.03 * _noise((4, 4), rng)
    return (1.0 + tile).astype(np.float32)


def _noise(cells: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth wrapping noise of unit-ish amplitude, `cells` bumps along each side."""
    coarse = np.clip(rng.standard_normal(cells), -2, 2).astype(np.float32)
    padded = np.pad(coarse, 2, mode="wrap")
    box = (2, 2, 2 + cells[1], 2 + cells[0])
    smooth = Image.fromarray(padded).resize((GRAIN, GRAIN), Image.Resampling.BICUBIC, box=box)
    return np.asarray(smooth, dtype=np.float64)
