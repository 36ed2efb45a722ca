"""Stripes, dots and checks that wrap around solids."""

from __future__ import annotations

import numpy as np

from foveal.evals.geometry import Bools, Box, Cone, Cylinder, Floats, Pyramid, Solid, Sphere, Vec

ROWS = 4
"""Cells of a pattern from the foot of a solid to its top."""


def pattern(texture: str, solid: Solid, point: Vec, normal: Vec, rows: float = ROWS) -> Bools:
    """Where the second colour is, at local surface points with local normals (N each).

    Raises ValueError for a texture that has no pattern.
    """
    u, v = _cells(solid, point, normal, rows)
    match texture:
        case "striped":
            return np.asarray((v % 1) < 0.42)
        case "dotted":
            return np.asarray((u % 1 - 0.5) ** 2 + (v % 1 - 0.5) ** 2 < 0.31**2)
        case "checked":
            return np.asarray((np.floor(u) + np.floor(v)) % 2 == 0)
        case _:
            raise ValueError(f"texture {texture!r} has no pattern; use striped, dotted or checked")


def _cells(solid: Solid, point: Vec, normal: Vec, rows: float) -> tuple[Floats, Floats]:
    """Coordinates on the surface in which every cell of the pattern is one unit wide and high."""
    x, y, z = point
    half_x, half_y, height = solid.extent()
    cell = height / rows
    flat = np.abs(normal[2]) > 0.98
    match solid:
        case Box() | Pyramid():
            along_x = np.abs(normal[0]) > np.abs(normal[1])
            u = np.where(flat, x + half_x, np.where(along_x, y + half_y, x + half_x)) / cell
            return u, np.where(flat, y + half_y, z) / cell
        case Sphere():
            latitude = np.arccos(np.clip(z / solid.radius - 1, -1, 1)) / np.pi
            return _turn(x, y, 2 * round(rows)), np.asarray(latitude * rows)
        case Cylinder() | Cone():
            mean = solid.radius if isinstance(solid, Cylinder) else 0.6 * solid.radius
            around = 2 * max(2, round(np.pi * mean / cell))
            u = np.where(flat, x / cell, _turn(x, y, around))
            return u, np.where(flat, y / cell, z / cell)
        case _:
            raise ValueError(f"no pattern is laid around {solid!r}")


def _turn(x: Floats, y: Floats, cells: int) -> Floats:
    return np.asarray((np.arctan2(y, x) / (2 * np.pi) + 0.5) * cells, dtype=np.float32)
