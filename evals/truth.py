"""What is known about a picture: all of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Thing:
    """One object of a scene.

    `box` is (x0, y0, x1, y1), half-open, around the visible pixels. `visible` counts those; `full` counts
    what would be visible if nothing stood in front. `distance` is that of the centre and `depth` the median
    over the visible pixels, both metres along the camera's forward axis; `depth` decides what is nearer.
    `colour` is that of a sign's, card's or dial's frame. `size` is the longest edge of the thing's bounding
    box in metres, 0 for what is drawn flat. A sign has a `text`, a card a `symbol`, a dial an `hour` (1 to 12).
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
    material: str = "matte"
    texture: str = "plain"
    size: float = 0.0
    symbol: str | None = None
    hour: int | None = None


@dataclass(frozen=True)
class Scene:
    """A picture and the truth about it.

    `image`: H x W x 3, uint8 RGB. `instances`: H x W, int16, the id of the thing seen there, 0 for none.
    `depth`: H x W, float32, metres along the camera's forward axis, at most 8; in a flat drawing 1
    everywhere. `things[i].id == i + 1`.
    """

    image: NDArray[np.uint8]
    instances: NDArray[np.int16]
    depth: NDArray[np.float32]
    things: tuple[Thing, ...]
    flat: bool = False
    """Whether this is a drawing without depth."""
