"""A run as it is told: its events gathered into turns, actions and what came back, in order."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from foveal.agent.actions import Answer, Object, Perception, targets_of
from foveal.agent.observations import Detected, Found, Observation
from foveal.agent.transcript import Acted, Asked
from foveal.graphs.approval import Decision
from foveal.graphs.result import Hop, Result
from foveal.graphs.sketch import Sketch
from foveal.graphs.trace import Aside, Broke, DirectAnswer, Event, Started, Thought
from foveal.tools.base import Mark
from foveal.tools.catalogue import specialist_for

PAUSED = "waiting for a person"
"""What a run does that somebody has to approve."""


@dataclass
class Step:
    """One action, and what became of it."""

    number: int
    """Its place in the run, from 1."""
    action: Perception
    """As the model wrote it."""
    image: int
    """Which of the question's images it is about, from 0."""
    marks: tuple[Mark, ...] = ()
    """What it points at."""
    hop: Hop | None = None
    """None while nothing came back."""
    sketch: Sketch | None = None
    decision: Decision | None = None
    began: float | None = None
    """Seconds into the run; None where nobody was asked."""

    @property
    def observation(self) -> Observation | None:
        """What came back."""
        return self.hop.observation if self.hop else None

    @property
    def whom(self) -> str:
        """Who answered, or was to."""
        if self.hop is None:
            return specialist_for(self.action.kind)
        return "memory" if self.hop.repeated else self.hop.specialist or "refused"


@dataclass
class Turn:
    """One turn of the model, and the actions in it. Without a thought it was begun in a run before."""

    number: int
    thought: Thought | None
    before: Thought | None
    """The thought before, for what this one alone has cost."""
    steps: dict[int, Step] = field(default_factory=dict)
    """By position."""

    @property
    def ended(self) -> float | None:
        """Seconds into the run."""
        return None if self.thought is None else self.thought.spent.seconds + self.thought.seconds

    def cost(self, name: str) -> int:
        """Tokens of this turn alone: `emitted`, `prefilled` or `cached`."""
        if self.thought is None:
            return 0
        so_far = getattr(self.before.spent, name) if self.before else 0
        return max(0, int(getattr(self.thought.spent, name)) - so_far)


@dataclass(frozen=True)
class Word:
    """Something that was said beside the turns."""

    text: str
    whose: str
    """`model` was told it; `run` says it of itself."""
    wrong: bool = False


Moment = Turn | Word | DirectAnswer


@dataclass
class Story:
    """All of it."""

    started: Started
    preface: tuple[Word, ...] = ()
    """What was before it: a conversation, or another run that it branched off."""
    moments: list[Moment] = field(default_factory=list)
    result: Result | None = None
    broke: str | None = None
    """Why it ended without a result."""
    awaited: str | None = None
    """What it was doing when its trace ends, where that says nothing of an end."""

    @property
    def turns(self) -> list[Turn]:
        """The model's turns."""
        return [moment for moment in self.moments if isinstance(moment, Turn)]

    @property
    def steps(self) -> list[Step]:
        """Every action, as numbered."""
        return [step for turn in self.turns for _, step in sorted(turn.steps.items())]

    @property
    def thoughts(self) -> list[Thought]:
        """The model's turns that are complete."""
        return [turn.thought for turn in self.turns if turn.thought is not None]

    @property
    def direct(self) -> DirectAnswer | None:
        """The answer without looking, if one was asked for."""
        return next((one for one in self.moments if isinstance(one, DirectAnswer)), None)

    @property
    def seconds(self) -> float:
        """How long it took, as far as is known."""
        if self.result is not None:
            return self.result.seconds
        ends = [turn.ended or 0.0 for turn in self.turns]
        ends += [(s.began or 0.0) + (s.hop.seconds if s.hop else 0.0) for s in self.steps]
        return max(ends, default=0.0)

    @property
    def names(self) -> dict[int, str]:
        """What the numbered objects were called."""
        return {found.index: found.label for found in _found(self.steps) if found.index}

    def boxes(self, step: Step) -> tuple[Mark, ...]:
        """What an action points at, as marks, also where no specialist was asked and the trace has none."""
        if step.marks:
            return step.marks
        known = {found.index: found for found in _found(self.steps) if found.index}
        named = [target.index for target in targets_of(step.action) if isinstance(target, Object)]
        return tuple(Mark(known[n].box, n, known[n].label) for n in named if n in known)


