"""Patterns cover less than half of a thing, differ from each other and do not break at a seam."""

import numpy as np
import pytest

from foveal.evals.geometry import Box, Cone, Cylinder, Pyramid, Solid, Sphere, Vec
from foveal.evals.patterns import pattern

SOLIDS: list[Solid] = [
    Box(0.04, 0.04, 0.08),
    Sphere(0.05),
    Cylinder(0.04, 0.1),
    Cone(0.05, 0.12),
    Pyramid(0.05, 0.1),
]
WORN = ("striped", "dotted", "checked")


def surface(solid: Solid) -> tuple[Vec, Vec]:
    """Points and normals where rays from all around meet the solid."""
    rng = np.random.default_rng(0)
    start = rng.standard_normal((3, 20_000)).astype(np.float32)
    start[2] = np.abs(start[2])
    aim = np.array([0, 0, solid.extent()[2] / 2], dtype=np.float32)[:, None]
    aim = aim + rng.uniform(-0.03, 0.03, start.shape).astype(np.float32)
    x, y, z = start
    dx, dy, dz = aim - start
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = solid.hit((x, y, z), (dx, dy, dz))
    met = np.isfinite(distance)
    point = (
        x[met] + (distance * dx)[met],
        y[met] + (distance * dy)[met],
        z[met] + (distance * dz)[met],
    )
    return point, solid.normal(point)


@pytest.mark.parametrize("solid", SOLIDS, ids=lambda s: type(s).__name__)
def test_the_first_colour_stays_the_main_one(solid: Solid) -> None:
    point, normal = surface(solid)
    shares = {name: pattern(name, solid, point, normal).mean() for name in WORN}
    assert 0.25 < shares["striped"] < 0.55
    assert 0.15 < shares["dotted"] < 0.45
    assert 0.35 < shares["checked"] < 0.65


@pytest.mark.parametrize("solid", SOLIDS, ids=lambda s: type(s).__name__)
def test_no_two_patterns_are_one(solid: Solid) -> None:
    point, normal = surface(solid)
    worn = [pattern(name, solid, point, normal) for name in WORN]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (worn[a] != worn[b]).mean() > 0.2


@pytest.mark.parametrize("name", WORN)
def test_nothing_breaks_where_the_angle_starts_again(name: str) -> None:
    solid = Cylinder(0.04, 0.1)
    z = np.linspace(0.001, 0.099, 200, dtype=np.float32)
    worn = []
    for y in (1e-5, -1e-5):
        point = (np.full_like(z, -0.04), np.full_like(z, y), z)
        worn.append(pattern(name, solid, point, solid.normal(point)))
    same = (worn[0] == worn[1]).mean()
    assert same > 0.98 if name != "checked" else same < 0.02 or same > 0.98


def test_plain_is_no_pattern() -> None:
    point, normal = surface(SOLIDS[1])
    with pytest.raises(ValueError, match="'plain'"):
        pattern("plain", SOLIDS[1], point, normal)
