"""Setting the table: which things, how large, where, and seen from where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from foveal.evals.camera import Camera
from foveal.evals.geometry import Box, Cone, Cylinder, Pyramid, Solid, Sphere
from foveal.evals.palette import COLOURS, grey, ink, paint, surface
from foveal.evals.render import Coat, Light, Plane, Stage
from foveal.evals.surfaces import Lettering, grain
from foveal.evals.trace import Body, Trace, Wall, all_show, put, trace
from foveal.evals.words import sign_text

SHAPES = ("cube", "sphere", "cylinder", "cone", "pyramid", "sign")
SOLIDS = SHAPES[:-1]

SKETCH = 128
"""Shorter side, pixels, of the rough views in which placements are tried."""

SHOWING = 0.66
"""Share of a thing that must show in the rough view; above the promise made for the picture, since it is rough."""

CLEAR = 0.94
"""Share of a lettered board that must show: the rest is less than its margin, so no letter is covered."""

GLYPH = (17.0, 30.0)
"""Height of sign lettering on a screen whose shorter side is 512 pixels."""

LONE = {1: 1.6, 2: 1.25}
"""Lettering of one or two characters is larger by this much: alone, a small digit reads like a blot."""


@dataclass(frozen=True)
class Plan:
    """A thing before it has a place. `size` is half its rough width in metres."""

    shape: str
    colour: str
    size: float
    text: str | None = None


@dataclass
class Table:
    """The things placed so far: bodies and coats run in parallel, `plans[i]` has id i + 1.

    `discs` are the footprints: x, y and radius, metres. `seen` is a rough view of it all so far.
    """

    wall: Wall
    seen: Trace
    plans: list[Plan] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    coats: list[Coat] = field(default_factory=list)
    discs: list[tuple[float, float, float]] = field(default_factory=list)


def plan_things(rng: np.random.Generator) -> list[Plan]:
    """Three to nine things, up to three of them signs; often several alike, so that counting has a point."""
    total = int(rng.integers(3, 10))
    signs = min(int(rng.choice(4, p=(0.25, 0.40, 0.23, 0.12))), total - 1)
    kinds = [(str(rng.choice(SOLIDS)), str(rng.choice(COLOURS))) for _ in range(total - signs)]
    if rng.random() < 0.65:
        alike = min(int(rng.integers(2, 6)), len(kinds))
        kinds[:alike] = [kinds[0]] * alike
    plans = [Plan(shape, colour, _size(rng)) for shape, colour in kinds]
    texts: list[str] = []
    while len(texts) < signs:
        text = sign_text(rng)
        texts += [] if text in texts else [text]
    boards = [Plan("sign", str(rng.choice(COLOURS)), 0.0, text) for text in texts]
    # The largest need room, so they go first; signs are the widest of all.
    return boards + sorted(plans, key=lambda plan: -plan.size)


def _size(rng: np.random.Generator) -> float:
    return float(0.026 * 2.5 ** rng.random())


def stage(size: tuple[int, int], rng: np.random.Generator) -> tuple[Stage, list[Plan]] | None:
    """A table laid with things, or None where they would not fit; plan i describes the thing with id i + 1."""
    camera = _camera(size, rng)
    heading = float(np.arctan2(camera.forward[1], camera.forward[0]))
    turned = heading + rng.uniform(-0.3, 0.3)
    wall = Wall((float(np.cos(turned)), float(np.sin(turned))), float(rng.uniform(0.9, 1.8)))
    sketch = camera.resized(SKETCH)
    table = Table(wall, trace(sketch, (), wall))
    for plan in plan_things(rng):
        _place(plan, table, camera, sketch, rng)
    if len(table.plans) < 3:
        return None
    light = _light(heading, rng)
    planes = [Plane(surface(rng), grain(kind, rng), rng.uniform(0.5, 0.9)) for kind in _grains(rng)]
    return Stage(
        camera, light, planes[0], planes[1], wall, tuple(table.bodies), tuple(table.coats)
    ), table.plans


def _grains(rng: np.random.Generator) -> tuple[str, str]:
    return str(rng.choice(("wood", "cloth", "tiles", "stone", "plain"))), str(
        rng.choice(("plain", "stone"))
    )


def _camera(size: tuple[int, int], rng: np.random.Generator) -> Camera:
    pitch, azimuth = np.radians(rng.uniform(20, 48)), rng.uniform(0, 2 * np.pi)
    distance = rng.uniform(0.80, 1.10)
    away, up = distance * np.cos(pitch), distance * np.sin(pitch)
    eye = (float(-away * np.cos(azimuth)), float(-away * np.sin(azimuth)), float(up))
    x, y = rng.uniform(-0.04, 0.04, 2)
    return Camera.look(
        size, float(np.radians(rng.uniform(44, 58))), eye, (float(x), float(y), 0.04)
    )


def _light(heading: float, rng: np.random.Generator) -> Light:
    # From behind the viewer's shoulders, so that most of what is seen is lit.
    azimuth, elevation = heading + np.pi + rng.uniform(-1.25, 1.25), np.radians(rng.uniform(38, 68))
    flat = np.cos(elevation)
    toward = (
        float(flat * np.cos(azimuth)),
        float(flat * np.sin(azimuth)),
        float(np.sin(elevation)),
    )
    warm = rng.uniform(-0.035, 0.035)
    tint = (float(1 + warm), 1.0, float(1 - warm))
    return Light(toward, float(rng.uniform(0.50, 0.72)), float(rng.uniform(0.44, 0.58)), tint)


def _solid(plan: Plan, rng: np.random.Generator) -> Solid:
    size = plan.size
    match plan.shape:
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
            raise ValueError(
                f"no solid has the shape {plan.shape!r}; use one of {', '.join(SOLIDS)}"
            )


def _place(
    plan: Plan, table: Table, camera: Camera, sketch: Camera, rng: np.random.Generator
) -> None:
    """Find the thing a place in view, clear of the others and hiding none too much; or leave it out."""
    rays = sketch.rays()
    for _ in range(30):
        x, y, distance = _spot(camera, rng)
        owner = len(table.plans) + 1
        if plan.text is None:
            bodies, coats = _plain(plan, x, y, owner, rng)
        else:
            bodies, coats = _sign(plan, plan.text, x, y, distance, camera, owner, rng)
        disc = (x, y, max(float(np.hypot(*b.solid.extent()[:2])) for b in bodies))
        if not (_clear(disc, table) and _framed(bodies, camera)):
            continue
        seen = put(bodies, table.seen, sketch, rays)
        shows = all_show(seen, [*table.bodies, *bodies], SHOWING)
        if shows and legible(seen, [*table.coats, *coats]):
            table.seen = seen
            table.plans.append(plan)
            table.discs.append(disc)
            table.bodies += bodies
            table.coats += coats
            return


def legible(seen: Trace, coats: Sequence[Coat]) -> bool:
    """Whether nothing stands in front of any lettering; `coats` run parallel to the traced bodies."""
    for index, coat in enumerate(coats):
        window, mask = seen.silhouettes[index]
        shown = np.count_nonzero(seen.body[window] == index)
        if coat.lettering and shown < CLEAR * np.count_nonzero(mask):
            return False
    return True


def _spot(camera: Camera, rng: np.random.Generator) -> tuple[float, float, float]:
    """A point of the table, drawn evenly over the picture, and its depth (at most 1.6 m)."""
    while True:
        u = (rng.uniform(0.05, 0.95) - 0.5) * camera.width / camera.focal
        v = (rng.uniform(0.20, 0.97) - 0.5) * camera.height / camera.focal
        x, y, z = (camera.forward[i] + u * camera.right[i] + v * camera.down[i] for i in range(3))
        if z < -0.05 and -camera.eye[2] / z < 1.6:
            depth = -camera.eye[2] / z
            return camera.eye[0] + depth * x, camera.eye[1] + depth * y, depth


def _plain(
    plan: Plan, x: float, y: float, owner: int, rng: np.random.Generator
) -> tuple[list[Body], list[Coat]]:
    """The thing, now and then on a low plinth, so that lower in the picture is not always nearer."""
    solid = _solid(plan, rng)
    bodies, coats, z = [], [], 0.0
    if rng.random() < 0.28:
        half = max(solid.extent()[:2]) * rng.uniform(1.25, 1.6)
        # Flat enough that nobody counts it among the cubes.
        z = half * rng.uniform(0.4, 0.85)
        bodies.append(Body(Box(half, half, z), (x, y, 0.0), rng.uniform(0, np.pi), 0))
        coats.append(Coat(grey(rng)))
    # On a plinth, a thing turned another way would poke its corners over the edge.
    yaw = bodies[0].yaw if bodies else rng.uniform(0, np.pi)
    bodies.append(Body(solid, (x, y, z), yaw, owner))
    coats.append(Coat(paint(plan.colour, rng), shine=float(rng.choice((0.0, 0.12, 0.3)))))
    return bodies, coats


def _sign(
    plan: Plan,
    text: str,
    x: float,
    y: float,
    distance: float,
    camera: Camera,
    owner: int,
    rng: np.random.Generator,
) -> tuple[list[Body], list[Coat]]:
    """A lettered board on a short foot, within 30 degrees of facing the camera and large enough to read."""
    lettering = Lettering.of(text)
    screen = rng.uniform(*GLYPH) * LONE.get(len(text), 1.0) * min(camera.width, camera.height) / 512
    upright = float(np.hypot(camera.forward[0], camera.forward[1]))
    metres = screen * distance / camera.focal / upright / lettering.glyph
    half, height = lettering.width * metres / 2, lettering.height * metres
    facing = float(np.arctan2(camera.eye[1] - y, camera.eye[0] - x)) + np.pi / 2
    yaw = facing + float(np.radians(rng.uniform(-30, 30)))
    foot = Body(Box(0.45 * half, 0.022, 0.012), (x, y, 0.0), yaw, owner)
    board = Body(Box(half, 0.005, height), (x, y, 0.012), yaw, owner)
    face = Coat(paint(plan.colour, rng), lettering=lettering, ink=ink(plan.colour))
    return [foot, board], [Coat((0.30, 0.30, 0.31)), face]


def _clear(disc: tuple[float, float, float], table: Table) -> bool:
    """Whether the footprint keeps a gap to the wall and to all the others."""
    x, y, radius = disc
    before_wall = x * table.wall.facing[0] + y * table.wall.facing[1] + radius < table.wall.distance
    return before_wall and all(
        np.hypot(x - other[0], y - other[1]) > radius + other[2] + 0.008 for other in table.discs
    )


def _framed(bodies: Sequence[Body], camera: Camera) -> bool:
    seen = camera.project(np.concatenate([body.corners() for body in bodies]))
    within = (seen[:, :2] >= 2) & (seen[:, :2] <= np.array([camera.width, camera.height]) - 2)
    return bool(seen[:, 2].min() > 0.3 and within.all())
