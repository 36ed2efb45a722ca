"""Rendered scenes on disk, ready to be trained on: written once, in shards, and decoded when they are needed.

Pictures are kept as they were drawn, as JPEG, with the instances beside them and the depth at DEPTH_SIDE
pixels, both without loss. What trains at a fixed size reads them letterboxed to a square of SIDE pixels,
exactly as the detector does when it serves; what looks closer reads the picture itself.

    python -m foveal.training.scenes --count 10000 --folder .scenes_cache
"""

import argparse
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from foveal.evals.splits import SPLITS, Split, size_of
from foveal.evals.tabletop import scene
from foveal.evals.truth import Scene
from foveal.evals.vocabulary import NAMES
from foveal.training.rendering import render
from foveal.training.rows import MOST_THINGS, THING, rows

CACHE = Path(".scenes_cache")
"""Where scenes are kept unless told otherwise; git does not see it."""

SIDE, DEPTH_SIDE, SHARD = 512, 224, 500
"""Pixels, pixels, scenes per shard."""

QUALITY = 92
"""Of the JPEG. Colours are kept at full resolution: the smallest things are a few pixels wide."""

PARTS = ("picture", "instances", "depth")
"""What is kept of a scene as a file of its own, in this order."""

T = TypeVar("T")


@dataclass(frozen=True)
class Decoded(Sequence[T], Generic[T]):
    """A sequence of which every item is made when it is asked for."""

    length: int
    make: Callable[[int], T]

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self.make(i) for i in range(*index.indices(self.length))]
        if not -self.length <= index < self.length:
            raise IndexError(f"no scene {index}: there are {self.length}")
        return self.make(index % self.length)


@dataclass(frozen=True)
class Scenes:
    """N scenes.

    `images`: SIDE x SIDE x 3 each, uint8 RGB, letterboxed. `instances`: SIDE x SIDE, uint8, thing j as j + 1.
    `depth`: DEPTH_SIDE x DEPTH_SIDE, float16 metres. `things`: N x MOST_THINGS of THING. `content`: N x 4, the
    part of the square that is picture, xyxy as fractions of the side. `pictures` (H x W x 3) and `masks` (H x W)
    are the same as images and instances as they were drawn. `flat`: N, which are drawings without depth.
    """

    images: Sequence[NDArray[np.uint8]]
    instances: Sequence[NDArray[np.uint8]]
    depth: Sequence[NDArray[np.float16]]
    things: NDArray[np.void]
    content: NDArray[np.float32]
    pictures: Sequence[NDArray[np.uint8]]
    masks: Sequence[NDArray[np.uint8]]
    sizes: NDArray[np.int32]
    """N x 2, width and height in pixels."""
    flat: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.things)


def letterbox(side: int, width: int, height: int) -> tuple[float, int, int, int, int]:
    """Scale, left, top, and the width and height of a picture fitted into the middle of a square."""
    scale = side / max(width, height)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    return scale, round((side - wide) / 2 - 0.1), round((side - high) / 2 - 0.1), wide, high


def boxed(values: NDArray[Any], side: int, fill: int, *, smooth: bool = False) -> NDArray[Any]:
    """H x W (x C) letterboxed to a square, by the nearest value or, `smooth`, by interpolation."""
    import cv2

    _, left, top, wide, high = letterbox(side, values.shape[1], values.shape[0])
    square = np.full((side, side, *values.shape[2:]), fill, dtype=values.dtype)
    mode = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST_EXACT
    small = cv2.resize(values, (wide, high), interpolation=mode)
    square[top : top + high, left : left + wide] = small
    return square


@dataclass(frozen=True)
class Packed:
    """One scene as it is kept: the encoded PARTS, its rows of THING, and (width, height, whether flat)."""

    files: tuple[bytes, ...]
    things: NDArray[np.void]
    facts: tuple[int, int, int]


def pack(world: Scene) -> Packed:
    """One scene ready to be kept."""
    import cv2

    height, width = world.depth.shape
    scale, left, top, _, _ = letterbox(SIDE, width, height)
    jpeg = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    jpeg += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    millimetres = np.rint(boxed(world.depth, DEPTH_SIDE, 0) * 1000).astype(np.uint16)
    files = (
        cv2.imencode(".jpg", world.image[..., ::-1], jpeg)[1].tobytes(),
        cv2.imencode(".png", world.instances.astype(np.uint8))[1].tobytes(),
        cv2.imencode(".png", millimetres)[1].tobytes(),
    )
    return Packed(files, rows(world.things, scale, left, top), (width, height, int(world.flat)))


