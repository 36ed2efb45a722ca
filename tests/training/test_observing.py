"""Simulated specialists say what is true as the real ones say it, but for the faults they are given."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from foveal.agent.actions import Depth, Detect, Look, Object, Read, Reencode, Region, Segment
from foveal.agent.observations import (
    Detected,
    Failed,
    Looked,
    Ranged,
    Recognised,
    Reencoded,
    Segmented,
)
from foveal.agent.phrases import match
from foveal.evals.questions import matches
from foveal.evals.tabletop import COLOURS, SHAPES, Thing
from foveal.evals.vocabulary import TRINKETS, fits, label
from foveal.tools.base import Mark, Request
from foveal.tools.encoder import seen
from foveal.training.observing import IMAGE, Specialists, World, whole
from foveal.training.scenes import NAMES
from foveal.training.sightings import Faults

NEVER = Faults(missed=0.0, invented=0.0, confused=0.0, failed=0.0)
SIZE = (200, 100)
BACK = Thing(2, "sign", "blue", (100, 10, 180, 60), 4000, 4000, 3.0, 6.0, text="7 up")


def red_cube(colour: str = "red", shape: str = "cube") -> Thing:
    return Thing(1, shape, colour, (10, 10, 60, 60), 2000, 2000, 3.0, 3.0)


def specialists(**options: Any) -> Specialists:
    """Of a red cube, and a blue sign behind it."""
    things = (BACK, red_cube())
    rng = np.random.default_rng(0)
    return Specialists(World(things, SIZE, rng, **{"faults": NEVER, **options}), BACK)


def test_everything_is_told_of_what_was_detected() -> None:
    asked = specialists()
    detected = asked.observe(Detect(phrase="thing"))
    assert isinstance(detected, Detected)
    assert [(o.index, o.label) for o in detected.objects] == [(1, "red cube"), (2, "blue sign")]
    assert [asked.thing(index) for index in (1, 2)] == [red_cube(), BACK]
    both = (Object(index=2), Object(index=1))
    ranged = asked.observe(Depth(targets=both))
    assert isinstance(ranged, Ranged)
    assert [target.index for target in ranged.ranges] == [1, 2], "the nearest first"
    outlined = asked.observe(Segment(target=both[1]))
    assert isinstance(outlined, Segmented)
    assert outlined.share == pytest.approx(red_cube().visible / (200 * 100), rel=0.2)
    for target in (both[0], None, Region(x0=4, y0=0, x1=7, y1=4)):
        read = asked.observe(Read(target=target))
        assert isinstance(read, Recognised)
        assert [line.text for line in read.lines] == ["7 up"]
    assert asked.observe(Read(target=both[1])) == Recognised(), "nothing is written on the cube"
    again = asked.observe(Reencode(encoder="seg"))
    assert isinstance(again, Reencoded)
    assert [(view.role, view.source) for view in again.views] == [("whole", whole(SIZE))]


def test_the_models_own_encoder_sees_the_quarters_that_serving_shows() -> None:
    again = specialists().observe(Reencode(encoder="clip"))
    blank = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    served = seen(Request(Reencode(encoder="clip"), IMAGE, blank), quartered=True)
    assert again == served
    assert isinstance(again, Reencoded)
    assert len(again.views) == 4


def test_a_second_list_goes_on_counting() -> None:
    asked = specialists()
    lists = [asked.observe(Detect(phrase=phrase)) for phrase in ("cube", "sign")]
    assert [o.index for one in lists if isinstance(one, Detected) for o in one.objects] == [1, 2]
    assert [o.index for o in asked.found] == [1, 2]


@pytest.mark.parametrize("phrase", ["dog", "red dog . cube", "walking stick"])
def test_what_the_detector_has_no_class_for_is_told(phrase: str) -> None:
    """As the one that serves tells it."""
    detected = specialists().observe(Detect(phrase=phrase))
    assert isinstance(detected, Detected)
    assert detected.unknown == match(phrase, NAMES).unknown
    assert len(detected.objects) == ("cube" in phrase)


@pytest.mark.parametrize("seed", range(20))
def test_objects_are_numbered_from_left_to_right_and_lie_inside(draw: Any, seed: int) -> None:
    world, question = draw("count", seed, faults=replace(NEVER, invented=0.5))
    detected = Specialists(world).observe(Detect(phrase=question.phrases[0]))
    assert isinstance(detected, Detected)
    middles = [o.box.xyxy[0] + o.box.xyxy[2] for o in detected.objects]
    assert middles == sorted(middles)
    assert [o.index for o in detected.objects] == list(range(1, len(middles) + 1))
    for found in detected.objects:
        x0, y0, x1, y1 = found.box.xyxy
        assert 0 <= x0 < x1 <= world.size[0]
        assert 0 <= y0 < y1 <= world.size[1]
        assert found.label in NAMES


@pytest.mark.parametrize("index", [1, 2])
def test_a_look_shows_the_crop_that_serving_shows(index: int) -> None:
    asked = specialists(views=True)
    asked.observe(Detect(phrase="thing"))
    look, found = Look(target=Object(index=index)), asked.found[index - 1]
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    request = Request(look, IMAGE, pixels, (Mark(found.box, found.index, found.label),))
    assert asked.observe(look) == seen(request)


def test_looks_have_no_views_unless_asked_for() -> None:
    look = specialists().observe(Look(target=Region(x0=0, y0=0, x1=3, y1=3)))
    assert isinstance(look, Looked)
    assert look.views == ()


@pytest.mark.parametrize("phrase", ["red cube", "cube", "red thing", "thing", "blue cube", "cone"])
def test_phrases_mean_what_they_mean_elsewhere(phrase: str) -> None:
    """In the questions, in the simulated detector and in the one that serves."""
    served = match(phrase, NAMES).classes
    for colour in COLOURS:
        for shape in SHAPES:
            thing = red_cube(colour, shape)
            name = label(colour, shape)
            assert fits(name, phrase) == (NAMES.index(name) in served)
            if shape not in TRINKETS or phrase.split()[0] not in COLOURS:
                assert fits(name, phrase) == matches(thing, phrase)


def test_a_failure_is_told_as_a_specialist_tells_it() -> None:
    asked = specialists(faults=replace(NEVER, failed=1.0))
    failed = asked.observe(Depth(targets=(Object(index=1),)))
    assert isinstance(failed, Failed)
    assert failed.message.startswith("depth failed: ")


def test_an_action_that_no_plan_uses_is_refused() -> None:
    with pytest.raises(ValueError, match="no plan uses"):
        specialists().observe(Segment(target=Region(x0=0, y0=0, x1=3, y1=3)))


def test_an_answer_to_another_request_comes_with_its_phrases() -> None:
    asked = specialists(views=True, faults=replace(NEVER, astray=1.0))
    detected = asked.observe(Detect(phrase="red cube"))
    assert isinstance(detected, Detected)
    assert asked.astray
    assert detected.phrase != "red cube"
    assert detected.objects
    assert not any(fits(found.label, "red cube") for found in detected.objects)
