"""Solids against brute force: points inside, and surfaces whose gradient is known."""

from typing import Any

import numpy as np
import pytest

from foveal.evals.geometry import Bools, Box, Cone, Cylinder, Pyramid, Solid, Sphere, Vec

SOLIDS: list[Solid] = [
    Box(0.5, 0.3, 0.8),
    Sphere(0.5),
    Cylinder(0.4, 0.9),
    Cone(0.5, 1.0),
    Pyramid(0.5, 0.9),
]


def inside(solid: Solid, x: Any, y: Any, z: Any) -> Bools:
    """Whether points are within the solid, by its definition."""
    _, _, height = solid.extent()
    within: Any = (z > 0) & (z < height)
    match solid:
        case Box():
            within &= (abs(x) < solid.half_x) & (abs(y) < solid.half_y)
        case Sphere():
            within &= x**2 + y**2 + (z - solid.radius) ** 2 < solid.radius**2
        case Cylinder():
            within &= x**2 + y**2 < solid.radius**2
        case Cone():
            within &= np.hypot(x, y) < solid.radius * (1 - z / height)
        case Pyramid():
            within &= np.maximum(abs(x), abs(y)) < solid.half * (1 - z / height)
        case _:
            raise AssertionError(solid)
    return np.asarray(within)


def rays(count: int = 400) -> tuple[Vec, Vec]:
    """Rays from a sphere of radius 3 towards points near the solid, from above and from below."""
    rng = np.random.default_rng(5)
    start = rng.standard_normal((3, count))
    start = 3 * start / np.linalg.norm(start, axis=0)
    aim = rng.uniform(-0.8, 0.8, (3, count)) + np.array([[0], [0], [0.4]])
    direction = (aim - start) / np.linalg.norm(aim - start, axis=0)
    x, y, z = start.astype(np.float32)
    dx, dy, dz = direction.astype(np.float32)
    return (x, y, z), (dx, dy, dz)


@pytest.mark.parametrize("solid", SOLIDS, ids=lambda s: type(s).__name__)
def test_hits_where_marching_first_finds_the_inside(solid: Solid) -> None:
    origin, direction = rays()
    with np.errstate(divide="ignore", invalid="ignore"):
        found = solid.hit(origin, direction)
    steps = np.linspace(1.0, 5.0, 4001)[:, None]
    within = inside(solid, *(o + steps * d for o, d in zip(origin, direction, strict=True)))
    marched = np.where(within.any(axis=0), steps[within.argmax(axis=0), 0], np.inf)
    both = np.isfinite(marched) & np.isfinite(found)
    assert both.sum() > 60
    assert (
        np.isfinite(marched) == np.isfinite(found)
    ).mean() > 0.99  # marching may step over a corner
    np.testing.assert_allclose(found[both], marched[both], atol=2e-3)


@pytest.mark.parametrize("solid", SOLIDS, ids=lambda s: type(s).__name__)
def test_normals_are_unit_and_lead_out(solid: Solid) -> None:
    origin, direction = rays()
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = solid.hit(origin, direction)
    met = np.isfinite(distance)
    point = [(o + distance * d)[met] for o, d in zip(origin, direction, strict=True)]
    normal = solid.normal((point[0], point[1], point[2]))
    np.testing.assert_allclose(sum(n * n for n in normal), 1, atol=1e-4)
    facing = sum(n * d[met] for n, d in zip(normal, direction, strict=True))
    assert (facing < 1e-3).all()
    away = [p + 0.01 * n for p, n in zip(point, normal, strict=True)]
    back = [p - 0.01 * n for p, n in zip(point, normal, strict=True)]
    assert not inside(solid, *away).any()
    assert (
        inside(solid, *back).mean() > 0.9
    )  # near an edge, going back by the normal may leave elsewhere


@pytest.mark.parametrize("solid", SOLIDS, ids=lambda s: type(s).__name__)
def test_nothing_reaches_beyond_its_extent(solid: Solid) -> None:
    half_x, half_y, height = solid.extent()
    grid = np.meshgrid(*[np.linspace(-1.5, 1.5, 61)] * 3)
    x, y, z = (axis[inside(solid, *grid)] for axis in grid)
    assert abs(x).max() <= half_x
    assert abs(y).max() <= half_y
    assert z.min() >= 0
    assert z.max() <= height


def test_a_ray_that_leads_away_meets_nothing() -> None:
    up = (np.float32(0), np.float32(0), np.float32(1))
    above = (np.float32(0.1), np.float32(0.1), np.float32(5))
    with np.errstate(divide="ignore", invalid="ignore"):
        assert all(np.isinf(solid.hit(above, up)) for solid in SOLIDS)
