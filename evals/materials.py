"""How matte, shiny and metal things answer the light."""

from __future__ import annotations

from typing import Any

import numpy as np

from foveal.evals.geometry import Cone, Cylinder, Floats, Solid, Vec

SHARPNESS = {"shiny": 46, "metal": 22}
STRENGTH = {"shiny": 0.75, "metal": 0.45}
"""Exponent and brightness of the highlight of each material that has one."""


def highlight(
    material: str, solid: Solid, normal: Vec, eye: Vec, lamp: tuple[float, float, float]
) -> Floats:
    """Brightness of the lamp's reflection; `normal` and `eye` (towards the viewer) are unit vectors (N each).

    After Blinn (1977). On an upright round side, which mirrors no lamp above it, the highlight is the streak
    that a tall window leaves there.
    """
    half = _unit([e + t for e, t in zip(eye, lamp, strict=True)])
    facing = np.maximum(_dot(normal, half), 0)
    power = SHARPNESS[material]
    glow = facing**power
    if isinstance(solid, Cylinder | Cone):
        level = _unit([normal[0], normal[1], np.float32(1e-6)])
        ahead = _unit([half[0], half[1], np.float32(1e-6)])
        side = np.abs(normal[2]) < 0.9
        glow = np.maximum(glow, side * np.maximum(_dot(level, ahead), 0) ** power)
    return np.asarray(STRENGTH[material] * glow, dtype=np.float32)


def mirrored(normal: Vec, eye: Vec) -> Floats:
    """How bright metal mirrors an imagined room (N): a dark floor, a bright band of windows, a ceiling."""
    twice = 2 * _dot(normal, eye)
    x, y, z = (twice * n - e for n, e in zip(normal, eye, strict=True))
    ceiling = np.clip(4 * z + 0.4, 0, 1)
    windows = np.exp(-(((z - 0.30) / 0.16) ** 2))
    floor = np.exp(-(((z + 0.25) / 0.14) ** 2))
    room = (
        0.62 + 0.32 * ceiling + 0.75 * windows - 0.28 * floor + 0.14 * np.sin(4 * np.arctan2(y, x))
    )
    # A whole face of a cube may mirror the windows: brighter than this, purple would pass for pink.
    return np.asarray(np.minimum(room, 1.25), dtype=np.float32)


def _dot(a: Any, b: Any) -> Any:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _unit(vector: Any) -> Any:
    length = np.maximum(np.sqrt(_dot(vector, vector)), 1e-9)
    return [v / length for v in vector]
