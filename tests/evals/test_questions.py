"""Answers, worked out again from the pixels and the things in another way."""

import re
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.evals import phrasings
from foveal.evals.phrasings import article, plural, singular
from foveal.evals.questions import FAMILIES, Question, questions
from foveal.evals.tabletop import COLOURS, SHAPES, Scene, Thing

Asked = list[tuple[Scene, Question]]


@pytest.fixture(scope="session")
def asked(scenes: list[Scene]) -> Asked:
    return [
        (world, question)
        for world in scenes
        for seed in range(8)
        for question in questions(world, np.random.default_rng(seed))
    ]


def of(asked: Asked, family: str) -> Asked:
    return [(world, question) for world, question in asked if question.family == family]


def named(world: Scene, phrase: str) -> list[Thing]:
    """Things the phrase fits, by taking its words one at a time."""
    left = list(world.things)
    for word in phrase.split():
        if word in COLOURS:
            left = [thing for thing in left if thing.colour == word]
        elif word in SHAPES:
            left = [thing for thing in left if thing.shape == word]
        else:
            assert word == "thing"
    return left


def only(world: Scene, phrase: str) -> Thing:
    (thing,) = named(world, phrase)
    return thing


def pixels(world: Scene, thing: Thing) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    row, column = np.nonzero(world.instances == thing.id)
    return row, column


def test_every_family_is_asked(asked: Asked) -> None:
    assert {question.family for _, question in asked} == set(FAMILIES)


def test_same_generator_same_questions(scenes: list[Scene]) -> None:
    first, second = (questions(scenes[0], np.random.default_rng(9)) for _ in range(2))
    assert first == second


def test_targets_are_what_the_phrases_name(asked: Asked) -> None:
    for world, question in asked:
        found = [thing.id for phrase in question.phrases for thing in named(world, phrase)]
        assert list(question.targets) == found, question


def test_the_text_names_the_phrases_in_order(asked: Asked) -> None:
    for _, question in asked:
        places = []
        for phrase in question.phrases:
            spelt = rf"\b(?:{phrase}|{plural(phrase)})\b"
            found = re.search(spelt, question.text)
            assert found, question
            places.append(found.start())
        assert places == sorted(places)
        assert "{" not in question.text


def test_counts(asked: Asked) -> None:
    for world, question in of(asked, "count"):
        assert question.answer == str(len(named(world, *question.phrases)))
    answers = Counter(question.answer for _, question in of(asked, "count"))
    assert {"0", "1", "2", "3"} <= set(answers)
    assert max(answers.values()) < 0.5 * answers.total()


def test_existence(asked: Asked) -> None:
    for world, question in of(asked, "exist"):
        assert (question.answer == "yes") == bool(named(world, *question.phrases))
    answers = Counter(question.answer for _, question in of(asked, "exist"))
    assert answers["yes"] == answers["no"] == len(of(asked, "exist")) / 2


def test_colours_and_shapes_belong_to_one_thing(asked: Asked) -> None:
    for world, question in of(asked, "colour"):
        assert question.answer == only(world, *question.phrases).colour
        assert question.answer not in question.text
    for world, question in of(asked, "shape"):
        assert question.answer == only(world, *question.phrases).shape
        assert question.answer not in question.text


def test_signs_are_never_all_that_colour_questions_ask_about(scenes: list[Scene]) -> None:
    for world in scenes:
        made = [q for q in questions(world, np.random.default_rng(1)) if q.family == "colour"]
        assert not made or any(q.phrases != ("sign",) for q in made)


def test_signs_say_what_they_say(asked: Asked) -> None:
    for world, question in of(asked, "read"):
        assert question.answer == only(world, *question.phrases).text
        assert "number" not in question.text or question.answer.isdigit()
        assert "word" not in question.text or question.answer.isalpha()


def test_nearer_by_median_depth(asked: Asked) -> None:
    for world, question in of(asked, "nearer"):
        depths = {
            phrase: float(np.median(world.depth[pixels(world, only(world, phrase))]))
            for phrase in question.phrases
        }
        near, far = sorted(depths, key=lambda phrase: depths[phrase])
        assert depths[far] >= 1.119 * depths[near]
        away = re.search(r"farther|further", question.text)
        assert question.answer == (far if away else near)


def test_sides_by_middle_column(asked: Asked) -> None:
    for world, question in of(asked, "side"):
        middles = {}
        for phrase in question.phrases:
            _, column = pixels(world, only(world, phrase))
            middles[phrase] = (column.min() + column.max()) / 2
        left, right = sorted(middles, key=lambda phrase: middles[phrase])
        assert middles[right] - middles[left] >= 0.06 * world.image.shape[1]
        first = question.phrases[0]
        if question.answer in ("left", "right"):
            assert question.answer == ("left" if first == left else "right")
        else:
            assert question.answer == (left if "left" in question.text else right)


def test_larger_by_visible_area(asked: Asked) -> None:
    for world, question in of(asked, "larger"):
        areas = {phrase: len(pixels(world, only(world, phrase))[0]) for phrase in question.phrases}
        small, large = sorted(areas, key=lambda phrase: areas[phrase])
        assert areas[large] >= 1.4 * areas[small]
        less = re.search(r"smaller|less", question.text)
        assert question.answer == (small if less else large)


@pytest.mark.parametrize("family", ["nearer", "side", "larger"])
def test_the_first_named_is_not_the_better_guess(asked: Asked, family: str) -> None:
    chosen = [q for _, q in of(asked, family) if q.answer in q.phrases]
    assert 0.35 < np.mean([q.answer == q.phrases[0] for q in chosen]) < 0.65


def test_every_family_has_six_wordings_in_both_cases() -> None:
    families = {
        "count": phrasings.COUNT,
        "exist": phrasings.EXIST,
        "colour": phrasings.COLOUR,
        "shape": phrasings.SHAPE,
        "read": phrasings.READ,
        "nearer": phrasings.NEARER,
        "side": phrasings.SIDE,
        "larger": phrasings.LARGER,
    }
    assert tuple(families) == FAMILIES
    for wordings in families.values():
        assert len(set(wordings)) == len(wordings) >= 6
        assert {wording[0].islower() for wording in wordings} == {True, False}
    assert "How many {many} are there?" in phrasings.COUNT


def test_plural_singular_and_article() -> None:
    assert plural("red cube") == "red cubes"
    assert singular("red cubes") == "red cube"
    assert singular(plural("orange thing")) == "orange thing"
    assert singular("cone") == "cone"
    assert article("orange cube") == "an"
    assert article("cube") == "a"
