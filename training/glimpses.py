"""Windows on rendered scenes: what the vision tower sees, and what it should be able to say of every cell."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.training.meanings import ATTRIBUTES, CLOSE_UP, DETAIL, FROM_AFAR
from foveal.training.rows import MOST_THINGS
from foveal.training.scenes import Scenes
from foveal.training.sizes import PIXELS
from foveal.training.tower import CELL

Window = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of a cached picture."""

ENOUGH = {name: 0.06 if name in FROM_AFAR else 0.2 for name in ATTRIBUTES}
"""Share of a cell that a thing must fill for the cell to say this of it: colours show before textures do."""
FINE = 6
"""Places on a side of a cell at which it is looked up what is there."""


@dataclass(frozen=True)
class Glimpses:
    """Pictures of one size, and what each of their merged cells shows."""

    images: NDArray[np.uint8]
    """(pictures, height, width, 3)"""
    said: dict[str, NDArray[np.int64]]
    """Per attribute (pictures, cells): 1 + the index of the word, 0 for nothing, -1 where it is not to be said."""
    grid: tuple[int, int]
    """Rows and columns of cells."""


def grid_of(width: int, height: int) -> tuple[int, int]:
    """Rows and columns of merged cells that serving gives a picture of this size."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    high, wide = smart_resize(height, width, CELL, min_pixels=PIXELS, max_pixels=PIXELS)
    return high // CELL, wide // CELL


def content(scenes: Scenes, number: int) -> Window:
    """All of a cached picture."""
    width, height = (int(v) for v in scenes.sizes[number])
    return 0, 0, width, height


def picture(image: NDArray[np.uint8], window: Window, grid: tuple[int, int]) -> NDArray[np.uint8]:
    """A window scaled to a grid: (28 rows, 28 columns, 3)."""
    import cv2

    x0, y0, x1, y1 = window
    size = (grid[1] * CELL, grid[0] * CELL)
    shrinks = (x1 - x0) > size[0]
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image[y0:y1, x0:x1], size, interpolation=mode))


def labels(
    scenes: Scenes, number: int, window: Window, grid: tuple[int, int]
) -> dict[str, NDArray[np.int64]]:
    """What each cell (cells,) shows: of the thing that fills most of it, if any fills enough."""
    rows = scenes.things[number]
    spoken = words_of(rows, detailed(rows["xyxy"], window, grid))
    which = {least: filling(scenes, number, window, grid, least) for least in set(ENOUGH.values())}
    return {name: spread(name, said, which[ENOUGH[name]]) for name, said in spoken.items()}


def spread(name: str, said: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.int64]:
    """What is said of each thing, over the cells (cells,) that show it: -1 for none."""
    return np.where(which >= 0, said[which], 0 if name in FROM_AFAR else -1)


def words_of(rows: NDArray[np.void], detail: NDArray[np.bool_]) -> dict[str, NDArray[np.int64]]:
    """Per attribute what is said of each thing: 1 + the index of its word; -1 for what does not show."""
    said = {name: rows[name].astype(np.int64) + (name != "hour") for name in ATTRIBUTES}
    for name in CLOSE_UP:
        said[name] = np.where(detail & (said[name] > 0), said[name], -1)
    return said


def detailed(boxes: NDArray[Any], window: Window, grid: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether each box (N, 4) in pixels of the picture is large enough in the encoded window to show details."""
    wide, high = grid[1] * CELL / (window[2] - window[0]), grid[0] * CELL / (window[3] - window[1])
    sides = np.minimum((boxes[:, 2] - boxes[:, 0]) * wide, (boxes[:, 3] - boxes[:, 1]) * high)
    return np.asarray(sides >= DETAIL)


