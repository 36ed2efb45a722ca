"""Pictures: what is lit is brighter than what is not, and lettering shows."""

from dataclasses import replace

import numpy as np
import pytest

from foveal.evals.camera import Camera
from foveal.evals.faces import Card, Dial, Face, Lettering
from foveal.evals.geometry import Box, Cylinder, Solid, Sphere
from foveal.evals.palette import ink
from foveal.evals.render import Coat, Fill, Light, Plane, Stage, render
from foveal.evals.surfaces import grain
from foveal.evals.trace import Body, Wall

GREY = Plane((0.5, 0.5, 0.5), grain("plain", np.random.default_rng(0)), 0.7)
FROM_LEFT = Light((0.0, 0.6, 0.8), 0.6, 0.4, (1.0, 1.0, 1.0))


def staged(body: Body, coat: Coat) -> Stage:
    camera = Camera.look((240, 240), np.radians(50), (-1.0, 0.0, 0.5), (0.0, 0.0, 0.05))
    return Stage(camera, FROM_LEFT, GREY, GREY, Wall((1.0, 0.0), 2.0), (body,), (coat,))


def test_a_ball_is_brighter_towards_the_lamp() -> None:
    image, seen = render(staged(Body(Sphere(0.12), (0, 0, 0), 0.0, 1), Coat((0.8, 0.1, 0.1))))
    red = np.where(seen.body == 0, image[..., 0], 0)
    left, right = red[:, :120], red[:, 120:]
    assert left[left > 0].mean() > 1.1 * right[right > 0].mean()


def test_shine_only_adds_light() -> None:
    body = Body(Sphere(0.12), (0, 0, 0), 0.0, 1)
    dull, _ = render(staged(body, Coat((0.1, 0.1, 0.1))))
    shiny, _ = render(staged(body, Coat((0.1, 0.1, 0.1), "shiny")))
    assert (shiny >= dull).all()
    assert shiny.max() > int(dull[60:180, 60:180].max())


def test_tint_moves_the_whole_picture() -> None:
    plain = staged(Body(Sphere(0.1), (0, 0, 0), 0.0, 1), Coat((0.5, 0.5, 0.5)))
    warm = replace(plain, light=replace(FROM_LEFT, tint=(1.05, 1.0, 0.95)))
    image, _ = render(warm)
    red, green, blue = image.reshape(-1, 3).mean(axis=0)
    assert red > green > blue


def test_lettering_is_inked_on_the_front_only() -> None:
    lettering = Lettering.of("HELLO")
    coat = Coat((0.9, 0.9, 0.9), face=lettering, ink=ink("white"))
    board = Box(0.2, 0.01, 0.4 * lettering.height / lettering.width)
    dark = {}
    for name, yaw in (("front", -np.pi / 2), ("back", np.pi / 2)):
        image, seen = render(staged(Body(board, (0, 0, 0), float(yaw), 1), coat))
        dark[name] = float((image[seen.body == 0].max(axis=-1) < 80).mean())
    assert 0.05 < dark["front"] < 0.5
    assert dark["back"] < 0.01


def test_grain_wraps_and_stays_near_one() -> None:
    for kind in ("wood", "cloth", "tiles", "stone", "planks", "weave", "plain"):
        tile = grain(kind, np.random.default_rng(1))
        assert tile.dtype == np.float32
        assert 0.5 < tile.min() <= tile.max() < 1.5
        if kind not in ("tiles", "planks", "weave"):  # whose joints are at the seam
            step = abs(np.diff(tile, axis=0)).max()
            assert abs(tile[0] - tile[-1]).max() < 1.5 * step + 1e-3


@pytest.mark.parametrize("solid", [Sphere(0.12), Cylinder(0.1, 0.24)], ids=["ball", "cylinder"])
def test_every_material_looks_its_own_way(solid: Solid) -> None:
    """Shine is a spot on what is otherwise matte; metal is uneven all over."""
    body = Body(solid, (0, 0, 0), 0.0, 1)
    seen = {}
    for material in ("matte", "shiny", "metal"):
        image, trace = render(staged(body, Coat((0.12, 0.32, 0.86), material)))
        seen[material] = image[trace.body == 0].astype(float).mean(axis=1)
    differs = {name: np.abs(seen[name] - seen["matte"]) for name in ("shiny", "metal")}
    assert 0.01 < (differs["shiny"] > 40).mean() < 0.35
    assert (differs["metal"] > 8).mean() > 0.6


def test_a_second_lamp_lights_what_the_first_leaves_dark() -> None:
    body = Body(Sphere(0.12), (0, 0, 0), 0.0, 1)
    alone = staged(body, Coat((0.5, 0.5, 0.5)))
    two = replace(alone, light=replace(FROM_LEFT, fill=Fill((0.0, -0.8, 0.6), 0.4)))
    (one_image, trace), (two_image, _) = render(alone), render(two)
    right = (trace.body == 0) & (np.arange(240)[None] > 130)
    assert (two_image >= one_image).all()
    assert two_image[right].mean() > 1.15 * one_image[right].mean()


@pytest.mark.parametrize("face", [Lettering.of("AB", framed=True), Card("star"), Dial(4)])
def test_framed_faces_show_colour_paper_and_ink(face: Face) -> None:
    coat = Coat((0.1, 0.2, 0.9), face=face, paper=(0.95, 0.95, 0.95), ink=(0.02, 0.02, 0.02))
    board = Body(Box(0.2, 0.005, 0.4 * face.height / face.width), (0, 0, 0), -np.pi / 2, 1, 0.3)
    image, seen = render(staged(board, coat))
    pixels = image[seen.body == 0].astype(int)
    blue = pixels[:, 2] > 1.8 * pixels[:, 0]
    dark = pixels.max(axis=1) < 60
    white = pixels.min(axis=1) > 120
    assert min(blue.mean(), dark.mean(), white.mean()) > 0.03
    assert (blue | dark | white).mean() > 0.8
