"""A few scenes, drawn once for all tests of the tabletop world; and rows of evaluations."""

from collections.abc import Callable
from typing import Any

import pytest

from foveal.agent.actions import Look, Region
from foveal.agent.observations import Observation
from foveal.evals.score import verdict
from foveal.evals.scored import Scored
from foveal.evals.splits import is_drawing
from foveal.evals.tabletop import Scene, scene
from foveal.graphs.budgets import Spent
from foveal.graphs.result import Hop, Result

WHOLE = Look(target=Region(x0=0, y0=0, x1=7, y1=7))


@pytest.fixture(scope="session")
def scenes() -> list[Scene]:
    """Tables and drawings as every split but `hard` has them."""
    square = [scene(seed, "val", (288, 288)) for seed in range(36)]
    wide = [scene(seed, "val", (320, 240)) for seed in range(3)]
    tall = [scene(seed, "val", (256, 320)) for seed in range(3)]
    return [*square, *wide, *tall]


@pytest.fixture(scope="session")
def tables(scenes: list[Scene]) -> list[Scene]:
    return [world for world in scenes if not world.flat]


@pytest.fixture(scope="session")
def hard() -> list[Scene]:
    """Full tables and drawings, at less than their usual size."""
    numbers = [0, 1, 2, 7, 15]
    assert [is_drawing(number) for number in numbers] == [False, False, False, True, True]
    return [scene(number, "hard", (512, 512)) for number in numbers]


def _row(
    answer: str, truth: str, confidence: float | None = None, *seen: Observation, **more: Any
) -> Scored:
    """A question that was answered after these observations; looks at the whole grid without `actions`."""
    actions = more.pop("actions", [WHOLE] * len(seen))
    hops = tuple(
        Hop(turn=turn, action=action, specialist="s", observation=one)
        for turn, (action, one) in enumerate(zip(actions, seen, strict=True), start=1)
    )
    result: Result[Any] = Result(
        answer=answer, confidence=confidence, hops=hops, evidence=(), ended_by="answer",
        usage=Spent(), seconds=more.pop("seconds", 0.0), trace=None, notes=(), run="r", image="i",
        faithful=more.pop("faithful", None),
    )  # fmt: skip
    given: dict[str, Any] = {
        "scene": 0,
        "family": "count",
        "question": "?",
        "size": (80, 80),
    } | more
    return Scored(**given, truth=truth, result=result, verdict=verdict(answer, truth))


@pytest.fixture
def row() -> Callable[..., Scored]:
    """Makes rows: an answer, the truth, how sure it was, what came back before."""
    return _row
