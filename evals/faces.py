"""What boards show on their front: lettering, a symbol or a dial, with or without a frame around it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from foveal.evals.geometry import Floats
from foveal.evals.symbols import FINE, stamp

MASTER = 96
"""Font size, pixels, at which lettering is measured and drawn before it is scaled to the screen."""

Layers = tuple[Floats | None, Floats]
"""How much of each pixel is paper and how much is ink, 0 to 1; None where the board itself is written on."""


class Face(Protocol):
    """A picture for the front of a board, measured in units of its own."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def glyph(self) -> int:
        """Height of what must be made out."""
        ...

    def layers(self, width: int) -> Layers:
        """The face drawn `width` pixels wide."""
        ...


@dataclass(frozen=True)
class Lettering:
    """One line of text and its margins, in MASTER-sized pixels."""

    text: str
    width: int
    height: int
    glyph: int
    framed: bool = False

    @classmethod
    def of(cls, text: str, framed: bool = False) -> Lettering:
        left, top, right, bottom = _font().getbbox(text, stroke_width=2)
        glyph = round(bottom - top)
        across, down = (1.7, 2.4) if framed else (1.1, 1.9)
        width = round(right - left) + round(across * glyph)
        return cls(text, width, round(down * glyph), glyph, framed)

    def layers(self, width: int) -> Layers:
        canvas = Image.new("L", (self.width, self.height), 0)
        left, top, right, bottom = _font().getbbox(self.text, stroke_width=2)
        origin = (self.width / 2 - (left + right) / 2, self.height / 2 - (top + bottom) / 2)
        ImageDraw.Draw(canvas).text(origin, self.text, fill=255, font=_font(), stroke_width=2)
        height = max(2, round(self.height * width / self.width))
        small = canvas.resize((max(2, width), height), Image.Resampling.BOX)
        ink = np.asarray(small, dtype=np.float32) * np.float32(1 / 255)
        return (_paper(ink.shape, 0.22 * self.glyph / self.width) if self.framed else None), ink


@dataclass(frozen=True)
class Card:
    """A framed sheet with one symbol."""

    symbol: str
    width: int = 100
    height: int = 100
    glyph: int = 60

    def layers(self, width: int) -> Layers:
        side = max(8, width)
        ink = np.zeros((side, side), dtype=np.float32)
        inner = max(4, round(side * self.glyph / self.width))
        start = (side - inner) // 2
        ink[start : start + inner, start : start + inner] = stamp(self.symbol, inner)
        return _paper(ink.shape, 0.11), ink


@dataclass(frozen=True)
class Dial:
    """A round face with twelve marks and one hand that points at `hour`."""

    hour: int
    width: int = 100
    height: int = 100
    glyph: int = 88

    def layers(self, width: int) -> Layers:
        side = max(8, width)
        fine = side * FINE
        paper, ink = Image.new("L", (fine, fine), 0), Image.new("L", (fine, fine), 0)
        middle, radius = fine / 2, fine * self.glyph / self.width / 2
        _disc(paper, middle, radius)
        for mark in range(12):
            _ray(
                ink,
                middle,
                mark,
                (0.84 * radius, 0.97 * radius),
                (0.07 if mark % 3 else 0.12) * radius,
            )
        # A short tail and a long, pointed hand: which end points can be seen at any size.
        _ray(ink, middle, self.hour, (-0.12 * radius, 0.45 * radius), 0.16 * radius)
        _point(ink, middle, self.hour, 0.76 * radius, 0.2 * radius)
        _disc(ink, middle, 0.15 * radius)
        scale = np.float32(1 / 255)
        sheet, drawn = (np.asarray(x.reduce(FINE), dtype=np.float32) * scale for x in (paper, ink))
        return sheet, drawn


def _paper(shape: tuple[int, ...], margin: float) -> Floats:
    """A sheet that leaves `margin` of the width free on every side."""
    sheet = np.zeros(shape, dtype=np.float32)
    edge = max(1, round(margin * shape[1]))
    sheet[edge:-edge, edge:-edge] = 1
    return sheet


def _disc(canvas: Image.Image, middle: float, radius: float) -> None:
    box = (middle - radius, middle - radius, middle + radius, middle + radius)
    ImageDraw.Draw(canvas).ellipse(box, fill=255)


def _toward(hour: int) -> tuple[float, float]:
    angle = np.radians(30 * hour)
    return float(np.sin(angle)), float(-np.cos(angle))


def _ray(
    canvas: Image.Image, middle: float, hour: int, reach: tuple[float, float], width: float
) -> None:
    x, y = _toward(hour)
    ends = [(middle + x * r, middle + y * r) for r in reach]
    ImageDraw.Draw(canvas).line(ends, fill=255, width=max(1, round(width)))


def _point(canvas: Image.Image, middle: float, hour: int, reach: float, half: float) -> None:
    x, y = _toward(hour)
    base = (middle + x * reach * 0.5, middle + y * reach * 0.5)
    corners = [
        (middle + x * reach, middle + y * reach),
        (base[0] - y * half, base[1] + x * half),
        (base[0] + y * half, base[1] - x * half),
    ]
    ImageDraw.Draw(canvas).polygon(corners, fill=255)


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
