"""What simulated specialists say of a scene: its truth, with the mistakes that real ones make."""

from dataclasses import dataclass

import numpy as np

from foveal.agent.actions import (
    Depth,
    Detect,
    Look,
    Object,
    Perception,
    Read,
    Reencode,
    Region,
    Segment,
)
from foveal.agent.errors import SpecialistError
from foveal.agent.observations import (
    Box,
    Detected,
    Failed,
    Found,
    Line,
    Looked,
    Observation,
    Range,
    Ranged,
    Recognised,
    Segmented,
    View,
)
from foveal.agent.regions import cells_to_box, grown
from foveal.agent.transcript import numbered
from foveal.evals.truth import Thing
from foveal.evals.vocabulary import SHAPES, fits
from foveal.tools.catalogue import specialist_for
from foveal.tools.encoder import reencoded
from foveal.training.sightings import USUAL, Faults, Sighting, elsewhere, imagined_sightings

IMAGE = "0" * 64
"""Stands for the scene's content hash, which the dialogue never spells."""
REASONS = (
    "nothing came back",
    "no answer within 120 s",
    "out of memory",
    "none of its processes is left",
    "nothing could be outlined there",
)
"""Why a specialist did not answer, as a model is told."""


@dataclass(frozen=True)
class World:
    """What the simulated specialists look at."""

    things: tuple[Thing, ...]
    size: tuple[int, int]
    """Width and height in pixels."""
    rng: np.random.Generator
    faults: Faults = USUAL
    """How often imagined specialists are wrong."""
    sightings: tuple[Sighting, ...] | None = None
    """What real specialists made of it, if they were asked."""
    views: bool = False
    """Whether a look comes with visual tokens."""
    text: str | None = None
    """Text that reading the whole image gives; None takes the signs."""
    encoders: bool = False
    """Whether the image can be shown through other encoders."""


def whole(size: tuple[int, int]) -> Box:
    """All of an image of this width and height."""
    return Box(image=IMAGE, xyxy=(0, 0, *size))


class Specialists:
    """Answers one run's actions, remembering what it has numbered."""

    def __init__(self, world: World, pointed: Thing | None = None) -> None:
        """`pointed` is what a bare region is about: a reader reads its text there."""
        self.world, self._pointed = world, pointed
        self.found: tuple[Found, ...] = ()
        """All that was detected so far."""
        self._origin: dict[int, Sighting] = {}
        self._sightings = world.sightings
        if self._sightings is None:
            self._sightings = imagined_sightings(world.things, world.size, world.faults, world.rng)
        self.astray = world.views and world.rng.random() < world.faults.astray
        """Whether detectors answer another request than they were given."""

    def thing(self, index: int) -> Thing | None:
        """What in the scene an object is; None if nothing is there."""
        return self._origin[index].thing

    def observe(self, action: Perception) -> Observation:
        """What comes back; ValueError for an action that no plan uses."""
        if self.world.rng.random() < self.world.faults.failed:
            reason = REASONS[self.world.rng.integers(len(REASONS))]
            why = SpecialistError(specialist_for(action.kind), reason)
            return Failed(error="specialist", message=str(why))
        match action:
            case Detect():
                return self._detect(action.phrase.split(" . "))
            case Depth():
                return self._range(action)
            case Segment(target=Object(index=index)):
                return self._segment(index)
            case Read():
                return self._read(action)
            case Reencode(encoder=encoder):
                return reencoded(encoder, IMAGE, *self.world.size, quartered=True)
            case Look(target=Object(index=index)):
                return self._look(index)
            case Look(target=Region() as region):
                return Looked(views=self._views(cells_to_box(region, *self.world.size)))
            case _:
                raise ValueError(f"no plan uses {action!r}")

    def _detect(self, phrases: list[str]) -> Detected:
        known = [phrase for phrase in phrases if _known(phrase)]
        seen = [s for s in self._sightings or () if any(fits(s.label, phrase) for phrase in known)]
        if self.astray:
            asked, others = elsewhere(phrases, self.world.size, self.world.rng)
            self.astray = bool(others)
            phrases, seen = list(asked) or phrases, list(others) or seen
        seen.sort(key=lambda one: one.xyxy[0] + one.xyxy[2])
        found = tuple(
            Found(label=s.label, box=Box(image=IMAGE, xyxy=s.xyxy), score=s.score) for s in seen
        )
        unknown = tuple(phrase for phrase in phrases if not _known(phrase))
        detected = Detected(phrase=" . ".join(phrases), objects=found, unknown=unknown)
        detected = numbered(detected, len(self.found))
        self._origin |= {f.index: s for f, s in zip(detected.objects, seen, strict=True)}
        self.found += detected.objects
        return detected

    def _by_index(self, index: int) -> Found:
        return next(found for found in self.found if found.index == index)

    def _range(self, action: Depth) -> Ranged:
        ranges = [
            Range(index=o.index, label=self._by_index(o.index).label, box=self._by_index(o.index).box,
                  depth=self._origin[o.index].depth)
            for o in action.targets if isinstance(o, Object)
        ]  # fmt: skip
        return Ranged(ranges=tuple(sorted(ranges, key=lambda r: r.depth)))

    def _segment(self, index: int) -> Segmented:
        found, area = self._by_index(index), self._origin[index].area
        width, height = self.world.size
        x0, y0, x1, y1 = found.box.xyxy
        return Segmented(
            index=index, label=found.label, box=found.box, area=max(1, int(area)),
            share=area / (width * height), centroid=((x0 + x1) / 2, (y0 + y1) / 2),
        )  # fmt: skip

    def _read(self, action: Read) -> Recognised:
        text = self._text(action)
        if not text:
            return Recognised()
        return Recognised(lines=(Line(text=text, box=whole(self.world.size), score=0.9),))

    def _text(self, action: Read) -> str | None:
        match action.target:
            case Object(index=index):
                thing = self.thing(index)
                return thing.text if thing else None
            case Region():
                return self._pointed.text if self._pointed else None
            case _:
                return self._all_text()

    def _all_text(self) -> str:
        if self.world.text is not None:
            return self.world.text
        signs = [thing for thing in self.world.things if thing.text]
        return " ".join(t.text or "" for t in sorted(signs, key=lambda thing: thing.box[1]))

    def _look(self, index: int) -> Looked:
        found = self._by_index(index)
        views = self._views(grown(found.box.xyxy, *self.world.size))
        return Looked(index=index, label=found.label, views=views)

    def _views(self, xyxy: tuple[float, float, float, float]) -> tuple[View, ...]:
        box = Box(image=IMAGE, xyxy=xyxy)
        return (View(role="crop", pixels=box, source=box),) if self.world.views else ()


def _known(phrase: str) -> bool:
    return phrase.split()[-1] in (*SHAPES, "thing")
