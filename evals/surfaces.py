"""Pictures that go onto things: table grain and lettered boards."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from foveal.evals.geometry import Floats

GRAIN = 512
"""Side of a grain tile in texels; a power of two, so that wrapping is a bit mask."""

MASTER = 96
"""Font size, pixels, at which lettering is measured and drawn before it is scaled to the screen."""


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


@dataclass(frozen=True)
class Lettering:
    """One line of text and its margins, in MASTER-sized pixels."""

    text: str
    width: int
    height: int
    glyph: int

    @classmethod
    def of(cls, text: str) -> Lettering:
        left, top, right, bottom = _font().getbbox(text, stroke_width=2)
        glyph = round(bottom - top)
        return cls(text, round(right - left) + round(1.1 * glyph), round(1.9 * glyph), glyph)

    def mask(self, width: int) -> Floats:
        """Ink coverage (0 to 1), `width` pixels wide."""
        canvas = Image.new("L", (self.width, self.height), 0)
        middle = (self.width / 2, self.height / 2)
        left, top, right, bottom = _font().getbbox(self.text, stroke_width=2)
        origin = (middle[0] - (left + right) / 2, middle[1] - (top + bottom) / 2)
        ImageDraw.Draw(canvas).text(origin, self.text, fill=255, font=_font(), stroke_width=2)
        height = max(2, round(self.height * width / self.width))
        small = canvas.resize((max(2, width), height), Image.Resampling.BOX)
        return np.asarray(small, dtype=np.float32) * np.float32(1 / 255)


@functools.cache
def _font() -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=MASTER)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError(
            "pillow cannot letter signs without freetype; install the pillow wheel from pypi"
        )
    return font


def sample(tile: Floats, across: Floats, down: Floats) -> Floats:
    """Bilinear look-up at fractions (0 to 1) of the tile's width and height; edges are held."""
    x = np.clip(across * tile.shape[1] - 0.5, 0, tile.shape[1] - 1.001)
    y = np.clip(down * tile.shape[0] - 0.5, 0, tile.shape[0] - 1.001)
    column, row = x.astype(np.intp), y.astype(np.intp)
    fx, fy = x - column, y - row
    above = tile[row, column] * (1 - fx) + tile[row, column + 1] * fx
    below = tile[row + 1, column] * (1 - fx) + tile[row + 1, column + 1] * fx
    return np.asarray(above * (1 - fy) + below * fy, dtype=np.float32)
