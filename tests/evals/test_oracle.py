"""The oracle says what the scene's truth says, in a specialist's words."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from foveal.agent.actions import Depth, Detect, Look, Object, Perception, Read, Segment
from foveal.agent.observations import (
    Box,
    Detected,
    Looked,
    Observation,
    Ranged,
    Recognised,
    Segmented,
)
from foveal.evals.oracle import Oracle
from foveal.evals.tabletop import scene
from foveal.evals.truth import Scene
from foveal.evals.vocabulary import label
from foveal.tools.base import Mark
from foveal.tools.store import content_hash


class Looking:
    """Can only look."""

    async def dispatch(
        self, action: Perception, image: str, marks: Sequence[Mark] = ()
    ) -> Observation:
        assert isinstance(action, Look)
        return Looked(label="seen")

    async def close(self) -> None: ...


@pytest.fixture(params=range(4))
def table(request: Any) -> Scene:
    return scene(request.param, "test", (256, 256))


@pytest.fixture
def oracle(table: Scene) -> Oracle:
    oracle = Oracle(Looking())
    oracle.tell(table)
    return oracle


def marks(table: Scene, image: str) -> list[Mark]:
    return [
        Mark(Box(image=image, xyxy=thing.box), thing.id, label(thing.colour, thing.shape))
        for thing in table.things
    ]


async def test_everything_is_found_where_it_is(table: Scene, oracle: Oracle) -> None:
    image = content_hash(table.image)
    seen = await oracle.dispatch(Detect(phrase="thing . unicorn"), image)
    assert isinstance(seen, Detected)
    assert {one.box.xyxy for one in seen.objects} == {thing.box for thing in table.things}
    assert seen.unknown == ("unicorn",)
    lefts = [one.box.xyxy[0] + one.box.xyxy[2] for one in seen.objects]
    assert lefts == sorted(lefts)


async def test_what_is_measured_is_true(table: Scene, oracle: Oracle) -> None:
    image = content_hash(table.image)
    every = marks(table, image)
    by_id = {thing.id: thing for thing in table.things}
    for mark in every[:3]:
        seen = await oracle.dispatch(Segment(target=Object(index=mark.index)), image, (mark,))
        assert isinstance(seen, Segmented)
        assert seen.area == by_id[mark.index].visible
    some = every[:4]
    ranged = await oracle.dispatch(
        Depth(targets=tuple(Object(index=mark.index) for mark in some)), image, some
    )
    assert isinstance(ranged, Ranged)
    depths = [by_id[one.index].depth for one in ranged.ranges]
    assert depths == sorted(depths)
    inverse = 1 / table.depth[table.depth > 0]
    shares = [(inverse.max() - 1 / depth) / (inverse.max() - inverse.min()) for depth in depths]
    assert [one.depth for one in ranged.ranges] == pytest.approx(shares, abs=1e-3)


async def test_what_is_written_is_read(table: Scene, oracle: Oracle) -> None:
    image = content_hash(table.image)
    seen = await oracle.dispatch(Read(), image)
    assert isinstance(seen, Recognised)
    assert {line.text for line in seen.lines} == {t.text for t in table.things if t.text}
    for mark, thing in zip(marks(table, image), table.things, strict=True):
        one = await oracle.dispatch(Read(target=Object(index=mark.index)), image, (mark,))
        assert isinstance(one, Recognised)
        assert [line.text for line in one.lines] == ([thing.text] if thing.text else [])


async def test_looks_are_real_and_other_images_are_not_known(table: Scene, oracle: Oracle) -> None:
    image = content_hash(table.image)
    assert await oracle.dispatch(Look(target=Object(index=1)), image) == Looked(label="seen")
    other = content_hash(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(KeyError):
        await oracle.dispatch(Detect(phrase="thing"), other)
