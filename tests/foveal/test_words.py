"""Actions, and what an answer rests on, in words for people."""

import pytest

from foveal.agent.actions import Area, Depth, Look, Object, Perception, Read, Region
from foveal.graphs.budgets import Spent
from foveal.graphs.result import Faithful, Result
from foveal.words import asked, relied


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (Look(target=Object(index=2)), "look at object 2 (red cube)"),
        (Look(target=Region(x0=1, y0=2, x1=3, y1=2)), "look at columns 2 to 4, rows 3 of 8 x 8"),
        (
            Read(target=Area(x0=0.1, y0=0.25, x1=0.5, y1=1)),
            "read the text on 10 to 50 % across, 25 to 100 % down",
        ),
        (Depth(targets=(Object(index=9),)), "compare the distance of object 9"),
    ],
)
def test_where_an_action_looks(action: Perception, words: str) -> None:
    assert asked(action, {2: "red cube"}) == words


@pytest.mark.parametrize(
    ("depends", "without", "sure", "words"),
    [
        (True, "3", 0.414, 'without what was seen the answer would be "3" (confidence 41 %)'),
        (True, "", 0.0, "without what was seen there would be no answer"),
        (False, "2", 0.9, "the answer is the same without what was seen (confidence 90 %)"),
        (False, "2", None, "the answer is the same without what was seen"),
    ],
)
def test_what_an_answer_rests_on(
    depends: bool, without: str, sure: float | None, words: str
) -> None:
    faithful = Faithful(
        depends=depends, answer="2", confidence=0.9, without=without, confidence_without=sure
    )
    result: Result = Result(
        answer="2", confidence=0.9, hops=(), evidence=(), ended_by="answer", usage=Spent(), seconds=1.0,
        trace=None, notes=(), run="r", image="i", faithful=faithful,
    )  # fmt: skip
    assert relied(result) == [words]
    assert relied(result.model_copy(update={"faithful": None})) == []
