"""Actions in words, for people."""

import pytest

from foveal.agent.actions import Area, Depth, Look, Object, Perception, Read, Region
from foveal.words import asked


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
