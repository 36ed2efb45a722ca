"""Which actions of a turn need a specialist."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.agent.actions import (
    PERCEPTIONS,
    Action,
    Answer,
    Area,
    Depth,
    Detect,
    Look,
    Object,
    Read,
    Region,
    targets_of,
)
from foveal.agent.observations import Box, Detected, Failed, Found, Observation, Recognised
from foveal.agent.transcript import Acted, Asked, Observed
from foveal.graphs.plan import Step, perceptions, plan
from foveal.graphs.resolve import resolve
from foveal.graphs.state import Entry

ASKED = Asked(image="i", size=(80, 80), question="?", tools=PERCEPTIONS)
CUBE = Found(index=1, label="cube", box=Box(image="i", xyxy=(1, 2, 3, 4)), score=0.5)
REGION = Region(x0=0, y0=0, x1=1, y1=1)


def _plan(before: list[tuple[Action, Observation]], *actions: Action, room: int = 9) -> list[Step]:
    said: list[Entry] = [ASKED]
    said += [Observed(action=action, observation=seen) for action, seen in before]
    return plan(ASKED, said, Acted(text="", actions=actions), room)


def test_an_answer_beside_actions_is_not_planned() -> None:
    turn = Acted(text="", actions=(Answer(text="hm"), Read()))
    assert perceptions(turn) == (Read(),)
    assert [step.action for step in _plan([], *turn.actions)] == [Read()]


def test_what_was_asked_before_is_remembered() -> None:
    nothing = Recognised()
    (step,) = _plan([(Read(), nothing)], Read())
    assert (step.known, step.repeated, step.asks) == (nothing, True, False)


def test_a_specialist_that_failed_is_not_asked_again() -> None:
    failed = Failed(error="specialist", message="no")
    (step,) = _plan([(Read(), failed)], Read())
    assert (step.known, step.repeated) == (failed, True)


def test_an_object_refused_once_can_be_looked_at_when_it_is_found() -> None:
    look = Look(target=Object(index=1))
    refused = Failed(error="action", message="there is no object 1")
    found = Detected(phrase="cube", objects=(CUBE,))
    (step,) = _plan([(look, refused), (Detect(phrase="cube"), found)], look)
    assert step.asks
    assert [mark.label for mark in step.marks] == ["cube"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Look(target=REGION), Read(target=REGION)),
        (Depth(), Depth(targets=(REGION,))),
        (Detect(phrase="cube"), Detect(phrase="cubes")),
        (Look(target=REGION), Look(target=Region(x0=0, y0=0, x1=1, y1=2))),
        (Look(target=REGION), Look(target=Area(x0=0, y0=0, x1=0.25, y1=0.25))),
    ],
)
def test_different_actions_are_all_asked(one: Action, other: Action) -> None:
    assert [step.asks for step in _plan([], one, other)] == [True, True]


@pytest.mark.parametrize("room", [0, 1, 2, 3])
def test_no_more_than_there_is_room_for(room: int) -> None:
    steps = _plan([], Read(), Depth(), Read(), room=room)
    assert [step.allowed for step in steps] == [n < room for n in range(3)]


@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.lists(st.integers(0, 7), min_size=4, max_size=4),
)
def test_every_region_has_pixels_however_small_the_image(
    width: int, height: int, cells: list[int]
) -> None:
    (x0, x1), (y0, y1) = sorted(cells[:2]), sorted(cells[2:])
    action = Look(target=Region(x0=x0, y0=y0, x1=x1, y1=y1))
    asked = ASKED.model_copy(update={"size": (width, height)})
    (mark,) = resolve(action, asked, {})
    left, top, right, bottom = mark.box.xyxy
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert len(targets_of(action)) == 1


def test_an_area_is_marked_in_pixels_and_known_by_them() -> None:
    area, same = Area(x0=0.1, y0=0.2, x1=0.5, y1=0.75), Area(x0=0.101, y0=0.2, x1=0.499, y1=0.75)
    first, second = _plan([], Look(target=area), Look(target=same))
    assert [mark.box.xyxy for mark in first.marks] == [(8, 16, 40, 60)]
    assert (second.twin, second.repeated) == (0, True)
