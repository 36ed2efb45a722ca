"""The model of a recorded run: it says the turns again, with the clock, token counts and verdicts of then."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from foveal.agent.actions import Answer, PerceptionKind
from foveal.agent.errors import ActionError
from foveal.agent.model import Session, Sight, Usage
from foveal.agent.transcript import Acted, Asked, Injected, Noted, Observed
from foveal.graphs.conclusion import answer_of
from foveal.graphs.result import Direct, Result
from foveal.graphs.schema import Misfit, Schema, schema_of
from foveal.graphs.trace import Event, Started, Thought


@dataclass
class Tape:
    """The turns of one way through the loop, and how many of them have been said."""

    thoughts: Sequence[Thought]
    turns: int = 0

    @property
    def latest(self) -> Thought | None:
        """The turn that was said last; the last of all when there are no more."""
        return self.thoughts[min(self.turns, len(self.thoughts)) - 1] if self.turns else None

    @property
    def upcoming(self) -> float:
        """Seconds into the run when the next turn began."""
        if not self.thoughts:
            return 0.0
        return self.thoughts[min(self.turns, len(self.thoughts) - 1)].spent.seconds

    def play(self) -> Thought | None:
        """The next turn; None when there are no more."""
        self.turns += 1
        return self.thoughts[self.turns - 1] if self.turns <= len(self.thoughts) else None


class Recorded:
    """A model that says the turns of a trace, with token counts and a clock that show what the trace says."""

    def __init__(self, started: Started, run: Tape, direct: Tape | None) -> None:
        """`direct` are the turns that were asked for without tools, beside the run."""
        self.name, self.instructed = started.model, started.instructed
        self._run, self._direct = run, direct
        self._now = run.upcoming

    async def open(
        self, transcript: Sequence[Asked | Acted | Observed | Noted], sight: Sight
    ) -> Session:
        """A session that goes on where the tape is."""
        asked = transcript[0]
        if self._direct is not None and isinstance(asked, Asked) and not asked.tools:
            return _Recital(self._direct, self._passes)
        return _Recital(self._run)

    def watch(self, event: Event) -> None:
        """Time stands still while a turn is carried out, and moves on with what came back."""
        if event.kind == "aside" and self._direct is not None:
            self._now = self._direct.upcoming
        elif event.kind in ("returned", "told", "direct"):
            self._now = self._run.upcoming

    def elapsed(self) -> float:
        """Seconds into the recorded run."""
        return self._now

    def _passes(self, now: float) -> None:
        self._now = now


@dataclass
class _Recital:
    """A session that says a tape's turns, read when they were said: each backend spells in its own way."""

    tape: Tape
    pass_to: Callable[[float], None] | None = None
    """Moves the clock after a turn, where nothing that comes back will."""

    @property
    def usage(self) -> Usage:
        """Recorded after the latest turn."""
        thought = self.tape.latest
        if thought is None:
            return Usage()
        spent = thought.spent
        return Usage(spent.prefilled, spent.emitted, spent.visual, spent.cached, spent.afresh)

    async def act(
        self,
        tools: Sequence[PerceptionKind],
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Acted:
        """The next recorded turn; one that could not be read then cannot be read now. Past the end, nothing."""
        thought = self.tape.play()
        if self.pass_to is not None:
            self.pass_to(self.tape.upcoming)
        if thought is None:
            return Acted(text="", actions=(Answer(text=""),))
        if on_text is not None and thought.acted.text:
            on_text(thought.acted.text)
        if thought.error is not None:
            raise ActionError(thought.error)
        return thought.acted

    async def observe(self, items: Sequence[Injected]) -> None:
        """Nothing it is told changes what it says."""

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class _Verdicts(Schema[Any]):
    """A schema that remembers which answers fitted: a class may have asked for more than its JSON schema says."""

    known: Mapping[str, Any] = field(default_factory=dict)

    def fitted(self, answer: str) -> Any:
        """The recorded value, or the recorded misfit."""
        if answer not in self.known:
            return super().fitted(answer)
        if isinstance(self.known[answer], Misfit):
            raise Misfit(str(self.known[answer]))
        return self.known[answer]


def remembered(schema: str, events: Sequence[Event]) -> Schema | None:
    """The schema of a recorded run; answers that it knows fit, or do not fit, as they did then."""
    if not schema:
        return None
    declared = schema_of(json.loads(schema))
    return _Verdicts(declared.text, declared.read, dict(_verdicts(events)))


def _verdicts(events: Iterable[Event]) -> Iterator[tuple[str, Any]]:
    """Answers with their values, or with what was wrong with them."""
    for event in events:
        if event.kind == "direct":
            yield from _verdicts(event.thoughts)
        if event.kind == "thought" and event.misfit is not None:
            yield answer_of(event.acted), Misfit(event.misfit)
        told: Direct | Result | None = event.direct if event.kind == "direct" else None
        told = event.result if event.kind == "finished" else told
        if told is not None and told.value is not None:
            yield told.answer, told.value
