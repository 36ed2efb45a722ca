"""Specialists that cost nothing, or exactly what they are told to: what is left is the way to them and back."""

import time
from collections.abc import Sequence

import numpy as np

from foveal.agent.observations import (
    Box,
    Detected,
    Found,
    Looked,
    Observation,
    Range,
    Ranged,
    Reencoded,
    Segmented,
    View,
)
from foveal.tools.base import Features, Mark, Reply, Request

FOUND = 3
"""Objects that each detection finds."""
GRID = (1, 8, 8)
"""Patches of each view before the 2 x 2 merge."""
HIDDEN = 1536
"""Width of a visual token."""


class Glance:
    """A detector that reads one pixel of the picture, which therefore has to be there."""

    def warm_up(self) -> None:
        """Nothing to load."""

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        """The pixel's value as the only object's score."""
        return [Reply(_glanced(request)) for request in batch]


class Simulated(Glance):
    """A detector on a GPU that is not there: a batch costs a fixed time and some more for each picture."""

    def __init__(self, fixed: float, each: float) -> None:
        """Both in seconds."""
        self._fixed, self._each = fixed, each

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        """Sleep as long as the batch would take."""
        time.sleep(self._fixed + self._each * len(batch))
        return super().run(batch)


class Instant:
    """Answers every kind of action with something of the usual size, and counts the time that takes."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """Spent answering so far."""

    def warm_up(self) -> None:
        """Nothing to load."""

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        """One reply per request."""
        began = time.perf_counter()
        replies = [_answered(request) for request in batch]
        self.seconds += time.perf_counter() - began
        return replies


def _glanced(request: Request) -> Observation:
    score = float(request.pixels[-1, -1, 0]) / 255
    box = Box(image=request.image, xyxy=(0, 0, 1, 1))
    phrase = getattr(request.action, "phrase", "")
    return Detected(phrase=phrase, objects=(Found(label=phrase, box=box, score=score),))


def _answered(request: Request) -> Reply:
    match request.action.kind:
        case "detect":
            return Reply(_found(request))
        case "segment":
            return Reply(_outlined(request), mask=request.pixels[:, :, 0] > 127)
        case "depth":
            return Reply(Ranged(ranges=tuple(_range(mark) for mark in request.marks)))
        case _:
            return _seen(request)


def _found(request: Request) -> Detected:
    phrase = getattr(request.action, "phrase", "")
    objects = tuple(
        Found(label=phrase, box=Box(image=request.image, xyxy=(8.5 * n, 4.25, 60, 70)), score=0.75)
        for n in range(FOUND)
    )
    return Detected(phrase=phrase, objects=objects)


def _outlined(request: Request) -> Segmented:
    mark = request.marks[0]
    return Segmented(
        box=mark.box, area=99, share=0.01, centroid=(20.5, 30.5), index=mark.index, label=mark.label
    )


def _range(mark: Mark) -> Range:
    return Range(box=mark.box, depth=0.5, index=mark.index, label=mark.label)


def _seen(request: Request) -> Reply:
    height, width = request.pixels.shape[:2]
    whole = Box(image=request.image, xyxy=(0, 0, width, height))
    view = View(role="whole", pixels=whole, source=whole)
    values = np.zeros((GRID[1] * GRID[2] // 4, HIDDEN), np.float32)
    seen = Looked(views=(view,)) if request.marks else Reencoded(encoder="clip", views=(view,))
    return Reply(seen, features=(Features(values, GRID),))
