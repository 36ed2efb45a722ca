"""What specialists made of a scene: their own words, or imagined from the truth with mistakes like theirs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foveal.agent.wording import SPREAD
from foveal.evals.palette import COLOURS
from foveal.evals.truth import Thing
from foveal.evals.vocabulary import NAMES, fits, label, parts


@dataclass(frozen=True)
class Sighting:
    """One thing as a detector reported it, and what was measured of it."""

    label: str
    xyxy: tuple[float, float, float, float]
    """Pixels of the image."""
    score: float
    thing: Thing | None
    """What it is in truth; None for what is not there."""
    area: float
    """Pixels inside its outline, as a segmenter has it."""
    depth: float
    """As a depth estimator has it, 0 near to 1 far."""


@dataclass(frozen=True)
class Faults:
    """How often an imagined specialist is wrong, as probabilities per thing."""

    missed: float = 0.03
    """Not reported."""
    invented: float = 0.03
    """Reported where it is not; per scene."""
    confused: float = 0.02
    """Reported in another colour, or as another noun."""
    failed: float = 0.02
    """Per request: the specialist gives no answer at all."""
    astray: float = 0.0
    """Per run in which the model sees for itself: the detector answers another request."""


USUAL = Faults()


def imagined_sightings(
    things: tuple[Thing, ...], size: tuple[int, int], faults: Faults, rng: np.random.Generator
) -> tuple[Sighting, ...]:
    """What a detector, a segmenter and a depth estimator would report, in no order."""
    near = min((thing.depth for thing in things), default=1.0)
    seen = [
        _sighted(thing, thing, near, size, faults, rng)
        for thing in things
        if rng.random() > faults.missed
    ]
    if things and rng.random() < faults.invented:
        another = things[rng.integers(len(things))]
        seen.append(_sighted(another, None, near, size, faults, rng))
    return tuple(seen)


def _sighted(
    thing: Thing,
    truth: Thing | None,
    near: float,
    size: tuple[int, int],
    faults: Faults,
    rng: np.random.Generator,
) -> Sighting:
    name = label(thing.colour, thing.shape)
    wrong = truth is None or rng.random() < faults.confused
    depth = thing.depth if truth else near * float(rng.uniform(1, 4))
    xyxy = _jittered(thing, size, rng)
    area = thing.visible if truth else 0.7 * (xyxy[2] - xyxy[0]) * (xyxy[3] - xyxy[1])
    return Sighting(
        label=_confused(name, rng) if wrong else name,
        xyxy=xyxy,
        score=float(np.clip(rng.beta(8, 2), 0.25, 0.99)),
        thing=truth,
        area=max(1.0, area * rng.normal(1, 0.04)),
        depth=relative(depth, near),
    )


def elsewhere(
    phrases: Sequence[str], size: tuple[int, int], rng: np.random.Generator
) -> tuple[list[str], tuple[Sighting, ...]]:
    """The answer to another request about another picture: its phrases, and what was found for them.

    None of it is what any of `phrases` could mean. Both are empty where everything could be.
    """
    others = [name for name in NAMES if not _fits_any(name, phrases)]
    asked, found = list[str](), list[Sighting]()
    for _ in range(int(rng.integers(1, 3)) if others else 0):
        one = _said(others[rng.integers(len(others))], rng)
        fitting = [name for name in others if fits(name, one)]
        number = 1 if rng.random() < 0.7 else int(rng.integers(2, 6))
        asked.append(one)
        found += [_stray(fitting[rng.integers(len(fitting))], size, rng) for _ in range(number)]
    return asked, tuple(found)


def _fits_any(name: str, phrases: Sequence[str]) -> bool:
    return any(fits(name, phrase) for phrase in phrases)


def _said(name: str, rng: np.random.Generator) -> str:
    """A phrase that means it, as questions have them."""
    colour, noun = parts(name)
    phrases = [name, noun, f"{colour} thing"] if colour else [noun]
    return phrases[rng.integers(len(phrases))]


def _stray(name: str, size: tuple[int, int], rng: np.random.Generator) -> Sighting:
    (width, height), side = size, rng.uniform(0.04, 0.3, 2)
    x0, y0 = rng.uniform(0, 1 - side) * size
    box = float(x0), float(y0), float(x0 + side[0] * width), float(y0 + side[1] * height)
    area = 0.7 * (box[2] - box[0]) * (box[3] - box[1])
    return Sighting(name, box, float(rng.uniform(0.25, 0.99)), None, area, float(rng.random()))


def relative(depth: float, near: float) -> float:
    """Metres as a depth estimator has them, 0 to 1, where the nearest thing is `near` metres away.

    Even in 1 / distance, with the farthest pixel as much farther as true sizes take it to be.
    """
    return min(1.0, (1 - near / depth) / SPREAD) if depth > 0 else 0.0


def _confused(name: str, rng: np.random.Generator) -> str:
    """Another label of the same colour or, as often, of the same noun."""
    colour, noun = parts(name)
    if colour is not None and rng.random() < 0.5:
        return f"{COLOURS[rng.integers(len(COLOURS))]} {noun}"
    alike = [other for other in NAMES if parts(other)[0] == colour]
    return alike[rng.integers(len(alike))]


def _jittered(
    thing: Thing, size: tuple[int, int], rng: np.random.Generator
) -> tuple[float, float, float, float]:
    jitter = rng.normal(0, 1.5, 4)
    x0, y0, x1, y1 = (float(v + j) for v, j in zip(thing.box, jitter, strict=True))
    width, height = size
    x0, y0 = min(max(x0, 0), width - 4.0), min(max(y0, 0), height - 4.0)
    return x0, y0, min(max(x1, x0 + 2), float(width)), min(max(y1, y0 + 2), float(height))
