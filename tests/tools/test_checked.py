"""What a specialist of another package may not answer."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.agent.actions import Depth, Detect, Object, Read, Segment
from foveal.agent.errors import FovealError, SetupError, SpecialistError
from foveal.agent.observations import (
    Box,
    Detected,
    Found,
    Line,
    Looked,
    Range,
    Ranged,
    Recognised,
    Segmented,
)
from foveal.tools.base import Features, Mark, Picture, Reply, Request
from foveal.tools.checked import Checked

PIXELS: NDArray[np.uint8] = np.zeros((60, 90, 3), np.uint8)
INSIDE = Box(image="image", xyxy=(0, 0, 90, 60))
MARK = Mark(INSIDE)
ASKED = {
    "detect": Request(Detect(phrase="cup"), "image", PIXELS),
    "segment": Request(Segment(target=Object(index=1)), "image", PIXELS, (MARK,)),
    "depth": Request(Depth(targets=(Object(index=1),)), "image", PIXELS, (MARK,)),
    "read": Request(Read(), "image", PIXELS),
}
MASK = np.ones((60, 90), np.bool_)
PICTURE = Picture("mask", PIXELS, INSIDE)


class Says:
    """Gives whatever it was made with."""

    def __init__(self, replies: Any) -> None:
        self.replies = replies

    def warm_up(self) -> None:
        """Nothing to load."""

    def run(self, batch: Sequence[Request]) -> Any:
        return self.replies


def said(kind: str, replies: Any, draws: bool = True) -> list[Reply]:
    return Checked("place", "pkg 1.0", Says(replies), draws).run([ASKED[kind]])


def detected(box: Box = INSIDE, score: float = 0.5) -> Reply:
    return Reply(Detected(phrase="cup", objects=(Found(label="cup", box=box, score=score),)))


def segmented(**changed: Any) -> Reply:
    seen = Segmented(box=INSIDE, area=9, share=0.1, centroid=(1, 1))
    return replace(Reply(seen, MASK, (PICTURE,)), **changed)


def ranged(depth: float = 0.5, count: int = 1) -> Reply:
    return Reply(Ranged(ranges=(Range(box=INSIDE, depth=depth),) * count))


def read(box: Box = INSIDE) -> Reply:
    return Reply(Recognised(lines=(Line(text="EXIT", box=box, score=1),)))


GOOD = {"detect": detected(), "segment": segmented(), "depth": ranged(), "read": read()}


@pytest.mark.parametrize("kind", GOOD)
def test_what_makes_sense_passes(kind: str) -> None:
    assert said(kind, [GOOD[kind]]) == [GOOD[kind]]


def test_pictures_pass_only_where_the_model_can_see_them() -> None:
    (reply,) = said("segment", [segmented()], draws=False)
    assert (reply.pictures, reply.mask is MASK) == ((), True)


FEATURES = Features(np.zeros((4, 8)), (1, 2, 2))
TYPES = {
    "nothing": ("detect", None, "gave a NoneType for 1 requests"),
    "too many": ("detect", [detected(), detected()], "gave a list of 2 for 1 requests"),
    "no reply": ("detect", ["a cup"], "gave a str, not a Reply"),
    "bare observation": ("detect", [detected().observation], "gave a Detected, not a Reply"),
    "another kind": ("detect", [read()], "answered 'detect' with Recognised, not Detected"),
    "a look": ("read", [Reply(Looked())], "answered 'read' with Looked, not Recognised"),
    "features": ("segment", [segmented(features=(FEATURES,))], "gave features"),
}


@pytest.mark.parametrize(("kind", "replies", "reason"), TYPES.values(), ids=TYPES.keys())
def test_a_wrong_type_is_for_the_user(kind: str, replies: Any, reason: str) -> None:
    with pytest.raises(SetupError) as caught:
        said(kind, replies)
    assert f"the place of pkg 1.0 {reason}" in caught.value.problem
    assert caught.value.cure


def box(*sides: float, image: str = "image") -> Box:
    x0, y0, x1, y1 = sides
    return Box(image=image, xyxy=(x0, y0, x1, y1))


NONSENSE = {
    "left of it": ("detect", detected(box(-1, 0, 5, 5)), "not inside the image of 90 x 60"),
    "right of it": ("detect", detected(box(0, 0, 91, 5)), "not inside the image of 90 x 60"),
    "below it": ("read", read(box(0, 0, 5, 61)), "not inside the image of 90 x 60"),
    "elsewhere": ("detect", detected(box(0, 0, 5, 5, image="other")), "a box of another image"),
    "too sure": ("detect", detected(score=7), "gave 7 where a share from 0 to 1 belongs"),
    "too far": ("depth", ranged(depth=-0.5), "gave -0.5 where a share"),
    "one too many": ("depth", ranged(count=2), "gave 2 distances for 1 targets"),
    "no flags": ("segment", segmented(mask=MASK.astype(float)), "gave a mask of float64 (60, 90)"),
    "turned": ("segment", segmented(mask=MASK.T), "gave a mask of bool (90, 60)"),
    "a deep map": ("depth", replace(ranged(), map=PIXELS), "gave a map of uint8 (60, 90, 3)"),
    "grey": (
        "segment",
        segmented(pictures=(Picture("mask", PIXELS[..., 0], INSIDE),)),
        "drew uint8 (60, 90)",
    ),
}


@pytest.mark.parametrize(("kind", "reply", "reason"), NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_costs_one_request(kind: str, reply: Reply, reason: str) -> None:
    with pytest.raises(SpecialistError) as caught:
        said(kind, [reply])
    assert caught.value.specialist == "place"
    assert caught.value.reason.startswith("pkg 1.0 ")
    assert reason in caught.value.reason
    assert "choose another" in caught.value.reason


@pytest.mark.parametrize("error", [SetupError("no disk", "buy one"), SpecialistError("it", "no")])
def test_its_own_errors_pass(error: FovealError) -> None:
    class Raises(Says):
        def run(self, batch: Sequence[Request]) -> Any:
            raise error

        def warm_up(self) -> None:
            raise error

    checked = Checked("place", "pkg 1.0", Raises(None), True)
    for call in (checked.warm_up, lambda: checked.run([ASKED["read"]])):
        with pytest.raises(type(error)) as caught:
            call()
        assert caught.value is error


def test_a_failing_warm_up_names_the_package() -> None:
    class Cold(Says):
        def warm_up(self) -> None:
            raise OSError("no weights")

    with pytest.raises(SetupError, match=r"of pkg 1\.0 fails to warm up \(OSError: no weights\)"):
        Checked("place", "pkg 1.0", Cold(None), True).warm_up()
