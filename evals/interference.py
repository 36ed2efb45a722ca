"""A dispatcher that tampers with what specialists say, to see whether the model uses it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import numpy as np

from foveal.agent.actions import Look, Perception, PerceptionKind, Region
from foveal.agent.errors import SpecialistError
from foveal.agent.observations import Box, Observation, View
from foveal.tools.base import Dispatcher, Mark
from foveal.tools.catalogue import specialist_for
from foveal.tools.store import ImageStore

BLANK = "nothing came back"
"""What the model is told where observations are blanked: as if the specialist had failed."""

Call = tuple[Perception, str, tuple[Mark, ...]]
"""An action, the image it was about, and what it pointed at."""


@dataclass
class Interference:
    """Every reply passes through here on its way to the model."""

    inner: Dispatcher
    store: ImageStore
    observation: Literal["own", "blank", "shuffle"] = "own"
    """`shuffle`: what the same kind of action last found on another image; blank until there is one."""
    tokens: Literal["own", "blank"] = "own"
    """`blank`: visual tokens of observations are zeros; what is said in words stays."""
    region: Literal["own", "random"] = "own"
    """`random`: looks go to a place of the same size anywhere in the image."""
    seed: int = 0

    def __post_init__(self) -> None:
        self._last: dict[str, list[tuple[str, Observation]]] = {}
        self._earlier: list[Call] = []

    def recall(self, calls: Iterable[Call]) -> None:
        """Know what these would have left behind, when the next call comes: an earlier process made them."""
        self._earlier += calls

    async def dispatch(
        self, action: Perception, image: str, marks: Sequence[Mark] = ()
    ) -> Observation:
        """What the inner dispatcher says, tampered with. Raises SpecialistError where it is blanked."""
        if self.observation == "blank":
            raise SpecialistError(specialist_for(action.kind), BLANK)
        while self._earlier:
            call = self._earlier.pop(0)
            self._keep(call[0].kind, call[1], await self._seen(*call))
        seen = await self._seen(action, image, marks)
        if self.observation == "shuffle":
            seen = self._anothers(action.kind, image, seen)
        return self._blanked(seen) if self.tokens == "blank" else seen

    async def _seen(self, action: Perception, image: str, marks: Sequence[Mark]) -> Observation:
        if self.region == "random" and isinstance(action, Look):
            action, marks = self._moved(action, image, marks)
        return await self.inner.dispatch(action, image, marks)

    async def close(self) -> None:
        """Stop what the inner dispatcher started."""
        await self.inner.close()

    def _anothers(self, kind: PerceptionKind, image: str, seen: Observation) -> Observation:
        others = self._keep(kind, image, seen)
        if not others:
            raise SpecialistError(specialist_for(kind), BLANK)
        return others[-1][1]

    def _keep(self, kind: str, image: str, seen: Observation) -> list[tuple[str, Observation]]:
        """Remember what was found, and give back what is known of other images."""
        others = [(name, old) for name, old in self._last.get(kind, []) if name != image]
        same = [pair for pair in self._last.get(kind, []) if pair[0] == image]
        self._last[kind] = [*others[-1:], *same, (image, seen)]
        return others

    def _blanked(self, seen: Observation) -> Observation:
        views: tuple[View, ...] = getattr(seen, "views", ())
        return seen.model_copy(update={"views": tuple(map(self._blank, views))}) if views else seen

    def _blank(self, view: View) -> View:
        if view.tokens is None:
            return view
        nothing = np.zeros_like(self.store.array(view.tokens.key))
        key = self.store.put_array(nothing)
        return view.model_copy(update={"tokens": view.tokens.model_copy(update={"key": key})})

    def _moved(
        self, action: Look, image: str, marks: Sequence[Mark]
    ) -> tuple[Look, tuple[Mark, ...]]:
        """The same look elsewhere; which place follows from the seed, the image and the target."""
        told = f"{self.seed} {image} {action.model_dump_json()}"
        rng = np.random.default_rng(int(sha256(told.encode()).hexdigest()[:12], 16))
        if isinstance(action.target, Region):
            return Look(target=_elsewhere(action.target, rng)), tuple(marks)
        height, width, _ = self.store.pixels(image).shape
        return action, tuple(_mark_elsewhere(mark, (width, height), rng) for mark in marks)


def _elsewhere(region: Region, rng: np.random.Generator) -> Region:
    wide, high = region.x1 - region.x0, region.y1 - region.y0
    x, y = int(rng.integers(8 - wide)), int(rng.integers(8 - high))
    return Region(x0=x, y0=y, x1=x + wide, y1=y + high)


def _mark_elsewhere(mark: Mark, size: tuple[int, int], rng: np.random.Generator) -> Mark:
    x0, y0, x1, y1 = mark.box.xyxy
    x = float(rng.uniform(0, max(size[0] - (x1 - x0), 0)))
    y = float(rng.uniform(0, max(size[1] - (y1 - y0), 0)))
    box = Box(image=mark.box.image, xyxy=(x, y, x + x1 - x0, y + y1 - y0))
    return Mark(box, mark.index, mark.label)
