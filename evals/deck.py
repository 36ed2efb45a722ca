"""Which scene is asked what: one question a scene, the families in turn, from the start or from a later turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from foveal.evals.questions import FAMILIES, Question, questions
from foveal.evals.scored import Scored
from foveal.evals.splits import Split, size_of
from foveal.evals.tabletop import scene
from foveal.evals.truth import Scene

BLOCK = 1_000_000
"""Scenes set apart for each seed, so that evaluations with different seeds share none."""

WAITING = 8
"""Scenes that are kept for a later turn; drawing one anew costs more than looking through them."""

Dealt = tuple[int, Scene, Question]
"""A scene's number, the scene, and what is asked about it."""


class Deck(Iterator[Dealt]):
    """Scenes with one question each. A scene that does not allow a question of the family whose turn it is waits
    for another turn."""

    def __init__(
        self,
        seed: int,
        split: Split = "test",
        families: Sequence[str] = FAMILIES,
        after: Sequence[Scored] = (),
    ) -> None:
        """`after` are the rows that were dealt before: it goes on behind them, and draws none of them again."""
        self.split, self.families, self.turn = split, tuple(families), len(after)
        before = after[-1].waiting if after else ()
        self._waiting: deque[tuple[int, Scene]] = deque(map(self._drawn, before), maxlen=WAITING)
        # The scene drawn last was asked about or waits, so none behind these was seen.
        known = [*(row.scene for row in after), *before]
        self._next = max(known) + 1 if known else seed * BLOCK

    @property
    def waiting(self) -> tuple[int, ...]:
        """The numbers of the scenes that wait."""
        return tuple(number for number, _ in self._waiting)

    def __next__(self) -> Dealt:
        """The first waiting or new scene that allows a question; others of the new are left waiting."""
        family = self.families[self.turn % len(self.families)]
        self.turn += 1
        for number, table in list(self._waiting):
            question = _question(table, family, number)
            if question is not None:
                self._keep((other, its) for other, its in list(self._waiting) if other != number)
                return number, table, question
        while True:
            number, table = self._drawn(self._next)
            self._next += 1
            question = _question(table, family, number)
            if question is not None:
                return number, table, question
            self._waiting.append((number, table))

    def _keep(self, waiting: Iterable[tuple[int, Scene]]) -> None:
        self._waiting = deque(waiting, maxlen=WAITING)

    def _drawn(self, number: int) -> tuple[int, Scene]:
        return number, scene(number, self.split, size_of(number, self.split))


def _question(table: Scene, family: str, number: int) -> Question | None:
    rng = np.random.default_rng(number)
    fitting = questions(table, rng, family)
    return fitting[int(rng.integers(len(fitting)))] if fitting else None
