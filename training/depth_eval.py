"""How good the depth estimator is: which of two things it calls nearer, in unseen scenes, as served."""

from itertools import combinations
from pathlib import Path

from foveal.agent.actions import Depth, Object
from foveal.agent.observations import Box, Ranged
from foveal.evals.splits import Split, is_drawing, size_of
from foveal.evals.tabletop import scene
from foveal.evals.truth import Scene
from foveal.evals.vocabulary import label
from foveal.tools.base import Mark, Request
from foveal.tools.depth import DepthEstimator
from foveal.training.loop import Numbers, average_of

APART = 1.12
"""Pairs whose depths differ by less than this factor are not asked about."""


def evaluate(folder: Path, scenes: int = 200, split: Split = "val") -> Numbers:
    """Share of pairs in the right order, of pairs at least APART, and of all."""
    specialist = DepthEstimator.from_folder(folder)
    far, every = [], []
    for number in (n for n in range(scenes) if not is_drawing(n)):
        for ratio, right in _pairs(specialist, number, split):
            every.append(right)
            if ratio >= APART:
                far.append(right)
    return {
        "order": average_of(far),
        "pairs": len(far),
        "any": average_of(every),
        "all pairs": len(every),
    }


def _pairs(specialist: DepthEstimator, number: int, split: Split) -> list[tuple[float, bool]]:
    """For each pair of things: how many times farther one is, and whether the order came out right."""
    world = scene(number, split, size_of(number, split))
    found = _depths(specialist, world, f"{split} {number}")
    truth = {thing.id: thing.depth for thing in world.things}
    return [
        (
            max(truth[a], truth[b]) / min(truth[a], truth[b]),
            (found[a] < found[b]) == (truth[a] < truth[b]),
        )
        for a, b in combinations(found, 2)
    ]


def _depths(specialist: DepthEstimator, world: Scene, image: str) -> dict[int, float]:
    """What the specialist says of the true boxes, by id; eight targets a request."""
    marks = [
        Mark(Box(image=image, xyxy=t.box), t.id, label(t.colour, t.shape)) for t in world.things
    ]
    found: dict[int, float] = {}
    for start in range(0, len(marks), 8):
        part = tuple(marks[start : start + 8])
        action = Depth(targets=tuple(Object(index=mark.index) for mark in part))
        reply = specialist.run([Request(action, image, world.image, part)])[0]
        if isinstance(reply.observation, Ranged):
            found |= {one.index: one.depth for one in reply.observation.ranges}
    return found
