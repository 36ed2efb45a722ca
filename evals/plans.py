"""Which things come on a table, before any of them has a place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foveal.evals.palette import COLOURS
from foveal.evals.splits import Level
from foveal.evals.vocabulary import (
    BOARDS,
    HELD_OUT,
    MATERIALS,
    SOLIDS,
    SYMBOLS,
    TEXTURES,
    TRINKETS,
)
from foveal.evals.words import sign_text

APART = tuple(sorted(pair for pair in HELD_OUT if pair[1] in SOLIDS))


@dataclass(frozen=True)
class Plan:
    """A thing before it has a place. `size` is half its rough width in metres, or 0 where the screen decides."""

    shape: str
    colour: str
    size: float = 0.0
    text: str | None = None
    material: str = "matte"
    texture: str = "plain"
    symbol: str | None = None
    hour: int | None = None


def plan_things(rng: np.random.Generator, level: Level) -> list[Plan]:
    """As many things as the level wants; often several alike, so that counting has a point.

    The largest need room, so they come first; signs are the widest of all.
    """
    total = int(rng.integers(level.things[0], level.things[1] + 1))
    boards = min(int(rng.choice(5, p=(0.16, 0.30, 0.28, 0.18, 0.08))), total)
    trinkets = min(int(rng.choice(4, p=(0.50, 0.35, 0.12, 0.03))), total - boards)
    solids = _solids(total - boards - trinkets, level, rng)
    return [
        *_boards(boards, rng),
        *sorted(solids, key=lambda plan: -plan.size),
        *_trinkets(trinkets, rng),
    ]


def _solids(count: int, level: Level, rng: np.random.Generator) -> list[Plan]:
    kinds = [_kind(rng, level.held_out) for _ in range(count)]
    if count and rng.random() < 0.65:
        alike = min(int(rng.integers(2, 6)), count)
        kinds[:alike] = [kinds[0]] * alike
    if level.held_out:
        for index in range(min(count, int(rng.integers(1, 4)))):
            kinds[count - 1 - index] = APART[rng.integers(len(APART))]
    low, high = level.solids
    return [
        Plan(
            shape,
            colour,
            float(low * (high / low) ** rng.random()),
            material=str(rng.choice(MATERIALS, p=(0.46, 0.27, 0.27))),
            texture=_texture(rng),
        )
        for colour, shape in kinds
    ]


def _kind(rng: np.random.Generator, held_out: bool) -> tuple[str, str]:
    while True:
        kind = (_pick(COLOURS, rng), _pick(SOLIDS, rng))
        if held_out or kind not in HELD_OUT:
            return kind


def _texture(rng: np.random.Generator) -> str:
    return str(rng.choice(TEXTURES, p=(0.55, 0.15, 0.15, 0.15)))


def _boards(count: int, rng: np.random.Generator) -> list[Plan]:
    made: list[Plan] = []
    texts: set[str] = set()
    while len(made) < count:
        noun, colour = str(rng.choice(BOARDS, p=(0.5, 0.26, 0.24))), _pick(COLOURS, rng)
        if noun == "card":
            made.append(Plan(noun, colour, symbol=_pick(SYMBOLS, rng)))
        elif noun == "dial":
            made.append(Plan(noun, colour, hour=int(rng.integers(1, 13))))
        elif (text := sign_text(rng)) not in texts:
            texts.add(text)
            made.append(Plan(noun, colour, text=text))
    return made


def _trinkets(count: int, rng: np.random.Generator) -> list[Plan]:
    """Mostly one of each noun, so that it can be asked about without naming its colour."""
    nouns = [TRINKETS[i] for i in rng.permutation(len(TRINKETS))]
    if rng.random() < 0.15:
        nouns = nouns[:1]
    return [
        Plan(nouns[i % len(nouns)], _pick(COLOURS, rng), texture=str(rng.choice(TEXTURES)))
        for i in range(count)
    ]


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[rng.integers(len(options))]
