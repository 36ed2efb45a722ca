"""Flat drawings: coloured circles, squares, rectangles and triangles on any background."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.evals.degrade import degraded
from foveal.evals.geometry import Bools, Floats
from foveal.evals.palette import COLOURS, paint
from foveal.evals.splits import Level, Size
from foveal.evals.symbols import Outline, filled, outline
from foveal.evals.truth import Scene, Thing
from foveal.evals.vocabulary import FIGURES, HELD_OUT

SHARE = 0.62
"""What is promised of every figure: the share of it that no other covers."""

LEAST = 6
"""Pixels that a figure's shorter side measures at least, in a picture however small."""

Placed = tuple[str, str, Outline]
"""Colour, shape, and outline in pixels."""


def drawing(size: Size, rng: np.random.Generator, level: Level) -> Scene:
    """A drawing of `size` (width, height) with as many figures as the level has things.

    Raises RuntimeError where so many do not fit.
    """
    for _ in range(60):
        image, background = _backdrop(size, rng)
        figures = _figures(size, rng, level, background)
        instances, full = _painted(image, figures, rng)
        shown = np.bincount(instances.ravel(), minlength=len(figures) + 1)[1:]
        if len(figures) >= level.things[0] and (shown >= SHARE * np.array(full)).all():
            break
    else:
        raise RuntimeError(f"no drawing of {size} shows every figure; use a larger size")
    things = tuple(_thing(n, f, instances, full[n - 1]) for n, f in enumerate(figures, start=1))
    pixels = np.clip(image * 255, 0, 255).astype(np.uint8)
    depth = np.ones(instances.shape, dtype=np.float32)
    small = min(size) < 200
    return Scene(degraded(pixels, rng, mildly=small), instances, depth, things, flat=True)


def _painted(
    image: Floats, figures: list[Placed], rng: np.random.Generator
) -> tuple[NDArray[np.int16], list[int]]:
    """Paint the figures into the picture; who is seen where, and how many pixels each would cover alone."""
    size = image.shape[1], image.shape[0]
    instances = np.zeros((size[1], size[0]), dtype=np.int16)
    full: list[int] = []
    for number, (colour, _, corners) in enumerate(figures, start=1):
        window, cover = _cover(corners, size)
        part = image[window]
        part += (np.array(paint(colour, rng), dtype=np.float32) - part) * cover[..., None]
        instances[window][cover >= 0.5] = number
        full.append(int(np.count_nonzero(cover >= 0.5)))
    return instances, full


