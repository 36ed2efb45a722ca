"""What a model that reads words is told, to the character."""

import pytest

from foveal.agent.actions import Object, Segment
from foveal.agent.coordinates import Frame
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
    Reencoded,
    Segmented,
    View,
)
from foveal.agent.telling import READ_LIMIT, Told, observed, told
from foveal.agent.transcript import Injected, Noted, Observed

FRAME = Frame("thousand", (800, 600), (800, 600))
BOX = Box(image="a", xyxy=(80, 60, 400, 300))
AT = "[100, 100, 500, 500]"
VIEW = View(role="crop", pixels=BOX, source=BOX)


def found(index: int, label: str = "cube") -> Found:
    return Found(index=index, label=label, box=BOX, score=0.876)


def segmented(index: int, *views: View) -> Segmented:
    label = "cube" if index else ""
    return Segmented(
        index=index, label=label, box=BOX, area=1, share=0.1234, centroid=(400, 300), views=views
    )


def read(*texts: str) -> Recognised:
    return Recognised(lines=tuple(Line(text=text, box=BOX, score=0.9) for text in texts))


CUBE = Range(index=2, label="cube", box=BOX, depth=0.1)
PART = Range(box=BOX, depth=0.75)
FAR = "distance from 0 (nearest) to 1 (farthest), nearest first:"

TELLS: list[tuple[str, Observation, list[Told]]] = [
    ("none", Detected(phrase="cube"), ['"cube": none found']),
    ("one", Detected(phrase="cube", objects=(found(1),)),
     [f'"cube": 1 found\nobject 1 (cube) {AT}, score 0.88']),
    ("several", Detected(phrase="cube", objects=(found(1), found(2)), views=(VIEW,)),
     [f'"cube": 2 found, left to right:\nobject 1 (cube) {AT}, score 0.88\n'
      f"object 2 (cube) {AT}, score 0.88", VIEW]),
    ("past the last number", Detected(phrase="cube", objects=(found(16), found(0), found(0))),
     [f'"cube": 3 found, left to right:\nobject 16 (cube) {AT}, score 0.88\nand 2 more']),
    ("unknown", Detected(phrase="dog", unknown=("dog",)), ['"dog" is nothing this detector knows']),
    ("half unknown", Detected(phrase="dog . cube", objects=(found(1),), unknown=("dog",)),
     [f'"dog . cube": 1 found\nobject 1 (cube) {AT}, score 0.88\n"dog" is nothing this detector knows']),
    ("outline", segmented(1, VIEW),
     [f"outline of object 1 (cube): 12.3 % of the image, centre [500, 500], within {AT}:", VIEW]),
    ("outline of a part", segmented(0),
     [f"outline of {AT}: 12.3 % of the image, centre [500, 500], within {AT}"]),
    ("distances", Ranged(ranges=(CUBE, PART)), [f"{FAR}\nobject 2 (cube) 0.10\n{AT} 0.75"]),
    ("distances and a map", Ranged(ranges=(CUBE,), views=(VIEW,)),
     [f"{FAR}\nobject 2 (cube) 0.10\nthe whole image, near is bright:", VIEW]),
    ("a map", Ranged(views=(VIEW,)), ["distances in the whole image, near is bright:", VIEW]),
    ("neither", Ranged(), ["no distances"]),
    ("no text", Recognised(), ["no text there"]),
    ("text", read("EXIT", "7"), [f'text, from top to bottom:\n"EXIT" {AT}\n"7" {AT}']),
    ("look at a part", Looked(views=(VIEW,)), [f"closer look at {AT}:", VIEW]),
    ("look", Looked(index=4, label="sign", views=(VIEW,)), [f"closer look at object 4 (sign) {AT}:", VIEW]),
    ("again", Reencoded(encoder="seg", views=(VIEW,)),
     ["the whole image again, through the encoder seg:", VIEW]),
    ("failed", Failed(error="specialist", message="out of memory"), ["error: out of memory"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("observation", "pieces"), [row[1:] for row in TELLS], ids=[row[0] for row in TELLS]
)
def test_every_observation_is_told_like_this(observation: Observation, pieces: list[Told]) -> None:
    assert observed(observation, FRAME) == pieces


def test_several_are_told_in_order_with_their_pictures_between() -> None:
    action = Segment(target=Object(index=1))
    items: list[Injected] = [
        Observed(action=action, observation=Looked(views=(VIEW,))),
        Observed(action=action, observation=Recognised()),
        Noted(text="Now answer."),
    ]
    assert told(items, FRAME) == [
        f"closer look at {AT}:",
        VIEW,
        "\nno text there\nNow answer.",
    ]
    assert told([], FRAME) == []


def test_a_wall_of_text_is_cut() -> None:
    (words,) = observed(read(*["word" * 10] * 200), FRAME)
    assert isinstance(words, str)
    assert len(words) == READ_LIMIT + 3
