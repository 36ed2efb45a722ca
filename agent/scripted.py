"""A model that recites: a list of turns, or the turns of a recorded run. Docs, tests and bug reports use it."""

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest

from foveal.agent.actions import Answer, PerceptionKind
from foveal.agent.errors import ActionError
from foveal.agent.grammar import parse
from foveal.agent.model import Sight, Usage
from foveal.agent.transcript import Acted, Asked, Injected, Noted, Observed


class ScriptedModel:
    """Says the given turns, one per `act`, whatever it is shown."""

    def __init__(
        self,
        turns: Sequence[str],
        confidences: Iterable[float | None] = (),
        name: str = "scripted",
    ) -> None:
        """`turns` are written in the grammar, e.g. `<|detect_start|>red cube<|detect_end|>` and then `2`."""
        self.name = name
        self.turns = tuple(turns)
        self.confidences = tuple(
            confidence for _, confidence in zip_longest(self.turns, confidences, fillvalue=None)
        )

    async def open(
        self, transcript: Sequence[Asked | Acted | Observed | Noted], sight: Sight
    ) -> "ScriptedSession":
        """A session that goes on after the turns that the transcript already holds."""
        spoken = sum(isinstance(item, Acted) for item in transcript)
        return ScriptedSession(self, spoken)


class ScriptedSession:
    """Where in the script a run is."""

    def __init__(self, model: ScriptedModel, spoken: int) -> None:
        self._model, self._next = model, spoken
        self._usage = Usage()

    @property
    def usage(self) -> Usage:
        """Turns recited count as emitted tokens, so that budgets have something to count."""
        return self._usage

    async def act(
        self,
        tools: Sequence[PerceptionKind],
        max_new_tokens: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Acted:
        """The next turn of the script. Past its end, an empty answer.

        Raises ActionError when the turn is malformed or uses an action that is not in `tools`.
        """
        text, confidence = self._advance()
        if on_text is not None and text:
            on_text(text)
        actions = parse(text)
        for action in actions:
            if not isinstance(action, Answer) and action.kind not in tools:
                allowed = ", ".join(tools) or "none, answer now"
                raise ActionError(f"{action.kind} is not allowed here; allowed: {allowed}")
        return Acted(text=text, actions=actions, confidence=confidence)

    def _advance(self) -> tuple[str, float | None]:
        position, self._next = self._next, self._next + 1
        if position >= len(self._model.turns):
            return "", None
        self._usage = Usage(emitted=self._usage.emitted + 1)
        return self._model.turns[position], self._model.confidences[position]

    async def observe(self, items: Sequence[Injected]) -> None:
        """Nothing it is told changes what it says."""

    def close(self) -> None:
        """Nothing is held."""
