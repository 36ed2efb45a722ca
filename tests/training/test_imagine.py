"""Scenes without pixels are scenes, and what is asked about them can be answered."""

from collections import Counter

import numpy as np
import pytest

from foveal.agent.transcript import Acted
from foveal.evals.questions import FAMILIES as ASKED
from foveal.evals.vocabulary import HELD_OUT, fits, label
from foveal.training.corpus import TOOLS, dialogue
from foveal.training.imagine import (
    FAMILIES,
    NOTHING,
    ask,
    imagined,
    missing,
)
from foveal.training.observing import World


@pytest.mark.parametrize("seed", range(20))
def test_things_lie_inside_the_picture(seed: int) -> None:
    scene = imagined(np.random.default_rng(seed))
    height, width = scene.instances.shape
    assert scene.image.shape == (height, width, 3)
    assert 2 <= len(scene.things) <= 8
    for number, thing in enumerate(scene.things, start=1):
        x0, y0, x1, y1 = thing.box
        assert thing.id == number
        assert 0 <= x0 < x1 <= width + 1
        assert 0 <= y0 < y1 <= height + 1
        assert 0 < thing.visible <= (x1 - x0) * (y1 - y0)
        assert (thing.text is not None) == (thing.shape == "sign")
        assert (thing.symbol is not None) == (thing.shape == "card")
        assert (thing.hour is not None) == (thing.shape == "dial")
        assert (thing.colour, thing.shape) not in HELD_OUT


def test_the_same_seed_imagines_and_asks_the_same() -> None:
    def drawn(seed: int) -> list[object]:
        rng = np.random.default_rng(seed)
        scenes = [imagined(rng) for _ in range(5)]
        return [scene.things for scene in scenes] + [ask(s, rng) for s in scenes]

    assert drawn(3) == drawn(3) != drawn(4)


def test_every_family_is_asked_and_comparisons_most() -> None:
    rng = np.random.default_rng(0)
    asked = Counter(q.family for _ in range(900) if (q := ask(imagined(rng), rng)))
    assert set(asked) == set(ASKED) == set(FAMILIES)
    assert min(asked[f] for f in ("nearer", "side", "above")) > max(asked["count"], asked["read"])


def test_what_is_missing_is_not_known() -> None:
    """Some of what the question names is nowhere in the scene, and no plan makes an answer up."""
    rng = np.random.default_rng(0)
    families = set()
    for _ in range(150):
        scene = imagined(rng)
        question = missing(scene, rng)
        if question is None:
            continue
        families.add(question.family)
        labels = [label(thing.colour, thing.shape) for thing in scene.things]
        assert any(not any(fits(one, p) for one in labels) for p in question.phrases)
        for tools in (TOOLS, (), ("look", "read"), ("reencode",)):
            world = World(scene.things, (512, 512), rng, views=True, encoders=True)
            last = dialogue(world, question, tools).items[-1]
            assert isinstance(last, Acted)
            assert last.text == "unknown"
    assert families.isdisjoint(("count", "exist", "more", "read"))
    assert len(families) > 8


def test_nothing_is_known_of_nothing() -> None:
    rng = np.random.default_rng(1)
    asked = [missing(NOTHING, rng) for _ in range(40)]
    assert sum(one is not None for one in asked) > 20
    assert all(one.answer == "unknown" for one in asked if one)