def told(events: Iterable[Event]) -> Story:
    """The story of a trace's events; the first is `Started`."""
    story: Story | None = None
    for event in events:
        if isinstance(event, Started):
            story = story or Story(event, tuple(_preface(event)))
        elif story is not None:
            hear(story, event)
    if story is None:
        raise ValueError("a story begins with a started event")
    return story


def hear(story: Story, event: Event) -> None:
    """Add what happened next."""
    before, story.awaited = story.awaited, None
    match event.kind:
        case "thought":
            _thought(story, event)
        case "called":
            step = _step(story, event.turn, event.position, event.action)
            step.marks, step.began = event.marks, _turn(story, event.turn).ended
            story.awaited = f"waiting for the {event.specialist}"
        case "decided":
            step = _step(story, event.turn, event.position, event.action)
            step.marks, step.decision = event.marks, event.decision
        case "returned":
            step = _step(story, event.hop.turn, event.position, event.hop.action)
            step.hop, step.sketch = event.hop, event.sketch
            step.image = (event.hop.image or 1) - 1
        case "told":
            story.moments.append(Word(event.noted.text, "model", event.noted.error))
        case "direct":
            story.moments.append(event)
        case "finished":
            story.result, story.broke = event.result, None
            _recall(story, event.result.hops)
        case _:
            _aside(story, event, before)


def _preface(started: Started) -> Iterator[Word]:
    for item in started.past:
        if isinstance(item, Asked):
            yield Word(f"Asked before: {item.question}", "run")
        elif isinstance(item, Acted):
            answers = [action.text for action in item.actions if isinstance(action, Answer)]
            yield from (Word(f"Answered: {text}", "run") for text in answers)
    if started.fork is not None:
        yield Word(f"Branched off run {started.fork.run} after hop {started.fork.hop}.", "run")


def _aside(story: Story, event: Event, before: str | None) -> None:
    """What happens around a run rather than in it; `before` is what was awaited."""
    if isinstance(event, Aside):
        story.awaited = "answering without looking"
    elif isinstance(event, Broke):
        story.broke = event.error
    elif event.kind == "paused":
        story.awaited = PAUSED
    elif event.kind == "resumed" and story.moments and before != PAUSED:
        story.moments.append(Word("The run was taken up again.", "run"))


def _thought(story: Story, event: Thought) -> None:
    before = story.thoughts[-1] if story.thoughts else None
    story.moments.append(Turn(event.turn, event, before))


def _turn(story: Story, number: int) -> Turn:
    """The latest turn of this number; one without a thought where the trace does not have it."""
    for turn in reversed(story.turns):
        if turn.number == number:
            return turn
    turn = Turn(number, None, None)
    story.moments.append(turn)
    return turn


def _step(story: Story, turn: int, position: int, action: Perception) -> Step:
    steps = _turn(story, turn).steps
    if position not in steps:
        asked_about = getattr(action, "image", None) or 1
        steps[position] = Step(len(story.steps) + 1, action, asked_about - 1)
    return steps[position]


def _recall(story: Story, hops: tuple[Hop, ...]) -> None:
    """Hops that only the result knows: this run went on from another, whose trace has them."""
    known = {turn.number for turn in story.turns if turn.thought is not None}
    earlier: dict[int, Turn] = {}
    for number, hop in enumerate((hop for hop in hops if hop.turn not in known), start=1):
        turn = earlier.setdefault(hop.turn, Turn(hop.turn, None, None))
        step = Step(number, hop.action, (hop.image or 1) - 1, hop=hop)
        turn.steps[len(turn.steps)] = step
    if earlier:
        kept = [m for m in story.moments if not (isinstance(m, Turn) and m.number in earlier)]
        story.moments = [*earlier.values(), *kept]
        for number, step in enumerate(story.steps, start=1):
            step.number = number


def _found(steps: Iterable[Step]) -> Iterator[Found]:
    for step in steps:
        if isinstance(step.observation, Detected):
            yield from step.observation.objects
