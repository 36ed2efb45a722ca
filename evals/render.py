"""From bodies and light to a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from foveal.evals.camera import Camera
from foveal.evals.faces import Face, sample
from foveal.evals.geometry import Bools, Floats, Vec
from foveal.evals.materials import highlight, mirrored
from foveal.evals.palette import RGB
from foveal.evals.patterns import ROWS, pattern
from foveal.evals.surfaces import GRAIN
from foveal.evals.trace import Body, Trace, Wall, crop, shadows, trace


@dataclass(frozen=True)
class Coat:
    """What a body looks like: its colour and material, and either a texture in a second colour or a face.

    A face lies on the front (the side of negative y), its paper and ink over the colour.
    """

    colour: RGB
    material: str = "matte"
    texture: str = "plain"
    second: RGB = (0.0, 0.0, 0.0)
    face: Face | None = None
    paper: RGB = (0.9, 0.9, 0.9)
    ink: RGB = (0.0, 0.0, 0.0)
    rows: float = ROWS
    """Cells of the texture from foot to top."""


@dataclass(frozen=True)
class Plane:
    """The look of the table or the wall: colour, grain tile and the side of that tile in metres."""

    colour: RGB
    grain: Floats
    metres: float


@dataclass(frozen=True)
class Fill:
    """A second, weaker lamp that throws no shadow; `toward` is a unit vector."""

    toward: tuple[float, float, float]
    lamp: float


@dataclass(frozen=True)
class Light:
    """One distant lamp and the sky: `toward` is a unit vector, `tint` multiplies the picture's channels."""

    toward: tuple[float, float, float]
    lamp: float
    sky: float
    tint: RGB
    fill: Fill | None = None

    def soft(self, normal: Vec, sky: Any) -> Any:
        """The light that no shadow takes away, on surfaces of that normal that see so much `sky` (0 to 1)."""
        rest = self.sky * sky
        if self.fill is not None:
            along = sum(n * t for n, t in zip(normal, self.fill.toward, strict=True))
            rest = rest + self.fill.lamp * np.maximum(along, 0)
        return rest


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
    """Per-pixel layers that bodies paint into: albedo (3 x H x W), lamp, soft light and gloss (H x W)."""

    albedo: Floats
    lamp: Floats
    soft: Floats
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
    soft = np.full(shape, light.soft((0.0, 0.0, 1.0), 1.0), dtype=np.float32)
    wall = seen.body == -2
    rows = slice(0, int(np.flatnonzero(wall.any(axis=1)).max(initial=-1)) + 1)
    if rows.stop:
        fx, fy = stage.wall.facing
        upright = np.empty((3, rows.stop, shape[1]), dtype=np.float32)
        _spread(upright, stage.back, x[rows] * fy - y[rows] * fx, z[rows])
        mask = wall[rows]
        albedo[:, rows][:, mask] = upright[:, mask]
        lamp[rows][mask] = max(0.0, -fx * light.toward[0] - fy * light.toward[1])
        soft[rows][mask] = light.soft((-fx, -fy, 0.0), 0.85)
    return _Canvas(albedo, lamp, soft, np.zeros(shape, dtype=np.float32))


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
    along = sum(n * t for n, t in zip(normal, light.toward, strict=True))
    canvas.lamp[window][here] = np.maximum(along, 0)
    canvas.soft[window][here] = light.soft(normal, 0.80 + 0.20 * normal[2])
    channels = _colours(body, coat, local, front, stage.camera)
    if coat.material != "matte":
        eye = _toward_eye((x, y, z), stage.camera)
        canvas.gloss[window][here] = highlight(coat.material, body.solid, normal, eye, light.toward)
        if coat.material == "metal":
            room = mirrored(normal, eye)
            channels = [channel * room for channel in channels]
    for channel, value in enumerate(channels):
        canvas.albedo[channel][window][here] = value


def _toward_eye(place: Vec, camera: Camera) -> Vec:
    x, y, z = (camera.eye[i] - place[i] for i in range(3))
    far = np.sqrt(x * x + y * y + z * z)
    return x / far, y / far, z / far


def _colours(body: Body, coat: Coat, local: Vec, normal: Vec, camera: Camera) -> list[Any]:
    """The coat's channels at local points with local normals: a mix of its colours per pixel."""
    if coat.face is not None:
        return _faced(body, coat, coat.face, local, normal, camera)
    if coat.texture == "plain":
        return list(coat.colour)
    other = pattern(coat.texture, body.solid, local, normal, coat.rows)
    return [np.where(other, s, c) for c, s in zip(coat.colour, coat.second, strict=True)]


def _faced(
    body: Body, coat: Coat, face: Face, local: Vec, normal: Vec, camera: Camera
) -> list[Any]:
    half_x, _, height = body.solid.extent()
    depth = float(camera.project(np.array([body.at]))[0, 2])
    # A little finer than the screen: bilinear look-up then neither aliases nor blurs.
    layers = face.layers(round(1.2 * 2 * half_x * camera.focal / depth))
    across, down, front = local[0] / (2 * half_x) + 0.5, 1 - local[2] / height, normal[1] < -0.5
    channels: list[Any] = list(coat.colour)
    for layer, colour in zip(layers, (coat.paper, coat.ink), strict=True):
        if layer is not None:
            cover = sample(layer, across, down) * front
            channels = [c + (over - c) * cover for c, over in zip(channels, colour, strict=True)]
    return channels


def _soften(dark: Bools) -> Floats:
    """How much lamp light is left (0 to 1), with the rim of each shadow a few pixels wide."""
    radius = min(dark.shape) / 400
    mask = Image.fromarray(np.where(dark, np.uint8(0), np.uint8(255)))
    return np.asarray(mask.filter(ImageFilter.BoxBlur(radius)), dtype=np.float32) * np.float32(
        1 / 255
    )


def _develop(canvas: _Canvas, lit: Floats, light: Light) -> NDArray[np.uint8]:
    # Albedo is given in display values; the square root of the light stands in for the gamma curve.
    bright = np.sqrt(canvas.soft + light.lamp * canvas.lamp * lit) * np.float32(255)
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
