"""The truth about things as rows of numbers, the way it is kept beside rendered pictures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foveal.evals.palette import COLOURS
from foveal.evals.truth import Thing
from foveal.evals.vocabulary import MATERIALS, NAMES, SHAPES, SYMBOLS, TEXTURES, label

MOST_THINGS = 16

THING = np.dtype(
    [
        ("name", "i2"), ("colour", "i1"), ("shape", "i1"), ("material", "i1"), ("texture", "i1"),
        ("symbol", "i1"), ("hour", "i1"), ("text", "U8"), ("box", "f4", 4), ("xyxy", "i2", 4),
        ("visible", "i4"), ("full", "i4"), ("distance", "f4"), ("depth", "f4"), ("size", "f4"),
    ]
)  # fmt: skip
"""One thing. `name` is its label in NAMES, -1 where there is no thing; colour to symbol index the vocabulary,
-1 for none; `hour` is 0 for none. `box` is in letterboxed pixels, `xyxy` in those of the picture; distance,
depth and size are metres."""


def rows(things: Sequence[Thing], scale: float, left: int, top: int) -> NDArray[np.void]:
    """MOST_THINGS rows; boxes are letterboxed by `scale` and moved to `left` and `top`."""
    kept = np.zeros(MOST_THINGS, dtype=THING)
    kept["name"] = kept["symbol"] = -1
    for row, thing in zip(kept, things, strict=False):
        row["name"] = NAMES.index(label(thing.colour, thing.shape))
        row["colour"], row["shape"] = COLOURS.index(thing.colour), SHAPES.index(thing.shape)
        row["material"] = MATERIALS.index(thing.material)
        row["texture"] = TEXTURES.index(thing.texture)
        row["symbol"] = SYMBOLS.index(thing.symbol) if thing.symbol else -1
        row["hour"], row["text"] = thing.hour or 0, thing.text or ""
        row["xyxy"] = thing.box
        row["box"] = np.array(thing.box) * scale + np.array([left, top, left, top])
        for measure in ("visible", "full", "distance", "depth", "size"):
            row[measure] = getattr(thing, measure)
    return kept


def things(kept: NDArray[np.void]) -> tuple[Thing, ...]:
    """The things of those rows again."""
    return tuple(
        Thing(
            id=number,
            shape=SHAPES[row["shape"]],
            colour=COLOURS[row["colour"]],
            box=tuple(int(v) for v in row["xyxy"]),  # type: ignore[arg-type]
            visible=int(row["visible"]),
            full=int(row["full"]),
            distance=float(row["distance"]),
            depth=float(row["depth"]),
            text=str(row["text"]) or None,
            material=MATERIALS[row["material"]],
            texture=TEXTURES[row["texture"]],
            size=float(row["size"]),
            symbol=SYMBOLS[row["symbol"]] if row["symbol"] >= 0 else None,
            hour=int(row["hour"]) or None,
        )
        for number, row in enumerate(kept[kept["name"] >= 0], start=1)
    )
