"""A person between the model and a specialist: which actions wait, and what may be decided about them."""

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from foveal.agent.actions import (
    PERCEPTIONS,
    Area,
    Depth,
    Detect,
    Look,
    Perception,
    PerceptionKind,
    Phrase,
    Read,
    Segment,
    Text,
)
from foveal.agent.errors import FovealError, InputError
from foveal.agent.observations import Box, Failed
from foveal.agent.regions import area_to_box
from foveal.graphs.state import Task
from foveal.tools.base import Mark
from foveal.tools.catalogue import specialist_for

ALL = "all"
REFUSED = "a person refused this"
"""What the model is told of an action that was rejected."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Decision(_Frozen):
    """What a person says to an action that waits: the value of `Command(resume=...)`."""

    kind: Literal["accept", "edit", "reject"]
    reason: Text = ""
    """Why it is rejected; the model is told."""
    region: tuple[float, float, float, float] | None = None
    """Where to look instead: left, top, right, bottom in pixels of the original image."""
    phrase: Phrase | None = None
    """What to detect instead."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        changes = self.region is not None or self.phrase is not None
        if changes != (self.kind == "edit"):
            raise ValueError("an edit, and nothing else, comes with a region or a phrase")
        return self

    @classmethod
    def accept(cls) -> "Decision":
        """Do as the model asks."""
        return cls(kind="accept")

    @classmethod
    def reject(cls, reason: str = "") -> "Decision":
        """Do nothing, and tell the model so."""
        return cls(kind="reject", reason=reason)

    @classmethod
    def edit(
        cls, region: tuple[float, float, float, float] | None = None, phrase: str | None = None
    ) -> "Decision":
        """Do the same elsewhere, or for another phrase."""
        return cls(kind="edit", region=region, phrase=phrase)


class Pending(_Frozen):
    """An action that waits for a person."""

    id: str = ""
    """Of the interrupt that waits: the key of its answer in `Command(resume={id: decision})`."""
    turn: int
    position: int
    """Among the turn's perception actions, from 0."""
    action: Perception
    specialist: str
    image: str
    """Content hash of the image that it is about."""
    size: tuple[int, int]
    """That image's width and height in pixels."""
    marks: tuple[Mark, ...] = ()
    """Where its targets are."""
    trouble: str = ""
    """Why the last decision about it could not be carried out, if there was one."""


class ApprovalNeeded(FovealError):
    """A run waits for a person; its checkpoint has everything to go on with once that person has decided."""

    def __init__(self, run: str, pending: tuple[Pending, ...]) -> None:
        super().__init__(run, pending)
        self.run = run
        """The run's id."""
        self.pending = pending
        """What waits, in the order written."""

    def __str__(self) -> str:
        kinds = ", ".join(one.action.kind for one in self.pending)
        return f"run {self.run} waits for a person to approve: {kinds}"


class Edited(_Frozen):
    """An action as a person had it carried out."""

    action: Perception
    marks: tuple[Mark, ...]


def approvals(names: str | Iterable[str] | None) -> frozenset[PerceptionKind]:
    """The actions that a person is asked about: a list, or names separated by commas, or "all".

    Raises InputError for what is no action.
    """
    if names is None:
        return frozenset()
    listed = names.split(",") if isinstance(names, str) else list(names)
    wanted = {name.strip() for name in listed}
    if wanted == {ALL}:
        return frozenset(PERCEPTIONS)
    for name in sorted(wanted - set(PERCEPTIONS)):
        raise InputError(f"no action {name!r} to approve; known: {', '.join(PERCEPTIONS)}, or all")
    return frozenset(kind for kind in PERCEPTIONS if kind in wanted)


def decided(task: Task) -> tuple[Decision, Failed | Edited | None]:
    """What a person says about a task: a refusal, something else to do, or nothing against it.

    Interrupts the graph until somebody has decided, and again when the decision cannot be carried out.
    """
    from langgraph.types import interrupt  # a second to import, and trace readers need none of it

    trouble = ""
    while True:
        asked = pending(task, trouble).model_dump(mode="json")
        decision = Decision.model_validate(interrupt(asked, response_schema=Decision))
        try:
            return decision, outcome_of(decision, task.action, task.image, task.size)
        except InputError as error:
            trouble = str(error)


def pending(task: Task, trouble: str = "") -> Pending:
    """What is shown of a task."""
    return Pending(
        turn=task.turn,
        position=task.position,
        action=task.action,
        specialist=specialist_for(task.action.kind),
        image=task.image,
        size=task.size,
        marks=task.marks,
        trouble=trouble,
    )


def outcome_of(
    decision: Decision, action: Perception, image: str, size: tuple[int, int]
) -> Failed | Edited | None:
    """What becomes of an action. Raises InputError for an edit that it does not allow."""
    if decision.kind == "accept":
        return None
    if decision.kind == "reject":
        because = f": {decision.reason}" if decision.reason else ""
        return Failed(error="action", message=f"{REFUSED}{because}")
    if decision.phrase is not None:
        action = _rephrased(action, decision.phrase)
    if decision.region is None:
        return Edited(action=action, marks=())
    area = _area(decision.region, size)
    return Edited(
        action=_moved(action, area),
        marks=(Mark(Box(image=image, xyxy=area_to_box(area, *size))),),
    )


def _rephrased(action: Perception, phrase: str) -> Perception:
    if not isinstance(action, Detect):
        raise InputError(f"{action.kind} takes no phrase; give a region as x0,y0,x1,y1")
    return action.model_copy(update={"phrase": phrase})


def _moved(action: Perception, area: Area) -> Perception:
    if isinstance(action, Look | Segment | Read):
        return action.model_copy(update={"target": area})
    if isinstance(action, Depth):
        return action.model_copy(update={"targets": (area,)})
    instead = "give a phrase" if isinstance(action, Detect) else "accept or reject it"
    raise InputError(f"{action.kind} takes no region; {instead}")


def _area(region: tuple[float, float, float, float], size: tuple[int, int]) -> Area:
    """A region in pixels, cut off at the image's border, in fractions of the image."""
    width, height = size
    x0, x1 = (min(max(x, 0.0), width) / width for x in region[::2])
    y0, y1 = (min(max(y, 0.0), height) / height for y in region[1::2])
    if not (x1 > x0 and y1 > y0):
        raise InputError(
            f"the region {','.join(f'{v:g}' for v in region)} holds no pixel of the image; "
            f"give x0,y0,x1,y1 with x0 < x1 and y0 < y1, within {width} x {height}"
        )
    return Area(x0=x0, y0=y0, x1=x1, y1=y1)
