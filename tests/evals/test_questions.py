"""Answers, worked out again from the pixels and the things in another way."""

import re
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from foveal.evals.phrasings import plural
from foveal.evals.questions import FAMILIES, VISUAL, Question, questions
from foveal.evals.tabletop import COLOURS, SHAPES, Scene, Thing
from foveal.evals.vocabulary import HELD_OUT, SYMBOLS, TRINKETS, label, parts

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


def middle(world: Scene, thing: Thing, axis: int) -> float:
    """Down (0) or across (1) the picture, pixels."""
    along = pixels(world, thing)[axis]
    return float(along.min() + along.max()) / 2


def said(question: Question) -> str:
    return question.text.lower()


def test_every_family_is_asked(asked: Asked) -> None:
    assert {question.family for _, question in asked} == set(FAMILIES)


def test_same_generator_same_questions(scenes: list[Scene]) -> None:
    first, second = (questions(scenes[0], np.random.default_rng(9)) for _ in range(2))
    assert first == second


def test_one_family_can_be_asked_alone(scenes: list[Scene]) -> None:
    alone = questions(scenes[0], np.random.default_rng(9), "count")
    assert {question.family for question in alone} == {"count"}


def test_the_text_names_the_phrases(asked: Asked) -> None:
    for _, question in asked:
        for phrase in question.phrases[: 1 if question.family == "same" else 2]:
            assert re.search(rf"\b(?:{phrase}|{plural(phrase)})\b", said(question)), question
        assert "{" not in question.text


def test_targets_are_what_the_phrases_name(asked: Asked) -> None:
    for world, question in asked:
        if question.family in ("same", "hop"):
            continue
        found = [thing.id for phrase in question.phrases for thing in named(world, phrase)]
        assert list(question.targets) == found, question


def test_labels_alone_settle_what_the_phrases_fit(asked: Asked) -> None:
    """A detector that is always right finds neither more nor less than what is meant."""
    for world, question in asked:
        for phrase in question.phrases:
            if phrase == "thing":
                continue
            colour, noun = parts(phrase)
            labels = [parts(label(thing.colour, thing.shape)) for thing in world.things]
            fit = [n == noun or noun == "thing" for _, n in labels]
            fit = [f and colour in (None, c) for f, (c, _) in zip(fit, labels, strict=True)]
            assert [t for t, f in zip(world.things, fit, strict=True) if f] == named(world, phrase)


def test_pairs_held_out_are_not_even_named(asked: Asked) -> None:
    for _, question in asked:
        for colour, shape in HELD_OUT:
            assert f"{colour} {shape}" not in said(question)


def test_hard_scenes_name_them(hard: list[Scene]) -> None:
    text = " ".join(
        said(q) for w in hard for s in range(6) for q in questions(w, np.random.default_rng(s))
    )
    assert sum(f"{colour} {shape}" in text for colour, shape in HELD_OUT) >= 3


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


def test_more_and_fewer(asked: Asked) -> None:
    for world, question in of(asked, "more"):
        a, b = (len(named(world, phrase)) for phrase in question.phrases)
        fewer = re.search(r"fewer|smaller", said(question))
        assert question.answer == ("yes" if (a < b if fewer else a > b) else "no")
    answers = Counter(question.answer for _, question in of(asked, "more"))
    assert answers["yes"] == answers["no"] > 20


@pytest.mark.parametrize("family", ["colour", "shape", "material", "texture"])
def test_attributes_belong_to_one_thing(asked: Asked, family: str) -> None:
    for world, question in of(asked, family):
        assert question.answer == getattr(only(world, *question.phrases), family)
        listed = re.search(r"matte, shiny|plain, striped", said(question))
        assert listed or question.answer not in said(question)


def test_signs_say_what_they_say(asked: Asked) -> None:
    for world, question in of(asked, "read"):
        assert question.answer == only(world, *question.phrases).text
        assert "number" not in said(question) or question.answer.isdigit()
        assert "word" not in said(question) or question.answer.isalpha()


def test_nearer_by_median_depth(asked: Asked) -> None:
    for world, question in of(asked, "nearer"):
        depths = {
            phrase: float(np.median(world.depth[pixels(world, only(world, phrase))]))
            for phrase in question.phrases
        }
        near, far = sorted(depths, key=lambda phrase: depths[phrase])
        assert depths[far] >= 1.119 * depths[near]
        away = re.search(r"farther|further", said(question))
        assert question.answer == (far if away else near)


