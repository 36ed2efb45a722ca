"""Questions about two things: which is nearer, further left, higher, larger in the picture or in truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from foveal.evals import phrasings
from foveal.evals.asking import Question, middle, name, named, pairs, pick
from foveal.evals.phrasings import Templates, word
from foveal.evals.truth import Scene, Thing
from foveal.evals.vocabulary import SOLIDS, TRINKETS

DEPTH_MARGIN, SIDE_MARGIN, AREA_MARGIN = 1.12, 0.06, 1.4
"""How far two things must differ to be compared: ratio of depths, share of the side, ratio of visible areas."""

SIZE_MARGIN, SEEN_MARGIN = 1.45, 1.25
"""How many times longer the larger of two things must be, by its true size and as seen at its distance."""


def nearer(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """By the median depth of what shows of each."""
    if scene.flat:
        return []

    def apart(a: Thing, b: Thing) -> bool:
        return max(a.depth, b.depth) >= DEPTH_MARGIN * min(a.depth, b.depth)

    made = []
    for a, b in pairs(_firm(scene), apart, rng):
        near, far = sorted((a, b), key=lambda t: t.depth)
        templates, answer = pick(((phrasings.NEARER, near), (phrasings.FARTHER, far)), rng)
        made.append(_comparison("nearer", templates, name(answer), a, b, rng))
    return made


def side(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """By the middles of their boxes, across the picture."""
    made = []
    for a, b in pairs(named(scene), _apart(scene, 0), rng):
        left, right = sorted((a, b), key=lambda t: middle(t, 0))
        options = (
            (phrasings.SIDE, "left" if a is left else "right"),
            (phrasings.SIDE, "left" if a is left else "right"),
            (phrasings.LEFTMOST, name(left)),
            (phrasings.RIGHTMOST, name(right)),
            (phrasings.IS_LEFT, _yes(a is left)),
            (phrasings.IS_RIGHT, _yes(a is right)),
        )
        made.append(_comparison("side", *pick(options, rng), a, b, rng))
    return made


def above(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """By the middles of their boxes, down the picture."""
    made = []
    for a, b in pairs(named(scene), _apart(scene, 1), rng):
        high, low = sorted((a, b), key=lambda t: middle(t, 1))
        options = (
            (phrasings.LEVEL, "above" if a is high else "below"),
            (phrasings.LEVEL, "above" if a is high else "below"),
            (phrasings.HIGHER, name(high)),
            (phrasings.LOWER, name(low)),
            (phrasings.IS_ABOVE, _yes(a is high)),
            (phrasings.IS_BELOW, _yes(a is low)),
        )
        made.append(_comparison("above", *pick(options, rng), a, b, rng))
    return made


def _apart(scene: Scene, axis: int) -> Callable[[Thing, Thing], bool]:
    extent = scene.instances.shape[1 - axis]
    return lambda a, b: abs(middle(a, axis) - middle(b, axis)) >= SIDE_MARGIN * extent


def _yes(true: bool) -> str:
    return "yes" if true else "no"


def larger(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """By the pixels that show."""

    def apart(a: Thing, b: Thing) -> bool:
        return max(a.visible, b.visible) >= AREA_MARGIN * min(a.visible, b.visible)

    made = []
    for a, b in pairs(_firm(scene), apart, rng):
        small, large = sorted((a, b), key=lambda t: t.visible)
        templates, answer = pick(((phrasings.LARGER, large), (phrasings.SMALLER, small)), rng)
        made.append(_comparison("larger", templates, name(answer), a, b, rng))
    return made


def size(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """By the longest edge in metres, where what is seen at its distance says so, too.

    Half of the time only of pairs of which the smaller one covers more of the picture, if there are any.
    """

    def apart(a: Thing, b: Thing) -> bool:
        small, large = sorted((a, b), key=lambda t: t.size)
        return large.size >= SIZE_MARGIN * small.size and _seen(large) >= SEEN_MARGIN * _seen(small)

    def against(a: Thing, b: Thing) -> bool:
        return apart(a, b) and (a.visible > b.visible) != (a.size > b.size)

    solids = [thing for thing in named(scene) if thing.shape in SOLIDS]
    chosen = pairs(solids, against, rng) if rng.random() < 0.5 else []
    made = []
    for a, b in chosen or pairs(solids, apart, rng):
        small, large = sorted((a, b), key=lambda t: t.size)
        options = ((phrasings.TRULY_LARGER, large), (phrasings.TRULY_SMALLER, small))
        templates, answer = pick(options, rng)
        made.append(_comparison("size", templates, name(answer), a, b, rng))
    return made


def _seen(thing: Thing) -> float:
    """Width as it would be measured: pixels times distance, in no unit."""
    return float(np.sqrt(thing.full) * thing.depth)


def _firm(scene: Scene) -> list[Thing]:
    """Things whose extent and distance can be measured from afar."""
    return [thing for thing in named(scene) if thing.shape not in TRINKETS]


def _comparison(
    family: str, templates: Templates, answer: str, a: Thing, b: Thing, rng: np.random.Generator
) -> Question:
    text = word(templates, rng, a=name(a), b=name(b))
    return Question(family, text, answer, (a.id, b.id), (name(a), name(b)))
