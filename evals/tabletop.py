"""The tabletop world: pictures made by rule, so that everything in them is known.

`scene(seed)` draws a table with things on it, or now and then a flat drawing, and returns the picture
together with the truth about it. The same seed and size give the same scene; the splits never share one.

    python -m foveal.evals.tabletop --seed 7 --split test --out table.png
    python -m foveal.evals.tabletop --bench
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.evals.degrade import degraded
from foveal.evals.drawings import drawing
from foveal.evals.layout import legible, stage
from foveal.evals.palette import COLOURS
from foveal.evals.plans import Plan
from foveal.evals.render import Stage, render
from foveal.evals.splits import LEVELS, SPLITS, Size, Split, generator, is_drawing, size_of
from foveal.evals.trace import Body, Trace, shows, tally
from foveal.evals.truth import Scene, Thing
from foveal.evals.vocabulary import SHAPES, TRINKETS, label

SHARE, PIXELS = 0.55, 120
"""What is promised of every solid and board: the share of it that shows, and at least that many pixels."""

TINY = 12
"""Pixels that show of every bead and chip, at least."""

SMALLEST = {True: 64, False: 160}
"""Shortest side, pixels, of a drawing and of a table."""


def scene(seed: int, split: Split = "train", size: Size = (512, 512)) -> Scene:
    """The scene with that number; `size` is (width, height) in pixels. `splits.size_of` says what suits it.

    Raises ValueError for a negative seed, an unknown split, or a side that is too short or over 2048 pixels.
    """
    _check(seed, split, size)
    rng, level = generator(seed, split), LEVELS[split]
    if is_drawing(seed):
        return drawing(size, rng, level)
    for _ in range(200):
        laid = stage(size, rng, level, PIXELS)
        if laid is None:
            continue
        image, seen = render(laid[0])
        if _all_show(seen, *laid) and legible(seen, laid[0].coats):
            return _scene(degraded(image, rng, mildly=_delicate(laid[1])), seen, *laid)
    raise RuntimeError(
        f"no arrangement of {split} scene {seed} at {size} shows every thing; use a larger size"
    )


def _check(seed: int, split: str, size: Size) -> None:
    if seed < 0:
        raise ValueError(f"seed {seed} is negative; use 0 or more")
    if split not in SPLITS:
        raise ValueError(f"no split is called {split!r}; use one of {', '.join(SPLITS)}")
    least = SMALLEST[is_drawing(seed)]
    if min(size) < least or max(size) > 2048:
        raise ValueError(f"size {size} cannot be drawn; make both sides {least} to 2048 pixels")


def _all_show(seen: Trace, laid: Stage, plans: list[Plan]) -> bool:
    counts = tally(seen, laid.bodies)
    return all(
        shows(counts[number], *((0.8, TINY) if plan.shape in TRINKETS else (SHARE, PIXELS)))
        for number, plan in enumerate(plans, start=1)
    )


def _delicate(plans: list[Plan]) -> bool:
    """Whether there is something that strong noise or compression would hide."""
    return any(plan.shape in TRINKETS or plan.symbol or plan.hour for plan in plans)


def _scene(image: NDArray[np.uint8], seen: Trace, laid: Stage, plans: list[Plan]) -> Scene:
    owners = np.array([0, 0, *(body.owner for body in laid.bodies)], dtype=np.int16)
    instances = owners[seen.body + 2]
    counts, bodies = tally(seen, laid.bodies), {body.owner: body for body in laid.bodies}
    things = []
    for number, plan in enumerate(plans, start=1):
        box, depth = _extent(instances, seen, laid.bodies, number)
        # Of a sign that is its board, which comes after its foot.
        body = bodies[number]
        centre = body.corners().mean(axis=0)[None]
        half_x, half_y, height = body.solid.extent()
        thing = Thing(
            id=number,
            shape=plan.shape,
            colour=plan.colour,
            box=box,
            visible=counts[number][0],
            full=counts[number][1],
            distance=float(laid.camera.project(centre)[0, 2]),
            depth=depth,
            text=plan.text,
            material=plan.material,
            texture=plan.texture,
            size=float(2 * max(half_x, half_y, height / 2)),
            symbol=plan.symbol,
            hour=plan.hour,
        )
        things.append(thing)
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


def described(thing: Thing) -> str:
    """The thing in words, for people."""
    worn = [word for word in (thing.texture, thing.material) if word not in ("plain", "matte")]
    shows = thing.text or thing.symbol or (f"{thing.hour} o'clock" if thing.hour else "")
    name = " ".join([*worn, thing.colour, thing.shape])
    return f"{thing.id}: {name} at {thing.box}, {thing.depth:.2f} m away" + (
        f", shows {shows}" if shows else ""
    )


def bench(sides: tuple[int, ...] = (512, 1024, 2048), seconds: float = 6.0) -> None:
    """Print how many tables and drawings a second one core draws, per side of the picture."""
    for side in sides:
        began, drawn = time.process_time(), 0
        while time.process_time() - began < seconds:
            scene(drawn, "train", (side, side))
            drawn += 1
        rate = drawn / (time.process_time() - began)
        sys.stdout.write(f"{side} x {side}: {rate:.1f} scenes a second\n")


def main(arguments: list[str] | None = None) -> None:
    """Write one scene as a picture and print what is in it, or measure how fast scenes are drawn."""
    parser = argparse.ArgumentParser(
        prog="python -m foveal.evals.tabletop", description=main.__doc__
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=tuple(SPLITS), default="train")
    parser.add_argument("--size", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"))
    doing = parser.add_mutually_exclusive_group(required=True)
    doing.add_argument("--out", type=Path)
    doing.add_argument("--bench", action="store_true")
    chosen = parser.parse_args(arguments)
    if chosen.bench:
        bench()
        return
    world = scene(
        chosen.seed, chosen.split, tuple(chosen.size or size_of(chosen.seed, chosen.split))
    )
    Image.fromarray(world.image).save(chosen.out)
    for thing in world.things:
        sys.stdout.write(described(thing) + "\n")


__all__ = ["COLOURS", "SHAPES", "SPLITS", "Scene", "Split", "Thing", "label", "scene", "size_of"]

if __name__ == "__main__":
    main()
