"""What a row of dialogues is about: a rendered picture, one that was only imagined, or nothing of the kind.

An imagined scene is shown as the visual tokens that a tower would make of it, mistakes included, without a
picture and without the tower. There is no end of such scenes, and they cost next to nothing.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foveal.agent.actions import Encoder
from foveal.agent.observations import View
from foveal.agent.wording import Reseen
from foveal.evals.truth import Scene, Thing
from foveal.training.encode import Picture
from foveal.training.glimpses import ENOUGH, Window, content, detailed, spread, words_of
from foveal.training.glimpses import picture as cut
from foveal.training.imagine import imagined
from foveal.training.meanings import ATTRIBUTES, Dictionary
from foveal.training.projecting import CLOSEST, SCALE, inverted, largeness, span_of
from foveal.training.reencoders import Encoders
from foveal.training.reseeing import Again, Shown
from foveal.training.rows import rows, things
from foveal.training.scenes import Scenes
from foveal.training.sightings import Sighting

Grid = tuple[int, int]
NOISE = 0.35
"""Length of what is random in an imagined token, of the token's own."""
MISTAKEN = {
    "colour": 0.02,
    "shape": 0.2,
    "material": 0.1,
    "texture": 0.06,
    "symbol": 0.06,
    "hour": 0.04,
}
"""Probability that a whole view shows a thing as having another attribute than it has."""
AFAR = {"colour": 0.05, "shape": 0.4}
"""The same for things too small in the view to show details."""
UNSAID = {"colour": 0.35, "shape": 0.7}
"""How often a token of a re-encoding keeps silent about what another encoder's features hardly show."""
WAVERING = 0.05
"""Standard deviation of what a re-encoding measures, of the whole scale."""
HORIZON, FRONT = (0.3, 0.8), (1.0, 1.5)
"""1 / distance of the farthest pixel of an imagined scene, of the farthest thing's; and of the nearest pixel."""
SOLID = 0.75
"""Share of its box that a thing fills, about."""


class Subject(Protocol):
    """One image to ask about."""

    @property
    def scene(self) -> Scene:
        """What is true of it; its pixels may be blank."""
        ...

    @property
    def sightings(self) -> tuple[Sighting, ...] | None:
        """What specialists made of it, if they were asked."""
        ...

    @property
    def span(self) -> tuple[float, float]:
        """1 / distance (1 / metres) of its farthest and its nearest pixel."""
        ...

    @property
    def encoders(self) -> Collection[Encoder]:
        """Through which other encoders it can be seen."""
        ...

    def shown(self, picture: Picture, grid: Grid) -> Shown:
        """What a picture of it shows."""
        ...


Source = Callable[[np.random.Generator], Subject]
"""Where subjects come from."""


@dataclass(frozen=True)
class Rendered:
    """A picture of the cache."""

    scene: Scene
    pixels: NDArray[np.uint8]
    sightings: tuple[Sighting, ...] | None
    metres: Callable[[], NDArray[np.float16]]
    """Its depth, decoded only where it is asked for."""
    encoders: Encoders = field(default_factory=dict)

    @property
    def span(self) -> tuple[float, float]:
        return span_of(self.metres())

    def shown(self, picture: Picture, grid: Grid) -> Shown:
        if not isinstance(picture, Reseen):
            return cut(self.pixels, window(picture), grid)
        count = grid[0] * grid[1]
        if picture.encoder == "clip":
            return Again("clip", cut(self.pixels, window(picture.view), grid), count)
        return Again(picture.encoder, self.encoders[picture.encoder](self.pixels), count)


def rendered(
    scenes: Scenes, told: Sequence[tuple[Sighting, ...]] = (), encoders: Encoders | None = None
) -> Source:
    """Pictures of the cache, in any order; `told` is what specialists made of the first ones."""

    def draw(rng: np.random.Generator) -> Rendered:
        number = int(rng.integers(len(scenes)))
        sightings = told[number] if number < len(told) else None
        pixels = scenes.pictures[number]
        known = remembered(scenes, number), pixels, sightings
        return Rendered(*known, lambda: scenes.depth[number], encoders or {})

    return draw


def remembered(scenes: Scenes, number: int) -> Scene:
    """All that is known about a cached scene, but for its pixels."""
    width, height = content(scenes, number)[2:]
    blank = np.broadcast_to(np.uint8(0), (height, width, 3))
    nobody = np.broadcast_to(np.int16(0), (height, width))
    depth = np.broadcast_to(np.float32(0), (height, width))
    return Scene(blank, nobody, depth, things(scenes.things[number]), bool(scenes.flat[number]))


