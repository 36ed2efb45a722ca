"""Questions about scenes that were never trained on, put to an agent through its public door."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from foveal.agent.errors import InputError
from foveal.agent.profiles import Profile
from foveal.evals.deck import Dealt, Deck
from foveal.evals.judging import judged
from foveal.evals.kept import Kept
from foveal.evals.questions import FAMILIES
from foveal.evals.report import Report, Setting, reported
from foveal.evals.score import verdict
from foveal.evals.scored import Scored
from foveal.evals.splits import Split
from foveal.evals.timing import Warmth
from foveal.evals.truth import Scene
from foveal.graphs.result import Result
from foveal.tools.images import Source


class Answerer(Protocol):
    """Whoever is evaluated; an Agent is one."""

    profile: Profile

    def ask(self, image: Source, question: str, *, verify: bool = False) -> Result:
        """Answer a question about an image."""


@dataclass(frozen=True)
class Plan:
    """What is asked, and what the report says that the agent was given."""

    limit: int
    """Questions, one per scene."""
    seed: int = 0
    split: Split = "test"
    families: tuple[str, ...] = FAMILIES
    tools: tuple[str, ...] | None = None
    gate: float | None = None
    ablate: str = ""
    verify: bool = False
    """Whether each is asked again with what was seen withheld."""

    def __post_init__(self) -> None:
        """Raises InputError for nothing to ask."""
        if self.limit < 1 or self.seed < 0:
            what = f"limit {self.limit} and seed {self.seed}"
            raise InputError(f"{what}: ask 1 question or more, with seed 0 or more")
        unknown = [name for name in self.families if name not in FAMILIES]
        if unknown or not self.families:
            named = f"no family {unknown[0]!r}" if unknown else "no families"
            raise InputError(f"{named}; known: {', '.join(FAMILIES)}")

    def setting(self, profile: Profile) -> Setting:
        """With the profile's own, all that is needed to repeat it."""
        return Setting(
            split=self.split,
            seed=self.seed,
            families=self.families,
            profile=profile.name,
            tools=tuple(profile.tools if self.tools is None else self.tools),
            trigger=profile.trigger,
            gate=self.gate,
            ablate=self.ablate,
            verify=self.verify,
        )


@dataclass
class Listeners:
    """Who is told what."""

    on_scene: Callable[[Scene], None] = lambda scene: None
    """The truth, before each question."""
    on_progress: Callable[[Scored], None] = lambda scored: None
    """Each question that was asked."""


def evaluate(
    agent: Answerer, plan: Plan, kept: Kept | None = None, listeners: Listeners | None = None
) -> Report:
    """Ask what the plan says, but for what is `kept` already."""
    began, asking = time.monotonic(), _Asking(agent, plan, listeners or Listeners())
    rows = list(kept.rows[: plan.limit]) if kept else []
    deck = None
    while len(rows) < plan.limit:
        deck = deck or Deck(plan.seed, plan.split, plan.families, rows)
        row = asking.asked(next(deck), deck.waiting)
        if kept:
            kept.add(row)
        rows.append(row)
        asking.listeners.on_progress(row)
    return reported(rows, plan.setting(agent.profile), time.monotonic() - began)


@dataclass
class _Asking:
    agent: Answerer
    plan: Plan
    listeners: Listeners
    _warmth: Warmth = field(default_factory=Warmth)

    def asked(self, dealt: Dealt, waiting: Sequence[int]) -> Scored:
        number, table, question = dealt
        self.listeners.on_scene(table)
        result = self._result(table, question.text)
        targets = tuple(t.box for t in table.things if t.id in question.targets)
        return Scored(
            scene=number,
            family=question.family,
            question=question.text,
            truth=question.answer,
            result=result,
            verdict=verdict(result.answer, question.answer),
            size=(table.image.shape[1], table.image.shape[0]),
            targets=targets,
            judged=judged(result, table, targets),
            cold=self._warmth.cold([hop.action.kind for hop in result.hops]),
            waiting=tuple(waiting),
        )

    def _result(self, table: Scene, question: str) -> Result:
        if self.plan.verify:
            return self.agent.ask(table.image, question, verify=True)
        return self.agent.ask(table.image, question)
