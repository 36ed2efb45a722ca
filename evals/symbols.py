"""Flat shapes, as outlines that can be drawn at any size: what cards show and drawings are made of."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from foveal.evals.geometry import Floats

Outline = NDArray[np.float64]
"""N x 2, x to the right and y down, within -1 to 1."""

FINE = 4
"""Pixels drawn along each side of a pixel kept."""


def _points(*pairs: tuple[float, float]) -> Outline:
    return np.array(pairs, dtype=np.float64)


def _arc(
    start: float, stop: float, radius: float = 1.0, around: tuple[float, float] = (0, 0)
) -> Outline:
    angle = np.radians(np.linspace(start, stop, max(2, round(abs(stop - start) / 6))))
    return np.asarray(np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius + np.array(around))


def _star() -> Outline:
    angle = np.radians(np.arange(10) * 36 - 90)
    radius = np.where(np.arange(10) % 2 == 0, 1.0, 0.42)
    return np.stack([np.cos(angle) * radius, np.sin(angle) * radius + 0.08], axis=1)


def _heart() -> Outline:
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x / 17, -y / 17 - 0.1], axis=1)


def _cross() -> Outline:
    w = 0.34
    return _points(
        (-w, -1), (w, -1), (w, -w), (1, -w), (1, w), (w, w),
        (w, 1), (-w, 1), (-w, w), (-1, w), (-1, -w), (-w, -w),
    )  # fmt: skip


def _arrow() -> Outline:
    return _points((-1, -0.3), (0.1, -0.3), (0.1, -0.8), (1, 0), (0.1, 0.8), (0.1, 0.3), (-1, 0.3))


def _moon() -> Outline:
    outer, inner = _arc(50, 310, 1.0, (0.1, 0)), _arc(300, 60, 0.8, (0.5, 0))
    return np.concatenate([outer, inner])


def _ring() -> Outline:
    # One line out and back: where it meets itself nothing shows.
    return np.concatenate([_arc(0, 360), _arc(360, 0, 0.55)])


def _drop() -> Outline:
    return np.concatenate([_points((0, -1)), _arc(-25, 205, 0.62, (0, 0.36))])


def _bolt() -> Outline:
    return _points((0.25, -1), (-0.6, 0.15), (-0.05, 0.15), (-0.3, 1), (0.6, -0.25), (0.05, -0.25))


_OUTLINES: dict[str, Callable[[], Outline]] = {
    "circle": lambda: _arc(0, 360),
    "square": lambda: _points((-0.78, -0.78), (0.78, -0.78), (0.78, 0.78), (-0.78, 0.78)),
    "triangle": lambda: _points((0, -0.95), (1, 0.8), (-1, 0.8)),
    "star": _star,
    "heart": _heart,
    "cross": _cross,
    "arrow": _arrow,
    "diamond": lambda: _points((0, -1), (0.66, 0), (0, 1), (-0.66, 0)),
    "moon": _moon,
    "ring": _ring,
    "drop": _drop,
    "bolt": _bolt,
}


def outline(name: str) -> Outline:
    """The shape's outline. Raises KeyError for a name that is not a symbol's."""
    return _OUTLINES[name]()


@functools.lru_cache(maxsize=64)
def stamp(name: str, side: int) -> Floats:
    """How much of each pixel of a square of `side` pixels the shape covers, 0 to 1."""
    return filled(outline(name) * (side / 2) + side / 2, (side, side))


def filled(corners: Outline, size: tuple[int, int]) -> Floats:
    """How much of each pixel (height x width, 0 to 1) of a picture lies within the outline, in its pixels."""
    canvas = Image.new("L", (size[0] * FINE, size[1] * FINE), 0)
    # A polygon's corners name pixels, whose middles lie half a fine pixel further.
    ImageDraw.Draw(canvas).polygon([(x, y) for x, y in corners * FINE - 0.5], fill=255)
    return np.asarray(canvas.reduce(FINE), dtype=np.float32) * np.float32(1 / 255)
