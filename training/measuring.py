"""Questions about what a re-encoding shows: how near things are, how large in the picture, or what there is.

Comparing is not learnt from comparisons alone: each is the toss of a coin until both things are found and what
their tokens measure is understood. So single degrees and extremes are asked for as well.
"""

from collections.abc import Sequence

import numpy as np

from foveal.agent.actions import Encoder
from foveal.evals.questions import questions
from foveal.evals.truth import Scene, Thing
from foveal.evals.vocabulary import TRINKETS, label
from foveal.training.projecting import inverted, largeness

Asked = tuple[str, str]
"""A question and its answer."""
FAMILY: dict[Encoder, str] = {"detection": "nearer", "seg": "larger", "clip": "shape"}
"""What a dialogue that only re-encodes begins with: for a measure, the comparison that it decides."""
HOW = {"detection": "how far is the {}?", "seg": "how large is the {}?"}
"""The answer is a digit: tenths of the scale from near to far, or from small to large. It is the tokens' scale:
what they do not show is not learnt from them."""
NOTICED = ("shape", "exist", "count")
"""Families that the model's own encoder answers."""
ENDS = {"detection": ("nearest", "farthest"), "seg": ("smallest", "largest")}

DRAWS = 8
"""How often comparisons are drawn: each time other things, worded in another way."""


def about(
    scene: Scene, encoder: Encoder, span: tuple[float, float], rng: np.random.Generator
) -> list[Asked]:
    """Of a measure degrees, extremes and, as often as both, comparisons, in any order and none of them twice.

    Of quarters, which the model's own encoder shows, what there is, how many of it, and what it is.
    `span` is 1 / distance (1 / metres) of the farthest and of the nearest pixel.
    """
    if encoder == "clip":
        return _noticed(scene, rng)
    things = [t for t in scene.things if t.shape not in TRINKETS]
    if not things or (scene.flat and encoder == "detection"):
        return []  # drawings have no distances
    single = _degrees(scene, things, encoder, span) + _extremes(things, encoder)
    drawn = (_comparisons(scene, encoder, rng) for _ in range(DRAWS))
    several = list(dict.fromkeys(pair for pairs in drawn for pair in pairs))[: len(single)]
    made = [*dict.fromkeys(single), *several]
    return [made[place] for place in rng.permutation(len(made))]


def _noticed(scene: Scene, rng: np.random.Generator) -> list[Asked]:
    """What there is, how many of it, and what it is: more can be made out in quarters."""
    asked = [one for family in NOTICED for one in questions(scene, rng, family)]
    return [(asked[place].text, asked[place].answer) for place in rng.permutation(len(asked))]


def _degrees(
    scene: Scene, things: Sequence[Thing], encoder: Encoder, span: tuple[float, float]
) -> list[Asked]:
    """Of each thing that has its name to itself."""
    names = [label(t.colour, t.shape) for t in things]
    levels = {
        "detection": lambda t: 1 - float(inverted(t.depth, span)),
        "seg": lambda t: float(
            largeness(np.array([t.visible / scene.instances.size], np.float32))[0]
        ),
    }
    return [
        (HOW[encoder].format(name), str(min(9, max(0, int(10 * levels[encoder](thing))))))
        for name, thing in zip(names, things, strict=True)
        if names.count(name) == 1
    ]


def _extremes(things: Sequence[Thing], encoder: Encoder) -> list[Asked]:
    ranked = sorted(things, key=lambda t: t.depth if encoder == "detection" else t.visible)
    return [
        (f"which is {end}?", label(thing.colour, thing.shape))
        for end, thing in zip(ENDS[encoder], (ranked[0], ranked[-1]), strict=True)
    ]


def _comparisons(scene: Scene, encoder: Encoder, rng: np.random.Generator) -> list[Asked]:
    return [(asked.text, asked.answer) for asked in questions(scene, rng, FAMILY[encoder])]
