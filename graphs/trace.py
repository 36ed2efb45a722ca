"""What happens in a run, as typed events; written to a JSONL file line by line, and read back."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from foveal.agent.actions import Perception
from foveal.agent.errors import InputError
from foveal.agent.transcript import Acted, Asked, Item, Noted
from foveal.graphs.approval import Decision, Pending
from foveal.graphs.budgets import BudgetName, Budgets, Spent
from foveal.graphs.result import Direct, Fork, Hop, Result
from foveal.graphs.sketch import Sketch
from foveal.tools.base import Mark

Purpose = Literal["gate", "verify"]
"""Why a question is asked without tools as well: to answer at once, or to see whether looking mattered."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _unsaid(value: object) -> bool:
    return value is None


def _nothing(value: object) -> bool:
    return value == ()


def _none(value: object) -> bool:
    return value == ()


class Started(_Frozen):
    """A run begins; its settings are complete."""

    kind: Literal["started"] = "started"
    run: str
    asked: Asked
    past: Annotated[tuple[Item, ...], Field(exclude_if=_nothing)] = ()
    """In a conversation, everything that was said before the question."""
    profile: str
    domain: str = ""
    """What the profile's model was trained for."""
    model: str
    """The model's name."""
    instructed: bool = True
    """Whether it follows instructions that it was not trained on."""
    budgets: Budgets
    gate: float | None = None
    """How sure the model must be to answer without looking, if it may."""
    verify: bool = False
    """Whether the question is asked again with the observations withheld."""
    fork: Annotated[Fork | None, Field(exclude_if=_unsaid)] = None
    """Where the run branched off another; what came before is in the other's trace."""
    version: str
    """Of this package."""
    sources: Annotated[tuple[str, ...], Field(exclude_if=_none)] = ()
    """Where the images came from, in order: absolute paths and URLs, or nothing for what was given as pixels."""


class Said(_Frozen):
    """A piece of a turn, while it is being decoded. Streamed, not traced: `Thought` has the whole."""

    kind: Literal["said"] = "said"
    turn: int
    text: str


class Thought(_Frozen):
    """A turn of the model is complete."""

    kind: Literal["thought"] = "thought"
    turn: int
    acted: Acted
    error: str | None = None
    """Why the turn could not be read, if so; `acted` then has its text and no actions."""
    forced: BudgetName | None = None
    """The budget for which this was the last turn."""
    misfit: str | None = None
    """Why the answer does not fit the schema, if it does not."""
    spent: Spent
    """The run's totals after the turn; its `seconds` are from before."""
    seconds: float


class Called(_Frozen):
    """A specialist is asked."""

    kind: Literal["called"] = "called"
    turn: int
    position: int
    """Among the turn's perception actions, from 0."""
    action: Perception
    specialist: str
    marks: tuple[Mark, ...] = ()


class Decided(_Frozen):
    """A person has decided about an action."""

    kind: Literal["decided"] = "decided"
    turn: int
    position: int
    """Among the turn's perception actions, from 0."""
    action: Perception
    """As the model wrote it."""
    image: str
    """Content hash of the image that it is about."""
    marks: tuple[Mark, ...] = ()
    decision: Decision


class Returned(_Frozen):
    """An action was answered, by a specialist, from memory or with a refusal."""

    kind: Literal["returned"] = "returned"
    position: int
    hop: Hop
    sketch: Annotated[Sketch | None, Field(exclude_if=_unsaid)] = None
    """The mask or depth map that came with it, for people to see; the run itself has the keys."""


class Told(_Frozen):
    """The model is told something else."""

    kind: Literal["told"] = "told"
    noted: Noted


class Aside(_Frozen):
    """The question is about to be asked without tools, beside the run."""

    kind: Literal["aside"] = "aside"
    purpose: Purpose


class DirectAnswer(_Frozen):
    """It was answered without looking."""

    kind: Literal["direct"] = "direct"
    purpose: Purpose
    stands: bool
    """Whether this answer is the run's."""
    direct: Direct
    thoughts: tuple[Thought, ...]
    """The turns of the model that led there; the run's own context holds none of them."""


class Paused(_Frozen):
    """The run waits for a person, and this process is done with it; its checkpoint has the rest."""

    kind: Literal["paused"] = "paused"
    run: str
    pending: tuple[Pending, ...]


class Resumed(_Frozen):
    """A run that was cut off, or waited for a person, goes on from its checkpoint."""

    kind: Literal["resumed"] = "resumed"
    run: str
    hops: tuple[Hop, ...] = ()
    """What was seen before; it is not asked again."""


class Finished(_Frozen):
    """The run is over."""

    kind: Literal["finished"] = "finished"
    result: Result


class Broke(_Frozen):
    """The run ended in an exception, which the caller gets as well."""

    kind: Literal["broke"] = "broke"
    error: str
    """The exception's type and message."""


Event = Annotated[
    Started
    | Said
    | Thought
    | Called
    | Decided
    | Returned
    | Told
    | Aside
    | DirectAnswer
    | Paused
    | Resumed
    | Finished
    | Broke,
    Field(discriminator="kind"),
]

_EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


class TraceWriter:
    """Writes each event as one line, at once. The file appears with the first event."""

    def __init__(self, path: Path, again: bool = False) -> None:
        """`again` to go on with a trace that is there."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a" if again else "x", encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot write a trace to {path}: {error.strerror}") from None

    def write(self, event: Event) -> None:
        """Append one event."""
        if not isinstance(event, Said):
            self._file.write(event.model_dump_json() + "\n")
            self._file.flush()

    def __enter__(self) -> "TraceWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._file.close()


def read(path: str | Path) -> list[Event]:
    """The events of a trace, in order. A last line without its end was cut off by a crash and is left out."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the trace {str(path)!r}: {error}") from None
    events = list(_parsed(text, path))
    if not events or not isinstance(events[0], Started):
        raise InputError(f"{str(path)!r} is not a trace: it does not begin with a started event")
    return events


def _parsed(text: str, path: str | Path) -> Iterator[Event]:
    lines = text.split("\n")  # JSON may hold other line separators
    for number, line in enumerate(lines[:-1], start=1):
        try:
            yield _EVENTS.validate_json(line)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise InputError(f"{str(path)!r} line {number} is no trace event: {reason}") from None
