"""Colours that keep their names, and the greys and browns that have none."""

from __future__ import annotations

import numpy as np

RGB = tuple[float, float, float]
"""sRGB, 0 to 1."""

PAINTS: dict[str, RGB] = {
    "red": (0.82, 0.09, 0.11),
    "orange": (0.97, 0.47, 0.04),
    "yellow": (0.97, 0.88, 0.12),
    "green": (0.11, 0.60, 0.20),
    "blue": (0.12, 0.32, 0.86),
    "purple": (0.53, 0.16, 0.69),
    "white": (0.95, 0.95, 0.95),
    "black": (0.10, 0.10, 0.11),
}
COLOURS = tuple(PAINTS)

SURFACES: tuple[RGB, ...] = (
    (0.46, 0.46, 0.47),
    (0.60, 0.60, 0.59),
    (0.69, 0.64, 0.55),
    (0.62, 0.55, 0.46),
    (0.48, 0.40, 0.32),
    (0.40, 0.35, 0.30),
    (0.55, 0.52, 0.47),
    (0.36, 0.37, 0.40),
    (0.52, 0.55, 0.58),
    (0.56, 0.60, 0.55),
    (0.72, 0.71, 0.69),
    (0.62, 0.57, 0.57),
)
"""Table tops and walls: brighter than black, darker than white, and never saturated enough to be called orange."""


def paint(colour: str, rng: np.random.Generator) -> RGB:
    """The colour as one particular object wears it: a little lighter or darker, a little to one side."""
    spread = 0.012 if colour in ("white", "black") else 0.028
    base = np.array(PAINTS[colour]) * rng.uniform(0.94, 1.04) + rng.uniform(-spread, spread, 3)
    return _rgb(base)


def surface(rng: np.random.Generator) -> RGB:
    """A table top or wall."""
    return _rgb(np.array(SURFACES[rng.integers(len(SURFACES))]) * rng.uniform(0.92, 1.06))


def grey(rng: np.random.Generator) -> RGB:
    """A plinth."""
    return _rgb(np.full(3, rng.uniform(0.46, 0.62)) + rng.uniform(-0.01, 0.01, 3))


def second(colour: str) -> RGB:
    """What stripes, dots and checks on that colour are painted in: something without a name of its own."""
    if colour in ("white", "black"):
        return (0.52, 0.52, 0.53)
    light = colour in ("yellow", "orange")
    r, g, b = (0.25 * c + 0.75 * (0.16 if light else 0.92) for c in PAINTS[colour])
    return r, g, b


def sheet(rng: np.random.Generator) -> RGB:
    """The paper of a framed sign, a card or a dial."""
    return _rgb(np.array((0.90, 0.89, 0.86)) * rng.uniform(0.96, 1.04))


def ink(colour: str) -> RGB:
    """Black or white, whichever stands out on that colour."""
    return (0.04, 0.04, 0.04) if colour in ("white", "yellow", "orange") else (0.98, 0.98, 0.98)


def _rgb(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> RGB:
    r, g, b = np.clip(values, 0.02, 0.98)
    return float(r), float(g), float(b)