def _backdrop(size: Size, rng: np.random.Generator) -> tuple[Floats, str | None]:
    """The background (H x W x 3, 0 to 1) and the name of its colour, if it has one that figures must avoid."""
    kind, shape = rng.random(), (size[1], size[0], 3)
    if kind < 0.45:
        name = str(rng.choice(COLOURS, p=(0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.5, 0.2)))
        return np.full(shape, paint(name, rng), dtype=np.float32), name
    tone = rng.uniform(0.35, 0.75) + rng.uniform(-0.06, 0.06, 3)
    if kind < 0.75:
        return np.full(shape, tone, dtype=np.float32), None
    if kind < 0.88:
        other = rng.uniform(0.35, 0.75) + rng.uniform(-0.06, 0.06, 3)
        slope = np.linspace(0, 1, size[1])[:, None, None] * np.ones(shape)
        return (tone + (other - tone) * slope).astype(np.float32), None
    cells = rng.uniform(-0.07, 0.07, (int(rng.integers(3, 16)), int(rng.integers(3, 16))))
    bumps = Image.fromarray(cells.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    return (tone + np.asarray(bumps)[..., None]).astype(np.float32), None


def _figures(
    size: Size, rng: np.random.Generator, level: Level, background: str | None
) -> list[Placed]:
    """Outlines that leave each other in view, first those that lie beneath."""
    wanted = int(rng.integers(level.things[0], level.things[1] + 1))
    kinds = _kinds(wanted, rng, level.held_out, background)
    placed: list[Placed] = []
    masks: list[Bools] = []
    for number, (colour, shape) in enumerate(kinds):
        if len(placed) + wanted - number < level.things[0]:
            break  # too many found no place
        for _ in range(30):
            corners = _corners(shape, size, rng, level)
            mask = _mask(corners, size)
            if _leaves_room(mask, colour, masks, placed):
                placed.append((colour, shape, corners))
                masks.append(mask)
                break
    return placed


def _kinds(
    count: int, rng: np.random.Generator, held_out: bool, background: str | None
) -> list[tuple[str, str]]:
    pairs = [(c, s) for c in COLOURS for s in FIGURES if c != background]
    pairs = [pair for pair in pairs if held_out or pair not in HELD_OUT]
    kinds = [pairs[rng.integers(len(pairs))] for _ in range(count)]
    if rng.random() < 0.5:
        alike = min(int(rng.integers(2, 5)), count)
        kinds[:alike] = [kinds[0]] * alike
    apart = [pair for pair in pairs if pair in HELD_OUT]
    if held_out and apart:
        kinds[-1] = apart[rng.integers(len(apart))]
    return [kinds[i] for i in rng.permutation(count)]


def _corners(shape: str, size: Size, rng: np.random.Generator, level: Level) -> Outline:
    """Where a figure of that shape comes to lie, wholly in the picture."""
    low, high = level.figure
    half = max(min(size) * low * (high / low) ** rng.random(), LEAST * 1.7) / 2
    corners = outline("square" if shape == "rectangle" else shape) * half
    if shape == "rectangle":
        thin = rng.uniform(0.38, 0.66)
        corners = corners * ((1, thin) if rng.random() < 0.6 else (thin, 1))
    turn = rng.uniform(-1, 1) * (np.pi if shape == "triangle" else 0.2)
    c, s = np.cos(turn), np.sin(turn)
    corners = corners @ np.array([[c, s], [-s, c]])
    low_corner, high_corner = corners.min(axis=0), corners.max(axis=0)
    return np.asarray(corners + rng.uniform(1 - low_corner, np.array(size) - 1 - high_corner))


COARSE = 96
"""Shorter side, pixels, of the masks in which it is tried whether figures leave each other in view."""


def _mask(corners: Outline, size: Size) -> Bools:
    scale = COARSE / min(size)
    rough = (round(size[0] * scale), round(size[1] * scale))
    return np.asarray(filled(corners * scale, rough) >= 0.5)


def _leaves_room(mask: Bools, colour: str, masks: list[Bools], placed: list[Placed]) -> bool:
    """Whether everything below still shows, and nothing of the same colour touches."""
    above = mask
    for index in range(len(masks) - 1, -1, -1):
        meets = masks[index] & mask
        if meets.any() and placed[index][0] == colour:
            return False
        covered = masks[index] & np.logical_or.reduce([above, *masks[index + 1 :]])
        if np.count_nonzero(covered) > (1 - SHARE - 0.08) * np.count_nonzero(masks[index]):
            return False
    return True


def _cover(corners: Outline, size: Size) -> tuple[tuple[slice, slice], Floats]:
    """How much of each pixel the figure covers, and the window that holds it."""
    x0, y0 = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, size)
    cover = filled(corners - (x0, y0), (int(x1 - x0), int(y1 - y0)))
    return (slice(int(y0), int(y1)), slice(int(x0), int(x1))), cover


def _thing(number: int, figure: Placed, instances: NDArray[np.int16], full: int) -> Thing:
    row, column = np.nonzero(instances == number)
    box = int(column.min()), int(row.min()), int(column.max()) + 1, int(row.max()) + 1
    colour, shape, _ = figure
    return Thing(number, shape, colour, box, len(row), full, 1.0, 1.0)
