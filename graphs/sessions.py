"""The model's open sessions, one per run: caches beside the graph's state, rebuilt when missing."""

from dataclasses import dataclass, field

from foveal.agent.model import Conversing, PerceptionModel, Schooled, Session, Sight, Usage
from foveal.agent.structured import told
from foveal.agent.transcript import Asked, Noted, Observed
from foveal.graphs.budgets import Spent
from foveal.graphs.state import Entry


@dataclass
class Live:
    """A session, and how much of the transcript it has heard."""

    session: Session
    heard: int
    counted: Usage = field(default_factory=Usage)
    """The part of its usage that is already in the run's totals."""

    async def hear(self, entries: list[Entry]) -> None:
        """Tell it what was injected since, all at once: one reply to the model's turn."""
        news = [entry for entry in entries[self.heard :] if isinstance(entry, Observed | Noted)]
        if news:
            await self.session.observe(news)
        self.heard = len(entries)

    def charged(self, spent: Spent, hop: bool) -> Spent:
        """The run's totals with what the session has used since the last time, and one hop more if it was one."""
        usage, counted = self.session.usage, self.counted
        self.counted = usage
        return spent.model_copy(
            update={
                "hops": spent.hops + hop,
                "prefilled": spent.prefilled + usage.prefilled - counted.prefilled,
                "emitted": spent.emitted + usage.emitted - counted.emitted,
                "visual": usage.visual,
                "cached": spent.cached + usage.cached - counted.cached,
                "afresh": spent.afresh + usage.afresh - counted.afresh,
            }
        )


class Sessions:
    """Keyed by run id. Losing one costs a prefill and nothing else."""

    def __init__(self, model: PerceptionModel, sight: Sight) -> None:
        self._model = model
        self.sight = sight
        """Where what a transcript names is fetched."""
        self._live: dict[str, Live] = {}

    @property
    def instructed(self) -> bool:
        """Whether the model follows instructions that it was not trained on."""
        return self._model.instructed if isinstance(self._model, Schooled) else True

    @property
    def converses(self) -> bool:
        """Whether a question may refer to what was said before it."""
        return self._model.converses if isinstance(self._model, Conversing) else True

    async def at(self, run: str, transcript: list[Entry]) -> Live:
        """The run's session, having heard the whole transcript."""
        entries = _told(transcript)
        live = self._live.get(run)
        if live is None or live.heard > len(entries):
            self.drop(run)
            live = Live(await self._model.open(entries, self.sight), len(entries))
            self._live[run] = live
        else:
            await live.hear(entries)
        return live

    def hand_on(self, run: str, later: str) -> None:
        """The next run of a conversation goes on in the session of the one before."""
        if run in self._live:
            self._live[later] = self._live.pop(run)

    def drop(self, run: str) -> None:
        """Close the run's session, if there is one."""
        live = self._live.pop(run, None)
        if live is not None:
            live.session.close()


def _told(transcript: list[Entry]) -> list[Entry]:
    """As a session is told it, which begins with a question and hears of another one as the user's words."""
    first, *rest = transcript
    return [first, *(_follow_up(one) if isinstance(one, Asked) else one for one in rest)]


def _follow_up(asked: Asked) -> Noted:
    schema = f"\n\n{told(asked.answer_schema)}" if asked.answer_schema else ""
    return Noted(text=f"{asked.question}{schema}")
