"""Setting the table: where things stand so that each of them shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from foveal.evals import views
from foveal.evals.bodies import Parts, board, solid, trinket
from foveal.evals.camera import Camera
from foveal.evals.palette import surface
from foveal.evals.plans import Plan, plan_things
from foveal.evals.render import Coat, Plane, Stage
from foveal.evals.splits import Level
from foveal.evals.surfaces import grain
from foveal.evals.trace import Body, Trace, Wall, put, shows, tally, trace
from foveal.evals.vocabulary import BOARDS, TRINKETS

SKETCH = 128
"""Shorter side, pixels, of the rough views in which placements are tried."""

SHOWING = 0.66
"""Share of a thing that must show in the rough view; above the promise made for the picture, since it is rough."""

CLEAR = 0.94
"""Share of a board that must show: the rest is less than its margin, so nothing on it is covered."""

LEANING = 0.16
"""Radians (9 degrees) that a dial may seem to lean: near the edge of a steep view, noon would look like one."""

GRAINS = ("wood", "cloth", "tiles", "stone", "plain", "planks", "weave")


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


def stage(
    size: tuple[int, int], rng: np.random.Generator, level: Level, pixels: int
) -> tuple[Stage, list[Plan]] | None:
    """A table laid with things, or None where too few of them fit; plan i describes the thing with id i + 1.

    Solids are given places where about `pixels` of them show, or more.
    """
    camera = views.camera(size, rng)
    turned = views.heading(camera) + rng.uniform(-0.3, 0.3)
    wall = Wall((float(np.cos(turned)), float(np.sin(turned))), float(rng.uniform(0.9, 1.8)))
    sketch = camera.resized(SKETCH)
    table = Table(wall, trace(sketch, (), wall))
    for plan in plan_things(rng, level):
        _place(plan, table, camera, sketch, rng, level, pixels)
    if not level.things[0] <= len(table.plans) <= level.things[1]:
        return None
    light = views.light(camera, rng)
    planes = [
        Plane(surface(rng), grain(str(rng.choice(kinds)), rng), rng.uniform(0.4, 1.1))
        for kinds in (GRAINS, ("plain", "stone", "planks"))
    ]
    bodies, coats = tuple(table.bodies), tuple(table.coats)
    return Stage(camera, light, planes[0], planes[1], wall, bodies, coats), table.plans


def _place(
    plan: Plan, table: Table, camera: Camera, sketch: Camera, rng: np.random.Generator,
    level: Level, pixels: int,
) -> None:  # fmt: skip
    """Find the thing a place in view, clear of the others and hiding none too much; or leave it out."""
    rays = sketch.rays()
    least = 1.4 * pixels * (SKETCH / min(camera.width, camera.height)) ** 2
    for _ in range(30):
        place = views.spot(camera, rng)
        parts = _built(plan, place, camera, len(table.plans) + 1, level, rng)
        disc = (place[0], place[1], max(_reach(body) for body in parts.bodies))
        if not (_clear(disc, table) and _framed(parts.bodies, camera)):
            continue
        if plan.hour is not None and abs(lean(parts.bodies[-1], camera)) > LEANING:
            continue
        seen = put(parts.bodies, table.seen, sketch, rays)
        coats = [*table.coats, *parts.coats]
        if _all_show(plan, seen, [*table.bodies, *parts.bodies], least) and legible(seen, coats):
            table.seen = seen
            table.plans.append(plan)
            table.discs.append(disc)
            table.bodies += parts.bodies
            table.coats += parts.coats
            return


def _all_show(plan: Plan, seen: Trace, bodies: list[Body], pixels: float) -> bool:
    """Whether everything shows in the rough view, the last thing best of all."""
    counts = tally(seen, bodies)
    last = counts.pop(bodies[-1].owner)
    # Of something tiny all must show: how much of it does cannot be told at this size.
    fits = shows(last, 1.0) if plan.shape in TRINKETS else shows(last, SHOWING, pixels)
    return fits and all(shows(count, SHOWING) for count in counts.values())


def _built(
    plan: Plan, place: tuple[float, float, float], camera: Camera, owner: int, level: Level,
    rng: np.random.Generator,
) -> Parts:  # fmt: skip
    if plan.shape in BOARDS:
        return board(plan, place, camera, owner, level, rng)
    if plan.shape in TRINKETS:
        return trinket(plan, place, camera, owner, level, rng)
    return solid(plan, place, owner, rng)


def legible(seen: Trace, coats: Sequence[Coat]) -> bool:
    """Whether nothing stands in front of any face; `coats` run parallel to the traced bodies."""
    for index, coat in enumerate(coats):
        if coat.face is None:
            continue
        window, mask = seen.silhouettes[index]
        shown = np.count_nonzero(seen.body[window] == index)
        if shown < CLEAR * np.count_nonzero(mask):
            return False
    return True


def lean(body: Body, camera: Camera) -> float:
    """How far from upright a board seems to stand in the picture, radians; to the right is positive."""
    top = body.globalise((0.0, 0.0, body.solid.extent()[2]))
    low, high = camera.project(np.array([body.at, np.add(body.at, top)]))[:, :2]
    return float(np.arctan2(high[0] - low[0], low[1] - high[1]))


def _reach(body: Body) -> float:
    """How far from its place a body reaches on the ground."""
    half_x, half_y, height = body.solid.extent()
    return float(np.hypot(half_x, half_y + height * np.sin(body.tilt)))


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
