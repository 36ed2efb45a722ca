"""What all families of questions are made with: names that fit, and names that fit one thing only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np

from foveal.evals.palette import COLOURS
from foveal.evals.truth import Scene, Thing
from foveal.evals.vocabulary import BOARDS, FIGURES, HELD_OUT, SOLIDS, TRINKETS, label, parts

T = TypeVar("T")


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


Maker = Callable[[Scene, np.random.Generator], list[Question]]


def matches(thing: Thing, phrase: str) -> bool:
    """Whether the thing can truly be called that: "red cube", "cube" or "red thing"."""
    colour, noun = parts(phrase)
    return noun in ("thing", thing.shape) and colour in (None, thing.colour)


def called(scene: Scene, phrase: str) -> tuple[int, ...]:
    """The ids of the things that can be called that."""
    return tuple(thing.id for thing in scene.things if matches(thing, phrase))


def decidable(scene: Scene, phrase: str) -> bool:
    """Whether labels settle what the phrase fits, and people would agree.

    A bead's label does not say its colour, so no red thing is asked for where a bead is red; and a square
    is a rectangle, too.
    """
    colour, noun = parts(phrase)
    if noun == "thing":
        return not any(t.shape in TRINKETS and t.colour == colour for t in scene.things)
    if noun == "rectangle":
        return not any(t.shape == "square" and colour in (None, t.colour) for t in scene.things)
    return True


def name(thing: Thing) -> str:
    """The thing's full name, as a label says it."""
    return label(thing.colour, thing.shape)


def named(scene: Scene) -> list[Thing]:
    """The things whose full names fit nothing else."""
    return [
        thing
        for thing in scene.things
        if len(called(scene, name(thing))) == 1 and decidable(scene, name(thing))
    ]


def present(scene: Scene) -> list[str]:
    """Every name, full or half, that fits something and leaves no doubt."""
    names = [n for t in scene.things for n in (name(t), t.shape, f"{t.colour} thing")]
    return [n for n in dict.fromkeys(names) if decidable(scene, n)]


def absent(scene: Scene) -> list[str]:
    """Names that fit nothing; those whose colour and shape are both there, though never together, come thrice."""
    nouns = FIGURES if scene.flat else (*SOLIDS, *BOARDS, *TRINKETS)
    told = any((t.colour, t.shape) in HELD_OUT for t in scene.things)
    pairs = [(c, n) for c in COLOURS for n in nouns if told or (c, n) not in HELD_OUT]
    full = [label(*pair) for pair in pairs if pair[1] not in TRINKETS]
    colours, shapes = {t.colour for t in scene.things}, {t.shape for t in scene.things}
    tempting = [one for one in full if parts(one)[0] in colours and parts(one)[1] in shapes]
    half = [*nouns, *(f"{colour} thing" for colour in COLOURS)]
    return [
        phrase
        for phrase in [*full, *tempting, *tempting, *half, *half]
        if not called(scene, phrase) and decidable(scene, phrase)
    ]


def pick(options: Sequence[T], rng: np.random.Generator) -> T:
    """Any one of them."""
    return options[int(rng.integers(len(options)))]


def some(options: Sequence[T], count: int, rng: np.random.Generator) -> list[T]:
    """Up to `count` of them, in a drawn order."""
    order = rng.permutation(len(options))[:count]
    return [options[int(index)] for index in order]


def pairs(
    things: Sequence[Thing], apart: Callable[[Thing, Thing], bool], rng: np.random.Generator
) -> list[tuple[Thing, Thing]]:
    """Up to two pairs of things that are clearly apart, in a drawn order."""
    fitting = [pair for pair in combinations(things, 2) if apart(*pair)]
    solids = [(a, b) for a, b in fitting if not {a.shape, b.shape} & set(BOARDS)]
    # Boards are large and seldom alike: left to chance, they would win most comparisons.
    chosen = some(solids if solids and rng.random() < 0.6 else fitting, 2, rng)
    return [(a, b) if rng.random() < 0.5 else (b, a) for a, b in chosen]


def middle(thing: Thing, axis: int) -> float:
    """The middle of the thing's box across (0) or down (1) the picture, pixels."""
    return (thing.box[axis] + thing.box[axis + 2]) / 2


def measure(thing: Thing) -> int:
    """The shorter side of the thing's box, pixels."""
    x0, y0, x1, y1 = thing.box
    return min(x1 - x0, y1 - y0)
