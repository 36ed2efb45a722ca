"""What counts as evidence, kind by kind."""

from typing import Any

import pytest

from foveal.agent.actions import (
    Depth,
    Detect,
    Look,
    Object,
    Perception,
    Read,
    Reencode,
    Region,
    Segment,
)
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
from foveal.graphs.evidence import evidence, notes
from foveal.graphs.result import Hop

LEFT, RIGHT = Box(image="i", xyxy=(0, 0, 4, 4)), Box(image="i", xyxy=(4, 0, 8, 4))
FOUND = Detected(
    phrase="cube",
    objects=(
        Found(index=1, label="red cube", box=LEFT, score=0.9),
        Found(index=2, label="blue cube", box=RIGHT, score=0.8),
    ),
)
VIEW = View(role="crop", pixels=RIGHT, source=RIGHT)
REGION = Region(x0=0, y0=0, x1=1, y1=1)


def hop(action: Perception, observation: Observation) -> Hop:
    return Hop(turn=1, action=action, specialist="any", observation=observation)


DETECT = hop(Detect(phrase="cube"), FOUND)


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        ([], []),
        # nothing was picked: the answer rests on all that was found
        ([DETECT], [("red cube", LEFT, 0.9, "detect"), ("blue cube", RIGHT, 0.8, "detect")]),
        # one was picked, and looking at it adds nothing but the margin
        (
            [DETECT, hop(Look(target=Object(index=2)), Looked(index=2, views=(VIEW,)))],
            [("blue cube", RIGHT, 0.8, "detect")],
        ),
        (
            [DETECT, hop(Depth(targets=(Object(index=1),)), Ranged(ranges=(Range(index=1, box=LEFT, depth=0),)))],
            [("red cube", LEFT, 0.9, "detect")],
        ),
        # found twice counts once
        ([DETECT, DETECT], [("red cube", LEFT, 0.9, "detect"), ("blue cube", RIGHT, 0.8, "detect")]),
        ([hop(Look(target=REGION), Looked(views=(VIEW,)))], [("", RIGHT, None, "look")]),
        (
            [hop(Depth(targets=(REGION,)), Ranged(ranges=(Range(box=LEFT, depth=0.1),)))],
            [("", LEFT, None, "depth")],
        ),
        (
            [
                hop(
                    Segment(target=REGION),
                    Segmented(box=RIGHT, area=9, share=0.1, centroid=(5, 1), label="sign"),
                )
            ],
            [("sign", RIGHT, None, "segment")],
        ),
        (
            [hop(Read(), Recognised(lines=(Line(text="exit", box=LEFT, score=0.7),)))],
            [("exit", LEFT, 0.7, "read")],
        ),
        # the whole image is no evidence
        ([hop(Reencode(encoder="clip"), Reencoded(encoder="clip", views=(VIEW,)))], []),
        ([hop(Depth(), Ranged(views=(VIEW,)))], []),
        ([hop(Read(), Failed(error="specialist", message="no"))], []),
    ],
)  # fmt: skip
def test_the_rule(hops: list[Hop], expected: list[tuple[str, Box, Any, str]]) -> None:
    found = [(piece.label, piece.box, piece.score, piece.action) for piece in evidence(hops)]
    assert found == [(label, box.xyxy, score, kind) for label, box, score, kind in expected]


def test_notes_tell_each_thing_once() -> None:
    unknown = hop(Detect(phrase="a dog"), Detected(phrase="a dog", unknown=("a dog",)))
    broken = hop(Read(), Failed(error="specialist", message="reader failed: out of memory"))
    refused = hop(Read(), Failed(error="action", message="the model's own fault"))
    told = notes([unknown, unknown, broken, refused], "embedded")
    assert len(told) == 2
    assert "no class for 'a dog'" in told[0]
    assert told[1] == "reader failed: out of memory"
