"""How good the segmenter is: its outlines, and which of two things it calls larger, in unseen scenes."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import Detect, Object, Segment
from foveal.agent.errors import SpecialistError
from foveal.agent.observations import Box, Detected, Segmented
from foveal.evals.splits import Split, size_of
from foveal.evals.tabletop import scene
from foveal.evals.truth import Scene
from foveal.tools.base import Mark, Request
from foveal.tools.detector import Detector
from foveal.tools.segmenter import Segmenter
from foveal.training.detector_eval import overlap
from foveal.training.loop import Numbers, average_of

LARGER = 1.4
"""Pairs whose visible areas differ by less than this factor are not asked about."""

Boxes = dict[int, tuple[float, float, float, float]]
"""The box each thing, by id, is prompted with."""


def evaluate(
    folder: Path, scenes: int = 200, split: Split = "val", detector: Path | None = None
) -> Numbers:
    """Mean overlap of outlines prompted with slightly wrong true boxes, or with those of a detector.

    The detector, where given, is read from the folder `detector`; what it misses is not outlined.
    """
    specialist = Segmenter.from_folder(folder)
    finder = Detector.from_folder(detector) if detector else None
    overlaps: list[float] = []
    larger: list[bool] = []
    for number in range(scenes):
        world, image = scene(number, split, size_of(number, split)), f"{split} {number}"
        boxes = found_boxes(finder, world, image) if finder else _shaken(world, number)
        areas: dict[int, int] = {}
        for thing, mask in _masks(specialist, world, image, boxes):
            truth = world.instances == thing
            overlaps.append(float((mask & truth).sum() / (mask | truth).sum()))
            areas[thing] = int(mask.sum())
        larger += _comparisons(world, areas)
    return {
        "iou": average_of(overlaps),
        "worst tenth": float(np.quantile(overlaps, 0.1)) if overlaps else float("nan"),
        "masks": len(overlaps),
        "larger": average_of(larger),
        "pairs": len(larger),
    }


def _shaken(world: Scene, seed: int) -> Boxes:
    """True boxes with edges off by 4 % of their length, give or take."""
    rng = np.random.default_rng(seed)
    boxes: Boxes = {}
    for thing in world.things:
        x0, y0, x1, y1 = thing.box
        off = rng.normal(0, 0.04, 4).clip(-0.12, 0.12) * [x1 - x0, y1 - y0, x1 - x0, y1 - y0]
        boxes[thing.id] = (x0 + off[0], y0 + off[1], x1 + off[2], y1 + off[3])
    return boxes


def found_boxes(finder: Detector, world: Scene, image: str) -> Boxes:
    """For each thing the detected box that fits it best, where one overlaps it by half."""
    reply = finder.run([Request(Detect(phrase="object"), image, world.image)])[0].observation
    if not isinstance(reply, Detected) or not reply.objects:
        return {}
    boxes = np.array([found.box.xyxy for found in reply.objects])
    fits = overlap(np.array([t.box for t in world.things], dtype=np.float64), boxes)
    best = fits.argmax(axis=1)
    return {
        thing.id: reply.objects[best[i]].box.xyxy
        for i, thing in enumerate(world.things)
        if fits[i, best[i]] >= 0.5
    }


def _masks(
    specialist: Segmenter, world: Scene, image: str, boxes: Boxes
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    for thing, box in boxes.items():
        mark = Mark(Box(image=image, xyxy=box), thing, "thing")
        request = Request(Segment(target=Object(index=thing)), image, world.image, (mark,))
        try:
            reply = specialist.run([request])[0]
        except SpecialistError:
            yield thing, np.zeros(world.depth.shape, dtype=np.bool_)
            continue
        if reply.mask is not None and isinstance(reply.observation, Segmented):
            yield thing, reply.mask


def _comparisons(world: Scene, areas: dict[int, int]) -> list[bool]:
    """For each pair of outlined things that differ clearly in visible pixels, whether their outlines do so too."""
    truth = {thing.id: thing.visible for thing in world.things}
    return [
        (areas[a] > areas[b]) == (truth[a] > truth[b])
        for a, b in combinations(areas, 2)
        if max(truth[a], truth[b]) >= LARGER * min(truth[a], truth[b])
    ]
