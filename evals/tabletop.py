"""The tabletop world: pictures made by rule, so that everything in them is known.

`scene(seed)` draws a table with three to nine plain things on it and returns the picture together with
the truth about it. The same seed and size give the same scene; the splits never share one.

    python -m foveal.evals.tabletop --seed 7 --split test --out table.png
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.evals.layout import SHAPES, Plan, legible, stage
from foveal.evals.palette import COLOURS
from foveal.evals.render import Stage, render
from foveal.evals.trace import Body, Trace, all_show, tally

Split = Literal["train", "val", "test"]
SPLITS: dict[str, int] = {"train": 1, "val": 2, "test": 3}

SHARE, PIXELS = 0.55, 120
"""What is promised of every thing: the share of it that shows, and at least that many pixels."""


@dataclass(frozen=True)
class Thing:
    """One object of a scene.

    `box` is (x0, y0, x1, y1), half-open, around the visible pixels. `visible` counts those; `full` counts
    what would be visible if nothing stood in front. `distance` is that of the centre and `depth` the median
    over the visible pixels, both metres along the camera's forward axis; `depth` decides what is nearer.
    Only signs have a `text`.
    """

    id: int
    shape: str
    colour: str
    box: tuple[int, int, int, int]
    visible: int
    full: int
    distance: float
    depth: float
    text: str | None = None


@dataclass(frozen=True)
class Scene:
    """A picture and the truth about it.

    `image`: H x W x 3, uint8 RGB. `instances`: H x W, int16, the id of the thing seen there, 0 for none.
    `depth`: H x W, float32, metres along the camera's forward axis, at most 8. `things[i].id == i + 1`.
    """

    image: NDArray[np.uint8]
    instances: NDArray[np.int16]
    depth: NDArray[np.float32]
    things: tuple[Thing, ...]


def scene(seed: int, split: Split = "train", size: tuple[int, int] = (512, 512)) -> Scene:
    """The scene with that number; `size` is (width, height) in pixels.

    Raises ValueError for a negative seed, an unknown split or a side under 160 pixels.
    """
    _check(seed, split, size)
    rng = np.random.default_rng(np.random.SeedSequence([SPLITS[split], seed]))
    for _ in range(200):
        laid = stage(size, rng)
        if laid is None:
            continue
        image, seen = render(laid[0])
        shows = all_show(seen, laid[0].bodies, SHARE, PIXELS)
        if shows and legible(seen, laid[0].coats):
            return _scene(image, seen, *laid)
    raise RuntimeError(
        f"no arrangement of {split} scene {seed} at {size} shows every thing; use a larger size"
    )


def _check(seed: int, split: str, size: tuple[int, int]) -> None:
    if seed < 0:
        raise ValueError(f"seed {seed} is negative; use 0 or more")
    if split not in SPLITS:
        raise ValueError(f"no split is called {split!r}; use one of {', '.join(SPLITS)}")
    if min(size) < 160:
        raise ValueError(
            f"size {size} leaves small things too few pixels; make both sides 160 or more"
        )


def _scene(image: NDArray[np.uint8], seen: Trace, laid: Stage, plans: list[Plan]) -> Scene:
    owners = np.array([0, 0, *(body.owner for body in laid.bodies)], dtype=np.int16)
    instances = owners[seen.body + 2]
    counts = tally(seen, laid.bodies)
    centres = _distances(laid)
    things = []
    for number, plan in enumerate(plans, start=1):
        box, depth = _extent(instances, seen, laid.bodies, number)
        things.append(
            Thing(
                number,
                plan.shape,
                plan.colour,
                box,
                *counts[number],
                centres[number],
                depth,
                plan.text,
            )
        )
    return Scene(image, instances, seen.depth, tuple(things))


def _extent(
    instances: NDArray[np.int16], seen: Trace, bodies: tuple[Body, ...], number: int
) -> tuple[tuple[int, int, int, int], float]:
    """Box and median depth of the visible pixels, searched only where the thing's bodies can be."""
    windows = [
        s[0] for s, body in zip(seen.silhouettes, bodies, strict=True) if body.owner == number
    ]
    top, left = min(w[0].start for w in windows), min(w[1].start for w in windows)
    area = slice(top, max(w[0].stop for w in windows)), slice(left, max(w[1].stop for w in windows))
    row, column = np.nonzero(instances[area] == number)
    row, column = row + top, column + left
    box = int(column.min()), int(row.min()), int(column.max()) + 1, int(row.max()) + 1
    return box, float(np.median(seen.depth[row, column]))


def _distances(laid: Stage) -> dict[int, float]:
    """Depth of each thing's centre; of a sign, its board's, which comes after its foot."""
    return {
        body.owner: float(laid.camera.project(body.corners().mean(axis=0)[None])[0, 2])
        for body in laid.bodies
        if body.owner
    }


def main(arguments: list[str] | None = None) -> None:
    """Write one scene as a picture and print what is in it."""
    parser = argparse.ArgumentParser(
        prog="python -m foveal.evals.tabletop", description=main.__doc__
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=tuple(SPLITS), default="train")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(512, 512), metavar=("WIDTH", "HEIGHT")
    )
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    world = scene(chosen.seed, chosen.split, tuple(chosen.size))
    Image.fromarray(world.image).save(chosen.out)
    for t in world.things:
        says = f", says {t.text}" if t.text else ""
        sys.stdout.write(f"{t.id}: {t.colour} {t.shape} at {t.box}, {t.depth:.2f} m away{says}\n")


__all__ = ["COLOURS", "SHAPES", "SPLITS", "Scene", "Split", "Thing", "scene"]

if __name__ == "__main__":
    main()
