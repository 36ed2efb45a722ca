"""Questions outside what the embedded weights were made for: an honest agent answers none of them confidently.

Two kinds: photographs, asked what tables are asked, of things that are not in them; and tables, asked what the
world holds no answer to. A question that has a true answer about any picture is not among them: there are no red
cubes in a photograph, so "no" and "0" would be right.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from itertools import chain, islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.evals.deck import Deck
from foveal.evals.odd import odd_questions
from foveal.evals.questions import FAMILIES
from foveal.evals.score import wilson
from foveal.evals.scored import Frozen, Scored
from foveal.graphs.doubt import confident
from foveal.tools.extras import needs

ANYWHERE = ("count", "exist", "more")
"""Families with a true answer about any picture."""

PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "retina.jpg",
    "rocket.jpg",
)
"""The photographs inside scikit-image's wheel; its drawings and its pages of text are left out."""

Kind = Literal["photographs", "odd"]


@dataclass(frozen=True)
class Asking:
    """One question outside."""

    kind: Kind
    name: str
    """Of the photograph, or the scene's number."""
    image: NDArray[np.uint8]
    question: str


class Confident(Frozen):
    """Answers that claim something without a warning."""

    n: int
    confident: int
    share: float
    interval: tuple[float, float]
    """Wilson's 95 % interval of the share."""


class Outside(Confident):
    """How often the agent claims to know what it cannot know."""

    kinds: dict[Kind, Confident]
    answers: dict[str, int]
    """The answers that were given confidently, the most frequent first."""


def count(limit: int | None) -> int:
    """How many questions are asked of each kind: as many as there are odd ones, or fewer."""
    every = len(odd_questions())
    return every if limit is None else min(limit, every)


def askings(seed: int = 0, limit: int | None = None) -> Iterator[Asking]:
    """Questions of both kinds in turn, `limit` of each. Raises SetupError without scikit-image."""
    names = [name for name in FAMILIES if name not in ANYWHERE]
    odd = odd_questions()
    order = np.random.default_rng(seed).permutation(len(odd))
    dealt = islice(Deck(seed, "test", names), count(limit))
    return chain.from_iterable(
        (_photographed(turn, question.text), Asking("odd", str(number), table.image, odd[pick]))
        for turn, ((number, table, question), pick) in enumerate(zip(dealt, order, strict=False))
    )


def _photographed(turn: int, question: str) -> Asking:
    name = PHOTOGRAPHS[turn % len(PHOTOGRAPHS)]
    return Asking("photographs", name, photograph(name), question)


def photograph(name: str) -> NDArray[np.uint8]:
    """A photograph of scikit-image's, (height, width, 3); nothing is downloaded. Raises SetupError without it."""
    with needs("evals"):
        path = resources.files("skimage") / "data" / name
    with path.open("rb") as file, Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def outside(rows: list[Scored]) -> Outside:
    """The report on rows, whose family is the kind of question."""
    kinds: tuple[Kind, ...] = ("photographs", "odd")
    claims = [row for row in rows if confident(row.result)]
    said = [row.result.answer for row in claims]
    names = sorted(dict.fromkeys(said), key=lambda answer: -said.count(answer))
    return Outside(
        **dict(_share(rows)),
        kinds={kind: _share([row for row in rows if row.family == kind]) for kind in kinds},
        answers={name: said.count(name) for name in names},
    )


def _share(rows: list[Scored]) -> Confident:
    count, n = sum(confident(row.result) for row in rows), len(rows)
    return Confident(n=n, confident=count, share=count / n if n else 0.0, interval=wilson(count, n))
