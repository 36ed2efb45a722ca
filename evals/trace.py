"""The z-buffer: which solid each pixel sees, how far it is, how much shows, where shadows fall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal.evals.camera import Camera, Window
from foveal.evals.geometry import Bools, Floats, Solid, Vec

FAR = 8.0
"""Metres of depth at which the world ends."""


_CORNERS = np.array([(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (0.0, 1.0)])


@dataclass(frozen=True)
class Body:
    """A solid placed in the world: `at` is the middle of its underside (metres), `yaw` turns it about z (radians).

    `owner` is the id of the thing it belongs to; 0 for furniture. `tilt` (radians) leans it over, away from its
    front (the side of negative y), about the line through `at`.
    """

    solid: Solid
    at: tuple[float, float, float]
    yaw: float
    owner: int
    tilt: float = 0.0

    def localise(self, vector: Vec, *, point: bool) -> Vec:
        """A world point or direction in the solid's own frame."""
        x, y, z = (vector[i] - self.at[i] if point else vector[i] for i in range(3))
        c, s = float(np.cos(self.yaw)), float(np.sin(self.yaw))
        x, y = c * x + s * y, c * y - s * x
        if not self.tilt:
            return x, y, z
        c, s = float(np.cos(self.tilt)), float(np.sin(self.tilt))
        return x, c * y - s * z, s * y + c * z

    def globalise(self, direction: Vec) -> Vec:
        """A direction of the solid's own frame in the world's."""
        x, y, z = direction
        if self.tilt:
            c, s = float(np.cos(self.tilt)), float(np.sin(self.tilt))
            y, z = c * y + s * z, c * z - s * y
        c, s = float(np.cos(self.yaw)), float(np.sin(self.yaw))
        return c * x - s * y, s * x + c * y, z

    def corners(self) -> NDArray[np.float64]:
        """The eight corners (8 x 3) of the bounding box, in world coordinates."""
        x, y, z = (_CORNERS * np.array(self.solid.extent())).T
        return np.asarray(np.stack(self.globalise((x, y, z)), axis=1) + np.array(self.at))

    def hit(self, origin: Vec, direction: Vec) -> Floats:
        """Distance along world rays to the surface; inf where they miss."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.solid.hit(
                self.localise(origin, point=True), self.localise(direction, point=False)
            )


@dataclass(frozen=True)
class Wall:
    """The vertical plane that closes the view: points p with p . facing = distance, `facing` a unit vector."""

    facing: tuple[float, float]
    distance: float


@dataclass(frozen=True)
class Trace:
    """`depth`: H x W metres along the forward axis. `body`: H x W index into the bodies, -1 table, -2 wall.

    `silhouettes`: for each body its window and the H' x W' mask of pixels it would cover were it alone.
    """

    depth: Floats
    body: NDArray[np.int16]
    silhouettes: tuple[tuple[Window, Bools], ...]


def trace(camera: Camera, bodies: Sequence[Body], wall: Wall) -> Trace:
    """Cast one ray per pixel."""
    rays = camera.rays()
    return put(bodies, _surroundings(camera, rays, wall), camera, rays)


def put(bodies: Sequence[Body], seen: Trace, camera: Camera, rays: Vec) -> Trace:
    """What is seen once more bodies stand there too; each is tried only inside its own window."""
    depth, index, silhouettes = seen.depth.copy(), seen.body.copy(), [*seen.silhouettes]
    for body in bodies:
        window = camera.window(body.corners())
        distance = body.hit(_scalars(camera.eye), crop(rays, window))
        nearer = distance < depth[window]
        depth[window][nearer] = distance[nearer]
        index[window][nearer] = len(silhouettes)
        silhouettes.append((window, np.isfinite(distance)))
    return Trace(depth, index, tuple(silhouettes))


def _surroundings(camera: Camera, rays: Vec, wall: Wall) -> Trace:
    """Table and wall before anything stands there."""
    x, y, z = rays
    with np.errstate(divide="ignore", invalid="ignore"):
        table = np.where(z < 0, -camera.eye[2] / z, np.float32(np.inf))
        ahead = wall.distance - camera.eye[0] * wall.facing[0] - camera.eye[1] * wall.facing[1]
        toward = x * wall.facing[0] + y * wall.facing[1]
        back = np.where(toward > 0, ahead / toward, np.float32(FAR))
    depth = np.minimum(np.minimum(table, back), np.float32(FAR)).astype(np.float32)
    return Trace(depth, np.where(back < table, -2, -1).astype(np.int16), ())


def shows(count: tuple[int, int], share: float, pixels: float = 0) -> bool:
    """Whether a thing, by its (visible, full) pixels, shows that share of itself and so many pixels."""
    visible, full = count
    return visible >= max(share * full, pixels, 1)


def tally(seen: Trace, bodies: Sequence[Body]) -> dict[int, tuple[int, int]]:
    """For each owner: pixels that show, and pixels that would if nothing stood in front."""
    shown = np.bincount(seen.body.ravel() + 2, minlength=len(bodies) + 2)[2:]
    parts: dict[int, list[int]] = {}
    for index, body in enumerate(bodies):
        if body.owner:
            parts.setdefault(body.owner, []).append(index)
    return {owner: (int(shown[own].sum()), _covered(seen, own)) for owner, own in parts.items()}


def _covered(seen: Trace, bodies: list[int]) -> int:
    if len(bodies) == 1:
        return int(np.count_nonzero(seen.silhouettes[bodies[0]][1]))
    whole = np.zeros(seen.depth.shape, dtype=np.bool_)
    for window, mask in (seen.silhouettes[index] for index in bodies):
        whole[window] |= mask
    return int(np.count_nonzero(whole))


def crop(fields: Vec, window: Window) -> Vec:
    """The window of each component, whether it is H x W or H x 1."""
    rows, columns = window
    x, y, z = (f[rows, columns] if f.shape[1] > 1 else f[rows] for f in fields)
    return x, y, z


def shadows(
    camera: Camera,
    bodies: Sequence[Body],
    seen: Trace,
    points: Vec,
    light: tuple[float, float, float],
) -> Bools:
    """H x W mask of pixels whose way to the light (a unit vector pointing at it) is blocked by another body.

    A body's own far side is left to the cosine law: solids are convex, so they shade nothing else of themselves.
    """
    dark = np.zeros(seen.depth.shape, dtype=np.bool_)
    for index, body in enumerate(bodies):
        window = camera.window(_shadow_volume(body, light))
        blocked = np.isfinite(body.hit(crop(points, window), _scalars(light)))
        dark[window] |= blocked & (seen.body[window] != index)
    return dark


def _shadow_volume(body: Body, light: tuple[float, float, float]) -> NDArray[np.float64]:
    corners = body.corners()
    fallen = corners - corners[:, 2:] / light[2] * np.array(light)
    return np.concatenate([corners, fallen])


def _scalars(vector: tuple[float, float, float]) -> Vec:
    # numpy scalars, so that a zero component divides to infinity where a python float would raise.
    return np.float32(vector[0]), np.float32(vector[1]), np.float32(vector[2])
