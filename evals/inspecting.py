"""Questions that only pixels answer: material, texture, what a sign, card or dial shows, and what is tiny."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from foveal.evals import phrasings
from foveal.evals.asking import Question, called, measure, name, named, pick, some
from foveal.evals.phrasings import Templates, word
from foveal.evals.truth import Scene, Thing
from foveal.evals.vocabulary import SOLIDS, TRINKETS, hour

CURVED = ("sphere", "cylinder", "cone")
"""Solids on which a highlight always shows."""

ENOUGH = 0.055
"""Shorter side of a thing whose surface is asked about, as a share of the picture's, at least."""

STRIPES = 14
"""Pixels that a bead or chip measures, at least, of which the texture is asked."""


def material(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """Of round things, the material drawn first so that each is as good a guess."""
    things = [thing for thing in _broad(scene) if thing.shape in CURVED]
    return _surfaces("material", phrasings.MATERIAL, things, lambda thing: thing.material, rng)


def texture(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """Of solids, the texture drawn first so that each is as good a guess."""
    return _surfaces("texture", phrasings.TEXTURE, _broad(scene), lambda thing: thing.texture, rng)


def _broad(scene: Scene) -> list[Thing]:
    least = ENOUGH * min(scene.instances.shape)
    return [t for t in named(scene) if t.shape in SOLIDS and measure(t) >= max(least, STRIPES)]


def _surfaces(
    family: str, templates: Templates, things: Sequence[Thing], of: Callable[[Thing], str],
    rng: np.random.Generator,
) -> list[Question]:  # fmt: skip
    kinds: dict[str, list[Thing]] = {}
    for thing in things:
        kinds.setdefault(of(thing), []).append(thing)
    made = []
    for kind, group in some(list(kinds.items()), 2, rng):
        thing = pick(group, rng)
        text = word(templates, rng, one=name(thing))
        made.append(Question(family, text, kind, (thing.id,), (name(thing),)))
    return made


def read(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """What each sign says that can be named."""
    made = []
    for sign in _boards(scene, "sign"):
        if sign.text is not None:
            special = phrasings.READ_NUMBER if sign.text.isdigit() else phrasings.READ_WORD
            made.append(_shown("read", phrasings.READ + special, scene, sign, sign.text, rng))
    return made


def symbol(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """What each card shows that can be named."""
    return [
        _shown("symbol", phrasings.SYMBOL, scene, card, card.symbol, rng)
        for card in _boards(scene, "card")
        if card.symbol is not None
    ]


def dial(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """Where the hand of each dial points that can be named."""
    return [
        _shown("dial", phrasings.DIAL, scene, one, hour(one.hour), rng)
        for one in _boards(scene, "dial")
        if one.hour is not None
    ]


def _boards(scene: Scene, shape: str) -> list[Thing]:
    return [thing for thing in named(scene) if thing.shape == shape]


def _shown(
    family: str, templates: Templates, scene: Scene, board: Thing, answer: str,
    rng: np.random.Generator,
) -> Question:  # fmt: skip
    alone = len(called(scene, board.shape)) == 1
    one = board.shape if alone and rng.random() < 0.6 else name(board)
    return Question(family, word(templates, rng, one=one), answer, (board.id,), (one,))


def tiny(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """The colour of a bead or chip that is the only one, and its texture where that can be made out."""
    made = []
    for thing in named(scene):
        if thing.shape not in TRINKETS:
            continue
        options: list[tuple[Templates, str]] = [(phrasings.COLOUR, thing.colour)]
        if measure(thing) >= STRIPES:
            options.append((phrasings.TEXTURE, thing.texture))
        # Its colour tints even a few pixels; its texture takes a look.
        templates, answer = options[-1] if rng.random() < 0.5 else pick(options, rng)
        text = word(templates, rng, one=thing.shape)
        made.append(Question("tiny", text, answer, (thing.id,), (thing.shape,)))
    return made
