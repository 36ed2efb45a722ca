"""Where a ray meets a solid.

Every solid is convex and stands on its own local plane z = 0, centred on the z axis. Rays come as a
local origin and a local direction, each three arrays (or scalars) that broadcast against each other;
distances are in units of the direction's length. Divisions by zero are meant (they give the infinities
that interval tests want), so callers wrap `hit` in `np.errstate(divide="ignore", invalid="ignore")`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Vec = tuple[Any, Any, Any]
"""x, y and z, each a float32 array or a scalar."""

TOUCH = 1e-4
"""Metres. A ray that starts on a surface does not hit it again; also the tolerance of "on this face"."""


class Solid(Protocol):
    """A convex solid standing on z = 0."""

    def hit(self, origin: Vec, direction: Vec) -> Floats:
        """Distance to the first surface crossing ahead of `origin`; inf where the ray misses."""
        ...

    def normal(self, point: Vec) -> tuple[Floats, Floats, Floats]:
        """Outward unit normal at points on the surface."""
        ...

    def extent(self) -> tuple[float, float, float]:
        """Half width (x), half depth (y) and height (z) of the bounding box, metres."""
        ...


def _slab(origin: Any, direction: Any, low: float, high: float) -> tuple[Floats, Floats]:
    a, b = (low - origin) / direction, (high - origin) / direction
    return np.minimum(a, b), np.maximum(a, b)


def _first(enter: Floats, leave: Floats) -> Floats:
    ahead = np.where(enter > TOUCH, enter, leave)
    return np.where((enter <= leave) & (leave > TOUCH), ahead, np.float32(np.inf))


def _keep(distance: Any, valid: Any) -> Floats:
    return np.where(valid & (distance > TOUCH), distance, np.float32(np.inf))


def _roots(a: Any, b: Any, c: Any) -> tuple[Floats, Floats]:
    """Both roots of a t^2 + 2 b t + c = 0; nan where there is none."""
    root = np.sqrt(b * b - a * c)
    return (-b - root) / a, (-b + root) / a


@dataclass(frozen=True)
class Box:
    """A cube, a slab or an upright board."""

    half_x: float
    half_y: float
    height: float

    def hit(self, origin: Vec, direction: Vec) -> Floats:
        x0, x1 = _slab(origin[0], direction[0], -self.half_x, self.half_x)
        y0, y1 = _slab(origin[1], direction[1], -self.half_y, self.half_y)
        z0, z1 = _slab(origin[2], direction[2], 0.0, self.height)
        return _first(np.maximum(np.maximum(x0, y0), z0), np.minimum(np.minimum(x1, y1), z1))

    def normal(self, point: Vec) -> tuple[Floats, Floats, Floats]:
        x, y, z = point
        gaps = np.stack(
            [self.half_x - np.abs(x), self.half_y - np.abs(y), np.minimum(z, self.height - z)]
        )
        face = np.argmin(np.abs(gaps), axis=0)
        up = np.where(z > self.height / 2, 1.0, -1.0)
        return (
            _f32(np.sign(x) * (face == 0)),
            _f32(np.sign(y) * (face == 1)),
            _f32(up * (face == 2)),
        )

    def extent(self) -> tuple[float, float, float]:
        return self.half_x, self.half_y, self.height


@dataclass(frozen=True)
class Sphere:
    radius: float

    def hit(self, origin: Vec, direction: Vec) -> Floats:
        (x, y, z), (dx, dy, dz), r = origin, direction, self.radius
        z = z - r
        return _first(
            *_roots(
                dx * dx + dy * dy + dz * dz, x * dx + y * dy + z * dz, x * x + y * y + z * z - r * r
            )
        )

    def normal(self, point: Vec) -> tuple[Floats, Floats, Floats]:
        x, y, z = point
        return _f32(x / self.radius), _f32(y / self.radius), _f32(z / self.radius - 1.0)

    def extent(self) -> tuple[float, float, float]:
        return self.radius, self.radius, 2 * self.radius


@dataclass(frozen=True)
class Cylinder:
    radius: float
    height: float

    def hit(self, origin: Vec, direction: Vec) -> Floats:
        (x, y, z), (dx, dy, dz), r = origin, direction, self.radius
        r0, r1 = _roots(dx * dx + dy * dy, x * dx + y * dy, x * x + y * y - r * r)
        z0, z1 = _slab(z, dz, 0.0, self.height)
        return _first(np.maximum(r0, z0), np.minimum(r1, z1))

    def normal(self, point: Vec) -> tuple[Floats, Floats, Floats]:
        x, y, z = point
        top, bottom = z > self.height - TOUCH, z < TOUCH
        side = ~(top | bottom)
        around = np.maximum(np.hypot(x, y), 1e-9)
        return _f32(x / around * side), _f32(y / around * side), _f32(top * 1.0 - bottom * 1.0)

    def extent(self) -> tuple[float, float, float]:
        return self.radius, self.radius, self.height


@dataclass(frozen=True)
class Cone:
    radius: float
    height: float

    def hit(self, origin: Vec, direction: Vec) -> Floats:
        (x, y, z), (dx, dy, dz) = origin, direction
        slope = (self.radius / self.height) ** 2
        below, drop = self.height - z, -dz
        roots = _roots(
            dx * dx + dy * dy - slope * drop * drop,
            x * dx + y * dy - slope * below * drop,
            x * x + y * y - slope * below * below,
        )
        # The quadratic is a double cone: keep what lies on the lower nappe, then see if the base comes first.
        near, far = (
            _keep(t, (below + t * drop >= 0) & (below + t * drop <= self.height)) for t in roots
        )
        base = -z / dz
        on_base = (x + base * dx) ** 2 + (y + base * dy) ** 2 <= self.radius**2
        return np.minimum(np.minimum(near, far), _keep(base, on_base))

    def normal(self, point: Vec) -> tuple[Floats, Floats, Floats]:
        x, y, z = point
        side = z >= TOUCH
        lean = float(np.hypot(self.radius, self.height))
        around = np.maximum(np.hypot(x, y), 1e-9) * lean / self.height
        return (
            _f32(x / around * side),
            _f32(y / around * side),
            _f32(np.where(side, self.radius / lean, -1.0)),
        )

    def extent(self) -> tuple[float, float, float]:
        return self.radius, self.radius, self.height


@dataclass(frozen=True)
class Pyramid:
    """A square pyramid; `half` is half the side of its base."""

    half: float
    height: float

    def hit(self, origin: Vec, direction: Vec) -> Floats:
        (x, y, z), (dx, dy, dz), k = origin, direction, self.half / self.height
        # In the moving frame where each side face stands upright, four faces are two slabs of shrinking width.
        x0, x1 = _wedge(x, dx, self.half - k * z, -k * dz)
        y0, y1 = _wedge(y, dy, self.half - k * z, -k * dz)
        z0, z1 = _slab(z, dz, 0.0, self.height)
        return _first(np.maximum(np.maximum(x0, y0), z0), np.minimum(np.minimum(x1, y1), z1))

    def normal(self, point: Vec) -> tuple[Floats, Floats, Floats]:
        x, y, z = point
        lean = float(np.hypot(self.half, self.height))
        side, along_x = z >= TOUCH, np.abs(x) > np.abs(y)
        out = side * (self.height / lean)
        return (
            _f32(np.sign(x) * along_x * out),
            _f32(np.sign(y) * ~along_x * out),
            _f32(np.where(side, self.half / lean, -1.0)),
        )

    def extent(self) -> tuple[float, float, float]:
        return self.half, self.half, self.height


def _wedge(x: Any, dx: Any, half: Any, growth: Any) -> tuple[Floats, Floats]:
    """Interval of t in which |x + t dx| <= half + t growth, where that is one interval (z within the solid)."""
    bounds = [(half - sign * x, sign * dx - growth) for sign in (1.0, -1.0)]
    enter = [np.where(rate < 0, room / rate, -np.inf) for room, rate in bounds]
    leave = [np.where(rate > 0, room / rate, np.inf) for room, rate in bounds]
    return _f32(np.maximum(*enter)), _f32(np.minimum(*leave))


def _f32(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float32)
