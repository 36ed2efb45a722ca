"""What a conversation has come to between two questions: what was said, and the session that has heard it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from foveal.agent.transcript import Asked
from foveal.graphs.sessions import Sessions
from foveal.graphs.state import Entry


@dataclass
class Talk:
    """One conversation. A model that knows single questions alone is asked each by itself, its session kept until
    the next one is open, because what it has computed of the image goes with it.
    """

    sessions: Sessions
    said: list[Entry] = field(default_factory=list)
    """The transcript so far; it only grows. Empty for a model that does not converse."""
    _run: str = ""
    """The latest run, in whose name the session is open."""
    _answered: dict[bool, list[Entry]] = field(default_factory=dict)
    """What was said in answer to the question under way: by looking, and beside that (True)."""

    @contextmanager
    def question(self, run: str) -> Iterator[None]:
        """A run goes on with the conversation; one that fails leaves it as it was."""
        self._answered.clear()
        if self.sessions.converses:
            self.sessions.hand_on(self._run, run)
        try:
            yield
        except BaseException:
            self.sessions.drop(run)
            raise
        if not self.sessions.converses:
            self.sessions.drop(self._run)
        elif False in self._answered:
            self.said += self._answered[False]
        else:  # it was answered without looking, and the session has heard nothing of it
            self.sessions.drop(run)
            self.said += self._answered.get(True, [])
        self._run = run

    def past(self, aside: bool = False) -> list[Entry]:
        """What was said before the question: for an answer without looking, as if there had been no tools."""
        if not (aside and self.said):
            return list(self.said)
        first, *rest = self.said
        return [first.model_copy(update={"tools": ()}), *rest]

    def answered(self, asked: Asked, items: Sequence[Entry], aside: bool = False) -> None:
        """Note what was said in answer to the question."""
        self._answered[aside] = [asked, *items]

    def close(self) -> None:
        """Let go of the session."""
        self.sessions.drop(self._run)
        self.said.clear()
