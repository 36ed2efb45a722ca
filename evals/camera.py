"""A pinhole camera without roll, and the screen windows that solids fall into."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from foveal.evals.geometry import Floats

Window = tuple[slice, slice]
"""Rows, columns."""

NEAR = 0.05
"""Metres. Anything closer cannot be projected and counts as filling the frame."""


@dataclass(frozen=True)
class Camera:
    """`focal` is in pixels; `eye` in metres; the three axes are unit vectors in world coordinates (z up)."""

    width: int
    height: int
    focal: float
    eye: tuple[float, float, float]
    forward: tuple[float, float, float]
    right: tuple[float, float, float]
    down: tuple[float, float, float]

    @classmethod
    def look(
        cls,
        size: tuple[int, int],
        fov: float,
        eye: tuple[float, float, float],
        target: tuple[float, float, float],
    ) -> Camera:
        """A camera at `eye` looking at `target`; `fov` (radians) spans the shorter side of `size` (w, h)."""
        forward = np.subtract(target, eye)
        forward = forward / np.linalg.norm(forward)
        right = np.array([forward[1], -forward[0], 0.0]) / np.hypot(forward[0], forward[1])
        axes = [
            (float(a[0]), float(a[1]), float(a[2]))
            for a in (forward, right, np.cross(forward, right))
        ]
        return cls(*size, min(size) / 2 / float(np.tan(fov / 2)), eye, *axes)

    def resized(self, shorter: int) -> Camera:
        """The same view with about `shorter` pixels along the shorter side."""
        scale = shorter / min(self.width, self.height)
        width, height = max(1, round(self.width * scale)), max(1, round(self.height * scale))
        return replace(self, width=width, height=height, focal=self.focal * scale)

    def rays(self) -> tuple[Floats, Floats, Floats]:
        """Ray directions (x, y: H x W; z: H x 1) whose component along the forward axis is one.

        So a distance along such a ray *is* the depth. z does not depend on the column because the
        camera has no roll.
        """
        u = ((np.arange(self.width, dtype=np.float32) + 0.5 - self.width / 2) / self.focal)[None, :]
        v = ((np.arange(self.height, dtype=np.float32) + 0.5 - self.height / 2) / self.focal)[
            :, None
        ]
        x, y, z = (self.forward[i] + v * self.down[i] + u * self.right[i] for i in range(3))
        return x, y, z[:, :1]

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixel x, pixel y and depth (N x 3) of world points (N x 3)."""
        offset = points - np.array(self.eye)
        depth = offset @ np.array(self.forward)
        safe = np.where(np.abs(depth) < 1e-6, 1e-6, depth)
        x = offset @ np.array(self.right) / safe * self.focal + self.width / 2
        y = offset @ np.array(self.down) / safe * self.focal + self.height / 2
        return np.stack([x, y, depth], axis=1)

    def window(self, points: NDArray[np.float64]) -> Window:
        """The part of the frame that can hold the convex hull of `points` (N x 3); may be empty."""
        seen = self.project(points)
        if seen[:, 2].min() < NEAR:
            return slice(0, self.height), slice(0, self.width)
        low, high = np.floor(seen[:, :2].min(axis=0)), np.ceil(seen[:, :2].max(axis=0))
        x0, x1 = np.clip([low[0], high[0]], 0, self.width).astype(int)
        y0, y1 = np.clip([low[1], high[1]], 0, self.height).astype(int)
        return slice(int(y0), int(y1)), slice(int(x0), int(x1))
