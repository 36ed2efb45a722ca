"""What specialists report is matched with the truth, kept, and recalled as it was."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from foveal.agent.actions import Depth, Segment
from foveal.agent.errors import SpecialistError
from foveal.agent.observations import Box, Detected, Found, Range, Ranged, Segmented
from foveal.evals.truth import Thing
from foveal.tools.base import Reply, Request
from foveal.training.rows import things
from foveal.training.scenes import Scenes
from foveal.training.witnesses import Witnesses, matched, recall, record


def found(box: tuple[float, float, float, float], score: float, label: str = "red cube") -> Found:
    return Found(label=label, box=Box(image="0" * 64, xyxy=box), score=score)


def thing(number: int, box: tuple[int, int, int, int]) -> Thing:
    return Thing(number, "cube", "red", box, 100, 100, 2.0, 2.0)


def test_each_thing_is_one_boxs_the_surest_first() -> None:
    one, two = thing(1, (0, 0, 10, 10)), thing(2, (20, 0, 30, 10))
    boxes = [found((0, 0, 11, 10), 0.5), found((0, 0, 10, 10), 0.9), found((21, 1, 30, 10), 0.3),
             found((50, 50, 60, 60), 0.8)]  # fmt: skip
    assert matched(boxes, [one, two]) == [None, one, two, None]
    assert matched([], [one]) == []
    assert matched(boxes[:1], []) == [None]


class Detecting:
    """Finds what is there, a pixel too far right, and something else."""

    def __init__(self, scenes: Scenes) -> None:
        self.scenes = scenes
        self.asked: list[str] = []

    def warm_up(self) -> None: ...

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        return [self._reply(request) for request in batch]

    def _reply(self, request: Request) -> Reply:
        self.asked.append(request.image)
        truth = things(self.scenes.things[int(request.image)])
        shifted = [(x0 + 1.04, y0, x1 + 1.0, y1) for x0, y0, x1, y1 in (t.box for t in truth)]
        objects = [found(box, 0.5) for box in [*shifted, (0.0, 0.0, 3.0, 3.0)]]
        return Reply(Detected(phrase="thing", objects=tuple(objects)))


class Outlining:
    """Outlines everything but what is very small."""

    def warm_up(self) -> None: ...

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        (request,) = batch
        assert isinstance(request.action, Segment)
        box = request.marks[0].box
        if box.area < 10:
            raise SpecialistError("segmenter", "nothing could be outlined there")
        return [Reply(Segmented(box=box, area=77, share=0.1, centroid=(1, 1)))]


class Ranging:
    """Says that what has a high number is far."""

    def warm_up(self) -> None: ...

    def run(self, batch: Sequence[Request]) -> list[Reply]:
        (request,) = batch
        assert isinstance(request.action, Depth)
        assert 1 <= len(request.marks) <= 4
        return [Reply(Ranged(ranges=tuple(
            Range(index=m.index, label=m.label, box=m.box, depth=m.index / 100)
            for m in reversed(request.marks)
        )))]  # fmt: skip


@pytest.fixture
def detecting(eight: Scenes) -> Detecting:
    return Detecting(eight)


def test_what_was_said_is_recalled_with_whom_it_was_about(
    eight: Scenes, detecting: Detecting, tmp_path: Path
) -> None:
    path = tmp_path / "told.jsonl"
    record(eight, Witnesses(detecting, Outlining(), Ranging()), path)
    for number, told in enumerate(recall(path, eight)):
        truth = things(eight.things[number])
        large = [t for t in truth if (t.box[2] - t.box[0]) >= 8]
        assert [s.thing for s in told if s.thing in large] == large
        assert told[-1].thing is None
        assert told[-1].area == 1
        assert [s.depth for s in told] == [n / 100 for n in range(1, len(told) + 1)]
        assert told[0].xyxy[0] == truth[0].box[0] + 1.0
        assert {s.area for s in told[:-1]} == {77}


def test_a_broken_testimony_goes_on_where_it_was(
    eight: Scenes, detecting: Detecting, tmp_path: Path
) -> None:
    path = tmp_path / "told.jsonl"
    witnesses = Witnesses(detecting, Outlining(), Ranging())
    record(eight, witnesses, path)
    whole = path.read_text()
    path.write_text("".join(whole.splitlines(keepends=True)[:5]))
    detecting.asked.clear()
    record(eight, witnesses, path)
    assert path.read_text() == whole
    assert detecting.asked == ["5", "6", "7"]