@dataclass(frozen=True)
class Imagined:
    """A scene that nobody drew."""

    scene: Scene
    words: Dictionary
    rng: np.random.Generator
    encoders: Collection[Encoder] = ()
    horizon: float = 0.5
    """1 / distance of the farthest pixel, of the farthest thing's."""
    front: float = 1.2
    """The same of the nearest ones."""
    sightings: None = None

    @property
    def span(self) -> tuple[float, float]:
        inverse = [1 / max(thing.depth, CLOSEST) for thing in self.scene.things]
        return min(inverse) * self.horizon, max(inverse) * self.front

    def shown(self, picture: Picture, grid: Grid) -> Shown:
        if not isinstance(picture, Reseen):
            return self._noisy(self.words.ideal(self._said(window(picture), grid), grid))
        if picture.encoder not in SCALE:
            return self.shown(picture.view, grid)
        return self._noisy(self._reseen(picture, grid))

    def _reseen(self, picture: Reseen, grid: Grid) -> Tensor:
        """What a projector would say, which is less sure of words than the tower and tells a measure as well."""
        x0, y0, x1, y1 = window(picture.view)
        if picture.encoder == "seg":  # it sees a square, whatever the picture's shape
            x1 = y1 = max(x1, y1)
        which = fills(self.scene.things, (x0, y0, x1, y1), grid, ENOUGH["colour"])
        levels = (self._covered if picture.encoder == "seg" else self._nearness)(which, grid)
        levels += WAVERING * self.rng.standard_normal(len(levels)).astype(np.float32)
        said = self._said((x0, y0, x1, y1), grid)
        heard = {name: self._unsure(name, said[name]) for name in UNSAID}
        ideal = self.words.ideal(heard, grid)
        return self.words.measuring(ideal, SCALE[picture.encoder], np.clip(levels, 0, 1))

    def _unsure(self, name: str, words: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(self.rng.random(len(words)) < UNSAID[name], 0, words)

    def _covered(self, which: NDArray[np.int64], grid: Grid) -> NDArray[np.float32]:
        height, width = self.scene.instances.shape
        areas = np.array([thing.visible for thing in self.scene.things], np.float32)
        return np.where(which >= 0, largeness(areas / (width * height))[which], np.nan)

    def _nearness(self, which: NDArray[np.int64], grid: Grid) -> NDArray[np.float32]:
        """Between things the ground comes nearer from the top of the picture to its bottom."""
        if self.scene.flat:
            return np.full(len(which), np.nan, np.float32)
        levels = inverted([thing.depth for thing in self.scene.things], self.span)
        ground = np.repeat(np.linspace(0, 0.8, grid[0], dtype=np.float32), grid[1])
        return np.where(which >= 0, levels[which], ground)

    def _said(self, seen: Window, grid: Grid) -> dict[str, NDArray[np.int64]]:
        kept = rows(self.scene.things, 1.0, 0, 0)
        detail = detailed(kept["xyxy"], seen, grid)
        said = words_of(kept, detail)
        which = {
            least: fills(self.scene.things, seen, grid, least) for least in set(ENOUGH.values())
        }
        return {
            name: spread(name, self._mistaken(name, words, detail), which[ENOUGH[name]])
            for name, words in said.items()
        }

    def _mistaken(
        self, name: str, words: NDArray[np.int64], detail: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        often = np.where(detail, MISTAKEN[name], AFAR.get(name, MISTAKEN[name]))
        wrong = (self.rng.random(len(words)) < often) & (words > 0)
        others = self.rng.integers(1, 1 + len(ATTRIBUTES[name]), len(words))
        return np.where(wrong, others, words)

    def _noisy(self, ideal: Tensor) -> Tensor:
        drawn = torch.from_numpy(self.rng.standard_normal(ideal.shape).astype(np.float32))
        loud: float = NOISE * self.words.scale * ideal.shape[1] ** -0.5
        return ideal + drawn * loud


def fancied(words: Dictionary, encoders: Collection[Encoder] = ()) -> Source:
    """Imagined scenes, shown in these words, and as these encoders would show them."""

    def draw(rng: np.random.Generator) -> Imagined:
        return Imagined(
            imagined(rng), words, rng, encoders, rng.uniform(*HORIZON), rng.uniform(*FRONT)
        )

    return draw


def fills(seen: tuple[Thing, ...], view: Window, grid: Grid, least: float) -> NDArray[np.int64]:
    """(cells,) the place in `seen` of the thing that fills most of each cell, at least this share; -1 for none.

    Things count as rectangles; nearer ones hide those behind them.
    """
    x0, y0, x1, y1 = view
    ys, xs = np.linspace(y0, y1, grid[0] + 1), np.linspace(x0, x1, grid[1] + 1)
    most, which = np.zeros(grid), np.full(grid, -1)
    for place, thing in sorted(enumerate(seen), key=lambda pair: -pair[1].depth):
        left, top, right, bottom = thing.box
        wide = np.clip(np.minimum(xs[1:], right) - np.maximum(xs[:-1], left), 0, None) / (
            xs[1] - xs[0]
        )
        high = np.clip(np.minimum(ys[1:], bottom) - np.maximum(ys[:-1], top), 0, None) / (
            ys[1] - ys[0]
        )
        share = SOLID * np.outer(high, wide)
        over = (share >= least) & (share >= 0.8 * most)
        most[over], which[over] = share[over], place
    return which.ravel()


def window(view: View) -> Window:
    """The pixels of a view, at least four wide and high."""
    x0, y0, x1, y1 = (int(v) for v in view.pixels.xyxy)
    return x0, y0, max(x1, x0 + 4), max(y1, y0 + 4)
