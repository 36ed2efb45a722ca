"""What to do about each action of a turn: ask a specialist, remember, or refuse."""

from collections.abc import Iterable
from dataclasses import dataclass

from foveal.agent.actions import PERCEPTIONS, Perception
from foveal.agent.errors import ActionError
from foveal.agent.observations import Failed, Observation
from foveal.agent.transcript import Acted, Asked, Observed, found_objects
from foveal.graphs.resolve import picked, resolve
from foveal.graphs.state import Entry, State, last_turn, transcript
from foveal.tools.base import Mark

Key = tuple[str, str, tuple[Mark, ...]]


@dataclass(frozen=True)
class Step:
    """One action of a turn, and where its answer comes from."""

    action: Perception
    image: int | None = None
    """Which of several images it is about."""
    marks: tuple[Mark, ...] = ()
    known: Observation | None = None
    """The answer, when no specialist is needed for it."""
    twin: int | None = None
    """The position of the same action earlier in the turn, whose answer is this one's too."""
    repeated: bool = False
    """Asked before in this run."""
    allowed: bool = True
    """False for an action past the budget."""

    @property
    def asks(self) -> bool:
        """Whether a specialist has to be asked."""
        return self.known is None and self.twin is None


def perceptions(turn: Acted) -> tuple[Perception, ...]:
    """The actions of a turn that a specialist executes."""
    return tuple(action for action in turn.actions if action.kind != "answer")


def steps_of(state: State) -> list[Step]:
    """The plan for the model's latest turn, which must be the last thing said."""
    entries = transcript(state)
    room = state["budgets"].actions - state["spent"].actions
    return plan(state["asked"], entries[:-1], last_turn(entries), room)


def plan(asked: Asked, before: list[Entry], turn: Acted, room: int) -> list[Step]:
    """One step per perception action of `turn`, in the order emitted; at most `room` are allowed.

    `before` is the transcript up to the turn. A pure function: the fan-out and the join both call it.
    """
    objects = found_objects(before)
    memory = _remembered(asked, before)
    first: dict[Key, int] = {}
    steps: list[Step] = []
    for position, action in enumerate(perceptions(turn)):
        if position >= room:
            steps.append(Step(action, known=_surplus(room), allowed=False))
            continue
        try:
            image = picked(_permitted(action, asked), asked, objects)
            marks = resolve(action, asked, objects)
        except ActionError as error:
            steps.append(Step(action, known=Failed(error="action", message=str(error))))
            continue
        key = _key(action, asked.picked(image).image, marks)
        twin = first.setdefault(key, position)
        if key in memory:
            steps.append(Step(action, image, marks, known=memory[key], repeated=True))
        elif twin != position:
            steps.append(Step(action, image, marks, twin=twin, repeated=True))
        else:
            steps.append(Step(action, image, marks))
    return steps


def _permitted(action: Perception, asked: Asked) -> Perception:
    if action.kind in asked.tools:
        return action
    known = ", ".join(kind for kind in PERCEPTIONS if kind in asked.tools) or "none"
    raise ActionError(f"{action.kind} cannot be used in this run; tools: {known}")


def _surplus(room: int) -> Failed:
    message = f"not done: the budget had room for {room} more actions in this turn"
    return Failed(error="action", message=message)


def _key(action: Perception, image: str, marks: tuple[Mark, ...]) -> Key:
    """Two actions with the same key ask the same: their targets are compared by where they are.

    `image` is a content hash.
    """
    return action.model_dump_json(exclude={"target", "targets", "image"}), image, marks


def _remembered(asked: Asked, before: Iterable[Entry]) -> dict[Key, Observation]:
    """What specialists answered so far. A failed specialist is remembered too: nothing is retried."""
    entries = list(before)
    objects = found_objects(entries)
    memory: dict[Key, Observation] = {}
    for entry in entries:
        if isinstance(entry, Observed) and not _refused(entry.observation):
            assert entry.action.kind != "answer"
            image = asked.picked(entry.image).image
            key = _key(entry.action, image, resolve(entry.action, asked, objects))
            memory.setdefault(key, entry.observation)
    return memory


def _refused(observation: Observation) -> bool:
    return isinstance(observation, Failed) and observation.error == "action"
