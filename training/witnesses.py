"""What trained specialists make of training scenes, asked once and kept beside the scenes.

Dialogues that rest on it show the model the very mistakes that it will meet.

    python -m foveal.training.witnesses --scenes .scenes_cache --count 4000 --weights FOLDER --out FILE
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agent.actions import Depth, Detect, Object, Segment
from foveal.agent.errors import SpecialistError
from foveal.agent.observations import Detected, Found, Ranged, Segmented
from foveal.evals.truth import Thing
from foveal.tools.base import Mark, Request, Specialist
from foveal.training.rows import things
from foveal.training.scenes import CACHE, Scenes, load
from foveal.training.sightings import Sighting

SAME = 0.4
"""Overlap, as intersection over union, from which a found box is a thing's."""
EVERYTHING = "thing"


@dataclass(frozen=True)
class Witnesses:
    """The three specialists that measure."""

    detector: Specialist
    segmenter: Specialist
    depth: Specialist

    @classmethod
    def from_folder(cls, folder: Path) -> "Witnesses":
        """With the weights of this folder."""
        from foveal.tools.depth import DepthEstimator
        from foveal.tools.detector import Detector
        from foveal.tools.segmenter import Segmenter

        return cls(
            Detector.from_folder(folder),
            Segmenter.from_folder(folder, draws=False),
            DepthEstimator.from_folder(folder, draws=False),
        )

    def sightings(
        self, name: str, pixels: NDArray[np.uint8], truth: Sequence[Thing]
    ) -> tuple[Sighting, ...]:
        """Everything they report of a picture; `name` tells pictures apart."""
        request = Request(Detect(phrase=EVERYTHING), name, pixels)
        detected = self.detector.run([request])[0].observation
        assert isinstance(detected, Detected)
        marks = [Mark(f.box, place, f.label) for place, f in enumerate(detected.objects, start=1)]
        depths = self._depths(name, pixels, marks)
        owners = matched(detected.objects, truth)
        return tuple(
            Sighting(f.label, f.box.xyxy, f.score, owner, self._area(name, pixels, mark), depth)
            for f, mark, depth, owner in zip(detected.objects, marks, depths, owners, strict=True)
        )

    def _depths(self, name: str, pixels: NDArray[np.uint8], marks: list[Mark]) -> list[float]:
        if not marks:
            return []
        targets = tuple(Object(index=mark.index) for mark in marks)
        by_index: dict[int, float] = {}
        for start in range(0, len(marks), 4):  # an action names so many at most
            some = tuple(marks[start : start + 4])
            action = Depth(targets=targets[start : start + 4])
            ranged = self.depth.run([Request(action, name, pixels, some)])[0].observation
            assert isinstance(ranged, Ranged)
            by_index |= {one.index: one.depth for one in ranged.ranges}
        return [by_index[mark.index] for mark in marks]

    def _area(self, name: str, pixels: NDArray[np.uint8], mark: Mark) -> float:
        action = Segment(target=Object(index=mark.index))
        try:
            outlined = self.segmenter.run([Request(action, name, pixels, (mark,))])[0].observation
        except SpecialistError:  # nothing to outline there: as small as can be
            return 1.0
        assert isinstance(outlined, Segmented)
        return float(outlined.area)


def matched(found: Sequence[Found], truth: Sequence[Thing]) -> list[Thing | None]:
    """The thing that each box is around; each thing is one box's, the surest first."""
    owners: list[Thing | None] = [None] * len(found)
    free = list(truth)
    for place in sorted(range(len(found)), key=lambda place: -found[place].score):
        best = max(free, key=lambda thing: _overlap(found[place].box.xyxy, thing.box), default=None)
        if best is not None and _overlap(found[place].box.xyxy, best.box) >= SAME:
            owners[place] = best
            free.remove(best)
    return owners


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(wide, 0) * max(high, 0)
    areas = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (one, other))
    return shared / max(areas - shared, 1e-9)


def record(scenes: Scenes, witnesses: Witnesses, path: Path) -> None:
    """Append what is missing to a file of one line per scene, in order."""
    done = len(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else 0
    with path.open("a", encoding="utf-8") as file:
        for number in range(done, len(scenes)):
            truth = things(scenes.things[number])
            seen = witnesses.sightings(str(number), scenes.pictures[number], truth)
            file.write(json.dumps([_kept(one) for one in seen]) + "\n")


def recall(path: Path, scenes: Scenes) -> list[tuple[Sighting, ...]]:
    """What was said of each scene."""
    with path.open(encoding="utf-8") as file:
        lines = islice(file, len(scenes))
        return [
            tuple(_recalled(json.loads(line), scenes, number)) for number, line in enumerate(lines)
        ]


def _kept(seen: Sighting) -> list[object]:
    owner = seen.thing.id if seen.thing else 0
    box = [round(v, 1) for v in seen.xyxy]
    return [seen.label, box, round(seen.score, 3), owner, int(seen.area), round(seen.depth, 4)]


def _recalled(line: list[list[Any]], scenes: Scenes, number: int) -> Iterator[Sighting]:
    truth = {thing.id: thing for thing in things(scenes.things[number])}
    for label, box, score, owner, area, depth in line:
        x0, y0, x1, y1 = box
        yield Sighting(label, (x0, y0, x1, y1), score, truth.get(owner), area, depth)


def main(arguments: list[str] | None = None) -> None:
    """Ask trained specialists about rendered scenes."""
    import torch

    parser = argparse.ArgumentParser(
        prog="python -m foveal.training.witnesses", description=main.__doc__
    )
    parser.add_argument("--scenes", type=Path, default=CACHE)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    scenes = load(chosen.scenes, chosen.count)
    record(scenes, Witnesses.from_folder(chosen.weights), chosen.out)


if __name__ == "__main__":
    main()
