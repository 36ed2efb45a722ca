"""Questions about scenes that were never trained on, put to an agent through its public door."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from typing import Protocol

import numpy as np

from foveal.agent.errors import InputError
from foveal.agent.profiles import Profile
from foveal.evals.questions import FAMILIES, Question, questions
from foveal.evals.report import Report, Scored, Setting, reported
from foveal.evals.score import verdict
from foveal.evals.splits import Split, size_of
from foveal.evals.tabletop import scene
from foveal.evals.truth import Scene
from foveal.graphs.result import Result
from foveal.tools.images import Source

BLOCK = 1_000_000
"""Scenes set apart for each seed, so that evaluations with different seeds share none."""


WAITING = 8
"""Scenes that are kept for a later turn; drawing one anew costs more than looking through them."""


class Answerer(Protocol):
    """Whoever is evaluated; an Agent is one."""

    profile: Profile

    def ask(self, image: Source, question: str) -> Result:
        """Answer a question about an image."""


def evaluate(
    agent: Answerer,
    limit: int,
    seed: int = 0,
    split: Split = "test",
    *,
    tools: Sequence[str] | None = None,
    gate: float | None = None,
    ablate: str = "",
    on_scene: Callable[[Scene], None] = lambda scene: None,
    on_progress: Callable[[Scored], None] = lambda scored: None,
) -> Report:
    """Ask `limit` questions, one per scene.

    `tools`, `gate` and `ablate` say for the report what the agent was given. `on_scene` is told the truth
    before each question.
    """
    if limit < 1 or seed < 0:
        raise InputError(
            f"limit {limit} and seed {seed}: ask 1 question or more, with seed 0 or more"
        )
    began, rows = time.monotonic(), []
    for number, table, question in islice(drawn(seed, split), limit):
        on_scene(table)
        result = agent.ask(table.image, question.text)
        judged = verdict(result.answer, question.answer)
        rows.append(Scored(number, question.family, question.text, question.answer, result, judged))
        on_progress(rows[-1])
    allowed = tuple(agent.profile.tools if tools is None else tools)
    setting = Setting(
        split=split, seed=seed, profile=agent.profile.name, tools=allowed,
        trigger=agent.profile.trigger, gate=gate, ablate=ablate,
    )  # fmt: skip
    return reported(rows, setting, time.monotonic() - began)


def drawn(seed: int, split: Split = "test") -> Iterator[tuple[int, Scene, Question]]:
    """Scenes with their numbers and one question each, the families in turn.

    A scene that does not allow a question of the family whose turn it is waits for another turn.
    """
    numbers = count(seed * BLOCK)
    waiting: deque[tuple[int, Scene]] = deque(maxlen=WAITING)
    for turn in count():
        family = FAMILIES[turn % len(FAMILIES)]
        yield _next(family, waiting, numbers, split)


def _next(
    family: str, waiting: deque[tuple[int, Scene]], numbers: Iterator[int], split: Split
) -> tuple[int, Scene, Question]:
    """The first waiting or new scene that allows a question of the family; others of the new are left waiting."""
    for number, table in list(waiting):
        question = _question(table, family, number)
        if question is not None:
            kept = [(other, its) for other, its in waiting if other != number]
            waiting.clear()
            waiting.extend(kept)
            return number, table, question
    for number in numbers:
        table = scene(number, split, size_of(number, split))
        question = _question(table, family, number)
        if question is not None:
            return number, table, question
        waiting.append((number, table))
    raise AssertionError("numbers never end")


def _question(table: Scene, family: str, number: int) -> Question | None:
    rng = np.random.default_rng(number)
    fitting = questions(table, rng, family)
    return fitting[int(rng.integers(len(fitting)))] if fitting else None
