"""What a run gives back."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from foveal.agent.actions import Perception, PerceptionKind
from foveal.agent.observations import Observation
from foveal.graphs.budgets import BudgetName, Spent

Ending = Literal["answer"] | BudgetName
"""Why the run stopped: the model answered by itself, or a budget called for the answer."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Hop(_Frozen):
    """One action and what came back for it."""

    turn: int
    """The model's turn that asked for it, from 1."""
    action: Perception
    """As the model wrote it."""
    specialist: str | None
    """Who answered; None when nobody was asked."""
    observation: Observation
    repeated: bool = False
    """Asked before in this run, so answered from memory."""
    seconds: float = 0.0
    """From asking the specialist to its reply."""


class Evidence(_Frozen):
    """A part of the original image that the answer rests on."""

    label: str
    """What it was called: a detector's label, a line of text, or nothing for a region."""
    box: tuple[float, float, float, float]
    """Left, top, right, bottom in pixels of the original image; right and bottom are outside."""
    score: float | None
    """The specialist's confidence, where it gives one."""
    action: PerceptionKind
    """The kind of action that brought it."""


class Result(_Frozen):
    """An answer, and everything needed to judge it."""

    answer: str
    """Empty when the model gave none; `notes` then say why."""
    confidence: float | None
    """Probability of the answer's tokens under the model; None when the model gives none."""
    hops: tuple[Hop, ...]
    evidence: tuple[Evidence, ...]
    ended_by: Ending
    usage: Spent
    seconds: float
    """Wall-clock time of the whole run."""
    trace: str | None
    """Path of the JSONL trace, if one was written."""
    notes: tuple[str, ...]
    """What went wrong on the way, or limits what the answer means."""
    run: str
    """The run's id."""
    image: str
    """Content hash of the original image."""
