"""What differs between families of vision chat models and cannot be read from a checkpoint."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from foveal.agent.coordinates import Convention
from foveal.agent.errors import InputError
from foveal.agent.native.positions import Positions, text_positions, visual_positions


@dataclass(frozen=True)
class Family:
    """How one family points at things, and how its context is continued."""

    convention: Convention = "thousand"
    """How it was trained to write coordinates; for one that was not, the one it most probably has met."""
    continues: bool = True
    """Whether what is new may be computed alone, after a cache of what came before."""
    planes: bool = False
    """Whether positions count time, rows and columns (M-RoPE), so that a picture is shorter than its tokens."""


FAMILIES: dict[str, Family] = {
    "qwen2_vl": Family(planes=True),
    "qwen2_5_vl": Family("pixels", planes=True),
    "qwen3_vl": Family(planes=True),
    "internvl": Family(),
    "llava_onevision": Family(),
    "smolvlm": Family(),
}
"""By model type, as config.json spells it."""

UNKNOWN = Family(continues=False)
"""Any other: every turn is computed from the beginning, as its own `generate` does it."""

Grid = tuple[int, int, int]
"""Frames, rows and columns of a picture's patches, before they are merged."""


def family_of(model_type: str, like: str | None = None) -> Family:
    """The family of a model type, or of the one that it is said to be `like`.

    Raises InputError when there is none of that name.
    """
    if like is None:
        return FAMILIES.get(model_type, UNKNOWN)
    if like not in FAMILIES:
        raise InputError(f"no model family {like!r}; known: {', '.join(FAMILIES)}")
    return FAMILIES[like]


def in_line(count: int, start: int) -> tuple[list[int], int]:
    """Positions of `count` tokens from `start`, and where the next one stands."""
    return [*range(start, start + count)], start + count


def in_planes(
    ids: Sequence[int], image: int, grids: Sequence[Grid], start: int, merge: int
) -> tuple[Positions, int]:
    """Positions of tokens from `start` on three axes, and where the next one stands.

    Neighbouring tokens with the id `image` are one picture; `grids` has one per picture, in order.
    """
    time: list[int] = []
    rows: list[int] = []
    columns: list[int] = []
    for positions, after in _stretches(ids, image, grids, start, merge):
        for axis, places in zip((time, rows, columns), positions, strict=True):
            axis += places
        start = after
    return (time, rows, columns), start


def _stretches(
    ids: Sequence[int], image: int, grids: Sequence[Grid], start: int, merge: int
) -> Iterator[tuple[Positions, int]]:
    left = iter(grids)
    for picture, run in groupby(ids, lambda token: token == image):
        count = len(list(run))
        if picture:
            positions, start = visual_positions(next(left), start, merge)
        else:
            positions, start = text_positions(count, start)
        yield positions, start
