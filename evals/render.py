"""From bodies and light to a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from foveal.evals.camera import Camera
from foveal.evals.geometry import Bools, Floats, Vec
from foveal.evals.palette import RGB
from foveal.evals.surfaces import GRAIN, Lettering, sample
from foveal.evals.trace import Body, Trace, Wall, crop, shadows, trace


@dataclass(frozen=True)
class Coat:
    """What a body looks like: its colour, how much it shines (0 to 1), and the text on its front, if any."""

    colour: RGB
    shine: float = 0.0
    lettering: Lettering | None = None
    ink: RGB = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Plane:
    """The look of the table or the wall: colour, grain tile and the side of that tile in metres."""

    colour: RGB
    grain: Floats
    metres: float


@dataclass(frozen=True)
class Light:
    """One distant lamp and the sky: `toward` is a unit vector, `tint` multiplies the picture's channels."""

    toward: tuple[float, float, float]
    lamp: float
    sky: float
    tint: RGB


@dataclass(frozen=True)
class Stage:
    """Everything there is to see."""

    camera: Camera
    light: Light
    table: Plane
    back: Plane
    wall: Wall
    bodies: tuple[Body, ...]
    coats: tuple[Coat, ...]


@dataclass
class _Canvas:
    """Per-pixel layers that bodies paint into: albedo (3 x H x W), lamp, sky and gloss terms (H x W)."""

    albedo: Floats
    lamp: Floats
    sky: Floats
    gloss: Floats


def render(stage: Stage) -> tuple[NDArray[np.uint8], Trace]:
    """The picture (H x W x 3) and the z-buffer it was made from."""
    seen = trace(stage.camera, stage.bodies, stage.wall)
    rays = stage.camera.rays()
    x, y, z = (e + seen.depth * d for e, d in zip(stage.camera.eye, rays, strict=True))
    points = (x, y, z)
    canvas = _backdrop(stage, seen, points)
    for index in range(len(stage.bodies)):
        _paint(canvas, stage, seen, points, index)
    dark = shadows(stage.camera, stage.bodies, seen, points, stage.light.toward)
    picture = _develop(canvas, _soften(dark), stage.light)
    return _smooth_edges(picture, seen.body), seen


def _backdrop(stage: Stage, seen: Trace, points: Vec) -> _Canvas:
    """Table everywhere, then the wall over it."""
    light, (x, y, z) = stage.light, points
    shape = seen.depth.shape
    albedo = np.empty((3, *shape), dtype=np.float32)
    _spread(albedo, stage.table, x, y)
    lamp = np.full(shape, light.toward[2], dtype=np.float32)
    sky = np.ones(shape, dtype=np.float32)
    wall = seen.body == -2
    rows = slice(0, int(np.flatnonzero(wall.any(axis=1)).max(initial=-1)) + 1)
    if rows.stop:
        fx, fy = stage.wall.facing
        upright = np.empty((3, rows.stop, shape[1]), dtype=np.float32)
        _spread(upright, stage.back, x[rows] * fy - y[rows] * fx, z[rows])
        mask = wall[rows]
        albedo[:, rows][:, mask] = upright[:, mask]
        lamp[rows][mask] = max(0.0, -fx * light.toward[0] - fy * light.toward[1])
        sky[rows][mask] = 0.85
    return _Canvas(albedo, lamp, sky, np.zeros(shape, dtype=np.float32))


def _spread(albedo: Floats, plane: Plane, a: Floats, b: Floats) -> None:
    """Lay the plane's grain over `albedo` (3 x H x W), addressed by metres `a` and `b` (H x W)."""
    scale = np.float32(GRAIN / plane.metres)
    row, column = ((metres * scale).astype(np.int32) & (GRAIN - 1) for metres in (b, a))
    tones = plane.grain.ravel()[row * GRAIN + column]
    for channel, value in enumerate(plane.colour):
        np.multiply(tones, np.float32(value), out=albedo[channel])


