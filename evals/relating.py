"""Questions that lead from one thing to another: what has the same colour, what the sign beside something says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from foveal.evals import phrasings
from foveal.evals.asking import Question, called, decidable, middle, name, named, pick, some
from foveal.evals.phrasings import FRAMES, Templates, word
from foveal.evals.truth import Scene, Thing
from foveal.evals.vocabulary import SOLIDS, TRINKETS

MARGIN = 0.05
"""How far from the reference its partner must be, and the others on the far side: share of the picture's."""

AXES = {"left": (0, -1), "right": (0, 1), "above": (1, -1), "below": (1, 1)}


def same(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """The one other thing with the colour or the shape of a thing."""
    options, alone = [], named(scene)
    for thing in scene.things:
        if thing.shape in TRINKETS:
            continue
        for attribute, templates in (
            ("colour", phrasings.SAME_COLOUR),
            ("shape", phrasings.SAME_SHAPE),
        ):
            value = getattr(thing, attribute)
            others = [t for t in scene.things if getattr(t, attribute) == value and t is not thing]
            reference = _reference(scene, thing, attribute, rng)
            if (
                reference
                and len(others) == 1
                and others[0] in alone
                and others[0].shape not in TRINKETS
            ):
                options.append((reference, templates, others[0], thing))
    made = []
    for reference, templates, other, thing in some(options, 2, rng):
        text = word(templates, rng, one=reference)
        made.append(Question("same", text, name(other), (thing.id, other.id), (reference, "thing")))
    return made


def _reference(scene: Scene, thing: Thing, attribute: str, rng: np.random.Generator) -> str | None:
    """What to call the thing: by what is not asked for, if that fits it alone, or else in full."""
    short = thing.shape if attribute == "colour" else f"{thing.colour} thing"
    fitting = [
        phrase
        for phrase in (short, name(thing))
        if len(called(scene, phrase)) == 1 and decidable(scene, phrase)
    ]
    return pick(fitting, rng) if fitting else None


def hop(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """What the one of several alike that is beside something says, or its colour."""
    options = list(_partners(scene))
    signs = [option for option in options if option[0].shape == "sign"]
    chosen = some(signs, 2, rng) if signs and rng.random() < 0.7 else some(options, 2, rng)
    made = []
    for target, reference, where in chosen:
        one = f"{target.shape} {pick(FRAMES[where], rng)} the {name(reference)}"
        if target.text is None:
            templates: Templates = phrasings.COLOUR
            answer = target.colour
        else:
            special = phrasings.READ_NUMBER if target.text.isdigit() else phrasings.READ_WORD
            templates, answer = phrasings.HOP_READ + special, target.text
        phrases = (target.shape, name(reference))
        text = word(templates, rng, one=one, many="")
        made.append(Question("hop", text, answer, (target.id, reference.id), phrases))
    return made


def _partners(scene: Scene) -> Iterator[tuple[Thing, Thing, str]]:
    """Each thing that is the only one of its shape on one side of another, with all its like on the other side."""
    groups: dict[str, list[Thing]] = {}
    for thing in scene.things:
        groups.setdefault(thing.shape, []).append(thing)
    alone = named(scene)
    for shape, group in groups.items():
        if len(group) < 2 or shape not in (*SOLIDS, "sign"):
            continue
        colours = [thing.colour for thing in group]
        for reference in alone:
            if reference.shape == shape:
                continue
            for where in AXES:
                there = [thing for thing in group if _offset(scene, thing, reference, where) > 0]
                if len(there) != 1 or not _clear(scene, group, reference, where):
                    continue
                # Where all have one colour, nobody needs to know which of them is meant.
                if there[0].text is not None or colours.count(there[0].colour) == 1:
                    yield there[0], reference, where


def _clear(scene: Scene, group: list[Thing], reference: Thing, where: str) -> bool:
    return all(abs(_offset(scene, thing, reference, where)) >= MARGIN for thing in group)


def _offset(scene: Scene, thing: Thing, reference: Thing, where: str) -> float:
    """How far the thing lies in that direction from the reference, as a share of the picture's side."""
    axis, sign = AXES[where]
    extent = int(scene.instances.shape[1 - axis])
    return sign * (middle(thing, axis) - middle(reference, axis)) / extent
