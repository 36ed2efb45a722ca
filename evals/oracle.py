"""Specialists that know the truth: how far a model gets when nothing it is told is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from foveal.agent.actions import Depth, Detect, Perception, Read, Segment
from foveal.agent.observations import (
    Box,
    Detected,
    Found,
    Line,
    Observation,
    Range,
    Ranged,
    Recognised,
    Segmented,
)
from foveal.agent.phrases import match
from foveal.evals.truth import Scene, Thing
from foveal.evals.vocabulary import NAMES, label
from foveal.tools.base import Dispatcher, Mark
from foveal.tools.store import content_hash

SURE = 0.9
"""How sure the oracle says that it is: as sure as a good detector, since a model never met surer ones."""


@dataclass
class Oracle:
    """Answers from the truth about scenes it was told of; looks are left to the inner dispatcher."""

    inner: Dispatcher
    _scenes: dict[str, Scene] = field(default_factory=dict)

    def tell(self, scene: Scene) -> None:
        """Here is the truth about the next image; earlier ones are forgotten."""
        self._scenes = {content_hash(scene.image): scene}

    async def dispatch(
        self, action: Perception, image: str, marks: Sequence[Mark] = ()
    ) -> Observation:
        """The truth about this image. Raises KeyError for one it was not told of."""
        scene = self._scenes[image]
        match action:
            case Detect():
                return _detected(action, scene, image)
            case Segment():
                return _segmented(marks[0], scene)
            case Depth():
                return _ranged(marks, scene)
            case Read():
                return _recognised(marks, scene, image)
            case _:
                return await self.inner.dispatch(action, image, marks)

    async def close(self) -> None:
        """Stop what the inner dispatcher started."""
        await self.inner.close()


def _detected(action: Detect, scene: Scene, image: str) -> Detected:
    wanted = match(action.phrase, NAMES)
    found = [
        Found(label=name, box=Box(image=image, xyxy=thing.box), score=SURE)
        for thing in scene.things
        if NAMES.index(name := label(thing.colour, thing.shape)) in wanted.classes
    ]
    found.sort(key=lambda one: one.box.xyxy[0] + one.box.xyxy[2])
    return Detected(phrase=action.phrase, objects=tuple(found), unknown=wanted.unknown)


def _segmented(mark: Mark, scene: Scene) -> Segmented:
    thing = _marked(mark, scene)
    ys, xs = np.nonzero(scene.instances == thing.id)
    height, width = scene.instances.shape
    return Segmented(
        index=mark.index, label=mark.label, box=mark.box, area=len(xs),
        share=len(xs) / (width * height), centroid=(float(xs.mean()), float(ys.mean())),
    )  # fmt: skip


def _ranged(marks: Sequence[Mark], scene: Scene) -> Ranged:
    ranges = [
        Range(
            index=mark.index, label=mark.label, box=mark.box,
            depth=_relative(_marked(mark, scene).depth, scene),
        )
        for mark in marks
    ]  # fmt: skip
    return Ranged(ranges=tuple(sorted(ranges, key=lambda one: one.depth)))


def _relative(metres: float, scene: Scene) -> float:
    """As a depth estimator tells it: 0 at the nearest pixel to 1 at the farthest, even in 1 / distance."""
    seen = scene.depth[scene.depth > 0]
    if not seen.size or seen.min() == seen.max():
        return 0.0
    near, far = 1 / float(seen.min()), 1 / float(seen.max())
    return float(np.clip((near - 1 / metres) / (near - far), 0, 1))


def _recognised(marks: Sequence[Mark], scene: Scene, image: str) -> Recognised:
    things = [_marked(mark, scene) for mark in marks] if marks else scene.things
    written = sorted((t for t in things if t.text), key=lambda thing: thing.box[1])
    lines = (
        Line(text=thing.text or "", box=Box(image=image, xyxy=thing.box), score=SURE)
        for thing in written
    )
    return Recognised(lines=tuple(lines))


def _marked(mark: Mark, scene: Scene) -> Thing:
    """The thing whose box is nearest to the mark's."""
    return min(
        scene.things,
        key=lambda thing: sum(abs(a - b) for a, b in zip(thing.box, mark.box.xyxy, strict=True)),
    )
