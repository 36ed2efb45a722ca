"""Plans turned into solids that stand somewhere: on the table, on a stand, or upright as a board."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from foveal.evals import views
from foveal.evals.camera import Camera
from foveal.evals.faces import Card, Dial, Face, Lettering
from foveal.evals.geometry import Box, Cone, Cylinder, Pyramid, Solid, Sphere
from foveal.evals.palette import grey, ink, paint, second, sheet
from foveal.evals.plans import Plan
from foveal.evals.render import Coat
from foveal.evals.splits import LEGIBLE, Level
from foveal.evals.trace import Body

Place = tuple[float, float, float]
"""x and y on the table, and depth from the camera, metres."""

LONE = {1: 1.6, 2: 1.25}
"""Lettering of one or two characters is larger by this much: alone, a small digit reads like a blot."""

DARK = (0.07, 0.07, 0.08)


@dataclass
class Parts:
    """The bodies of one thing, the last one being the thing proper, and their coats."""

    bodies: list[Body] = field(default_factory=list)
    coats: list[Coat] = field(default_factory=list)

    def add(self, body: Body, coat: Coat) -> None:
        self.bodies.append(body)
        self.coats.append(coat)


def solid(plan: Plan, place: Place, owner: int, rng: np.random.Generator) -> Parts:
    """The thing, now and then on a stand, so that lower in the picture is not always nearer."""
    x, y, _ = place
    form = _form(plan.shape, plan.size, rng)
    parts, yaw, z = Parts(), float(rng.uniform(0, np.pi)), 0.0
    if rng.random() < 0.28:
        half = max(form.extent()[:2]) * rng.uniform(1.25, 1.6)
        # Clearly flat or clearly tall, so that nobody counts it among the cubes.
        z = half * (rng.uniform(0.4, 0.85) if rng.random() < 0.75 else rng.uniform(3.0, 4.0))
        parts.add(Body(Box(half, half, z), (x, y, 0.0), yaw, 0), Coat(grey(rng)))
    parts.add(Body(form, (x, y, z), yaw, owner), _coat(plan, rng))
    return parts


def _coat(plan: Plan, rng: np.random.Generator, rows: float = 4) -> Coat:
    other = second(plan.colour)
    return Coat(paint(plan.colour, rng), plan.material, plan.texture, other, rows=rows)


def _form(shape: str, size: float, rng: np.random.Generator) -> Solid:
    match shape:
        case "cube":
            return Box(0.86 * size, 0.86 * size, 1.72 * size)
        case "sphere":
            return Sphere(size)
        case "cylinder":
            return Cylinder(0.78 * size, size * rng.uniform(1.7, 2.3))
        case "cone":
            return Cone(size, size * rng.uniform(2.1, 2.6))
        case "pyramid":
            return Pyramid(size, size * rng.uniform(1.7, 2.1))
        case _:
            raise ValueError(f"no solid has the shape {shape!r}; use one of vocabulary.SOLIDS")


def trinket(
    plan: Plan, place: Place, camera: Camera, owner: int, level: Level, rng: np.random.Generator
) -> Parts:
    """A bead, or a chip lying flat: of a size on the screen, wherever it is."""
    radius = _metres(rng.uniform(*level.trinket), place, camera) / 2
    form: Solid = Sphere(radius) if plan.shape == "bead" else Cylinder(1.15 * radius, 0.5 * radius)
    parts = Parts()
    rows = 3 if plan.shape == "bead" else 0.6
    parts.add(Body(form, (place[0], place[1], 0.0), 0.0, owner), _coat(plan, rng, rows))
    return parts


def board(
    plan: Plan, place: Place, camera: Camera, owner: int, level: Level, rng: np.random.Generator
) -> Parts:
    """A board on a short foot, leaning back, near enough to facing the camera and large enough to make out."""
    face, screen, most = _face(plan, level, rng)
    if not isinstance(face, Lettering):
        screen = max(screen, LEGIBLE * 512 / min(camera.width, camera.height))
    pitch = views.pitch(camera)
    # Seen too flatly, a hand seems to point elsewhere.
    tilt = float(pitch * (rng.uniform(0.35, 0.8) if plan.hour is None else rng.uniform(0.7, 1.0)))
    metres = _metres(screen, place, camera) / np.cos(pitch - tilt) / face.glyph
    half, height = face.width * metres / 2, face.height * metres
    x, y, _ = place
    facing = float(np.arctan2(camera.eye[1] - y, camera.eye[0] - x)) + np.pi / 2
    yaw = facing + float(np.radians(rng.uniform(-most, most)))
    parts = Parts()
    foot = Box(0.45 * half, min(0.022, 0.5 * half), min(0.012, 0.2 * half))
    parts.add(Body(foot, (x, y, 0.0), yaw, owner), Coat((0.30, 0.30, 0.31)))
    coat = Coat(
        paint(plan.colour, rng), face=face, paper=sheet(rng),
        ink=DARK if _sheeted(face) else ink(plan.colour),
    )  # fmt: skip
    parts.add(
        Body(Box(half, min(0.005, 0.1 * half), height), (x, y, foot.height), yaw, owner, tilt), coat
    )
    return parts


def _face(plan: Plan, level: Level, rng: np.random.Generator) -> tuple[Face, float, float]:
    """What the board shows, how large on the screen, and how far it may be turned away, degrees."""
    if plan.symbol is not None:
        return Card(plan.symbol), float(rng.uniform(*level.symbol)), 24.0
    if plan.hour is not None:
        return Dial(plan.hour), float(rng.uniform(*level.symbol)), 18.0
    if plan.text is None:
        raise ValueError(f"{plan} has nothing to show on its front; give it a text, symbol or hour")
    larger = LONE.get(len(plan.text), 1.0)
    lettering = Lettering.of(plan.text, framed=bool(rng.random() < 0.4))
    return lettering, float(rng.uniform(*level.glyph)) * larger, 30.0


def _sheeted(face: Face) -> bool:
    return not isinstance(face, Lettering) or face.framed


def _metres(pixels: float, place: Place, camera: Camera) -> float:
    """What covers so many pixels there, in a picture whose shorter side is 512."""
    return float(pixels * min(camera.width, camera.height) / 512 * place[2] / camera.focal)
