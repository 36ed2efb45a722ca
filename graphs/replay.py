"""A recorded run, run again: its turns recited by the scripted model, its clock and token counts as they were.

Without a dispatcher the recorded observations come back too, which checks the loop alone; with the
specialists' own dispatcher and store it checks them as well. The answer, the evidence and the ending are
the same, or something has changed.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from foveal.agent.actions import Perception, PerceptionKind
from foveal.agent.errors import ActionError, InputError
from foveal.agent.model import PerceptionModel, Session, Sight, Usage
from foveal.agent.observations import Observation
from foveal.agent.scripted import ScriptedModel
from foveal.agent.transcript import Acted, Asked, Injected, Noted, Observed
from foveal.graphs.result import Result
from foveal.graphs.run import Parts, run
from foveal.graphs.trace import Event, Returned, Thought, Told, read
from foveal.tools.base import Dispatcher, Mark
from foveal.tools.images import Source, load_image
from foveal.tools.store import ImageStore, content_hash


async def replay(
    trace: str | Path,
    image: Source,
    dispatcher: Dispatcher | None = None,
    store: ImageStore | None = None,
) -> Result:
    """Run a recorded run again. Raises InputError when the trace or the image is not the right one."""
    events = read(trace)
    started, thoughts = events[0], [event for event in events if event.kind == "thought"]
    if started.kind != "started" or not thoughts:
        raise InputError(f"{str(trace)!r} holds no turn of the model; nothing to replay")
    pixels = await asyncio.to_thread(load_image, image)
    if content_hash(pixels) != started.asked.image:
        raise InputError("this is not the image of the trace: its content hash differs")
    said = [thought.acted for thought in thoughts]
    script = ScriptedModel(
        [turn.text for turn in said], [turn.confidence for turn in said], started.model
    )
    model = _Recorded(script, thoughts)
    parts = Parts(
        model,
        dispatcher or _Remembering(events),
        store or ImageStore(),
        profile=started.profile,
        domain=started.domain,
        tools=started.asked.tools,
        budgets=started.budgets,
    )
    return await run(started.asked.question, pixels, parts, model.watch, elapsed=model.elapsed)


class _Recorded:
    """The scripted model, with token counts and a clock that show what the trace says."""

    def __init__(self, model: PerceptionModel, thoughts: Sequence[Thought]) -> None:
        self.name = model.name
        self.thoughts = thoughts
        self.turns = 0
        self._model = model
        self._now = thoughts[0].spent.seconds

    async def open(
        self, transcript: Sequence[Asked | Acted | Observed | Noted], sight: Sight
    ) -> Session:
        """A session of the scripted model, counting as recorded."""
        return _Counting(self, await self._model.open(transcript, sight))

    def watch(self, event: Event) -> None:
        """Time stands still while a turn is carried out, and moves on with what came back."""
        if isinstance(event, Returned | Told):
            self._now = self.thoughts[min(self.turns, len(self.thoughts) - 1)].spent.seconds

    @property
    def latest(self) -> Thought | None:
        """The recorded turn that was recited last."""
        return self.thoughts[min(self.turns, len(self.thoughts)) - 1] if self.turns else None

    def elapsed(self) -> float:
        """Seconds into the recorded run."""
        return self._now


@dataclass
class _Counting:
    """A session whose usage is the recorded one."""

    model: _Recorded
    session: Session

    @property
    def usage(self) -> Usage:
        """Recorded after the latest turn."""
        thought = self.model.latest
        if thought is None:
            return Usage()
        spent = thought.spent
        return Usage(spent.prefilled, spent.emitted, spent.visual, spent.cached)

    async def act(
        self,
        tools: Sequence[PerceptionKind],
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Acted:
        """The next recorded turn; one that could not be read then cannot be read now."""
        self.model.turns += 1
        turn = await self.session.act(tools, max_new_tokens, on_text)
        thought = self.model.latest
        if thought is not None and thought.error is not None:
            raise ActionError(thought.error)
        return turn

    async def observe(self, items: Sequence[Injected]) -> None:
        """Pass on what came back."""
        await self.session.observe(items)

    def close(self) -> None:
        """Close the scripted session."""
        self.session.close()


class _Remembering:
    """A dispatcher that gives the recorded observations."""

    def __init__(self, events: Sequence[Event]) -> None:
        answers = {
            (e.hop.turn, e.position): e.hop.observation for e in events if e.kind == "returned"
        }
        self._answers = {
            _key(e.action, e.marks): answers[e.turn, e.position]
            for e in events
            if e.kind == "called" and (e.turn, e.position) in answers
        }

    async def dispatch(
        self, action: Perception, image: str, marks: Sequence[Mark] = ()
    ) -> Observation:
        """What came back then."""
        answer = self._answers.get(_key(action, marks))
        if answer is None:
            raise InputError(
                f"the trace has no answer to {action!r}; give a dispatcher and its store"
            )
        return answer

    async def close(self) -> None:
        """Nothing was started."""


def _key(action: Perception, marks: Sequence[Mark]) -> tuple[Perception, tuple[Mark, ...]]:
    return action, tuple(marks)
