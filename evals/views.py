"""From where a table is seen, and in what light."""

from __future__ import annotations

import numpy as np

from foveal.evals.camera import Camera
from foveal.evals.render import Fill, Light

REACH = 1.65
"""How many times farther than the middle of the table a thing may stand."""


def camera(size: tuple[int, int], rng: np.random.Generator) -> Camera:
    """Steep or flat, near with a wide lens or far with a long one; what is seen is always about 0.9 m across."""
    pitch, azimuth = np.radians(rng.uniform(17, 54)), rng.uniform(0, 2 * np.pi)
    fov = float(np.radians(rng.uniform(34, 64)))
    distance = rng.uniform(0.78, 1.02) / (2 * np.tan(fov / 2))
    away, up = distance * np.cos(pitch), distance * np.sin(pitch)
    eye = (float(-away * np.cos(azimuth)), float(-away * np.sin(azimuth)), float(up))
    x, y = rng.uniform(-0.04, 0.04, 2)
    return Camera.look(size, fov, eye, (float(x), float(y), 0.04))


def pitch(seen_from: Camera) -> float:
    """How far the camera looks down, radians."""
    return float(np.arcsin(-seen_from.forward[2]))


def heading(seen_from: Camera) -> float:
    """Where the camera looks on the ground, radians."""
    return float(np.arctan2(seen_from.forward[1], seen_from.forward[0]))


def spot(seen_from: Camera, rng: np.random.Generator) -> tuple[float, float, float]:
    """A point of the table, drawn evenly over the picture, and its depth."""
    farthest = REACH * float(np.linalg.norm(seen_from.eye))
    forward, right, down = seen_from.forward, seen_from.right, seen_from.down
    while True:
        u = (rng.uniform(0.05, 0.95) - 0.5) * seen_from.width / seen_from.focal
        v = (rng.uniform(0.20, 0.97) - 0.5) * seen_from.height / seen_from.focal
        x, y, z = (forward[i] + u * right[i] + v * down[i] for i in range(3))
        if z < -0.05 and -seen_from.eye[2] / z < farthest:
            depth = -seen_from.eye[2] / z
            return seen_from.eye[0] + depth * x, seen_from.eye[1] + depth * y, depth


def light(seen_from: Camera, rng: np.random.Generator) -> Light:
    """Sun or overcast sky, warm or cold, in every third scene with a second lamp on the other side."""
    # From behind the viewer's shoulders, so that most of what is seen is lit.
    side = float(rng.uniform(-1.25, 1.25))
    toward = _toward(heading(seen_from) + np.pi + side, np.radians(rng.uniform(38, 68)))
    warm = float(rng.uniform(-0.06, 0.06))
    tint = (1 + warm, 1.0, 1 - warm)
    overcast = rng.random() < 0.25
    lamp = float(rng.uniform(0.22, 0.40) if overcast else rng.uniform(0.48, 0.74))
    sky = float(rng.uniform(0.70, 0.85) if overcast else rng.uniform(0.42, 0.58))
    if rng.random() > 0.35:
        return Light(toward, lamp, sky, tint)
    across = heading(seen_from) + np.pi - np.sign(side) * rng.uniform(0.6, 1.5)
    other = Fill(_toward(across, np.radians(rng.uniform(20, 50))), float(rng.uniform(0.12, 0.28)))
    return Light(toward, lamp, sky * 0.85, tint, other)


def _toward(azimuth: float, elevation: float) -> tuple[float, float, float]:
    flat = np.cos(elevation)
    return float(flat * np.cos(azimuth)), float(flat * np.sin(azimuth)), float(np.sin(elevation))
