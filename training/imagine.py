"""Scenes without pixels, and questions from outside the tabletop: what policy and copying are learnt from.

Text skills need no image, and training them without one is several times cheaper.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from foveal.evals.palette import COLOURS
from foveal.evals.questions import FAMILIES as ALL
from foveal.evals.questions import Question, questions
from foveal.evals.splits import DRAWN
from foveal.evals.truth import Scene, Thing
from foveal.evals.vocabulary import (
    BOARDS,
    FIGURES,
    HELD_OUT,
    HOURS,
    MATERIALS,
    SOLIDS,
    SYMBOLS,
    TEXTURES,
    TRINKETS,
    fits,
    label,
)
from foveal.evals.words import sign_text

SIZES = ((512, 512), (640, 480), (480, 640), (384, 512), (800, 600), (810, 1080))
FAMILIES = (*ALL, *("nearer", "larger", "size", "more", "same") * 2, *("side", "above", "hop") * 5)
"""Families to draw from; comparisons, which are learnt last, come more often, and places most often."""
SEEN = (
    *ALL,
    *("colour", "shape", "material", "texture", "symbol", "dial", "tiny") * 3,
    *("side", "above", "hop"),
)
"""The same beside pictures: what can only be seen comes most often there."""

PRESUMING_NOTHING = ("count", "exist", "more", "read")
"""Families whose questions have an answer also where nothing of the kind is; of a sign, whatever can be read."""
NOUNS = (*SOLIDS * 2, *BOARDS, "sign", *TRINKETS)
"""What imagined things are, each as often as it stands here."""


NOTHING = Scene(
    np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.int16), np.zeros((8, 8), np.float32), ()
)
"""A scene without a thing."""


def imagined(rng: np.random.Generator) -> Scene:
    """A scene that has things, boxes, depths and areas, but blank pixels; as often as elsewhere a drawing."""
    flat = rng.random() < 1 / DRAWN
    width, height = SIZES[rng.integers(len(SIZES))]
    make = _figure if flat else _thing
    things = tuple(make(number, width, height, rng) for number in range(1, rng.integers(3, 10)))
    blank = np.broadcast_to(np.uint8(0), (height, width, 3))
    instances = np.broadcast_to(np.int16(0), (height, width))
    depth = np.broadcast_to(np.float32(0), (height, width))
    return Scene(blank, instances, depth, things, flat)


def _figure(number: int, width: int, height: int, rng: np.random.Generator) -> Thing:
    colour, shape = _kind(rng, FIGURES)
    w, h = (rng.uniform(0.09, 0.34) * min(width, height) for _ in range(2))
    x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
    area = max(1, int(w * h * rng.uniform(0.5, 1.0)))
    return Thing(
        number,
        shape,
        colour,
        (int(x), int(y), int(x + w) + 1, int(y + h) + 1),
        area,
        area,
        1.0,
        1.0,
    )


def _thing(number: int, width: int, height: int, rng: np.random.Generator) -> Thing:
    colour, shape = _kind(rng, NOUNS)
    share = rng.uniform(0.016, 0.026) if shape in TRINKETS else rng.uniform(0.04, 0.25)
    side = share * min(width, height)
    w, h = side * rng.uniform(0.7, 1.4), side * rng.uniform(0.7, 1.4)
    x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
    area = max(1, int(w * h * rng.uniform(0.4, 0.9)))
    depth = float(rng.uniform(0.6, 2.4))
    plain = shape in BOARDS
    return Thing(
        number, shape, colour, (int(x), int(y), int(x + w) + 1, int(y + h) + 1), area, area, depth, depth,
        text=sign_text(rng) if shape == "sign" else None,
        material=str(rng.choice(MATERIALS)) if shape in SOLIDS else "matte",
        texture="plain" if plain else str(rng.choice(TEXTURES)),
        size=float(np.sqrt(area) * depth / min(width, height)),
        symbol=str(rng.choice(SYMBOLS)) if shape == "card" else None,
        hour=int(rng.choice(HOURS)) if shape == "dial" else None,
    )  # fmt: skip


def _kind(rng: np.random.Generator, nouns: Sequence[str]) -> tuple[str, str]:
    while True:
        kind = COLOURS[rng.integers(len(COLOURS))], nouns[int(rng.integers(len(nouns)))]
        if kind not in HELD_OUT:
            return kind


def ask(
    scene: Scene, rng: np.random.Generator, families: Sequence[str] = FAMILIES
) -> Question | None:
    """One question about the scene: a family is drawn first, so that none depends on how often scenes allow it."""
    family = families[int(rng.integers(len(families)))]
    fitting = questions(scene, rng, family)
    return fitting[rng.integers(len(fitting))] if fitting else None


def missing(scene: Scene, rng: np.random.Generator) -> Question | None:
    """A question about something that is not in the scene, whose answer is that it is not known."""
    question = ask(imagined(rng), rng)
    if question is None or question.family in PRESUMING_NOTHING:
        return None
    labels = [label(thing.colour, thing.shape) for thing in scene.things]
    absent = [p for p in question.phrases if not any(fits(one, p) for one in labels)]
    # The like of what is there may be there as well.
    if not absent or (question.family == "same" and question.phrases[0] not in absent):
        return None
    return replace(question, answer="unknown", targets=())