def decode(part: str, data: NDArray[np.uint8]) -> NDArray[Any]:
    """What was encoded: a picture (H x W x 3, RGB), instances (H x W), or depth in metres (float16)."""
    import cv2

    mode = cv2.IMREAD_COLOR if part == "picture" else cv2.IMREAD_UNCHANGED
    values = np.asarray(cv2.imdecode(data, mode))
    match part:
        case "picture":
            return np.ascontiguousarray(values[..., ::-1])
        case "depth":
            return (values / 1000).astype(np.float16)
        case _:
            return values


def build(folder: Path, count: int, split: Split = "train", workers: int = 1) -> None:
    """Render whatever is missing of scenes 0 to `count`; a shard appears when it is complete."""
    shards = [(folder / f"{split}-{start:06d}", start) for start in range(0, count, SHARD)]
    render(_write, [(one, at, SHARD, split) for one, at in shards if not one.is_dir()], workers)


def _write(target: Path, start: int, count: int, split: Split) -> None:
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        kept: list[Packed] = []
        ends: list[int] = []
        with (partial / "files.bin").open("wb") as file:
            for number in range(start, start + count):
                packed = pack(scene(number, split, size_of(number, split)))
                kept.append(packed)
                for data in packed.files:
                    file.write(data)
                    ends.append(file.tell())
        np.save(partial / "ends.npy", np.array(ends).reshape(count, len(PARTS)))
        np.save(partial / "things.npy", np.stack([packed.things for packed in kept]))
        np.save(partial / "facts.npy", np.array([packed.facts for packed in kept], dtype=np.int32))
        shard = {"start": start, "count": count, "names": NAMES}
        (partial / "shard.json").write_text(json.dumps(shard))
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class _Shards:
    """Files of scenes, found by scene and part."""

    def __init__(self, folders: list[Path]) -> None:
        self.files = [np.memmap(folder / "files.bin", np.uint8, mode="r") for folder in folders]
        self.ends = [np.load(folder / "ends.npy") for folder in folders]

    def read(self, number: int, part: str) -> NDArray[Any]:
        shard, row = divmod(number, SHARD)
        ends, place = self.ends[shard].ravel(), row * len(PARTS) + PARTS.index(part)
        return decode(part, self.files[shard][ends[place - 1] if place else 0 : ends[place]])

    def square(self, number: int, part: str) -> NDArray[Any]:
        grey, smooth = (114, True) if part == "picture" else (0, False)
        return boxed(self.read(number, part), SIDE, grey, smooth=smooth)


def load(folder: Path, count: int, split: Split = "train", workers: int = 1) -> Scenes:
    """The first `count` scenes, rendered first if need be by so many processes."""
    build(folder, count, split, workers)
    folders = [folder / f"{split}-{start:06d}" for start in range(0, count, SHARD)]
    shards = _Shards(folders)
    facts = np.concatenate([np.load(shard / "facts.npy") for shard in folders])[:count]
    return Scenes(
        images=Decoded(count, lambda n: shards.square(n, "picture")),
        instances=Decoded(count, lambda n: shards.square(n, "instances")),
        depth=Decoded(count, lambda n: shards.read(n, "depth")),
        things=np.concatenate([np.load(shard / "things.npy") for shard in folders])[:count],
        content=np.stack([_content(width, height) for width, height, _ in facts]),
        pictures=Decoded(count, lambda n: shards.read(n, "picture")),
        masks=Decoded(count, lambda n: shards.read(n, "instances")),
        sizes=facts[:, :2],
        flat=facts[:, 2] > 0,
    )


def _content(width: int, height: int) -> NDArray[np.float32]:
    _, left, top, wide, high = letterbox(SIDE, width, height)
    return np.array([left, top, left + wide, top + high], dtype=np.float32) / np.float32(SIDE)


def main(arguments: list[str] | None = None) -> None:
    """Render scenes to train on."""
    parser = argparse.ArgumentParser(
        prog="python -m foveal.training.scenes", description=main.__doc__
    )
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=CACHE)
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args(arguments)
    build(chosen.folder, chosen.count, chosen.split, chosen.workers)


__all__ = ["CACHE", "MOST_THINGS", "NAMES", "SIDE", "THING", "Scenes", "build", "load"]

if __name__ == "__main__":
    main()
