"""What the graph remembers: transcript items, hashes and numbers, never pixels, tensors or caches."""

import operator
from typing import Annotated, NotRequired

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from foveal.agent.actions import Perception
from foveal.agent.observations import Observation
from foveal.agent.transcript import Acted, Asked, Noted, Observed
from foveal.graphs.budgets import BudgetName, Budgets, Spent
from foveal.graphs.result import Approval, Fork, Hop, Result
from foveal.tools.base import Mark

Entry = Asked | Acted | Observed | Noted


class Task(BaseModel):
    """One action for one specialist: all that a `perceive` node is given."""

    model_config = ConfigDict(frozen=True)

    turn: int
    """The model's turn that asked for it, from 1."""
    position: int
    """Its place among the turn's perception actions, from 0."""
    action: Perception
    image: str
    """Content hash of the image that it is about."""
    size: tuple[int, int]
    """That image's width and height in pixels."""
    marks: tuple[Mark, ...] = ()
    budgets: Budgets


class Errand(TypedDict):
    """The input of `perceive`."""

    task: Task


class Outcome(BaseModel):
    """What came back for one task."""

    model_config = ConfigDict(frozen=True)

    position: int
    observation: Observation
    seconds: float
    approval: Approval | None = None
    """What a person said to it, when one was asked."""
    instead: Perception | None = None
    """What that person had done instead."""


def gathered(old: list[Outcome], new: list[Outcome]) -> list[Outcome]:
    """Outcomes of one turn in order of arrival; an empty update clears them for the next turn."""
    return [*old, *new] if new else []


class Request(TypedDict):
    """What a run is given."""

    run: str
    """The run's id, which also keys its model session."""
    asked: Asked
    budgets: Budgets
    past: NotRequired[list[Entry]]
    """In a conversation, everything that was said before the question."""


class State(Request, total=False):
    """What a run has come to; only the given part is there from the start."""

    items: Annotated[list[Entry], operator.add]
    """The transcript after `asked`."""
    outcomes: Annotated[list[Outcome], gathered]
    """This turn's outcomes, until the join."""
    hops: Annotated[list[Hop], operator.add]
    """Every action answered so far, in order, with the times that the transcript must not hold."""
    spent: Spent
    over: BudgetName | None
    """The budget that made the last turn a forced one."""
    misfit: str | None
    """Why the latest answer does not fit the schema, when there is one and the model can be told."""
    fork: Fork | None
    """Where the run branched off another, if it did."""
    result: Result


class Update(TypedDict, total=False):
    """What a node adds."""

    items: list[Entry]
    outcomes: list[Outcome]
    hops: list[Hop]
    spent: Spent
    over: BudgetName | None
    misfit: str | None
    result: Result


class Reply(TypedDict):
    """What the graph gives to whoever invoked it."""

    result: Result
    items: list[Entry]


def transcript(state: State) -> list[Entry]:
    """Everything said so far."""
    return [*state.get("past", []), *exchange(state)]


def exchange(state: State) -> list[Entry]:
    """The question and everything said since."""
    return [state["asked"], *state.get("items", [])]


def last_turn(entries: list[Entry]) -> Acted:
    """The model's latest turn."""
    return next(entry for entry in reversed(entries) if isinstance(entry, Acted))


def turns(entries: list[Entry]) -> int:
    """How many turns the model has had since it was last asked."""
    start = max((n for n, entry in enumerate(entries) if isinstance(entry, Asked)), default=0)
    return sum(isinstance(entry, Acted) for entry in entries[start:])


def since_turn(entries: list[Entry]) -> list[Entry]:
    """What was injected after the model's latest turn; at the start, the question."""
    start = max((n for n, entry in enumerate(entries) if isinstance(entry, Acted)), default=-1)
    return entries[start + 1 :]


def in_vain(state: State) -> int:
    """The model's turns in a row, up to the latest, that brought nothing new."""
    said = [entry for entry in state.get("items", []) if isinstance(entry, Acted)]
    new = {hop.turn for hop in state.get("hops", []) if not (hop.repeated or hop.refused)}
    last = max(
        (turn for turn, acted in enumerate(said, 1) if acted.actions and turn in new), default=0
    )
    return len(said) - last