@pytest.mark.parametrize(
    ("family", "axis", "low", "high"),
    [
        ("side", 1, r"\bleft\b", r"\bright\b"),
        ("above", 0, r"above|higher|up\b|top", r"below|lower|down|bottom"),
    ],
)
def test_places_by_the_middles_of_pixels(
    asked: Asked, family: str, axis: int, low: str, high: str
) -> None:
    words = {"side": ("left", "right"), "above": ("above", "below")}[family]
    for world, question in of(asked, family):
        places = {p: middle(world, only(world, p), axis) for p in question.phrases}
        first, last = sorted(places, key=lambda phrase: places[phrase])
        assert places[last] - places[first] >= 0.06 * world.depth.shape[axis] - 0.5
        leads = question.phrases[0] == first
        if question.answer in words:
            assert question.answer == words[0 if leads else 1]
        elif question.answer in ("yes", "no"):
            assert (question.answer == "yes") == (leads == bool(re.search(low, said(question))))
        else:
            assert question.answer == (first if re.search(low, said(question)) else last)
            assert bool(re.search(low, said(question))) != bool(re.search(high, said(question)))


def test_larger_by_visible_area(asked: Asked) -> None:
    for world, question in of(asked, "larger"):
        areas = {phrase: len(pixels(world, only(world, phrase))[0]) for phrase in question.phrases}
        small, large = sorted(areas, key=lambda phrase: areas[phrase])
        assert areas[large] >= 1.4 * areas[small]
        less = re.search(r"smaller|less", said(question))
        assert question.answer == (small if less else large)


def test_true_size_by_metres_and_not_by_pixels(asked: Asked) -> None:
    against = 0
    for world, question in of(asked, "size"):
        a, b = (only(world, phrase) for phrase in question.phrases)
        small, large = (a, b) if a.size < b.size else (b, a)
        assert large.size >= 1.45 * small.size
        assert large.full * large.depth**2 > small.full * small.depth**2
        less = "smaller" in said(question)
        assert question.answer == label(*_pair(small if less else large))
        against += large.visible < small.visible
    assert against > 0.05 * len(of(asked, "size"))


def _pair(thing: Thing) -> tuple[str, str]:
    return thing.colour, thing.shape


def test_the_other_of_the_same_kind(asked: Asked) -> None:
    for world, question in of(asked, "same"):
        reference = only(world, question.phrases[0])
        by = "shape" if re.search(r"\bshapes?\b", said(question)) else "colour"
        others = [
            thing
            for thing in world.things
            if thing.id != reference.id and getattr(thing, by) == getattr(reference, by)
        ]
        assert [question.answer] == [label(*_pair(thing)) for thing in others]
        assert question.targets == (reference.id, others[0].id)


def test_hops_lead_to_the_only_one_on_that_side(asked: Asked) -> None:
    places = {"left of": (1, -1), "right of": (1, 1), "above": (0, -1), "higher": (0, -1)}
    places |= {"below": (0, 1), "lower": (0, 1)}
    for world, question in of(asked, "hop"):
        noun, reference = question.phrases
        (where,) = (w for w in places if f" {w}" in said(question))
        axis, sign = places[where]
        start = middle(world, only(world, reference), axis)
        there = [t for t in named(world, noun) if sign * (middle(world, t, axis) - start) > 0]
        assert len(named(world, noun)) > 1
        (target,) = there
        assert question.answer == (target.text or target.colour)
        assert question.targets[0] == target.id
        if target.text is None:
            assert [t.colour for t in named(world, noun)].count(target.colour) == 1


def test_symbols_and_hands_are_those_of_the_board(asked: Asked) -> None:
    for world, question in of(asked, "symbol"):
        assert question.answer == only(world, *question.phrases).symbol
    for world, question in of(asked, "dial"):
        assert question.answer == f"{only(world, *question.phrases).hour} o'clock"


def test_the_tiny_are_asked_about_by_noun_alone(asked: Asked) -> None:
    for world, question in of(asked, "tiny"):
        thing = only(world, *question.phrases)
        assert thing.shape in TRINKETS
        assert not set(question.phrases[0].split()) & set(COLOURS)
        assert question.answer in (thing.colour, thing.texture)
        assert max(thing.box[2] - thing.box[0], thing.box[3] - thing.box[1]) < 0.04 * max(
            world.depth.shape
        )


def test_no_label_gives_the_visual_families_away(asked: Asked) -> None:
    """Whatever a detector, a reader, an outline or a depth says of any thing, it is not the answer."""
    for world, question in asked:
        if question.family in VISUAL:
            thing = only(world, *question.phrases)
            assert thing.text is None
            told = label(thing.colour, thing.shape).split()
            assert question.answer not in told


def test_answers_of_visual_families_are_spread_out(asked: Asked) -> None:
    for family, least in (("symbol", 6), ("dial", 6), ("tiny", 5)):
        answers = Counter(question.answer for _, question in of(asked, family))
        assert len(answers) >= least, answers
    symbols = {question.answer for _, question in of(asked, "symbol")}
    assert symbols <= set(SYMBOLS)


@pytest.mark.parametrize("family", ["nearer", "side", "above", "larger", "size"])
def test_the_first_named_is_not_the_better_guess(asked: Asked, family: str) -> None:
    chosen = [q for _, q in of(asked, family) if q.answer in q.phrases]
    assert 0.3 < np.mean([q.answer == q.phrases[0] for q in chosen]) < 0.7
