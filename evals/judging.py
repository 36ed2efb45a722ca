"""Whether what a specialist said was true, judged against the scene it spoke about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from foveal.agent.observations import (
    Box,
    Detected,
    Looked,
    Observation,
    Ranged,
    Recognised,
    Segmented,
)
from foveal.agent.phrases import match
from foveal.evals.boxes import XYXY, contains, iou
from foveal.evals.pointed import pointed
from foveal.evals.truth import Scene, Thing
from foveal.evals.vocabulary import NAMES, label
from foveal.graphs.result import Result
from foveal.graphs.sameness import normalised
from foveal.tools.base import Mark

FITS = 0.5
"""A box is that of a thing when their intersection over union is more than this."""


def judged(result: Result, scene: Scene, targets: Sequence[XYXY]) -> tuple[bool | None, ...]:
    """For each hop whether what came back was true; None for failures and where the truth does not say.

    True is: a detector's list that has the box of each thing that fits the phrase, and no other; a reader's lines
    that are the texts there; distances in the true order; an outline whose box fits, and that is larger or smaller
    than those before it as what shows of the things is; a look that contains a target.
    """
    judge = _Judge(result.image, scene, targets)
    height, width = scene.instances.shape
    hops = pointed(result, (width, height))
    return tuple(judge.of(hop.observation, marks) for hop, marks in hops)


@dataclass
class _Judge:
    image: str
    scene: Scene
    targets: Sequence[XYXY]
    _outlined: list[tuple[int, int]] = field(default_factory=list)
    """Area of each outline so far, as measured and in truth."""

    def of(self, seen: Observation, marks: Sequence[Mark]) -> bool | None:
        match seen:
            case Detected():
                return self._found(seen)
            case Recognised():
                return self._read(seen, marks)
            case Ranged():
                return self._ordered(seen)
            case Segmented():
                return self._outline(seen)
            case Looked():
                return self._look(seen)
            case _:
                return None

    def _found(self, seen: Detected) -> bool:
        wanted = match(seen.phrase, NAMES).classes
        things = [t for t in self.scene.things if NAMES.index(label(t.colour, t.shape)) in wanted]
        claimed = {self._thing(one.box, things) for one in seen.objects}
        return len(seen.objects) == len(things) == len(claimed - {None})

    def _read(self, seen: Recognised, marks: Sequence[Mark]) -> bool:
        if any(line.box.image != self.image for line in seen.lines):
            return False
        written = [normalised(thing.text) for thing in self._there(marks) if thing.text]
        said = [normalised(line.text) for line in seen.lines]
        return sorted(said) == sorted(written) or [" ".join(said)] == written

    def _there(self, marks: Sequence[Mark]) -> list[Thing]:
        """The thing that is pointed at; of a region those whose middle is in it, and all without one."""
        if not marks:
            return list(self.scene.things)
        mark = marks[0]
        if mark.index:
            thing = self._thing(mark.box, self.scene.things)
            return [] if thing is None else [thing]
        x0, y0, x1, y1 = mark.box.xyxy
        middles = [
            ((t.box[0] + t.box[2]) / 2, (t.box[1] + t.box[3]) / 2) for t in self.scene.things
        ]
        inside = [x0 <= x <= x1 and y0 <= y <= y1 for x, y in middles]
        return [thing for thing, its in zip(self.scene.things, inside, strict=True) if its]

    def _ordered(self, seen: Ranged) -> bool | None:
        if any(one.box.image != self.image for one in seen.ranges):
            return False
        things = [self._thing(one.box, self.scene.things) for one in seen.ranges]
        depths = [thing.depth for thing in things if thing is not None]
        if len(depths) < max(2, len(things)):
            return None  # of what is not there, nothing is nearer
        return all(near <= far for near, far in combinations(depths, 2))

    def _outline(self, seen: Segmented) -> bool:
        thing = self._thing(seen.box, self.scene.things)
        if thing is None:
            return False
        before = list(self._outlined)
        self._outlined.append((seen.area, thing.visible))
        return all((seen.area > area) == (thing.visible > true) for area, true in before)

    def _look(self, seen: Looked) -> bool | None:
        if not self.targets or not seen.views:
            return None
        crops = [view.source.xyxy for view in seen.views if view.source.image == self.image]
        return any(contains(crop, target) for crop in crops for target in self.targets)

    def _thing(self, box: Box, things: Iterable[Thing]) -> Thing | None:
        """The thing whose box fits best; None where none fits, or the box is in another image."""
        if box.image != self.image:
            return None
        fits = [(iou(box.xyxy, thing.box), -thing.id, thing) for thing in things]
        best = max(fits, default=None, key=lambda fit: fit[:2])
        return best[2] if best and best[0] > FITS else None
