"""What a run gives back."""

from typing import Annotated, Any, Generic, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeVar

from foveal.agent.actions import Perception, PerceptionKind, Picked
from foveal.agent.observations import Failed, Observation
from foveal.graphs.budgets import BudgetName, Spent

T = TypeVar("T", default=Any)

Ending = Literal["answer", "gate"] | BudgetName
"""Why the run stopped: the model answered by itself, was sure enough without looking, or a budget was used up."""


Approval = Literal["accepted", "edited", "rejected"]
"""What a person said to an action."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _none(value: object) -> bool:
    return value == ()


def _unsaid(value: object) -> bool:
    return value is None


class Hop(_Frozen):
    """One action and what came back for it."""

    turn: int
    """The model's turn that asked for it, from 1."""
    action: Perception
    """As the model wrote it."""
    image: Picked = None
    """Which of several images it was about, from 1; None when there was one, or nothing was looked at."""
    specialist: str | None
    """Who answered; None when nobody was asked."""
    observation: Observation
    repeated: bool = False
    """Asked before in this run, so answered from memory."""
    seconds: float = 0.0
    """From asking the specialist to its reply."""
    approval: Annotated[Approval | None, Field(exclude_if=_unsaid)] = None
    """What a person said to it, when one was asked."""
    instead: Annotated[Perception | None, Field(exclude_if=_unsaid)] = None
    """What that person had done instead, when the action was edited."""

    @property
    def refused(self) -> bool:
        """Whether the model was told that it asked for something impossible."""
        return isinstance(self.observation, Failed) and self.observation.error == "action"


class Evidence(_Frozen):
    """A part of the original image, or of one of several, that the answer rests on."""

    label: str
    """What it was called: a detector's label, a line of text, or nothing for a region."""
    box: tuple[float, float, float, float]
    """Left, top, right, bottom in pixels of the original image; right and bottom are outside."""
    score: float | None
    """The specialist's confidence, where it gives one."""
    action: PerceptionKind
    """The kind of action that brought it."""
    image: Picked = None
    """Which of several images it is part of, from 1; None when there was one."""


class Fork(_Frozen):
    """Where a run branched off another."""

    run: str
    """The other run's id."""
    hop: int
    """The last hop, from 1, that both have."""
    observation: bool
    """Whether another observation was put in the place of that hop's."""


class Direct(_Frozen):
    """The answer without looking: the same question asked as if there were no tools."""

    answer: str
    """Empty when the model gave none."""
    confidence: float | None
    value: Any = None
    """The answer as the schema has it, if there is one."""
    usage: Spent
    """What asking cost; the result's own usage counts it too."""


class Faithful(_Frozen):
    """Whether the answer depends on what was seen, found out by asking again with the observations withheld."""

    depends: bool
    """Without them the answer is another one."""
    answer: str
    """With them."""
    confidence: float | None
    without: str
    """The answer without them."""
    confidence_without: float | None


class Result(_Frozen, Generic[T]):
    """An answer, and everything needed to judge it."""

    answer: str
    """Empty when the model gave none; `notes` then say why."""
    confidence: float | None
    """The chance that the answer is right, where the weights come with a calibration; else the probability of its
    least certain token under the model. None when the model gives none."""
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
    """Content hash of the original image; of the first, when there were several."""
    images: Annotated[tuple[str, ...], Field(exclude_if=_none)] = ()
    """Content hashes of all images, when there were several."""
    value: T | None = None
    """The answer as an object, when a schema was given; None when the answer does not fit it."""
    direct: Direct | None = None
    """The answer without looking, when a gate or a verification asked for it."""
    faithful: Faithful | None = None
    """Whether the answer depends on what was seen, when that was asked and anything was seen."""
    fork: Annotated[Fork | None, Field(exclude_if=_unsaid)] = None
    """Where the run branched off another, if it did."""
