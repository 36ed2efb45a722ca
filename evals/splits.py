"""Which scenes are for what: numbered splits that share none, and how hard each draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Split = Literal["train", "val", "test", "hard"]
SPLITS: dict[str, int] = {"train": 1, "val": 2, "test": 3, "hard": 4}
"""The number that begins every seed of a split: no two splits can draw the same scene."""

DRAWN = 8
"""Every eighth scene is a flat drawing instead of a table."""

LEGIBLE = 18
"""Pixels that a symbol or dial measures at least, in a picture of any size: fewer, and no look could tell it."""

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class Level:
    """What a split draws. Shares and screen sizes are of a picture whose shorter side is 512 pixels."""

    things: tuple[int, int]
    """Fewest and most things on a table."""
    held_out: bool = False
    """Whether colours and shapes come together that are kept apart elsewhere."""
    solids: tuple[float, float] = (0.026, 0.065)
    """Half of a solid's rough width in metres."""
    glyph: tuple[float, float] = (17.0, 30.0)
    """Height of lettering in pixels."""
    symbol: tuple[float, float] = (12.0, 22.0)
    """Width of what a card or dial shows, in pixels; never less than LEGIBLE in the picture itself."""
    trinket: tuple[float, float] = (8.5, 13.0)
    """Width of a bead or chip in pixels."""
    figure: tuple[float, float] = (0.09, 0.34)
    """Width of a flat figure as a share of the shorter side."""
    sizes: tuple[Size, ...] = (
        (512, 512),
        (640, 480),
        (768, 576),
        (576, 768),
        (1024, 768),
        (1024, 1024),
    )
    """What pictures of tables measure."""
    drawings: tuple[int, int] = (64, 1024)
    """Shorter side of flat drawings, least and most."""


_SEEN = Level(things=(1, 10))
LEVELS: dict[str, Level] = {
    "train": _SEEN,
    "val": _SEEN,
    "test": _SEEN,
    "hard": Level(
        things=(11, 15),
        held_out=True,
        solids=(0.021, 0.046),
        glyph=(15.0, 20.0),
        symbol=(11.0, 16.0),
        trinket=(7.5, 9.5),
        figure=(0.06, 0.16),
        sizes=((1280, 960), (960, 1280), (1280, 1280), (1600, 1200), (2048, 1536)),
        drawings=(512, 2048),
    ),
}


def generator(seed: int, split: str) -> np.random.Generator:
    """The stream of random numbers that a scene is drawn from."""
    return np.random.default_rng(np.random.SeedSequence([SPLITS[split], seed]))


def is_drawing(seed: int) -> bool:
    """Whether the scene with this number is a flat drawing."""
    return seed % DRAWN == DRAWN - 1


def size_of(seed: int, split: Split = "train") -> Size:
    """The size at which this scene is drawn: for drawings anything, for tables mostly what users bring."""
    level, rng = LEVELS[split], generator(seed, split).spawn(1)[0]
    if not is_drawing(seed):
        return level.sizes[rng.integers(len(level.sizes))]
    low, high = level.drawings
    shorter = round(low * (high / low) ** rng.random())
    longer = min(round(shorter * rng.uniform(1.0, 1.6)), 2048)
    return (shorter, longer) if rng.random() < 0.4 else (longer, shorter)
