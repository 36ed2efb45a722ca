"""Questions whose answers follow from the truth about a scene, and from nothing else.

A question is only asked where it has one answer: comparisons need a clear margin and names that fit
one thing only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np

from foveal.evals import phrasings
from foveal.evals.phrasings import word
from foveal.evals.tabletop import COLOURS, SHAPES, Scene, Thing

T = TypeVar("T")

DEPTH_MARGIN, SIDE_MARGIN, AREA_MARGIN = 1.12, 0.06, 1.4
"""How far two things must differ to be compared: ratio of depths, share of the width, ratio of visible areas."""


@dataclass(frozen=True)
class Question:
    """One question about one scene.

    `targets` are the ids of the things the answer rests on; `phrases` are what a detector would be asked
    to find, in the order of the question.
    """

    family: str
    text: str
    answer: str
    targets: tuple[int, ...]
    phrases: tuple[str, ...]


def questions(scene: Scene, rng: np.random.Generator) -> tuple[Question, ...]:
    """Up to three questions of each family that the scene allows, grouped by family."""
    return tuple(question for make in _MAKERS.values() for question in make(scene, rng))


def matches(thing: Thing, phrase: str) -> bool:
    """Whether the thing can be called that: "red cube", "cube" or "red thing"."""
    *colour, noun = phrase.split(" ")
    return noun in ("thing", thing.shape) and colour in ([], [thing.colour])


def _called(scene: Scene, phrase: str) -> tuple[int, ...]:
    return tuple(thing.id for thing in scene.things if matches(thing, phrase))


def _name(thing: Thing) -> str:
    return f"{thing.colour} {thing.shape}"


def _pick(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]


def _some(options: Sequence[T], count: int, rng: np.random.Generator) -> list[T]:
    order = rng.permutation(len(options))[:count]
    return [options[int(index)] for index in order]


def _count(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """Up to two of names that fit several things, and one of any name or of one that fits nothing."""
    present = _phrases(scene)
    # Drawn by number first: most repeated names fit two things, and "2" would be half of all answers.
    by_number: dict[int, list[str]] = {}
    for phrase in present:
        by_number.setdefault(len(_called(scene, phrase)), []).append(phrase)
    several = [names for number, names in by_number.items() if number > 1]
    asked = [_pick(names, rng) for names in _some(several, 2, rng)]
    asked.append(_pick(_absent(scene) if rng.random() < 0.35 else present, rng))
    made = []
    for phrase in dict.fromkeys(asked):
        found = _called(scene, phrase)
        text = word(phrasings.COUNT, rng, one=phrase)
        made.append(Question("count", text, str(len(found)), found, (phrase,)))
    return made


def _phrases(scene: Scene) -> list[str]:
    """Every name, full or half, that fits something."""
    names = [n for t in scene.things for n in (_name(t), t.shape, f"{t.colour} thing")]
    return list(dict.fromkeys(names))


def _absent(scene: Scene) -> list[str]:
    """Names that fit nothing; those whose colour and shape are both there, though never together, come thrice."""
    colours, shapes = {t.colour for t in scene.things}, {t.shape for t in scene.things}
    full = [f"{c} {s}" for c in COLOURS for s in SHAPES]
    tempting = [f"{c} {s}" for c in COLOURS if c in colours for s in SHAPES if s in shapes]
    half = [*SHAPES, *(f"{c} thing" for c in COLOURS)]
    return [
        phrase
        for phrase in [*full, *tempting, *tempting, *half, *half]
        if not _called(scene, phrase)
    ]


def _exist(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """One question of each answer, so that neither is the better guess."""
    asked = [("yes", _pick(_phrases(scene), rng)), ("no", _pick(_absent(scene), rng))]
    return [
        Question(
            "exist",
            word(phrasings.EXIST, rng, one=phrase),
            answer,
            _called(scene, phrase),
            (phrase,),
        )
        for answer, phrase in _some(asked, 2, rng)
    ]


def _colour(scene: Scene, rng: np.random.Generator) -> list[Question]:
    alone = [t for t in scene.things if len(_called(scene, t.shape)) == 1]
    solids = sorted((t for t in alone if t.shape != "sign"), key=lambda t: t.visible)
    # A sign's colour is hard to miss: ask it only beside a harder question.
    signs = [t for t in alone if t.shape == "sign" and solids and rng.random() < 0.25]
    made = []
    for thing in [*solids[:2], *signs]:
        one = f"small {thing.shape}" if _small(thing, scene) and rng.random() < 0.5 else thing.shape
        templates = tuple(t.replace("{one}", one) for t in phrasings.COLOUR)
        made.append(
            Question("colour", word(templates, rng), thing.colour, (thing.id,), (thing.shape,))
        )
    return made


def _small(thing: Thing, scene: Scene) -> bool:
    x0, y0, x1, y1 = thing.box
    return bool(max(x1 - x0, y1 - y0) < 0.09 * min(scene.instances.shape))


def _shape(scene: Scene, rng: np.random.Generator) -> list[Question]:
    alone = [t for t in scene.things if len(_called(scene, f"{t.colour} thing")) == 1]
    # Signs rarely share a colour: taken as often as they come, "sign" would be the answer to every third question.
    alone = [t for t in alone if t.shape != "sign" or rng.random() < 0.3]
    made = []
    for thing in _some(alone, 2, rng):
        name = f"{thing.colour} thing"
        text = word(phrasings.SHAPE, rng, one=name)
        made.append(Question("shape", text, thing.shape, (thing.id,), (name,)))
    return made


def _read(scene: Scene, rng: np.random.Generator) -> list[Question]:
    signs = [t for t in scene.things if t.text]
    made = []
    for sign in signs:
        name = "sign" if len(signs) == 1 and rng.random() < 0.6 else _name(sign)
        if sign.text and len(_called(scene, name)) == 1:
            special = phrasings.READ_NUMBER if sign.text.isdigit() else phrasings.READ_WORD
            text = word(phrasings.READ + special, rng, one=name)
            made.append(Question("read", text, sign.text, (sign.id,), (name,)))
    return made


def _nearer(scene: Scene, rng: np.random.Generator) -> list[Question]:
    def apart(a: Thing, b: Thing) -> bool:
        return max(a.depth, b.depth) >= DEPTH_MARGIN * min(a.depth, b.depth)

    made = []
    for a, b in _pairs(scene, apart, rng):
        near, far = sorted((a, b), key=lambda t: t.depth)
        templates, answer = _pick(((phrasings.NEARER, near), (phrasings.FARTHER, far)), rng)
        made.append(_comparison("nearer", templates, _name(answer), a, b, rng))
    return made


def _side(scene: Scene, rng: np.random.Generator) -> list[Question]:
    def apart(a: Thing, b: Thing) -> bool:
        return bool(abs(_middle(a) - _middle(b)) >= SIDE_MARGIN * scene.instances.shape[1])

    made = []
    for a, b in _pairs(scene, apart, rng):
        left, right = sorted((a, b), key=_middle)
        options = (
            (phrasings.SIDE, "left" if a is left else "right"),
            (phrasings.SIDE, "left" if a is left else "right"),
            (phrasings.LEFTMOST, _name(left)),
            (phrasings.RIGHTMOST, _name(right)),
        )
        made.append(_comparison("side", *_pick(options, rng), a, b, rng))
    return made


def _middle(thing: Thing) -> float:
    return (thing.box[0] + thing.box[2]) / 2


def _larger(scene: Scene, rng: np.random.Generator) -> list[Question]:
    def apart(a: Thing, b: Thing) -> bool:
        return max(a.visible, b.visible) >= AREA_MARGIN * min(a.visible, b.visible)

    made = []
    for a, b in _pairs(scene, apart, rng):
        small, large = sorted((a, b), key=lambda t: t.visible)
        templates, answer = _pick(((phrasings.LARGER, large), (phrasings.SMALLER, small)), rng)
        made.append(_comparison("larger", templates, _name(answer), a, b, rng))
    return made


def _pairs(
    scene: Scene, apart: Callable[[Thing, Thing], bool], rng: np.random.Generator
) -> list[tuple[Thing, Thing]]:
    """Up to two pairs of things that are clearly apart and whose full names fit nothing else, in a drawn order."""
    named = [t for t in scene.things if len(_called(scene, _name(t))) == 1]
    pairs = [pair for pair in combinations(named, 2) if apart(*pair)]
    solids = [(a, b) for a, b in pairs if "sign" not in (a.shape, b.shape)]
    # Signs are large and seldom alike: left to chance, they would win most comparisons.
    chosen = _some(solids if solids and rng.random() < 0.6 else pairs, 2, rng)
    return [(a, b) if rng.random() < 0.5 else (b, a) for a, b in chosen]


def _comparison(
    family: str,
    templates: tuple[str, ...],
    answer: str,
    a: Thing,
    b: Thing,
    rng: np.random.Generator,
) -> Question:
    text = word(templates, rng, a=_name(a), b=_name(b))
    return Question(family, text, answer, (a.id, b.id), (_name(a), _name(b)))


_MAKERS: dict[str, Callable[[Scene, np.random.Generator], list[Question]]] = {
    "count": _count,
    "exist": _exist,
    "colour": _colour,
    "shape": _shape,
    "read": _read,
    "nearer": _nearer,
    "side": _side,
    "larger": _larger,
}
FAMILIES = tuple(_MAKERS)