def filling(
    scenes: Scenes, number: int, window: Window, grid: tuple[int, int], least: float
) -> NDArray[np.int64]:
    """(cells,) the row of the thing that fills most of each cell and at least this share; -1 for none.

    The window may reach beyond the picture to the right and below, where nothing is.
    """
    x0, y0, x1, y1 = window
    high, wide = grid
    ys, xs = _middles(y0, y1, high * FINE), _middles(x0, x1, wide * FINE)
    mask = np.asarray(scenes.masks[number])
    inside = (ys < mask.shape[0])[:, None] & (xs < mask.shape[1])[None]
    near = mask[np.minimum(ys, mask.shape[0] - 1)[:, None], np.minimum(xs, mask.shape[1] - 1)[None]]
    seen = np.where(inside, near, 0)
    return mostly(seen, FINE, least)


def mostly(instances: NDArray[np.uint8], side: int, least: float) -> NDArray[np.int64]:
    """(cells,) the row of the thing that fills most of each cell of side x side pixels; as `filling`."""
    high, wide = (length // side for length in instances.shape)
    cells = instances.reshape(high, side, wide, side).transpose(0, 2, 1, 3).reshape(-1, side**2)
    counts = np.stack([(cells == j + 1).sum(1) for j in range(MOST_THINGS)], axis=1)
    return np.where(counts.max(1) >= side**2 * least, counts.argmax(1), -1)


def _middles(low: int, high: int, count: int) -> NDArray[np.int64]:
    """The pixels at the middles of `count` equal parts of a stretch."""
    starts = np.linspace(low, high, count, endpoint=False)
    return (starts + (high - low) / (2 * count)).astype(int)


def close_up(scenes: Scenes, number: int, rng: np.random.Generator) -> Window:
    """A window around one thing; cards and dials come more often.

    Mostly a little larger than the thing, as a look at an object is; sometimes up to four times, as at a region.
    """
    things = scenes.things[number]
    things = things[things["name"] >= 0]
    weights = np.where((things["symbol"] >= 0) | (things["hour"] > 0), 3.0, 1.0)
    thing = things[rng.choice(len(things), p=weights / weights.sum())]
    x0, y0, x1, y1 = (float(v) for v in thing["xyxy"])
    left, top, right, bottom = content(scenes, number)
    wide = (0.6, 0.9) if rng.random() < 0.75 else (0.9, 2.1)
    half_width = max((x1 - x0) * rng.uniform(*wide), 12)
    half_height = max((y1 - y0) * rng.uniform(*wide), 12)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return (
        int(max(left, min(x - half_width, right - 24))), int(max(top, min(y - half_height, bottom - 24))),
        int(min(right, max(x + half_width, left + 24))), int(min(bottom, max(y + half_height, top + 24))),
    )  # fmt: skip


def stream(scenes: Scenes, rng: np.random.Generator, batch: int) -> Iterator[Glimpses]:
    """Endless batches, half whole pictures and half close-ups, each of one grid."""
    waiting: dict[tuple[int, int], list[tuple[int, Window]]] = {}
    while True:
        number = int(rng.integers(len(scenes)))
        window = content(scenes, number) if rng.random() < 0.5 else close_up(scenes, number, rng)
        grid = grid_of(window[2] - window[0], window[3] - window[1])
        if min(grid) < 4:  # too long and thin to be worth a batch of its own
            continue
        queue = waiting.setdefault(grid, [])
        queue.append((number, window))
        if len(queue) == batch:
            yield _gathered(scenes, waiting.pop(grid), grid, rng)


def _gathered(
    scenes: Scenes,
    chosen: list[tuple[int, Window]],
    grid: tuple[int, int],
    rng: np.random.Generator,
) -> Glimpses:
    images = np.stack([picture(scenes.pictures[n], w, grid) for n, w in chosen])
    each = [labels(scenes, n, w, grid) for n, w in chosen]
    said = {name: np.stack([one[name] for one in each]) for name in ATTRIBUTES}
    gain = rng.uniform(0.85, 1.15, (len(images), 1, 1, 1))
    return Glimpses(np.clip(images * gain, 0, 255).astype(np.uint8), said, grid)
