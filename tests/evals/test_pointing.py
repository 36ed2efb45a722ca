"""Regions of the grid are held against the boxes of what is asked about."""

from typing import Any

import pytest

from foveal.agent.actions import Detect, Look, Read, Region
from foveal.agent.observations import Detected, Looked, Recognised
from foveal.evals.boxes import contains
from foveal.evals.pointing import pointing


def at(x0: int, y0: int, x1: int, y1: int) -> Region:
    return Region(x0=x0, y0=y0, x1=x1, y1=y1)


@pytest.fixture
def rows(row: Any) -> list[Any]:
    """Pictures of 80 x 80: a cell is 10 x 10, and a crop takes one more on every side."""

    def pointed(region: Region, *targets: tuple[float, ...]) -> Any:
        return row("1", "1", None, Looked(), actions=[Look(target=region)], targets=targets)

    return [
        pointed(at(0, 0, 0, 0), (2, 2, 8, 8)),
        pointed(at(4, 4, 4, 4), (42, 42, 48, 48)),
        pointed(at(1, 1, 6, 6), (12, 12, 18, 18)),  # too large
        pointed(at(7, 7, 7, 7), (12, 12, 18, 18)),  # elsewhere
        pointed(at(0, 0, 0, 0), (2, 2, 8, 8), (40, 40, 48, 48)),  # two things
        row("1", "1", None, targets=((2, 2, 8, 8),)),  # pointed at nothing
    ]


def test_crops_are_held_against_the_thing(rows: list[Any]) -> None:
    found = pointing(rows)
    assert found is not None
    assert (found.n, found.of) == (4, 5)
    assert (found.contains, found.tight) == (0.75, 0.75)
    assert found.interval[0] < 0.75 < found.interval[1]


def test_the_same_regions_dealt_out_anew_hit_less(rows: list[Any]) -> None:
    first = pointing(rows[:2])
    assert first is not None
    assert (first.contains, first.shuffled) == (1.0, 0.0)
    many = [row for row in rows[:2] for _ in range(20)]
    dealt = [pointing(many, seed) for seed in range(8)]
    assert dealt == [pointing(many, seed) for seed in range(8)]
    shares = [one.shuffled for one in dealt if one is not None]
    assert len(set(shares)) > 1
    assert all(0.2 < share < 0.8 for share in shares)


def test_the_first_region_counts_whatever_is_done_with_it(row: Any) -> None:
    seen = (Detected(phrase="cube"), Recognised(), Looked())
    actions = [
        Detect(phrase="cube"), Read(target=at(0, 0, 0, 0)), Look(target=at(7, 7, 7, 7)),
    ]  # fmt: skip
    one = row("1", "1", None, *seen, actions=actions, targets=((2, 2, 8, 8),))
    assert pointing([one]).contains == 1.0  # type: ignore[union-attr]  # there is one


def test_where_nothing_is_pointed_at_there_is_nothing_to_say(row: Any) -> None:
    assert pointing([row("1", "1", None, targets=((2, 2, 8, 8),))]) is None


@pytest.mark.parametrize(
    ("target", "held"),
    [
        ((10, 10, 20, 20), True),
        ((-1, 0, 3, 4), True),  # three quarters of it
        ((-1.1, 0, 3, 4), False),
        ((18, 0, 26, 4), False),  # its middle lies outside
        ((30, 30, 40, 40), False),
    ],
)
def test_a_crop_holds_the_middle_and_most_of_a_thing(
    target: tuple[float, float, float, float], held: bool
) -> None:
    assert contains((0, 0, 20, 20), target) is held