def _paint(canvas: _Canvas, stage: Stage, seen: Trace, points: Vec, index: int) -> None:
    """Colour, normals and gloss of one body, only at the pixels where it is the nearest."""
    body, coat, light = stage.bodies[index], stage.coats[index], stage.light
    window = seen.silhouettes[index][0]
    here = seen.body[window] == index
    x, y, z = (c[here] for c in crop(points, window))
    local = body.localise((x, y, z), point=True)
    front = body.solid.normal(local)
    normal = body.globalise(front)
    canvas.lamp[window][here] = np.maximum(
        sum(n * t for n, t in zip(normal, light.toward, strict=True)), 0
    )
    canvas.sky[window][here] = 0.80 + 0.20 * normal[2]
    for channel, value in enumerate(_colours(body, coat, local, front[1], stage.camera)):
        canvas.albedo[channel][window][here] = value
    if coat.shine:
        canvas.gloss[window][here] = coat.shine * _highlight(normal, (x, y, z), stage)


def _colours(
    body: Body, coat: Coat, local: Vec, ny: Floats, camera: Camera
) -> list[Floats | float]:
    """The coat's channels; on a lettered front (local normal y < 0), a mix of paint and ink per pixel."""
    if coat.lettering is None:
        return list(coat.colour)
    half_x, _, height = body.solid.extent()
    depth = float(camera.project(np.array([body.at]))[0, 2])
    # A little finer than the screen: bilinear look-up then neither aliases nor blurs.
    tile = coat.lettering.mask(round(1.2 * 2 * half_x * camera.focal / depth))
    inked = sample(tile, local[0] / (2 * half_x) + 0.5, 1 - local[2] / height) * (ny < -0.5)
    return [p + (i - p) * inked for p, i in zip(coat.colour, coat.ink, strict=True)]


def _highlight(normal: Vec, place: Vec, stage: Stage) -> Floats:
    """Blinn's highlight: how squarely the normal lies between lamp and eye, sharpened."""
    eye = [stage.camera.eye[i] - place[i] for i in range(3)]
    far = np.sqrt(eye[0] ** 2 + eye[1] ** 2 + eye[2] ** 2)
    half = [eye[i] / far + stage.light.toward[i] for i in range(3)]
    size = np.sqrt(half[0] ** 2 + half[1] ** 2 + half[2] ** 2)
    facing = np.maximum(sum(n * h for n, h in zip(normal, half, strict=True)) / size, 0)
    return np.asarray(facing**32, dtype=np.float32)


def _soften(dark: Bools) -> Floats:
    """How much lamp light is left (0 to 1), with the rim of each shadow a few pixels wide."""
    radius = min(dark.shape) / 400
    mask = Image.fromarray(np.where(dark, np.uint8(0), np.uint8(255)))
    return np.asarray(mask.filter(ImageFilter.BoxBlur(radius)), dtype=np.float32) * np.float32(
        1 / 255
    )


def _develop(canvas: _Canvas, lit: Floats, light: Light) -> NDArray[np.uint8]:
    # Albedo is given in display values; the square root of the light stands in for the gamma curve.
    bright = np.sqrt(light.sky * canvas.sky + light.lamp * canvas.lamp * lit) * np.float32(255)
    gloss = canvas.gloss * lit * np.float32(255)
    picture = np.empty((*bright.shape, 3), dtype=np.uint8)
    for channel in range(3):
        value = canvas.albedo[channel] * bright
        value *= np.float32(light.tint[channel])
        value += gloss
        picture[..., channel] = np.minimum(value, np.float32(255))
    return picture


def _smooth_edges(picture: NDArray[np.uint8], body: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Blend each pixel on an outline with its four neighbours: cheap anti-aliasing."""
    row, column = np.nonzero(_outlines(body))
    wide = picture.astype(np.uint16)
    around = sum(wide[row + r, column + c] for r, c in ((0, 1), (0, -1), (1, 0), (-1, 0)))
    picture[row, column] = (around + 4 * wide[row, column]) // 8
    return picture


def _outlines(body: NDArray[np.int16]) -> Bools:
    """H x W mask of pixels that differ from a neighbour; the frame's own border is left out."""
    edge = np.zeros(body.shape, dtype=np.bool_)
    sideways, upright = body[:, 1:] != body[:, :-1], body[1:] != body[:-1]
    edge[:, 1:] |= sideways
    edge[:, :-1] |= sideways
    edge[1:] |= upright
    edge[:-1] |= upright
    edge[[0, -1]] = edge[:, [0, -1]] = False
    return edge
