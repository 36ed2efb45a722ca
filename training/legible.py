"""How much of a comparison the tokens of a re-encoding hold, read without a language model.

    python -m foveal.training.legible --weights FOLDER --count 400

For pairs of things that a question may compare, by distance through the depth estimator's backbone and by area
through the segmenter's encoder: how often the measure that tokens tell puts them in the right order, of the tokens
that say their names, and of the token in the middle of their boxes; and how often boxes alone do, the lower one
taken for the nearer and the larger one for the larger thing. What tokens do not hold no model can read in them.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from foveal.agent.actions import Encoder
from foveal.evals.palette import COLOURS
from foveal.evals.questions import questions
from foveal.evals.truth import Scene, Thing
from foveal.evals.vocabulary import SHAPES
from foveal.training.hearing import heard
from foveal.training.meanings import Dictionary
from foveal.training.measuring import FAMILY
from foveal.training.networks import finished, tokenizer_of
from foveal.training.projecting import KINDS, SCALE, looked
from foveal.training.reencoders import Encoders, encoders_of
from foveal.training.reseeing import projector_of
from foveal.training.scenes import CACHE, Scenes, load
from foveal.training.subjects import remembered

SHARP = 32.0
"""How much more a token counts that says a name more clearly, per cosine."""


@dataclass(frozen=True)
class Reading:
    """One picture through one encoder, and three ways to measure a thing there: the first of a pair has more."""

    kind: Encoder
    scene: Scene
    grid: tuple[int, int]
    said: Tensor
    """(tokens, hidden) of length one."""
    words: Dictionary

    @property
    def told(self) -> Tensor:
        """(tokens,) the measure."""
        return self.said @ self.words.scales[SCALE[self.kind]]

    def named(self, thing: Thing) -> float:
        """By the tokens that say the thing's name."""
        colour = self.words.attributes["colour"][COLOURS.index(thing.colour)]
        shape = self.words.attributes["shape"][SHAPES.index(thing.shape)]
        return float((torch.softmax(SHARP * (self.said @ (colour + shape)), 0) * self.told).sum())

    def placed(self, thing: Thing) -> float:
        """By the token in the middle of its box."""
        height, width = self.scene.instances.shape
        if self.kind == "seg":  # it sees a square, whatever the picture's shape
            height = width = max(height, width)
        (x0, y0, x1, y1), (rows, columns) = thing.box, self.grid
        row = min(int((y0 + y1) / 2 / height * rows), rows - 1)
        return float(
            self.told[row * columns + min(int((x0 + x1) / 2 / width * columns), columns - 1)]
        )

    def boxed(self, thing: Thing) -> float:
        """By its box alone."""
        x0, y0, x1, y1 = thing.box
        return y1 if self.kind == "detection" else (x1 - x0) * (y1 - y0)


WAYS = (Reading.named, Reading.placed, Reading.boxed)


@torch.no_grad()
def legible(
    network: Any, words: Dictionary, scenes: Scenes, kind: Encoder, encoders: Encoders,
    rng: np.random.Generator,
) -> list[tuple[bool, ...]]:  # fmt: skip
    """Of one comparison about every scene that allows one, which of WAYS are right."""
    right: list[tuple[bool, ...]] = []
    for number in range(len(scenes)):
        scene = remembered(scenes, number)
        pair = paired(scene, kind, rng)
        if pair is None:
            continue
        one = looked(scenes, number, kind, encoders)
        tokens = projector_of(network, kind)(torch.from_numpy(one.features), None)
        reading = Reading(kind, scene, one.grid, functional.normalize(tokens, dim=1), words)
        right.append(tuple(way(reading, pair[0]) > way(reading, pair[1]) for way in WAYS))
    return right


def paired(scene: Scene, kind: Encoder, rng: np.random.Generator) -> tuple[Thing, Thing] | None:
    """Two things that a question compares, the nearer or the larger one first; None where there are none."""
    asked = [one for one in questions(scene, rng, FAMILY[kind]) if len(one.targets) == 2]
    if not asked or (scene.flat and kind == "detection"):
        return None
    targets = asked[rng.integers(len(asked))].targets
    one, other = (next(t for t in scene.things if t.id == target) for target in targets)
    first = one.depth < other.depth if kind == "detection" else one.visible > other.visible
    return (one, other) if first else (other, one)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what can be read in the re-encodings of scenes of the split `val`."""
    parser = argparse.ArgumentParser(
        prog="python -m foveal.training.legible", description=main.__doc__
    )
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--scenes", type=Path, default=CACHE)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args(arguments)
    network = finished(chosen.weights)
    table = network.get_input_embeddings().weight.detach()
    words = Dictionary(table, tokenizer_of(chosen.weights))
    encoders, rng = encoders_of(chosen.weights), np.random.default_rng(0)
    scenes = load(chosen.scenes, chosen.count, "val", chosen.workers)
    words = heard(network, words, scenes, encoders, rng)
    for kind in KINDS:
        right = legible(network, words, scenes, kind, encoders, rng)
        shares = np.mean(right, axis=0) if right else [np.nan] * len(WAYS)
        told = (f"{way.__name__} {share:.1%}" for way, share in zip(WAYS, shares, strict=True))
        sys.stdout.write(f"{FAMILY[kind]} by {kind}, {len(right)} pairs: {', '.join(told)}\n")


if __name__ == "__main__":
    main()
