"""Stage one of the language model: the policy, copying and comparing, learnt as text without any image."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from tokenizers import Tokenizer

from foveal.agent.actions import PerceptionKind
from foveal.evals.questions import VISUAL
from foveal.training.corpus import TOOLS, dialogue
from foveal.training.encode import Sequence, encode
from foveal.training.imagine import ask, imagined
from foveal.training.observing import World
from foveal.training.outside import outside
from foveal.training.packing import Packed, fill, stack
from foveal.training.tokenizer import number

SHOWN = (*VISUAL, "material", "texture")
"""Families whose answer comes through visual tokens, which a text has not."""
LENGTH = 320
"""Tokens in a row; longer dialogues are left out."""


def allowed(rng: np.random.Generator, none: float = 0.0) -> tuple[PerceptionKind, ...]:
    """Mostly all tools, sometimes no detector or another part of them, with probability `none` not one."""
    draw = rng.random()
    if draw < none:
        return ()
    if draw < none + 0.12:
        return ("look",) if rng.random() < 0.5 else ("look", "read")
    if draw < none + 0.18:
        return tuple(kind for kind in TOOLS if rng.random() < 0.6)
    return TOOLS


def sample(rng: np.random.Generator, tokenizer: Tokenizer) -> tuple[str, Sequence]:
    """The family of one dialogue without an image, and the dialogue."""
    while True:
        scene = imagined(rng)
        size = scene.instances.shape[1], scene.instances.shape[0]
        if rng.random() < 0.25:
            question, text = outside(rng)
            things = scene.things if rng.random() < 0.5 else ()
            world = World(things, size, rng, text=text)
        elif (found := ask(scene, rng)) is not None:
            question, world = found, World(scene.things, size, rng)
        else:
            continue
        run = dialogue(world, question, allowed(rng))
        if (
            question.family in SHOWN or not run.settled
        ):  # the answer would be a guess: only the way to it is learnt
            run = replace(run, items=run.items[:-1])
        sequence = encode(run, tokenizer)
        if sequence.emitted.any() and len(sequence.ids) <= LENGTH:
            return question.family, sequence


def batches(tokenizer: Tokenizer, seed: int, rows: int = 8) -> Iterator[Packed]:
    """Endless packed batches of text dialogues."""
    rng = np.random.default_rng([seed, 1])
    pad, image = (number(tokenizer, t) for t in ("<|endoftext|>", "<|image_pad|>"))
    while True:
        drawn = (sample(rng, tokenizer)[1] for _ in range(rows * 5))
        yield stack(fill(drawn, LENGTH, rows), LENGTH, pad, image)
