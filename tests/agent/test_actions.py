"""What a target may be: every kind told apart by its name, and none without extent."""

import math

import pytest
from pydantic import TypeAdapter, ValidationError

from foveal.agent.actions import (
    Area,
    Depth,
    Look,
    Object,
    Read,
    Region,
    Segment,
    Target,
    targets_of,
)

AREA = Area(x0=0.25, y0=0.5, x1=0.75, y1=1.0)
REGION, OBJECT = Region(x0=0, y0=0, x1=7, y1=7), Object(index=3)


@pytest.mark.parametrize("target", [AREA, REGION, OBJECT])
def test_a_target_survives_json(target: Target) -> None:
    adapter: TypeAdapter[Target] = TypeAdapter(Target)
    assert adapter.validate_json(adapter.dump_json(target)) == target


@pytest.mark.parametrize(
    "corners",
    [
        (0.5, 0.0, 0.5, 1.0),
        (0.6, 0.0, 0.5, 1.0),
        (0.0, 1.0, 1.0, 0.0),
        (-0.1, 0.0, 0.5, 1.0),
        (0.0, 0.0, 1.1, 1.0),
        (0.0, 0.0, math.nan, 1.0),
        (0.0, 0.0, math.inf, 1.0),
    ],
)
def test_an_area_lies_in_the_image_and_has_extent(corners: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        Area.model_validate(dict(zip(("x0", "y0", "x1", "y1"), corners, strict=True)))


def test_the_targets_of_an_action_are_in_the_order_written() -> None:
    assert targets_of(Depth(targets=(OBJECT, AREA, REGION))) == (OBJECT, AREA, REGION)
    assert [
        targets_of(act) for act in (Look(target=AREA), Segment(target=AREA), Read(target=AREA))
    ] == [(AREA,)] * 3
    assert targets_of(Read()) == ()
