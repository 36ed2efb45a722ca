"""What specialists say is held against the truth about the scene."""

from collections.abc import Sequence
from typing import Any

import pytest

from foveal.agent.actions import Depth, Detect, Look, Object, Perception, Read, Region, Segment
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
from foveal.evals.judging import judged
from foveal.evals.oracle import Oracle
from foveal.evals.tabletop import scene
from foveal.evals.truth import Scene, Thing
from foveal.evals.vocabulary import label
from foveal.tools.base import Mark
from foveal.tools.store import content_hash


@pytest.fixture(scope="module")
def table() -> Scene:
    """With three things or more, and a sign."""
    drawn = (scene(number, "val", (320, 320)) for number in range(60))
    return next(one for one in drawn if not one.flat and len(one.things) > 3 and texts(one))


def texts(table: Scene) -> list[Thing]:
    return [thing for thing in table.things if thing.text]


def listed(table: Scene, image: str, phrase: str = "thing") -> Detected:
    found = [
        Found(index=n, label=label(t.colour, t.shape), box=Box(image=image, xyxy=t.box), score=1)
        for n, t in enumerate(table.things, start=1)
    ]
    return Detected(phrase=phrase, objects=tuple(found))


def judge(row: Any, table: Scene, pairs: Sequence[tuple[Perception, Observation]]) -> Any:
    """Of the last of these hops; everything was found before as objects 1 to n."""
    before = (Detect(phrase="thing"), listed(table, "i"))
    actions, seen = zip(before, *pairs, strict=True)
    result = row("", "", None, *seen, actions=actions).result
    return judged(result, table, [table.things[0].box])[-1]


async def test_an_oracle_is_always_right(row: Any, table: Scene) -> None:
    oracle, image = Oracle(None), content_hash(table.image)  # type: ignore[arg-type]  # never looks
    oracle.tell(table)
    marks = [
        Mark(Box(image=image, xyxy=t.box), n, label(t.colour, t.shape))
        for n, t in enumerate(table.things, start=1)
    ]
    asked: list[tuple[Perception, list[Mark]]] = [
        (Detect(phrase="thing"), []),
        (Detect(phrase="sign . teapot"), []),
        (Detect(phrase="teapot"), []),
        (Read(), []),
        (Depth(targets=(Object(index=1), Object(index=3))), [marks[0], marks[2]]),
        *((Read(target=Object(index=mark.index)), [mark]) for mark in marks),
        *((Segment(target=Object(index=mark.index)), [mark]) for mark in marks),
    ]
    seen = [listed(table, image)]
    seen += [await oracle.dispatch(action, image, its) for action, its in asked]  # type: ignore[misc]  # any
    actions = [Detect(phrase="thing"), *(action for action, _ in asked)]
    result = row("", "", None, *seen, actions=actions).result.model_copy(update={"image": image})
    assert judged(result, table, []) == (True,) * len(seen)


def test_a_list_with_one_too_few_too_many_or_elsewhere_is_wrong(row: Any, table: Scene) -> None:
    def of(objects: Sequence[Found], phrase: str = "thing") -> Any:
        found = Detected(phrase=phrase, objects=tuple(objects))
        return judge(row, table, [(Detect(phrase=phrase), found)])

    every = listed(table, "i").objects
    moved = every[0].model_copy(update={"box": Box(image="i", xyxy=(0, 0, 319, 319))})
    assert of(every) is True
    assert of(every[1:]) is False
    assert of([*every, every[0]]) is False
    assert of([moved, *every[1:]]) is False
    assert of([every[1], *every[1:]]) is False
    assert of(every, "teapot") is False
    assert of([], "teapot") is True
    assert of(listed(table, "another").objects) is False


def test_what_is_read_must_be_what_is_written_there(row: Any, table: Scene) -> None:
    sign = texts(table)[0]
    number = table.things.index(sign) + 1
    other = number % len(table.things) + 1

    def of(read: Read, *lines: str, image: str = "i") -> Any:
        box = Box(image=image, xyxy=sign.box)
        seen = Recognised(lines=tuple(Line(text=line, box=box, score=1) for line in lines))
        return judge(row, table, [(read, seen)])

    text = str(sign.text)
    one = Read(target=Object(index=number))
    assert of(one, text.lower()) is True
    assert of(one, text + "X") is False
    assert of(one) is False
    assert of(one, text, image="another") is False
    assert of(Read(), *(str(thing.text) for thing in texts(table))) is True
    assert of(Read(target=Region(x0=0, y0=0, x1=7, y1=7)), *(str(t.text) for t in texts(table)))
    if table.things[other - 1].text is None:
        assert of(Read(target=Object(index=other))) is True
        assert of(Read(target=Object(index=other)), text) is False


def test_distances_must_come_in_the_true_order(row: Any, table: Scene) -> None:
    near, *_, far = sorted(table.things, key=lambda thing: thing.depth)

    def of(*boxes: tuple[float, ...]) -> Any:
        ranges = tuple(
            Range(box=Box(image="i", xyxy=box), depth=0.1)  # type: ignore[arg-type]  # four numbers
            for box in boxes
        )
        targets = tuple(Object(index=n) for n in range(1, len(boxes) + 1))
        return judge(row, table, [(Depth(targets=targets), Ranged(ranges=ranges))])

    assert of(near.box, far.box) is True
    assert of(far.box, near.box) is False
    assert of(near.box) is None
    assert of(near.box, (0, 0, 319, 319)) is None  # of what is not there


def test_outlines_must_fit_and_be_larger_as_the_things_are(row: Any, table: Scene) -> None:
    small, *_, large = sorted(table.things, key=lambda thing: thing.visible)

    def outline(thing: Thing, area: int) -> tuple[Perception, Observation]:
        seen = Segmented(box=Box(image="i", xyxy=thing.box), area=area, share=0.1, centroid=(1, 1))
        return Segment(target=Object(index=thing.id)), seen

    assert judge(row, table, [outline(small, 5)]) is True
    assert judge(row, table, [outline(small, 5), outline(large, 9)]) is True
    assert judge(row, table, [outline(small, 9), outline(large, 5)]) is False
    elsewhere = Segmented(
        box=Box(image="i", xyxy=(0, 0, 319, 319)), area=9, share=1, centroid=(1, 1)
    )
    assert judge(row, table, [(Segment(target=Object(index=1)), elsewhere)]) is False


def test_a_look_must_hold_the_target(row: Any, table: Scene) -> None:
    look = Look(target=Object(index=1))

    def of(image: str, xyxy: tuple[float, float, float, float]) -> Any:
        box = Box(image=image, xyxy=xyxy)
        views = (View(role="crop", pixels=box, source=box),)
        return judge(row, table, [(look, Looked(views=views))])

    x0, y0, x1, y1 = table.things[0].box
    assert of("i", (x0 - 2, y0 - 2, x1 + 2, y1 + 2)) is True
    assert of("i", (x1, y1, x1 + 9, y1 + 9)) is False
    assert of("another", (x0 - 2, y0 - 2, x1 + 2, y1 + 2)) is False


def test_failures_are_not_judged(row: Any, table: Scene) -> None:
    failed = Failed(error="specialist", message="out of order")
    assert judge(row, table, [(Read(), failed)]) is None
    assert judge(row, table, [(Read(target=Object(index=16)), failed)]) is None
