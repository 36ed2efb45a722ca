"""What is asked about a re-encoding has the answer that the scene gives."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from foveal.agent.actions import Encoder
from foveal.evals.questions import questions
from foveal.evals.truth import Scene, Thing
from foveal.evals.vocabulary import label
from foveal.training.imagine import imagined
from foveal.training.measuring import ENDS, HOW, NOTICED, about

SPAN = 0.1, 2.0
"""As of a picture whose pixels are 0.5 to 10 metres away."""
NEAR_AND_FAR = ((1, "red", 1.0), (2, "blue", 4.0))


def scenes(flat: bool) -> list[Scene]:
    drawn = (imagined(np.random.default_rng(seed)) for seed in range(60))
    return [scene for scene in drawn if scene.flat == flat]


def asked(scene: Scene, encoder: Encoder) -> dict[str, str]:
    rng = np.random.default_rng(0)
    return dict(pair for _ in range(12) for pair in about(scene, encoder, SPAN, rng))


@pytest.mark.parametrize("encoder", list(ENDS))
def test_degrees_rank_things_as_comparisons_and_extremes_do(encoder: Encoder) -> None:
    measures = {
        "detection": lambda t: t.depth,
        "seg": lambda t: t.visible,
    }
    compared = 0
    for scene in scenes(flat=False):
        answers = asked(scene, encoder)
        things = {label(t.colour, t.shape): t for t in scene.things}
        digits = {n: answers.get(HOW[encoder].format(n)) for n in things}
        told = {name: int(digit) for name, digit in digits.items() if digit is not None}
        for one, other in combinations(told, 2):
            if told[one] < told[other]:
                compared += 1
                assert measures[encoder](things[one]) < measures[encoder](things[other])
        low, high = (answers.get(f"which is {end}?") for end in ENDS[encoder])
        if low and high and set(told) == set(things):
            assert told.get(low, 0) == min(told.values())
            assert told.get(high, 9) == max(told.values())
    assert compared > 50


def test_distances_are_told_on_the_scale_of_the_whole_picture() -> None:
    """A thing as near as the nearest pixel is at 0; no digit is outside the scale, whatever the span."""
    near, far = (Thing(n, "cube", c, (0, 0, 9, 9), 81, 81, d, d) for n, c, d in NEAR_AND_FAR)
    scene = replace(scenes(flat=False)[0], things=(near, far))
    answers = [
        (told["how far is the red cube?"], told["how far is the blue cube?"])
        for span in ((0.25, 1.0), (0.125, 1.0), (0.25, 2.0), (0.3, 0.9))
        for told in [dict(about(scene, "detection", span, np.random.default_rng(0)))]
    ]
    assert answers == [("0", "9"), ("0", "8"), ("5", "9"), ("0", "9")]


@pytest.mark.parametrize("encoder", list(ENDS))
def test_comparisons_are_asked_as_elsewhere(encoder: Encoder) -> None:
    scene = scenes(flat=False)[0]
    assert any(" or " in question for question in asked(scene, encoder))


def test_quarters_are_asked_what_there_is_how_many_and_what_it_is() -> None:
    for scene in scenes(flat=False)[:10]:
        known = {
            one.text.lower(): one.answer
            for seed in range(80)
            for family in NOTICED
            for one in questions(scene, np.random.default_rng(seed), family)
        }
        told = asked(scene, "clip")
        common = [text for text in told if text.lower() in known]
        assert len(common) > 5
        assert all(told[text] == known[text.lower()] for text in common)


def test_drawings_have_sizes_but_no_distances() -> None:
    scene = scenes(flat=True)[0]
    assert asked(scene, "seg")
    assert not asked(scene, "detection")


def test_no_question_comes_twice_among_those_of_one_picture() -> None:
    for seed, scene in enumerate(scenes(flat=False)):
        made = about(scene, "detection", SPAN, np.random.default_rng(seed))
        assert len(made) == len(set(made))
