"""Questions about what there is: count, exist, more, colour and shape."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from foveal.evals import phrasings
from foveal.evals.asking import (
    Question,
    absent,
    called,
    decidable,
    pick,
    present,
    some,
)
from foveal.evals.phrasings import plural, word
from foveal.evals.truth import Scene, Thing
from foveal.evals.vocabulary import BOARDS, TRINKETS, parts


def count(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """Up to two of names that fit several things, and one of any name or of one that fits nothing."""
    there = present(scene)
    # Drawn by number first: most repeated names fit two things, and "2" would be half of all answers.
    by_number: dict[int, list[str]] = {}
    for phrase in there:
        by_number.setdefault(len(called(scene, phrase)), []).append(phrase)
    several = [names for number, names in by_number.items() if number > 1]
    asked = [pick(names, rng) for names in some(several, 2, rng)]
    asked.append(pick(absent(scene) if rng.random() < 0.35 or not there else there, rng))
    made = []
    for phrase in dict.fromkeys(asked):
        found = called(scene, phrase)
        text = word(phrasings.COUNT, rng, one=phrase)
        made.append(Question("count", text, str(len(found)), found, (phrase,)))
    return made


def exist(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """One question of each answer, so that neither is the better guess."""
    there = present(scene)
    if not there:
        return []
    asked = [("yes", pick(there, rng)), ("no", pick(absent(scene), rng))]
    return [
        Question("exist", word(phrasings.EXIST, rng, one=phrase), answer, called(scene, phrase), (phrase,))
        for answer, phrase in some(asked, 2, rng)
    ]  # fmt: skip


def more(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """Whether one kind outnumbers another, one question of each answer."""
    answers: dict[str, list[tuple[str, str, bool]]] = {"yes": [], "no": []}
    fitting = {phrase: called(scene, phrase) for phrase in present(scene)}
    for a, b in permutations(fitting, 2):
        if _kind(a) != _kind(b) or set(fitting[a]) & set(fitting[b]):
            continue
        difference = len(fitting[a]) - len(fitting[b])
        for fewer in (False, True):
            answers["yes" if (difference < 0 if fewer else difference > 0) else "no"].append(
                (a, b, fewer)
            )
    made = []
    for answer, options in answers.items():
        if not answers["yes"]:
            break  # everything comes once: "no" alone would be too good a guess
        a, b, fewer = pick(options, rng)
        templates = phrasings.FEWER if fewer else phrasings.MORE
        text = word(templates, rng, many=plural(a), few=plural(b))
        targets = (*fitting[a], *fitting[b])
        made.append(Question("more", text, answer, targets, (a, b)))
    return some(made, 2, rng)


def _kind(phrase: str) -> tuple[bool, bool]:
    colour, noun = parts(phrase)
    return colour is not None, noun == "thing"


def colour(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """Of things whose shape is theirs alone, the smallest first. A board has more colours than one."""
    alone = [
        thing
        for thing in scene.things
        if thing.shape not in (*BOARDS, *TRINKETS)
        and len(called(scene, thing.shape)) == 1
        and decidable(scene, thing.shape)
    ]
    made = []
    for thing in sorted(alone, key=lambda t: t.visible)[:2]:
        one = f"small {thing.shape}" if _small(thing, scene) and rng.random() < 0.5 else thing.shape
        text = word(phrasings.COLOUR, rng, one=one)
        made.append(Question("colour", text, thing.colour, (thing.id,), (thing.shape,)))
    return made


def _small(thing: Thing, scene: Scene) -> bool:
    x0, y0, x1, y1 = thing.box
    return bool(max(x1 - x0, y1 - y0) < 0.09 * min(scene.instances.shape))


def shape(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """Of things whose colour is theirs alone."""
    alone = [
        thing
        for thing in scene.things
        if thing.shape not in TRINKETS
        and len(called(scene, f"{thing.colour} thing")) == 1
        # Boards seldom share a colour: taken as often as they come, they would be every third answer.
        and (thing.shape not in BOARDS or rng.random() < 0.25)
    ]
    made = []
    for thing in some(alone, 2, rng):
        one = f"{thing.colour} thing"
        text = word(phrasings.SHAPE, rng, one=one)
        made.append(Question("shape", text, thing.shape, (thing.id,), (one,)))
    return made
