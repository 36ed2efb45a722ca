"""A recorded run, run again: its turns as they were read then, its clock and token counts as they were.

Without a dispatcher the recorded observations come back too, which checks the loop alone; with the
specialists' own dispatcher and store it checks them as well. The answer, the evidence and the ending are
the same, or something has changed.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from foveal.agent.actions import Perception
from foveal.agent.errors import InputError
from foveal.agent.observations import Observation
from foveal.graphs.recording import Recorded, Tape, remembered
from foveal.graphs.result import Result
from foveal.graphs.run import Parts, run
from foveal.graphs.sessions import Sessions
from foveal.graphs.talk import Talk
from foveal.graphs.trace import Event, read
from foveal.tools.base import Dispatcher, Mark
from foveal.tools.images import Images, load_image, several
from foveal.tools.store import ImageStore, content_hash


async def replay(
    trace: str | Path,
    image: Images,
    dispatcher: Dispatcher | None = None,
    store: ImageStore | None = None,
) -> Result:
    """Run a recorded run again. Raises InputError when the trace or the image is not the right one."""
    events = read(trace)
    started, thoughts = events[0], [event for event in events if event.kind == "thought"]
    direct = [thought for event in events if event.kind == "direct" for thought in event.thoughts]
    if started.kind != "started" or not (thoughts or direct):
        raise InputError(f"{str(trace)!r} holds no turn of the model; nothing to replay")
    if started.fork is not None:
        origin = f"run {started.fork.run} at hop {started.fork.hop}"
        raise InputError(f"{str(trace)!r} is the trace of a fork, which begins in {origin}")
    pixels = [await asyncio.to_thread(load_image, one) for one in several(image)]
    if [content_hash(one) for one in pixels] != [one.image for one in started.asked.images]:
        count = len(started.asked.images)
        which = "this is not the image" if count == 1 else f"these are not the {count} images"
        raise InputError(f"{which} of the trace: the content hash differs")
    model = Recorded(started, Tape(thoughts), Tape(direct) if direct else None)
    parts = Parts(
        model,
        dispatcher or _Remembering(events),
        store or ImageStore(),
        profile=started.profile,
        domain=started.domain,
        tools=started.asked.tools,
        budgets=started.budgets,
        gate=started.gate,
    )
    talk = Talk(Sessions(model, parts.store), list(started.past)) if started.past else None
    return await run(
        started.asked.question,
        pixels,
        parts,
        model.watch,
        schema=remembered(started.asked.answer_schema, events),
        verify=started.verify,
        elapsed=model.elapsed,
        talk=talk,
    )


class _Remembering:
    """A dispatcher that gives the recorded observations."""

    def __init__(self, events: Sequence[Event]) -> None:
        answers = {
            (e.hop.turn, e.position): e.hop.observation for e in events if e.kind == "returned"
        }
        self._answers = {
            _key(e.action, e.marks): answers[e.turn, e.position]
            for e in events
            if (e.kind == "called" or e.kind == "decided") and (e.turn, e.position) in answers
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
