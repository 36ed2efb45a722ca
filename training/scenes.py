"""Rendered scenes on disk, ready to be trained on: written once, in shards, and read as memory maps.

A scene is rendered at the sizes users bring, then letterboxed to a square of SIDE pixels exactly as the
detector does when it serves, so what is learnt here is what is seen there. Depth is kept at DEPTH_SIDE
pixels.

    python -m foveal.training.scenes --count 4000 --folder .scenes_cache
"""

import argparse
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.evals.tabletop import COLOURS, SHAPES, Scene, Split, scene

NAMES = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
"""The detector's classes, in order."""

CACHE = Path(".scenes_cache")
"""Where scenes are kept unless told otherwise; git does not see it."""

SIDE, DEPTH_SIDE, SHARD = 384, 224, 500
"""Pixels, pixels, scenes per shard."""

MOST_THINGS = 12
SIZES = ((512, 512), (512, 512), (512, 512), (640, 480), (384, 512), (640, 480))
"""Width and height of scene n: SIZES[n % 6]."""

THING = np.dtype([("name", "i2"), ("box", "f4", 4), ("visible", "i4"), ("depth", "f4")])
"""One thing: class or -1 for none, box in letterboxed pixels (xyxy), visible pixels of the rendering, metres."""


@dataclass(frozen=True)
class Scenes:
    """N letterboxed scenes.

    `images`: N x SIDE x SIDE x 3, uint8 RGB. `instances`: N x SIDE x SIDE, uint8, thing j as j + 1.
    `depth`: N x DEPTH_SIDE x DEPTH_SIDE, float16 metres. `things`: N x MOST_THINGS of THING. `content`:
    N x 4, the part of the square that is picture, xyxy as fractions of the side.
    """

    images: list[NDArray[np.uint8]]
    instances: list[NDArray[np.uint8]]
    depth: list[NDArray[np.float16]]
    things: NDArray[np.void]
    content: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.things)


def letterbox(side: int, width: int, height: int) -> tuple[float, int, int, int, int]:
    """Scale, left, top, and the width and height of a picture fitted into the middle of a square."""
    scale = side / max(width, height)
    wide, high = round(width * scale), round(height * scale)
    return scale, round((side - wide) / 2 - 0.1), round((side - high) / 2 - 0.1), wide, high


def pack(world: Scene) -> dict[str, NDArray[np.generic]]:
    """One scene as a row of each array of a shard."""
    import cv2

    height, width = world.depth.shape
    scale, left, top, wide, high = letterbox(SIDE, width, height)
    area = slice(top, top + high), slice(left, left + wide)
    image = np.full((SIDE, SIDE, 3), 114, dtype=np.uint8)
    image[area] = cv2.resize(world.image, (wide, high), interpolation=cv2.INTER_LINEAR)
    instances = np.zeros((SIDE, SIDE), dtype=np.uint8)
    instances[area] = cv2.resize(
        world.instances.astype(np.uint8), (wide, high), interpolation=cv2.INTER_NEAREST_EXACT
    )
    content = np.array([left, top, left + wide, top + high], dtype=np.float32) / SIDE
    return {
        "images": image,
        "instances": instances,
        "depth": _depth(world),
        "things": _things(world, scale, left, top),
        "content": content,
    }


def _depth(world: Scene) -> NDArray[np.float16]:
    import cv2

    height, width = world.depth.shape
    _, left, top, wide, high = letterbox(DEPTH_SIDE, width, height)
    depth = np.zeros((DEPTH_SIDE, DEPTH_SIDE), dtype=np.float16)
    small = cv2.resize(world.depth, (wide, high), interpolation=cv2.INTER_NEAREST_EXACT)
    depth[top : top + high, left : left + wide] = small
    return depth


def _things(world: Scene, scale: float, left: int, top: int) -> NDArray[np.void]:
    rows = np.zeros(MOST_THINGS, dtype=THING)
    rows["name"] = -1
    for row, thing in zip(rows, world.things, strict=False):
        row["name"] = NAMES.index(f"{thing.colour} {thing.shape}")
        row["box"] = np.array(thing.box) * scale + np.array([left, top, left, top])
        row["visible"], row["depth"] = thing.visible, thing.depth
    return rows


def build(folder: Path, count: int, split: Split = "train") -> None:
    """Render whatever is missing of scenes 0 to `count`; a shard appears when it is complete."""
    for start in range(0, count, SHARD):
        target = folder / f"{split}-{start:06d}"
        if not target.is_dir():
            _write(target, start, split)


def _write(target: Path, start: int, split: Split) -> None:
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        arrays: dict[str, NDArray[np.generic]] = {}
        for row in range(SHARD):
            number = start + row
            for name, value in pack(scene(number, split, SIZES[number % len(SIZES)])).items():
                if name not in arrays:
                    arrays[name] = np.lib.format.open_memmap(
                        partial / f"{name}.npy",
                        mode="w+",
                        dtype=value.dtype,
                        shape=(SHARD, *value.shape),
                    )
                arrays[name][row] = value
        (partial / "shard.json").write_text(
            json.dumps({"start": start, "count": SHARD, "names": NAMES})
        )
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def load(folder: Path, count: int, split: Split = "train") -> Scenes:
    """The first `count` scenes, rendered first if need be."""
    build(folder, count, split)
    shards = [folder / f"{split}-{start:06d}" for start in range(0, count, SHARD)]
    return Scenes(
        images=list(_rows(shards, "images"))[:count],
        instances=list(_rows(shards, "instances"))[:count],
        depth=list(_rows(shards, "depth"))[:count],
        things=np.concatenate([np.load(shard / "things.npy") for shard in shards])[:count],
        content=np.concatenate([np.load(shard / "content.npy") for shard in shards])[:count],
    )


def _rows(shards: list[Path], name: str) -> Iterator[NDArray[Any]]:
    for shard in shards:
        yield from np.load(shard / f"{name}.npy", mmap_mode="r")


def main(arguments: list[str] | None = None) -> None:
    """Render scenes to train on."""
    parser = argparse.ArgumentParser(
        prog="python -m foveal.training.scenes", description=main.__doc__
    )
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--folder", type=Path, default=CACHE)
    chosen = parser.parse_args(arguments)
    build(chosen.folder, chosen.count)


if __name__ == "__main__":
    main()
